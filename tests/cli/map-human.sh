#!/usr/bin/env bash
# map prints the header and the rows of qemu-img: data only, in guest order, each from the file that
# holds it.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"

craft base.qed 'new size=3M' 'data 0 100K' 'zero 1M 64K' 'data 3M-64K 64K'
craft top.qed 'new size=4M' 'data 128K 64K' 'zero 256K 64K' 'zero 64K 64K' 'backing base.qed'

expect_status 0 "$QEDTOOL" map base.qed
expect_stdout "Offset          Length          Mapped to       File
0               0x20000         0x90000         base.qed
0x2f0000        0x10000         0xb0000         base.qed"
expect_stderr ""

expect_status 0 "$QEDTOOL" map top.qed
expect_stdout "Offset          Length          Mapped to       File
0               0x10000         0x90000         base.qed
0x20000         0x10000         0x90000         top.qed
0x2f0000        0x10000         0xb0000         base.qed"
expect_status 0 "$QEDTOOL" map -f qed top.qed --output=human
expect_stdout_has "0x20000         0x10000         0x90000         top.qed"

# Neighbours in the guest that are no neighbours in the file stay apart.
craft base.qed 'new size=3M' 'data 0 256K' 'swap-l2 0 0 0 2'
expect_status 0 "$QEDTOOL" map base.qed
expect_stdout "Offset          Length          Mapped to       File
0               0x10000         0xb0000         base.qed
0x10000         0x10000         0xa0000         base.qed
0x20000         0x10000         0x90000         base.qed
0x30000         0x10000         0xc0000         base.qed"

"$QEDTOOL" create -q empty.qed 64T
expect_status 0 "$QEDTOOL" map empty.qed
expect_stdout "Offset          Length          Mapped to       File"
