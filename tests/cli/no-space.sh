#!/usr/bin/env bash
# A file system that is full: exit 1 and the reason, no half of an image, and the image that was
# there before.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"
requires_root

unmount()
{
    umount "$test_dir/small"
}

mkdir small
mount -t tmpfs -o size=1M,mode=755 tmpfs small 2>/dev/null || skip "cannot mount a tmpfs"
cleanup_fn unmount

craft big.qed 'new size=16M' 'data 0 4M seed=1'
craft tiny.qed 'new size=16M' 'data 0 64K seed=1'

for options in "-O raw" "-O qed" "-O qed -o cluster_size=4k" "-O qed -o cluster_size=4M"; do
    # shellcheck disable=SC2086 # some words
    expect_status 1 "$QEDTOOL" convert $options big.qed small/disk
    expect_stderr_has "No space left on device"
    expect_files small
done
cp tiny.qed small/disk
for options in "-O raw" "-O qed" "-O raw -S 0"; do
    # shellcheck disable=SC2086 # some words
    unchanged small/disk expect_status 1 "$QEDTOOL" convert $options big.qed small/disk
    expect_stderr_has "No space left on device"
    expect_files small disk
done
# From a pipe, and compressed.
head -c 4M /dev/urandom >big.raw
for options in "-O raw" "-O qed" "-O qed -o cluster_size=4M" "-O raw.gz"; do
    # shellcheck disable=SC2086 # some words
    unchanged small/disk expect_status 1 "$QEDTOOL" convert $options - small/disk < <(cat big.raw)
    expect_stderr_has "No space left on device"
    expect_files small disk
done
expect_status 0 "$QEDTOOL" check small/disk

# In place, an image that has no room left is one that check can deal with.
expect_status 1 "$QEDTOOL" convert -n -O qed big.qed small/disk
expect_stderr_has "No space left on device"
status=0
"$QEDTOOL" check small/disk >out 2>err || status=$?
[[ $status -eq 0 || $status -eq 3 ]] || fail "check exits with $status"

# Not a byte left.
head -c 2M /dev/zero >small/filler 2>/dev/null || true
expect_status 1 "$QEDTOOL" create small/new 1M
expect_stderr_has "No space left on device"
expect_files small disk filler
unchanged small/disk expect_status 1 "$QEDTOOL" create small/disk 1M
expect_files small disk filler
# What only reads does not mind.
expect_status 0 "$QEDTOOL" info small/disk
