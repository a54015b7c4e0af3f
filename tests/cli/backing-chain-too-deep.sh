#!/usr/bin/env bash
# A chain of 64 images is read; a deeper one is refused before anything is read from it.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"

craft 1.qed 'new size=1M' 'data 0 64K seed=1'
for ((i = 2; i <= 65; i++)); do
    "$QEDTOOL" create -q -u -b "$((i - 1)).qed" -F qed "$i.qed" 1M
done

expect_status 0 "$QEDTOOL" info --backing-chain 64.qed
[[ $(grep -c ^image: out) -eq 64 ]] || fail "not all images are described"
expect_status 0 "$QEDTOOL" map 64.qed
[[ $(awk '{ print $4 }' out | tail -n 1) == 1.qed ]] || fail "the data is not found"
expect_status 0 "$QEDTOOL" convert 64.qed 64.raw
"$QEDCRAFT" 1.qed --read 0 1M | cmp - 64.raw >&2 || fail "64 images read otherwise"

expect_status 1 "$QEDTOOL" info --backing-chain 65.qed
expect_stdout ""
expect_stderr_has "The backing chain is deeper than 64 images"
expect_status 1 "$QEDTOOL" map 65.qed
expect_status 1 "$QEDTOOL" convert 65.qed 65.raw
[[ ! -e 65.raw ]] || fail "a target was made"
expect_status 0 "$QEDTOOL" info 65.qed
