#!/usr/bin/env bash
# On xfs a range is cloned without a byte being moved, and what cannot be shared is told.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/filesystems/lib.sh"
. "$srcdir/tests/filesystems/reflink.sh"
requires_root
requires mkfs.xfs filefrag losetup

truncate -s 512M image
mkfs.xfs -q -m reflink=1 image >mkfs.out 2>&1 || fail "mkfs.xfs: $(cat mkfs.out)"
mount_image image shared
check_cloning
check_refusals
check_copying
check_converting
check_space
