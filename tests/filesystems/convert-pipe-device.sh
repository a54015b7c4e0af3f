#!/usr/bin/env bash
# From a pipe onto a block device, as over ssh: one that is larger than the source keeps its end, one
# that is smaller is an error.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/filesystems/lib.sh"
requires_root
requires losetup blockdev gzip

random_file old $((16 << 20))
cp old disk
attach disk
(head -c 5M /dev/urandom; head -c 3M /dev/zero; head -c 513 /dev/urandom) >a.raw
(cat a.raw; head -c 511 /dev/zero; tail -c +$((8 * 1048576 + 1025)) old) >expected

# holds FILE: what is on the device.
holds()
{
    blockdev --flushbufs "$device"
    cmp "$1" "$device" >&2 || fail "other bytes on the device"
}

for options in "" -n "-t none" "-t writeback" "-n -S 0"; do
    dd if=old of="$device" bs=1M conv=fsync status=none
    # shellcheck disable=SC2086 # none or some words
    expect_status 0 "$QEDTOOL" convert $options - "$device" < <(cat a.raw)
    holds expected
done
dd if=old of="$device" bs=1M conv=fsync status=none
gzip -1 -c a.raw >a.raw.gz
expect_status 0 "$QEDTOOL" convert a.raw.gz "$device"
holds expected

# Back, through a pipe, and compressed.
"$QEDTOOL" convert -f raw "$device" - | cmp - expected >&2 || fail "other bytes from the device"
"$QEDTOOL" convert -f raw -O raw.gz "$device" - | gzip -cd | cmp - expected >&2 || fail "other bytes"
"$QEDTOOL" convert - - <"$device" | cmp - expected >&2 || fail "other bytes from standard input"

expect_status 1 "$QEDTOOL" convert - "$device" < <(cat old; echo)
expect_stderr "qedtool: output file is smaller than input file: standard input has more than 16777216 bytes"
expect_status 0 "$QEDTOOL" convert - "$device" < <(cat old)
holds old
expect_status 1 "$QEDTOOL" convert -o size=17M - "$device" < <(cat old)
holds old
expect_status 1 "$QEDTOOL" convert -O raw.gz old "$device"
expect_stderr_has "is not a regular file"
holds old
