#!/usr/bin/env bash
# convert warns in one line, before it begins, where the target's file system may be too small, and
# does it all the same.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"
requires_root

unmount()
{
    umount "$test_dir/small"
}

# expect_warning NEEDED: it is the first line of err, for small/disk.
expect_warning()
{
    local line

    line=$(head -n 1 err)
    [[ $line =~ ^"qedtool: warning: small/disk: $1 bytes may be needed, "[0-9]+" are free"$ ]] ||
        fail "expected a warning of $1 bytes: $(cat err)"
}

mkdir small
mount -t tmpfs -o size=8M,mode=755 tmpfs small 2>/dev/null || skip "cannot mount a tmpfs"
cleanup_fn unmount

# 16 MiB of data, one cluster of them with only some bytes, in 64 MiB.
craft big.qed 'new size=64M' 'data 0 16M seed=1' 'data 40M+512 512 seed=2'
craft fits.qed 'new size=64M' 'data 0 4M seed=1'
# Data in name only: it is known for zeroes once it is read.
craft zeroes.qed 'new size=64M' 'data 0 16M byte=0'

mib=1048576
for row in "-O raw:$((16 * mib + 65536))" \
    "-O qed:$((16 * mib + 65536 + 4 * 4096))" \
    "-O qed -o cluster_size=1M:$((17 * mib + 3 * 4096))" \
    "-O raw -S 0:$((64 * mib))"; do
    # shellcheck disable=SC2086 # words
    expect_status 1 "$QEDTOOL" convert ${row%:*} big.qed small/disk
    expect_warning "${row#*:}"
    expect_stderr_has "No space left on device"
    [[ $(wc -l <err) -eq 2 ]] || fail "more than two lines: $(cat err)"
    expect_files small
done
# The first byte is not written where the space can be asked for.
for options in "-O qed -o preallocation=falloc" "-O raw -o preallocation=full"; do
    # shellcheck disable=SC2086
    expect_status 1 "$QEDTOOL" convert $options big.qed small/disk
    expect_stderr_has "cannot reserve"
    expect_stderr_has "No space left on device"
    expect_files small
done

for options in "-O raw" "-O qed" "-O qed -o cluster_size=4k" "-O qed -o preallocation=metadata"; do
    # shellcheck disable=SC2086
    expect_status 0 "$QEDTOOL" convert $options fits.qed small/disk
    expect_stderr ""
    rm small/disk
done
expect_status 0 "$QEDTOOL" convert -O raw zeroes.qed small/disk
expect_warning $((16 * mib))
[[ $(wc -l <err) -eq 1 ]] || fail "not only a warning: $(cat err)"
rm small/disk

# What the target has already need not be found: all of it is there.
craft full.qed 'new size=5M' 'data 0 5M seed=4'
expect_status 0 "$QEDTOOL" convert -O raw full.qed small/disk
expect_stderr ""
expect_status 0 "$QEDTOOL" convert -n -O raw full.qed small/disk
expect_stderr ""
# What the base has need not either.
expect_status 0 "$QEDTOOL" convert -O qed -B ../big.qed -F qed big.qed small/over
expect_stderr ""
