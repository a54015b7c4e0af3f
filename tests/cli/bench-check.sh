#!/usr/bin/env bash
# What a check would read, and what that takes on a disk that is not here: worked out by hand.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"
requires jq

# 64 tables of 256 KiB: each from a cluster in 2 GiB of the guest. They lie apart, a cluster of data
# between two of them.
{
    echo 'new size=128G'
    seq -f 'data %.0fG 64K seed=1' 0 2 126
} | "$QEDCRAFT" apart.qed

# modelled FILTER VALUE [OPTION...]: of apart.qed
modelled()
{
    expect_status 0 "$QEDTOOL" bench --mode=check --output=json "${@:3}" apart.qed
    [[ $(jq -c "$1" out) == "$2" ]] || { cat out >&2; fail "$1 is not $2"; }
}

unchanged apart.qed modelled .tables 64
modelled '.modelled | map(.disk)' '["iops=100,bw=150M","hdd"]'
modelled '.modelled[0].qemu | [.requests, .bytes]' '[64,16777216]'
# 64 requests, 16 MiB: 64 / 100 + 16 / 100 seconds for one guest, ten times that for ten.
modelled '.modelled[0].qemu | [."first-seconds", ."last-seconds"] | map(. * 1000 | round)' \
    '[800,800]' --disk=iops=100,bw=100M
modelled '.modelled[0].qemu."last-seconds" * 1000 | round' 8000 --disk=iops=100,bw=100M --guests=10
modelled '.modelled[0] | .qedtool.requests <= .qemu.requests and .qedtool.bytes <= 2 * .qemu.bytes' \
    true --disk=nvme
modelled '.modelled | map(.qedtool."last-seconds" <= .qemu."last-seconds" * 1.001)' \
    '[true,true,true,true]' --disk=hdd --disk=sata-ssd --disk=nvme --disk=iops=50,bw=1G

# The table for people has a line for each order of each disk.
expect_status 0 "$QEDTOOL" bench --mode=check --guests=2 apart.qed
expect_stdout_has '64 tables. Here:'
expect_stdout_has 'Modelled, 2 guests on the disk:'
[[ $(grep -cE '^(iops=100,bw=150M|hdd) +(qedtool|QEMU) ' out) -eq 4 ]] || fail "not four lines"
[[ $(grep -cE '^(cold|warm) ' out) -eq 2 ]] || fail "not two lines"

# An image without tables, and one that cannot be opened.
craft none.qed 'new size=1G'
expect_status 0 "$QEDTOOL" bench --mode=check --output=json none.qed
[[ $(jq -c '[.tables, .modelled[].qedtool."last-seconds"]' out) == '[0,0,0]' ]] || fail "time for nothing"
head -c 100 /dev/zero >junk
expect_status 1 "$QEDTOOL" bench --mode=check -f qed junk
expect_stdout ''

# What a recovery would read: nothing of a clean image, all of one that is marked, and what the
# bitmap marks of one that has one.
modelled '[.recovery.kind, .recovery.tables, .modelled[0].recover.requests]' '["none",0,0]'
expect_status 0 "$QEDTOOL" bench --mode=check apart.qed
expect_stdout_has 'Recovery (--recover) reads nothing: the image was cleanly closed.'
craft apart.qed 'set features need_check'
unchanged apart.qed modelled '[.recovery.kind, .recovery.tables]' '["full",64]'
modelled '.modelled[0] | .recover == .qedtool and .recover.requests > 0' true
modelled '.recovery | .cold."bytes-read" + .cold."bytes-cached" > 0 and .warm.seconds > 0' true
expect_status 0 "$QEDTOOL" bench --mode=check apart.qed
expect_stdout_has 'Recovery (--recover) reads 64 tables, all. Here:'
[[ $(grep -cE '^(cold|warm) ' out) -eq 4 ]] || fail "not four lines"
[[ $(grep -cE '^(iops=100,bw=150M|hdd) +recover ' out) -eq 2 ]] || fail "not two lines of recover"
