#!/usr/bin/env bash
# check --rebuild works out a header that makes no sense and gives lost L2 tables back to the L1: it
# says why and how sure it is, a dry run writes nothing, and what makes no sense at all is refused.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"
requires jq

# guest IMAGE: its bytes, as qedcraft reads them
guest()
{
    local offset

    for offset in 0 2G 4G; do
        "$QEDCRAFT" "$1" --read "$offset" 2M
    done
}

# damaged LINE…: a.qed is what the lines make of sound.qed
damaged()
{
    cp sound.qed a.qed
    craft a.qed "$@"
}

# rebuilt [OPTION…]: a dry run writes nothing; then the guest has all its bytes again
rebuilt()
{
    unchanged a.qed "$QEDTOOL" check --rebuild "$@" --dry-run a.qed >dry.out 2>dry.err || true
    expect_status 0 "$QEDTOOL" check --rebuild "$@" a.qed
    grep -E 'qedtool: (QED-|Rebuild: )' dry.err >dry.lines
    grep -E 'qedtool: (QED-|Rebuild: )' err >lines
    same_file dry.lines lines
    same_file <(guest a.qed) <(guest sound.qed)
    expect_status 0 "$QEDTOOL" check a.qed
    expect_stderr ""
}

# refused WORDS COMMAND…: exit 1 with one sentence that has these words
refused()
{
    unchanged a.qed expect_status 1 "${@:2}"
    expect_stdout ""
    [[ $(wc -l <err) -eq 1 ]] || fail "not one sentence: $(cat err)"
    expect_stderr_has "$1"
}

craft sound.qed 'new size=8G' 'data 0 1M seed=1' 'data 2G 128K seed=2' 'data 4G 64K seed=3'

# Nothing is wrong: nothing is changed.
unchanged sound.qed expect_status 0 "$QEDTOOL" check --rebuild sound.qed
expect_stdout "No errors were found on the image.
19/131072 = 0.01% allocated, 0.00% fragmented, 0.00% compressed clusters"
expect_stderr ""
unchanged sound.qed expect_status 0 "$QEDTOOL" check --rebuild --output=json sound.qed
[[ $(jq 'has("rebuild")' out) == false ]] || fail "a rebuild of a sound header is told"

# The L1 table is gone: its tables go back in file order, which is a guess, and said to be.
damaged 'fill l1 table 0'
unchanged a.qed expect_status 2 "$QEDTOOL" check a.qed
expect_stderr_has "qedtool: QED-L1-EMPTY: "
unchanged a.qed expect_status 2 "$QEDTOOL" check --rebuild --dry-run a.qed
expect_stdout_has "    3 x adopt-table-by-order: an L1 entry names it again, at a place that is a guess"
expect_stdout_has "After it: 0 errors, 0 leaked clusters"
expect_stderr_has "Rebuild: L1 table at 0x10000: it is empty"
grep -qE '^qedtool: Rebuild: confidence [0-9]+ %$' err || fail "no confidence: $(cat err)"
rebuilt

# One L1 entry is gone: one place fits it, and is certain.
damaged 'poke-l1 1 0'
unchanged a.qed expect_status 3 "$QEDTOOL" check --repair a.qed
expect_stderr_has "Leaked clusters are kept: some look like L2 tables; 'qedtool check --rebuild'"
unchanged a.qed expect_status 3 "$QEDTOOL" check --rebuild --dry-run a.qed
expect_stdout_has "    1 x adopt-table: an L1 entry names it again, at the one place that fits"
rebuilt

# Lost entries of a table: the clusters between their neighbours' are named again. So it is with one
# that names the cluster of another; there the bytes that it gave before change.
damaged 'poke-l2 0 1 0' 'poke-l2 0 2 0'
rebuilt
damaged 'poke-l2 0 1 eof+4*cluster'
rebuilt
damaged 'poke-l2 0 1 data:0:2'
rebuilt
damaged 'poke-l2 0 1 data:1:0'
rebuilt

# Fields of the header.
for field in 'l1_table_offset 0x50000' 'l1_table_offset 0x10800000' 'cluster_size 0' \
    'cluster_size 4096' 'cluster_size 65537' 'table_size 3' 'table_size 0' 'table_size 16' \
    'header_size 0' 'header_size 100000' 'features 0x100'; do
    damaged "poke-header $field"
    rebuilt
done
damaged 'poke-header cluster_size 65537'
unchanged a.qed expect_status 1 "$QEDTOOL" check --repair a.qed
unchanged a.qed expect_status 2 "$QEDTOOL" check --rebuild --dry-run a.qed
expect_stdout_has "    1 x set-field: the header field is set"
expect_stderr_has "Rebuild: cluster_size: 0x10001 becomes 0x10000"

