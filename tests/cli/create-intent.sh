#!/usr/bin/env bash
# create -o intent=on makes room for the write-intent bitmap in every geometry, turns it on, and says
# so in its line; convert -O qed does the same. The page is, byte for byte, the one that qedcraft
# writes.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"
requires jq

# header IMAGE FIELD
header()
{
    "$QEDCRAFT" "$1" --dump | sed -n "s/^$2 //p"
}

# has_intent IMAGE: on, with a page that marks nothing, generation 1
has_intent()
{
    [[ $(header "$1" autoclear_features) == 0x1 ]] || fail "the autoclear bit of $1 is not set"
    [[ $(($(header "$1" header_size) * $(header "$1" cluster_size))) -ge 8192 ]] ||
        fail "no room in the header of $1"
    head -c 8192 "$1" >page.qed
    craft page.qed 'fill 4096 4096 0xff' 'intent 1'
    cmp -n 8192 "$1" page.qed >&2 || fail "another page in $1"
    expect_status 0 "$QEDTOOL" check "$1"
    expect_stderr ""
    expect_status 0 "$QEDTOOL" info "$1"
    expect_stdout_has 'write-intent bitmap: 0 L2 tables marked'
}

# makes LINE ARG...
makes()
{
    expect_status 0 "$QEDTOOL" create "${@:2}"
    expect_stdout "$1"
    expect_stderr ""
}

makes "Formatting 'a.qed', fmt=qed size=1048576 cluster_size=65536 intent=on" -o intent=on a.qed 1M
has_intent a.qed
[[ $(header a.qed header_size) == 1 ]] || fail "a header of more than one large cluster"
makes "Formatting 'a.qed', fmt=qed size=1048576 cluster_size=65536" -o intent=off a.qed 1M
[[ $(header a.qed autoclear_features) == 0x0 ]] || fail "on, though off was asked for"
makes "Formatting 'a.qed', fmt=qed size=1048576 cluster_size=65536" -o intent=on,intent=off a.qed 1M
expect_status 1 "$QEDTOOL" create -o intent=maybe b.qed 1M
expect_stderr_has "intent"
[[ ! -e b.qed ]] || fail "made all the same"
unchanged a.qed expect_status 1 "$QEDTOOL" create -o intent=perhaps a.qed 1M

# Only QED has it.
expect_status 1 "$QEDTOOL" create -f raw -o intent=on a.raw 1M
expect_stderr_has "intent"
[[ ! -e a.raw ]] || fail "made all the same"
expect_status 0 "$QEDTOOL" create -f raw -o help
! grep -q intent out || fail "offered for raw"
expect_status 0 "$QEDTOOL" create -o help
expect_stdout_has '  intent=<bool (on/off)> - Write-intent bitmap'

for cluster in 4k 8k 64k 1M 64M; do
    for table in 1 2 4 8 16; do
        "$QEDTOOL" create -q -o "cluster_size=$cluster,table_size=$table,intent=on" a.qed 1M
        has_intent a.qed
        clusters=1
        [[ $cluster != 4k ]] || clusters=2
        [[ $(header a.qed header_size) -eq $clusters ]] || fail "header_size with $cluster clusters"
    done
done
# The largest guest of a geometry, and one whose L1 table has more entries than the page bits.
"$QEDTOOL" create -q -o intent=on a.qed 64T
has_intent a.qed
"$QEDTOOL" create -q -o cluster_size=64M,table_size=16,intent=on a.qed 1024T
has_intent a.qed
expect_status 0 "$QEDTOOL" info --output=json a.qed
[[ $(jq -c '."format-specific".data.intent' out) == '{"valid":true,"marked-bits":0,"tables-per-bit":8192}' ]] ||
    fail "another bitmap: $(cat out)"

# A name as long as names may be lies before the page.
name=$(printf '%01023d' 0 | tr 0 n)
for cluster in 4k 64k; do
    "$QEDTOOL" create -q -u -b "$name" -F raw -o "cluster_size=$cluster,intent=on" a.qed 1M
    has_intent a.qed
    [[ $(header a.qed backing) == "$name" ]] || fail "another backing file name"
    expect_status 1 "$QEDTOOL" create -q -u -b "n$name" -F raw -o "cluster_size=$cluster,intent=on" b.qed 1M
done

# convert, with data and with space set aside.
craft source.qed 'new size=8M' 'data 0 1M seed=3' 'data 5M 100K seed=4'
"$QEDTOOL" convert -O raw source.qed source.raw
for cluster in 4k 64k; do
    for preallocation in off metadata falloc full; do
        "$QEDTOOL" convert -O qed -o "cluster_size=$cluster,intent=on,preallocation=$preallocation" source.qed a.qed
        has_intent a.qed
        "$QEDTOOL" convert -O raw a.qed a.raw
        same_file source.raw a.raw
        "$QEDTOOL" create -q -o "cluster_size=$cluster,intent=on,preallocation=$preallocation" b.qed 4M
        has_intent b.qed
        # A writer that finds the bitmap keeps it.
        "$QEDTOOL" convert -n -O qed source.qed a.qed
        [[ $(header a.qed autoclear_features) == 0x1 ]] || fail "convert -n dropped the bitmap"
        expect_status 0 "$QEDTOOL" info a.qed
        expect_stdout_has 'write-intent bitmap: 0 L2 tables marked'
        expect_status 0 "$QEDTOOL" check -q a.qed
    done
done
expect_status 1 "$QEDTOOL" convert -O raw -o intent=on source.qed b.raw
[[ ! -e b.raw ]] || fail "made all the same"
