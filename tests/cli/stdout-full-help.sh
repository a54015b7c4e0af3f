#!/usr/bin/env bash
# Help, the version, lists of options and create's line are answers like any other: where they
# cannot be written, the exit status is 1 and a sentence says so.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"
[[ -c /dev/full ]] || skip "needs /dev/full"

for words in --help --version "info --help" "create -o help" "convert -O qed -o help" \
    "create a.qed 1M"; do
    # shellcheck disable=SC2086 # a command line
    expect_status 1 to_full $words
    expect_stderr_has "qedtool: cannot write to stdout: No space left on device"
done
