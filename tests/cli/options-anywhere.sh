#!/usr/bin/env bash
# Options may stand before, between and after the operands, short ones together, long ones
# shortened; after -- everything is an operand.
. "$srcdir/tests/lib.sh"

"$QEDTOOL" create -q a.qed 1M
"$QEDTOOL" info --output=json a.qed >expected.json
for words in "--output=json a.qed" "a.qed --output=json" "a.qed --output json" \
    "-f qed a.qed --output json" "-fqed --output=json a.qed" "--format=qed a.qed --output=json" \
    "--output=human a.qed --output=json" "--outp=json a.qed" "--output=json -- a.qed"; do
    # shellcheck disable=SC2086 # words they are
    expect_status 0 "$QEDTOOL" info $words
    same_file expected.json out
done
expect_status 0 "$QEDTOOL" check -qf qed a.qed
expect_stdout ""
expect_status 0 "$QEDTOOL" convert a.qed -pO raw a.raw -q
expect_stdout ""
[[ $(stat -c %s a.raw) -eq 1048576 ]] || fail "not converted to raw"

cp a.qed ./-q
expect_status 0 "$QEDTOOL" check -- -q
expect_stdout_has "No errors were found"
expect_status 0 "$QEDTOOL" create -q -- --help 1M
same_file a.qed ./--help
