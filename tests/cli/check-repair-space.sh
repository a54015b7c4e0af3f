#!/usr/bin/env bash
# Copies that a file system has no room for are not begun: that is said, exit 2, and all else is
# repaired. Where the room goes while they are made, the image is as before.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"
requires jq
requires_root

unmount()
{
    umount "$test_dir/small"
}

mkdir small
mount -t tmpfs -o size=16M,mode=755 tmpfs small 2>/dev/null || skip "cannot mount a tmpfs"
cleanup_fn unmount

# leave BYTES: of free space
leave()
{
    local free

    rm -f small/filler
    free=$(df -B1 --output=avail small | tail -n 1)
    head -c $((free - $1)) /dev/zero >small/filler
}

# guest IMAGE
guest()
{
    "$QEDCRAFT" "$1" --read 0 8M
}

# Thirty two entries share the clusters of others: two megabytes.
craft sound.qed 'new size=16M' 'data 0 2M seed=1' 'data 4M 64K seed=2'
for ((i = 0; i < 32; i++)); do
    echo "poke-l2 0 $((96 + i)) data:0:$i"
done | "$QEDCRAFT" sound.qed
cp sound.qed small/a.qed
copied=$("$QEDTOOL" check --dry-run --output=json small/a.qed | jq '.repair."bytes-copied"' || true)
[[ $copied -eq $((2 << 20)) ]] || fail "$copied bytes would be copied"

# No room: all or nothing.
craft small/a.qed 'poke-l2 0 64 data:0:64|1' 'set features need_check'
leave $((1 << 20))
unchanged small/a.qed expect_status 2 "$QEDTOOL" check --dry-run small/a.qed
expect_stderr_has "Entries that share clusters stay so: copies need $copied bytes, and there is no room"
expect_stdout_has "    1 x mask-entry"
expect_stdout_has "    0 bytes copied, 0 given back"
expect_stdout_has "After it: 32 errors, 0 leaked clusters"
expect_status 2 "$QEDTOOL" check --repair small/a.qed
expect_stderr_has "Entries that share clusters stay so: copies need $copied bytes, and there is no room"
expect_stdout_has "    1 corruptions"
expect_stdout_has "32 errors were found on the image."
expect_status 2 "$QEDTOOL" check small/a.qed
expect_stderr_has "QED-DIRTY"
! grep -q QED-L2-LOW-BITS err || fail "what needs no room was not repaired"
same_file <(guest small/a.qed) <(guest sound.qed)
expect_status 2 "$QEDTOOL" check --repair --output=json small/a.qed
[[ $(jq '.repair."bytes-missing-for-copies"' out) -eq $copied ]] || fail "missing: $(cat out)"

# The room goes meanwhile, to the undo record.
for left in 0 4096; do
    cp sound.qed small/a.qed
    leave $((copied + left))
    unchanged small/a.qed expect_status 1 "$QEDTOOL" check --repair --undo=small/undo small/a.qed
    expect_stdout ""
    expect_stderr_has "No space left on device"
    rm -f small/undo
done

# With room, a second run does it.
rm small/filler
expect_status 0 "$QEDTOOL" check --repair small/a.qed
expect_stdout_has "    32 corruptions"
same_file <(guest small/a.qed) <(guest sound.qed)
expect_status 0 "$QEDTOOL" check small/a.qed
