#!/usr/bin/env bash
# A block device as source and as target of convert: written in place, zeroes unmapped where they
# are not stored, left alone with --target-is-zero.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"
. "$srcdir/tests/filesystems/lib.sh"
requires_root
requires losetup blockdev

mib=1048576

# fill: every block of the device written, with bytes that are not zero.
fill()
{
    head -c $((16 * mib)) /dev/zero | tr '\0' '\7' >old
    dd if=old of="$device" bs=1M conv=fsync status=none
    [[ $(taken disk) -ge 16384 ]] || fail "the device is not mapped: $(taken disk) KiB"
}

# expect_device FILE: the device has these bytes.
expect_device()
{
    blockdev --flushbufs "$device"
    cmp "$1" "$device" || fail "other bytes on the device"
}

craft a.qed 'new size=16M' 'data 0 2M seed=1' 'zero 3M 64K' 'data 4M+512 70K seed=2' \
    'data 15M 1M seed=3'
"$QEDCRAFT" a.qed --read 0 16M >a.raw
truncate -s 16M disk
attach disk

for options in "" "-n" "-t none -T none" "-t unsafe -m 1" "-W"; do
    fill
    # shellcheck disable=SC2086 # words
    expect_status 0 "$QEDTOOL" convert -O raw $options a.qed "$device"
    expect_stderr ""
    expect_device a.raw
    [[ $(taken disk) -le 4096 ]] || fail "$options: zeroes are mapped: $(taken disk) KiB"
done
fill
expect_status 0 "$QEDTOOL" convert -O raw -S 0 a.qed "$device"
expect_device a.raw
[[ $(taken disk) -ge 16384 ]] || fail "-S 0: zeroes are not stored: $(taken disk) KiB"

# What is said to be zero is not looked at.
fill
expect_status 0 "$QEDTOOL" convert -O raw -n --target-is-zero a.qed "$device"
cmp -i $((8 * mib)) -n $((4 * mib)) old "$device" || fail "zeroes were written"
cmp -n $((2 * mib)) a.raw "$device" || fail "other bytes on the device"
rm disk
truncate -s 16M disk
attach disk
expect_status 0 "$QEDTOOL" convert -O raw -n --target-is-zero a.qed "$device"
expect_device a.raw

# Back: a device reads as a raw image does.
for options in "-O raw" "-O qed" "-O qed -o preallocation=full" "-O qed -T none -t none"; do
    # shellcheck disable=SC2086
    expect_status 0 "$QEDTOOL" convert -f raw $options "$device" b
    expect_status 0 "$QEDTOOL" convert b b.raw
    cmp a.raw b.raw || fail "$options: other bytes"
done

# Its space is there, and a smaller one is too small.
expect_status 1 "$QEDTOOL" convert -O raw -o preallocation=falloc a.qed "$device"
expect_stderr_has "A block device has its space"
expect_device a.raw
truncate -s 8M small
attach small
expect_status 1 "$QEDTOOL" convert -O raw a.qed "$device"
expect_stderr_has "smaller"
# A QED image in it is written to where it is.
rm small
truncate -s 24M small
attach small
"$QEDTOOL" create -q -o preallocation=metadata b.qed 16M
dd if=b.qed of="$device" bs=1M conv=fsync status=none
expect_status 0 "$QEDTOOL" convert -n -O qed a.qed "$device"
expect_status 0 "$QEDTOOL" convert -f qed -O raw "$device" c.raw
cmp a.raw c.raw || fail "QED in a device: other bytes"
