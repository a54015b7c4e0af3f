#!/usr/bin/env bash
# bench prints qemu-img's lines on stdout; what it tells besides goes to stderr, and not with -q.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"
requires qemu-img

craft a.qed 'new size=16M' 'data 0 4M seed=1' 'zero 8M 64K'
truncate -s 16M a.raw

# Seconds differ.
lines()
{
    sed -E 's/[0-9]+\.[0-9]{3} seconds/N seconds/'
}

# same_lines OPTION...: of both, with the same exit status.
same_lines()
{
    local theirs=0

    qemu-img bench "$@" >expected 2>/dev/null || theirs=$?
    expect_status "$theirs" "$QEDTOOL" bench "$@"
    diff -u <(lines <expected) <(lines <out) >&2 || fail "other lines: bench $*"
}

for image in a.qed a.raw; do
    same_lines -c 10 "$image"
    same_lines -c 0 "$image"
    same_lines -c 10 -d 1 -s 64k -S 1M -o 4k "$image"
    same_lines -c 10 -d 4 -s 1000 -o 100 -U "$image"
    same_lines -c 0x10 -S 0 -t none "$image"
    same_lines -c 10 -q --no-drain -t writethrough "$image"
    same_lines -c 10 -d 2 -w --flush-interval=4 --pattern=0x55 "$image"
    same_lines -c 10 -d 2 -w --flush-interval=4 --no-drain -t unsafe "$image"
    same_lines -c 10 -w --flush-interval=0 -s 128k "$image"
    # Past the end: the first line, and a failure.
    same_lines -c 1 -o 16M "$image"
    same_lines -c 2 -o 16776704 "$image"
done

expect_status 0 "$QEDTOOL" bench -c 10 a.qed
expect_stderr_has 'qedtool: latency in microseconds: p50 '
expect_stderr_has ' requests a second, '
expect_status 0 "$QEDTOOL" bench -c 10 -w a.qed
expect_stderr_has 'qedtool: 0 flushes, 1.0'
expect_status 0 "$QEDTOOL" bench -q -c 10 -w a.qed
expect_stderr ''
expect_status 1 "$QEDTOOL" bench -o 16M a.qed
expect_stderr 'qedtool: Failed request: Input/output error'

# What was written is there, and the image is as good as before.
expect_status 0 "$QEDTOOL" bench -q -w -c 3 -s 512 -S 12M -o 512 --pattern=7 a.qed
for offset in 512 12583424; do
    "$QEDCRAFT" a.qed --read "$offset" 512 >sector
    [[ $(tr -d '\007' <sector | wc -c) -eq 0 ]] || fail "not written at $offset"
done
expect_status 0 "$QEDTOOL" check -q a.qed
