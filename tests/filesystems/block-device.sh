#!/usr/bin/env bash
# A block device: zeroes that unmap and zeroes that do not, and writes in every way. What the loop
# device has mapped is what its file takes.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/filesystems/lib.sh"
requires_root
requires losetup blockdev

mib=1048576

# fill: every block written.
fill()
{
    random_file content $((16 * mib))
    dd if=content of="$device" bs=1M conv=fsync status=none
    [[ $(taken disk) -ge 16384 ]] || fail "the device is not mapped: $(taken disk) KiB"
}

# expect_zeroes OFF LEN: there, and nowhere else, the content is zeroes now.
expect_zeroes()
{
    dd if=/dev/zero of=content oflag=seek_bytes iflag=count_bytes,fullblock seek="$1" count="$2" \
        bs=1M conv=notrunc status=none
    sync -f .
    blockdev --flushbufs "$device"
    cmp content "$device" || fail "$1 $2: other bytes"
}

truncate -s 16M disk
attach disk

fill
expect_call ok zero-allocated "$device" $((2 * mib)) $((4 * mib))
expect_zeroes $((2 * mib)) $((4 * mib))
[[ $(taken disk) -ge 16384 ]] || fail "zero-allocated unmapped: $(taken disk) KiB"
expect_call ok write-zeroes "$device" $((8 * mib + 512)) 1536
expect_zeroes $((8 * mib + 512)) 1536
[[ $(taken disk) -ge 16384 ]] || fail "write-zeroes unmapped: $(taken disk) KiB"

fill
expect_call ok zero "$device" $((2 * mib)) $((4 * mib))
expect_zeroes $((2 * mib)) $((4 * mib))
[[ $(taken disk) -le $((12 * 1024 + 64)) ]] || fail "zero left mapped: $(taken disk) KiB"

# Neither whole sectors nor whole blocks.
fill
for call in zero zero-allocated write-zeroes; do
    for range in "1 5" "511 1026" "5000 123457" "$((16 * mib - 700)) 700"; do
        # shellcheck disable=SC2086 # two words
        expect_call ok "$call" "$device" $range
        # shellcheck disable=SC2086
        expect_zeroes $range
    done
done

expect_call unsupported allocate "$device" 0 4096
expect_call "no-space (No space left on device)" write-zeroes "$device" $((16 * mib - 512)) 1024
for call in windowed queue-sync queue-uring; do
    fill
    result=$("$IOCALL" "$call" "$device" $((mib + 4096)) $((7 * mib + 512)))
    [[ $call != queue-uring || $result != unsupported ]] || continue
    [[ $result == ok ]] || fail "$call: $result"
    head -c $((7 * mib + 512)) /dev/zero | tr '\0' '\245' |
        dd of=content oflag=seek_bytes seek=$((mib + 4096)) bs=1M conv=notrunc status=none
    blockdev --flushbufs "$device"
    cmp content "$device" || fail "$call: other bytes"
done
