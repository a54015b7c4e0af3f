#!/usr/bin/env bash
# info tells of a write-intent bitmap and of what was made ready ahead: in images at rest, and in
# those that a killed writer left.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"
requires jq

# intent_is JSON IMAGE
intent_is()
{
    unchanged "$2" expect_status 0 "$QEDTOOL" info --output=json "$2"
    [[ $(jq -c '."format-specific".data.intent' out) == "$1" ]] || fail "intent is not $1: $(cat out)"
}

# line_is LINE IMAGE: the one about the bitmap; "" for none
line_is()
{
    unchanged "$2" expect_status 0 "$QEDTOOL" info "$2"
    [[ $(sed -n 's/^write-intent bitmap: //p' out) == "$1" ]] || fail "not \"$1\": $(cat out)"
}

lines=('new size=16M cluster=4K table=2 header=2' 'data 0 8K')
craft a.qed "${lines[@]}" 'intent 5 0 3'
intent_is null a.qed
line_is '' a.qed
craft a.qed 'set autoclear_features 1'
intent_is '{"valid":true,"marked-bits":2,"tables-per-bit":1}' a.qed
line_is '2 L2 tables marked' a.qed
craft a.qed 'intent 5'
line_is '0 L2 tables marked' a.qed
craft a.qed 'bytes 4200 01'
intent_is '{"valid":false}' a.qed
line_is damaged a.qed
# One cluster of header has no room for it.
craft small.qed 'new size=16M cluster=4K table=2' 'set autoclear_features 1'
intent_is '{"valid":false}' small.qed
line_is damaged small.qed
# A bit for 4 tables: of 65536 entries, 32512 bits are not enough.
craft large.qed 'new size=1G table=8' 'set autoclear_features 1' 'intent 1 0 1 7'
intent_is '{"valid":true,"marked-bits":2,"tables-per-bit":4}' large.qed

# leave_killed POLICY: a writer into a.qed is killed once it has tables
leave_killed()
{
    rm -f a.qed
    "$QEDTOOL" create -q -o cluster_size=4k,table_size=1,intent=on a.qed 1G
    "$QEDTOOL" bench -q -w -c 1000000 -d 1 -s 4096 -S 2101248 --flush-interval=16 \
        --durability="$1" a.qed >bench.out 2>&1 &
    wait_for has_tables
    kill -KILL $!
    wait $! 2>/dev/null || true
}

has_tables()
{
    "$QEDCRAFT" a.qed --dump | grep '^l1 ' >l1.out
}

leave_killed intent
expect_status 0 "$QEDTOOL" info a.qed
expect_stdout_has 'cleanly shut down: no'
expect_status 0 "$QEDTOOL" info --output=json a.qed
[[ $(jq '."dirty-flag"' out) == true ]] || fail "dirty-flag is not true"
[[ $(jq '."format-specific".data.intent.valid' out) == true ]] || fail "a killed writer left no bitmap"
marked=$(jq '."format-specific".data.intent."marked-bits"' out)
[[ $marked -ge 1 ]] || fail "there are tables, and none is marked"
line_is "$marked L2 tables marked" a.qed
expect_status 0 "$QEDTOOL" check --recover --output=json a.qed
[[ $(jq -r .recovery out) == marked ]] || fail "another recovery: $(cat out)"
[[ $(jq '."tables-read"' out) -le $marked ]] || fail "more was read than is marked: $(cat out)"
line_is '0 L2 tables marked' a.qed

# Policies without a mark: nothing is dirty, and the bitmap stays as it was.
for policy in preallocate ordered; do
    leave_killed $policy
    expect_status 0 "$QEDTOOL" info --output=json a.qed
    [[ $(jq '."dirty-flag"' out) == false ]] || fail "$policy: dirty-flag is not false"
    line_is '0 L2 tables marked' a.qed
done
# QEMU's way drops the bitmap before anything else.
leave_killed need-check
expect_status 0 "$QEDTOOL" info a.qed
expect_stdout_has 'cleanly shut down: no'
line_is '' a.qed

# tail_is BYTES IMAGE
tail_is()
{
    unchanged "$2" expect_status 0 "$QEDTOOL" info --output=json "$2"
    [[ $(jq '."format-specific".data."tail-bytes"' out) == "$1" ]] || fail "tail-bytes is not $1: $(cat out)"
}

craft tail.qed 'new size=16M' 'data 0 100K'
tail_is null tail.qed
expect_status 0 "$QEDTOOL" info tail.qed
! grep 'preallocated tail' out >&2 || fail "a tail where there is none"
craft tail.qed 'extend 1M'
tail_is 1048576 tail.qed
expect_status 0 "$QEDTOOL" info tail.qed
expect_stdout_has 'preallocated tail: 1 MiB (1048576 bytes)'
# It is leaked until it is used or given back.
expect_status 3 "$QEDTOOL" check tail.qed
expect_status 0 "$QEDTOOL" check -r leaks tail.qed
tail_is null tail.qed
