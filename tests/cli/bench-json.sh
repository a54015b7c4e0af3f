#!/usr/bin/env bash
# bench's JSON has all that the lines tell, and what they do not.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"
requires jq

craft a.qed 'new size=16M' 'data 0 64K seed=1'

# has FILTER VALUE: jq says so of the last out.
has()
{
    [[ $(jq -c "$1" out) == "$2" ]] || { cat out >&2; fail "$1 is not $2"; }
}

expect_status 0 "$QEDTOOL" bench --output=json -c 100 -d 4 -s 512 -S 1k -o 2k a.qed
expect_stderr ''
has '[.filename, .format, .mode, .operation]' '["a.qed","qed","io","read"]'
has '[.requests, .depth, ."request-bytes", .step, .offset]' '[100,4,512,1024,2048]'
has '.seconds > 0 and ."requests-per-second" > 0' true
has '."latency-nanoseconds" | [.p50 <= .p99, .p99 <= ."p99.9", ."p99.9" <= .max, .p50 > 0]' \
    '[true,true,true,true]'
has 'has("flushes")' false

# 64 KiB each into clusters that are not there yet: data, and one sector or more of a table.
expect_status 0 "$QEDTOOL" bench --output=json -w -c 10 -d 2 --flush-interval=5 -s 64k -o 64k a.qed
has '[.operation, .requests, .flushes]' '["write",10,2]'
has '."host-bytes-written" > 655360' true
has '."host-bytes-per-guest-byte" | . > 1 and . < 1.1' true
has '."host-flushes" >= 2' true

expect_status 0 "$QEDTOOL" bench --output=json --mode=check --guests=3 --disk=iops=10,bw=1G \
    --disk=nvme a.qed
expect_stderr ''
has '[.filename, .format, .mode, .tables, .guests]' '["a.qed","qed","check",1,3]'
has '[.modelled[].disk]' '["iops=10,bw=1G","nvme"]'
has '.modelled[0].qemu | [.requests, .bytes, .depth]' '[1,262144,1]'
has '.modelled[0].qemu | ."last-seconds" > 0.3 and ."last-seconds" < 0.301' true
has '.modelled[0].qemu | ."first-seconds" > 0.1 and ."first-seconds" < 0.101' true
has '[.cold, .warm] | map(.seconds > 0 and ."bytes-read" + ."bytes-cached" > 0)' '[true,true]'
