#!/usr/bin/env bash
# map --output=json gives an extent a line, from the first byte to the last without a gap, in
# qemu-img's words.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"

craft base.qed 'new size=3M' 'data 0 100K' 'zero 1M 64K'
craft top.qed 'new size=4M' 'data 128K 64K' 'zero 256K 64K' 'backing base.qed'

expect_status 0 "$QEDTOOL" map --output=json base.qed
expect_stdout '[{ "start": 0, "length": 131072, "depth": 0, "present": true, "zero": false, "data": true, "offset": 589824},
{ "start": 131072, "length": 917504, "depth": 0, "present": false, "zero": true, "data": false},
{ "start": 1048576, "length": 65536, "depth": 0, "present": true, "zero": true, "data": false},
{ "start": 1114112, "length": 2031616, "depth": 0, "present": false, "zero": true, "data": false}]'
expect_stderr ""

expect_status 0 "$QEDTOOL" map --output json top.qed
grep -qF '[{ "start": 0, "length": 131072, "depth": 1, "present": true, "zero": false, "data": true, "offset": 589824},' out ||
    fail "data of the backing file"
grep -qF '{ "start": 131072, "length": 65536, "depth": 0, "present": true, "zero": false, "data": true, "offset": 589824},' out ||
    fail "data of the image"
grep -qF '{ "start": 262144, "length": 65536, "depth": 0, "present": true, "zero": true, "data": false},' out ||
    fail "zero cluster of the image"
grep -qF '{ "start": 1048576, "length": 65536, "depth": 1, "present": true, "zero": true, "data": false},' out ||
    fail "zero cluster of the backing file"
awk -F'[:,]' '{ if ($2 != at) exit 1; at += $4 } END { if (at != 4194304) exit 1 }' out ||
    fail "the extents leave gaps"

# Holes of a raw backing file are zeroes with an offset.
truncate -s 1M base.raw
printf x | dd of=base.raw bs=1 seek=524288 conv=notrunc status=none
"$QEDTOOL" create -q -b base.raw -F raw top.qed 2M
expect_status 0 "$QEDTOOL" map --output=json top.qed
[[ $(head -n 1 out) == '[{ "start": 0, "length": 524288, "depth": 1, "present": true, "zero": true, "data": false, "offset": 0},' ]] ||
    fail "the hole: $(head -n 1 out)"
[[ $(sed -n 2p out) == '{ "start": 524288, "length": '*', "depth": 1, "present": true, "zero": false, "data": true, "offset": 524288},' ]] ||
    fail "the data: $(sed -n 2p out)"
[[ $(tail -n 1 out) == '{ "start": 1048576, "length": 1048576, "depth": 0, "present": false, "zero": true, "data": false}]' ]] ||
    fail "what is beyond the backing file's end: $(tail -n 1 out)"

# An image of nothing has no extents, whose list is JSON all the same.
"$QEDTOOL" create -q none.qed 0
expect_status 0 "$QEDTOOL" map --output=json none.qed
expect_stdout '[]'
expect_status 0 "$QEDTOOL" map none.qed
expect_stdout "Offset          Length          Mapped to       File"
