#!/usr/bin/env bash
# info and check look at the image alone and do without its backing file; what reads through it says
# which file is missing.
. "$srcdir/tests/lib.sh"

"$QEDTOOL" create -q -u -b gone.qed -F qed over.qed 1M
sentence="qedtool: Could not open 'over.qed': Could not open backing file: Could not open 'gone.qed': No such file or directory"

expect_status 0 "$QEDTOOL" info over.qed
expect_stdout_has "backing file: gone.qed"
expect_status 0 "$QEDTOOL" info --output=json over.qed
expect_stdout_has '"full-backing-filename": "gone.qed"'
expect_status 0 "$QEDTOOL" check over.qed
expect_status 0 "$QEDTOOL" check -r all over.qed

expect_status 1 "$QEDTOOL" info --backing-chain over.qed
expect_stdout ""
expect_stderr "$sentence"
expect_status 1 "$QEDTOOL" map over.qed
expect_stdout ""
expect_stderr "$sentence"
expect_status 1 "$QEDTOOL" map --output=json over.qed
expect_stdout ""
expect_status 1 "$QEDTOOL" convert over.qed target.raw
expect_stderr "$sentence"
[[ ! -e target.raw ]] || fail "a target was made"
