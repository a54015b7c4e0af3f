#!/usr/bin/env bash
# bench --mode=durability: every policy is there, with what it costs and what its crash costs; the
# image is only read, and no scratch image is left, however it ends.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"
requires jq

mkdir folder
"$QEDTOOL" create -q -o cluster_size=4k,table_size=2 folder/a.qed 1G
cp folder/a.qed a.qed

# durability OPTION...: on folder/a.qed, small.
durability()
{
    unchanged folder/a.qed "$QEDTOOL" bench --mode=durability --rounds=2 -c 64 -s 4k "$@" \
        folder/a.qed
}

has()
{
    [[ $(jq -c "$1" out) == "$2" ]] || { cat out >&2; fail "$1 is not $2"; }
}

# The tables have a line for each policy, once for writing and once for the crash.
expect_status 0 durability
for policy in none need-check preallocate intent ordered; do
    [[ $(grep -c "^$policy " out) -eq 2 ]] || { cat out >&2; fail "not two lines of $policy"; }
done
expect_stdout_has '64 allocating writes of 4096 bytes, sequential, a flush every 16'
expect_files folder a.qed

# JSON: 64 writes are flushed four times, and once more for the first table of the image; what that
# costs besides is known by hand.
expect_status 0 durability --output=json
has '[.mode, .requests, .rounds, ."cluster-size", ."table-size"]' '["durability",64,2,4096,2]'
has '.policies | map(.policy)' '["none","need-check","preallocate","intent","ordered"]'
has '.policies[0].write."host-flushes"' 5
has '.policies[1].write."host-flushes"' 6
has '.policies[0].write."flushes-per-1000"' 78.125
has '.policies | map(.write | (."requests-per-second" > 0 and .seconds > 0 and
    ."latency-nanoseconds".p50 <= ."latency-nanoseconds".max)) | all' true
has '.policies | map(.write."host-bytes-per-guest-byte" >= 1) | all' true
# 64 writes lie in one L2 table of 8 KiB: read in one request, 1 / 100 and 8 KiB / 150 MiB seconds.
has '.policies | map(.crash.recovery)' '["not safe","full","none","marked","none"]'
has '.policies | map(.crash.tables)' '[0,1,0,1,0]'
has '.policies | map(.crash.corruptions)' '[0,0,0,0,0]'
has '.policies[1].crash | [."loaded-tables", ."loaded-requests"]' '[1024,1024]'
has '.policies[2].crash | [."modelled-seconds", ."loaded-modelled-seconds"] | map(. * 1)' '[0,0]'
has '.policies[3].crash."loaded-tables"' 1
# What was not flushed is lost, and leaked: half of an interval, 8 clusters, and maybe more.
has '.policies | map(.crash."leaked-bytes" >= 8 * 4096) | all' true
expect_files folder a.qed

# A table for each write: intent marks those of the last flushes, not all 64.
expect_status 0 durability --output=json --order=random --seed=7 -t none
has '[.order, .seed]' '["random",7]'
has '.policies[1].crash.tables > 32' true
has '.policies[3].crash | .tables <= 64 and .tables > 8' true
cp out first
expect_status 0 durability --output=json --order=random --seed=7
[[ $(jq -c '.policies | map(.crash.tables)' out) == "$(jq -c '.policies | map(.crash.tables)' first)" ]] ||
    fail "the same seed, other places"

# Modelled: ten guests take ten times as long on a disk that serves one request at a time.
expect_status 0 durability --output=json --disk=iops=100,bw=100G
one=$(jq '.policies[1].crash."loaded-modelled-seconds"' out)
expect_status 0 durability --output=json --disk=iops=100,bw=100G --guests=10
has ".policies[1].crash.\"loaded-modelled-seconds\" / $one | round" 10

# Refused, with no scratch image left.
refused()
{
    expect_status 1 durability "${@:2}"
    expect_stdout ''
    expect_stderr_has "qedtool: $1"
    expect_files folder a.qed
}
refused '--order must be sequential or random' --order=backwards
refused '--rounds must be from 1 to 100' --rounds=0
refused '--rounds must be from 1 to 100' --rounds=101
refused "Invalid value 'x' for option --seed" --seed=x
refused 'With --mode=durability, --disk can be given once' --disk=hdd --disk=nvme
refused 'With --mode=durability, -c must be at least 2' -c 1
refused 'With --mode=durability, -s must not be 0' -s 0
refused "Flush interval can't be smaller than depth" -d 32
refused 'the guest has room for 262144 allocating requests of 4096 bytes' -c 262145
refused '-o, -S, -q, -w, --no-drain and --durability go with --mode=io' -w
for option in --order=random --rounds=1 --seed=1; do
    expect_status 1 "$QEDTOOL" bench "$option" folder/a.qed
    expect_stderr_has 'qedtool: --order, --rounds and --seed go with --mode=durability'
done
for mode in io check; do
    expect_status 1 "$QEDTOOL" bench --mode="$mode" --output=svg folder/a.qed
    expect_stderr_has 'qedtool: --output=svg goes with --mode=durability'
done
truncate -s 1M folder/a.raw
expect_status 1 "$QEDTOOL" bench --mode=durability folder/a.raw
expect_stderr_has "qedtool: --mode=durability is for QED images, which 'folder/a.raw' is not"
rm folder/a.raw

# A limit on the size of files: it fails on the way.
(
    ulimit -f 64
    expect_status 1 "$QEDTOOL" bench --mode=durability -c 64 folder/a.qed
)
expect_stdout ''
expect_files folder a.qed

# SIGTERM on the way: dies of it, and nothing is left.
"$QEDTOOL" bench --mode=durability --rounds=100 -c 200000 -s 4k folder/a.qed >out 2>err &
pid=$!
has_scratch()
{
    [[ $(find folder -type f | wc -l) -gt 1 ]]
}
wait_for has_scratch
kill -TERM "$pid"
status=0
wait "$pid" || status=$?
[[ $status -eq 143 ]] || fail "exit status $status after SIGTERM"
[[ ! -s out ]] || fail "half an answer"
expect_files folder a.qed
same_file folder/a.qed a.qed

# The chart.
durability --output=svg >chart.svg
[[ $(sed -n '/<desc>/,/<\/desc>/p' chart.svg | grep -c '^need-check ') -eq 2 ]] ||
    fail "the chart does not have its numbers"
[[ $(grep -c '<rect ' chart.svg) -gt 10 ]] || fail "no bars"
for policy in none need-check preallocate intent ordered; do
    grep -q ">$policy</text>" chart.svg || fail "no $policy in the chart"
done
if command -v xmllint >/dev/null; then
    xmllint --noout chart.svg
elif command -v python3 >/dev/null; then
    python3 -c 'import sys, xml.dom.minidom as m; m.parse(sys.argv[1])' chart.svg
else
    skip "needs xmllint or python3 to parse the chart; all else is as it should be"
fi
