#!/usr/bin/env bash
# On btrfs a range is cloned without a byte being moved, and what cannot be shared is told.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/filesystems/lib.sh"
. "$srcdir/tests/filesystems/reflink.sh"
requires_root
requires mkfs.btrfs filefrag losetup

truncate -s 512M image
mkfs.btrfs -q image >mkfs.out 2>&1 || fail "mkfs.btrfs: $(cat mkfs.out)"
mount_image image shared
check_cloning
check_refusals
check_copying
check_converting
check_space
