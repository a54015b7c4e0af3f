#!/usr/bin/env bash
# What check found is its exit status: 0 clean, 1 it could not check, 2 corrupt, 3 leaks only, 63 a
# format without a check.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"

clean="No errors were found on the image."
corrupt="Data may be corrupted, or further writes to the image may corrupt it."
leaks="This means waste of disk space, but no harm to data."

"$QEDTOOL" create -q a.qed 16M
unchanged a.qed expect_status 0 "$QEDTOOL" check a.qed
expect_stdout "$clean"
expect_stderr ""
craft a.qed 'data 0 256K' 'zero 1M 64K'
unchanged a.qed expect_status 0 "$QEDTOOL" check a.qed
expect_stdout "$clean
4/256 = 1.56% allocated, 0.00% fragmented, 0.00% compressed clusters"
unchanged a.qed expect_status 0 "$QEDTOOL" check -f qed a.qed
unchanged a.qed expect_status 0 "$QEDTOOL" check a.qed -f qed

cp a.qed b.qed
craft b.qed 'leak 3'
unchanged b.qed expect_status 3 "$QEDTOOL" check b.qed
expect_stdout "
3 leaked clusters were found on the image.
$leaks
4/256 = 1.56% allocated, 0.00% fragmented, 0.00% compressed clusters"

cp a.qed b.qed
craft b.qed 'poke-l2 0 1 data:0:0'
unchanged b.qed expect_status 2 "$QEDTOOL" check b.qed
expect_stdout "
1 errors were found on the image.
$corrupt

1 leaked clusters were found on the image.
$leaks
4/256 = 1.56% allocated, 50.00% fragmented, 0.00% compressed clusters"
# Corruption without a leak.
cp a.qed b.qed
craft b.qed 'poke-l2 0 100 data:0:0'
unchanged b.qed expect_status 2 "$QEDTOOL" check b.qed
! grep -q leaked out || fail "leaks are reported"

# Not cleanly closed, but nothing wrong.
cp a.qed b.qed
craft b.qed 'set features need_check'
unchanged b.qed expect_status 0 "$QEDTOOL" check b.qed
expect_stdout_has "$clean"

truncate -s 1M raw.img
expect_status 63 "$QEDTOOL" check raw.img
expect_stdout ""
expect_stderr "qedtool: This image format does not support checks"
expect_status 63 "$QEDTOOL" check -f raw a.qed
expect_status 63 "$QEDTOOL" check --output=json raw.img
expect_stdout ""
unchanged raw.img expect_status 63 "$QEDTOOL" check -r all raw.img

expect_status 1 "$QEDTOOL" check none.qed
expect_stdout ""
expect_stderr "qedtool: Could not open 'none.qed': Could not open 'none.qed': No such file or directory"
expect_status 1 "$QEDTOOL" check -f qed raw.img
expect_stderr "qedtool: Could not open 'raw.img': Image not in QED format"
expect_status 1 "$QEDTOOL" check -f vdi a.qed
expect_stdout ""
cp a.qed b.qed
craft b.qed 'set features 0x80'
unchanged b.qed expect_status 1 "$QEDTOOL" check b.qed
expect_stderr_has "Unsupported QED features: 80"
cp a.qed b.qed
craft b.qed 'poke-header cluster_size 5000'
unchanged b.qed expect_status 1 "$QEDTOOL" check -r all b.qed
expect_stderr_has "Could not open 'b.qed': QED cluster size is invalid"
