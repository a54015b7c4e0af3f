#!/usr/bin/env bash
# info tells truthfully that an image was not cleanly closed, and leaves it so.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"

craft a.qed 'new size=1M' 'data 0 64K' 'set features need_check'
unchanged a.qed expect_status 0 "$QEDTOOL" info a.qed
grep -A1 '^cluster_size: ' out | grep -qx 'cleanly shut down: no' || fail "nothing is said of it"
unchanged a.qed expect_status 0 "$QEDTOOL" info --output=json a.qed
grep -qx '    "dirty-flag": true' out || fail "dirty-flag is not true"
unchanged a.qed expect_status 0 "$QEDTOOL" map a.qed
unchanged a.qed expect_status 0 "$QEDTOOL" convert a.qed a.raw
unchanged a.qed expect_status 0 "$QEDTOOL" check a.qed

expect_status 0 "$QEDTOOL" check -r all a.qed
expect_status 0 "$QEDTOOL" info a.qed
! grep -q 'cleanly shut down' out || fail "the repaired image is called dirty"
expect_status 0 "$QEDTOOL" info --output=json a.qed
grep -qx '    "dirty-flag": false' out || fail "dirty-flag is not false"
