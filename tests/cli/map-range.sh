#!/usr/bin/env bash
# -s and -l bound what is mapped, to the byte, and may reach beyond the end.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"

craft a.qed 'new size=4M' 'data 0 256K' 'zero 1M 64K'

expect_status 0 "$QEDTOOL" map --output=json -s 100k -l 100k a.qed
expect_stdout '[{ "start": 102400, "length": 102400, "depth": 0, "present": true, "zero": false, "data": true, "offset": 692224}]'
expect_status 0 "$QEDTOOL" map a.qed --start-offset=100k --max-length 100k
expect_stdout "Offset          Length          Mapped to       File
0x19000         0x19000         0xa9000         a.qed"
expect_status 0 "$QEDTOOL" map --output=json -s 262143 -l 2 a.qed
expect_stdout '[{ "start": 262143, "length": 1, "depth": 0, "present": true, "zero": false, "data": true, "offset": 851967},
{ "start": 262144, "length": 1, "depth": 0, "present": false, "zero": true, "data": false}]'
expect_status 0 "$QEDTOOL" map --output=json -s 1M a.qed
[[ $(wc -l <out) -eq 2 && $(head -n 1 out) == '[{ "start": 1048576, "length": 65536, '* ]] ||
    fail "the rest of the image is mapped otherwise"
# What begins or ends beyond the end is cut to it.
expect_status 0 "$QEDTOOL" map --output=json -s 4194303 -l 1G a.qed
expect_stdout '[{ "start": 4194303, "length": 1, "depth": 0, "present": false, "zero": true, "data": false}]'
for start in 4M 5M 7E; do
    expect_status 0 "$QEDTOOL" map --output=json -s "$start" a.qed
    expect_stdout '[]'
    expect_status 0 "$QEDTOOL" map -s "$start" a.qed
    expect_stdout "Offset          Length          Mapped to       File"
done
# start + length may be more than 64 bits hold.
expect_status 0 "$QEDTOOL" map --output=json -s 1k -l 7.9E a.qed
awk -F'[:,]' 'NR == 1 { at = 1024 } { if ($2 != at) exit 1; at += $4 } END { if (at != 4194304) exit 1 }' out ||
    fail "the rest of the image is mapped otherwise"

for option in -s -l --start-offset --max-length; do
    for value in x -1 1x ''; do
        expect_status 1 "$QEDTOOL" map "$option" "$value" a.qed
        expect_stdout ""
        expect_stderr_has "qedtool: Invalid"
    done
done