# JSON tells the same.
unchanged a.qed expect_status 2 "$QEDTOOL" check --rebuild --dry-run --output=json a.qed
expect_stderr ""
[[ $(jq -c '.rebuild | [(.confidence | . >= 50 and . <= 99), (.evidence | length > 2), .changes],
    keys' out | paste -sd ' ') == '[true,true,[{"field":"cluster_size","from":65537,"to":65536}]] '$(
    )'["changes","confidence","evidence"]' ]] || fail "rebuild: $(jq -c .rebuild out)"
[[ $(jq -c .repair.actions out) == '{"set-field":1}' ]] || fail "actions: $(jq -c .repair out)"
[[ $(jq -c '[.problems[] | [.id, ."action-id"]]' out) == '[["QED-CLUSTER-SIZE","set-field"]]' ]] ||
    fail "problems: $(jq -c .problems out)"

# The magic is gone: with and without -f; -f raw has no check.
for options in "" "-f qed"; do
    damaged 'poke-header magic 0'
    # shellcheck disable=SC2086 # none or two words
    rebuilt $options
done
damaged 'poke-header magic 0'
unchanged a.qed expect_status 63 "$QEDTOOL" check --repair a.qed
unchanged a.qed expect_status 63 "$QEDTOOL" check --rebuild -f raw a.qed
refused "not in QED format" "$QEDTOOL" check --repair -f qed a.qed

# A guest that keeps a QED image, with tables of its own, leads nobody astray.
craft nested.qed 'new size=8G' 'data 0 128K seed=7' 'data 2G 64K seed=8'
cp sound.qed plain.qed
craft sound.qed 'data 4G 2M byte=0'
"$QEDCRAFT" sound.qed --dump >dump
at=$(($(sed -n 's/^l2 2 1 \(0x[0-9a-f]*\).*/\1/p' dump)))
[[ $at -gt 0 ]] || fail "nowhere to put the decoy"
dd if=nested.qed of=sound.qed bs=64k seek=$((at / 65536)) conv=notrunc status=none
for damage in 'fill l1 table 0' 'poke-header magic 0' 'poke-header l1_table_offset 0x20000000' \
    'poke-header table_size 2'; do
    damaged "$damage"
    rebuilt
done
mv plain.qed sound.qed

# No image at all.
head -c 1M /dev/zero | tr '\0' x >a.qed
refused "no geometry makes sense of the file" "$QEDTOOL" check --rebuild a.qed
"$QEDCRAFT" sound.qed --read 0 256K >a.qed
for options in "" "-f qed" "--dry-run"; do
    # shellcheck disable=SC2086 # some words
    refused "no geometry makes sense of the file" "$QEDTOOL" check --rebuild $options a.qed
done
: >a.qed
unchanged a.qed expect_status 1 "$QEDTOOL" check --rebuild a.qed

# A rebuild does not advise a rebuild, whatever it could not do.
no_advice()
{
    local status=$1

    shift
    for output in human json; do
        expect_status "$status" "$QEDTOOL" check --rebuild --dry-run --output="$output" a.qed
        ! grep -e --rebuild out err || fail "a rebuild is advised"
    done
}
craft a.qed 'new size=32M cluster=8K table=2' 'data 0 16K' 'data 16M 16K seed=2' 'copy l2:0 table eof'
expect_status 3 "$QEDTOOL" check --repair --dry-run a.qed
expect_stderr_has "'qedtool check --rebuild' puts these back where they belong"
no_advice 3
expect_status 3 "$QEDTOOL" check --rebuild --dry-run a.qed
expect_stderr_has "some look like L2 tables, for which no place in the L1 table was found"
craft a.qed 'new size=16M' 'poke-header table_size 3' 'poke-header l1_table_offset 0x7777' 'fill l1 table 0x5b'
no_advice 1

# Not together; not where nothing can be written.
damaged 'fill l1 table 0'
unchanged a.qed expect_status 1 "$QEDTOOL" check --rebuild -r leaks a.qed
expect_stderr_has "--rebuild cannot be used with --repair=leaks"
chmod 444 a.qed
as_user=()
if [[ $(id -u) -eq 0 ]]; then
    requires setpriv
    chown 65534 a.qed .
    chmod 755 .
    as_user=(setpriv --reuid=65534 --regid=65534 --clear-groups)
fi
if "${as_user[@]}" test -x "$QEDTOOL"; then
    refused "Could not open 'a.qed': Permission denied" "${as_user[@]}" "$QEDTOOL" check --rebuild a.qed
    unchanged a.qed expect_status 2 "${as_user[@]}" "$QEDTOOL" check --rebuild --dry-run a.qed
fi
