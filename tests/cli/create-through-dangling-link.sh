#!/usr/bin/env bash
# Where a link leads to no file yet, create makes that file, as opening it for writing would.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"

mkdir images elsewhere
ln -s ../elsewhere/new.qed images/link.qed
expect_status 0 "$QEDTOOL" create images/link.qed 1M
[[ -L images/link.qed ]] || fail "the link was replaced"
expect_files elsewhere new.qed
expect_status 0 "$QEDTOOL" check -f qed images/link.qed
