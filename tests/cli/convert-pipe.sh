#!/usr/bin/env bash
# - is a pipe on either side: what goes through is what qemu-img makes of the same image in a file,
# whatever its length, and zeroes take no space on the other side.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"
requires qemu-img

# some BYTES FILE: data, zeroes, data, in that many bytes.
some()
{
    local behind=$(($1 > 70001 ? $1 / 8 : 0))

    head -c 70001 /dev/urandom >"$2"
    truncate -s $(($1 - behind)) "$2"
    head -c "$behind" /dev/urandom >>"$2"
    [[ $(stat -c %s "$2") -eq $1 ]] || fail "the test made other bytes"
}

for size in 1 511 512 513 4096 65535 65536 65537 1048576 1048577 5000001 $((17 * 1048576 + 512)); do
    some "$size" a.raw
    qemu-img convert -f raw -O raw a.raw whole.raw

    # Into every kind of target.
    for options in "" "-S 0" "-m 1" "-t none" "-t unsafe" "-f raw" "-o size=$size"; do
        # shellcheck disable=SC2086,SC2002 # some words; a pipe it is to be
        cat a.raw | expect_status 0 "$QEDTOOL" convert $options - b.raw
        expect_stdout ""
        expect_stderr ""
        same_file whole.raw b.raw
    done
    for geometry in cluster_size=4k cluster_size=64k cluster_size=64k,table_size=1 cluster_size=2M; do
        "$QEDTOOL" convert -O qed -o "$geometry" - b.qed < <(cat a.raw)
        expect_status 0 "$QEDTOOL" check b.qed
        qemu-img convert -f qed -O raw b.qed b.raw 2>err || grep -q "table offset" err || fail "$(cat err)"
        [[ $geometry == *table_size=1 ]] || same_file whole.raw b.raw
        expect_status 0 "$QEDTOOL" info --output=json b.qed
        expect_stdout_has "\"virtual-size\": $(stat -c %s whole.raw),"

        # And out of it.
        "$QEDTOOL" convert b.qed - | cmp - whole.raw >&2 || fail "$size: other bytes of $geometry"
        "$QEDTOOL" convert b.qed - >b.raw
        same_file whole.raw b.raw
    done
    # shellcheck disable=SC2002
    cat a.raw | "$QEDTOOL" convert - - | cmp - whole.raw >&2 || fail "$size: other bytes"
    "$QEDTOOL" convert - - <a.raw | cmp - whole.raw >&2 || fail "$size: other bytes of a file"
done

# Through a chain; a backing file that is shorter.
craft base.qed 'new size=3M' 'data 0 3M seed=1'
craft over.qed 'new size=5M' 'backing base.qed' 'data 1M 64K seed=2' 'zero 2M 64K' 'data 4M+512 99K'
qemu-img convert -f qed -O raw over.qed whole.raw
"$QEDTOOL" convert over.qed - | cmp - whole.raw >&2 || fail "other bytes of a chain"

# Fragments, and more holes than a request can take.
{
    echo 'new size=16M cluster=4096'
    seq -f 'data %.0fK 4K seed=3' 0 12 8000
} | "$QEDCRAFT" fragments.qed
qemu-img convert -f qed -O raw fragments.qed whole.raw
for options in "" "-m 1" "-S 0" "-S 1M" "-T none"; do
    # shellcheck disable=SC2086
    "$QEDTOOL" convert $options fragments.qed - | cmp - whole.raw >&2 || fail "other bytes: $options"
done

# Zeroes are not stored, unless they are to be.
(head -c 64K /dev/urandom; head -c 40M /dev/zero; head -c 64K /dev/urandom) >long.raw
"$QEDTOOL" convert - b.raw < <(cat long.raw)
same_file long.raw b.raw
[[ $(du -k b.raw | cut -f1) -le 1024 ]] || fail "zeroes are stored: $(du -k b.raw)"
"$QEDTOOL" convert -O qed - b.qed < <(cat long.raw)
[[ $(stat -c %s b.qed) -le 1048576 ]] || fail "zeroes are stored: $(stat -c %s b.qed)"
"$QEDTOOL" convert -S 0 -O qed - b.qed < <(cat long.raw)
[[ $(stat -c %s b.qed) -ge 40000000 ]] || fail "zeroes are not stored: $(stat -c %s b.qed)"

# A named pipe, a device that is a pipe; a file called - has another name.
mkfifo fifo
cat long.raw >fifo &
expect_status 0 "$QEDTOOL" convert fifo b.raw
same_file long.raw b.raw
# shellcheck disable=SC2002
cat long.raw | expect_status 0 "$QEDTOOL" convert /dev/stdin b.raw
same_file long.raw b.raw
cp long.raw ./-
expect_status 0 "$QEDTOOL" convert ./- b.raw </dev/null
same_file long.raw b.raw
expect_status 0 "$QEDTOOL" convert -O qed long.raw ./-
expect_stdout ""
expect_status 0 "$QEDTOOL" info ./-
expect_stdout_has "file format: qed"
