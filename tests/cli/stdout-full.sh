#!/usr/bin/env bash
# An answer that cannot be written to stdout is a failure: exit 1, and a sentence on stderr.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"
[[ -c /dev/full ]] || skip "needs /dev/full"

closed()
{
    "$QEDTOOL" "$@" >&-
}

craft a.qed 'new size=16M' 'data 0 64K'
# A map of more than 4 MiB, half of whose clusters are zero.
{
    echo 'new size=256M cluster=4K table=16'
    echo 'l2 0'
    seq -f 'poke-l2 0 %.0f 1' 0 2 8190
    for ((i = 1; i < 8; i++)); do
        echo "l2 $i"
        echo "copy l2:0 table l2:$i"
    done
} | "$QEDCRAFT" long.qed
"$QEDTOOL" map --output=json long.qed >long.json
[[ $(stat -c %s long.json) -gt 4194304 ]] || fail "the map is too short to be a test"

for way in to_full closed; do
    for words in "info a.qed" "info --output=json a.qed" "info --backing-chain a.qed" "map a.qed" \
        "map --output=json a.qed" "map --output=json long.qed" "check a.qed" \
        "check --output=json a.qed"; do
        # shellcheck disable=SC2086 # a command line
        expect_status 1 "$way" $words
        expect_stderr_has "qedtool: cannot write to stdout: "
    done
done
# Also when the image has errors that would be another exit status.
craft a.qed 'poke-l2 0 3 eof'
expect_status 1 to_full check a.qed
# With nothing to say, a stdout that takes nothing does no harm.
expect_status 2 to_full check -q a.qed
expect_status 0 to_full convert -f raw a.qed a.raw
expect_status 0 to_full create -q b.qed 1M
