#!/usr/bin/env bash
# convert flattens a chain, with raw at its bottom, zero clusters that hide data, and backing files
# that end early; each layer in another geometry.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"

mkdir sub
craft source.qed 'new size=3M' 'data 0 3M seed=9'
"$QEDCRAFT" source.qed --read 0 3M >sub/base.raw
truncate -s 2500000 sub/base.raw
craft sub/middle.qed 'new size=5M cluster=4K table=2' 'backing base.raw raw' \
    'data 1M 6K seed=2' 'zero 64K 8K' 'zero 2M 128K' 'data 4M 4K seed=3'
craft top.qed 'new size=8M cluster=64K table=1' 'backing sub/middle.qed' \
    'data 2M 64K seed=4' 'zero 1M 64K' 'data 8M-64K 64K seed=5' 'zero 2432K 64K'

# What it should be, put together by hand.
put()
{
    dd bs=4k "seek=$(($1 / 4096))" conv=notrunc of=expected.raw iflag=fullblock status=none
}
cp sub/base.raw expected.raw
truncate -s 8M expected.raw
"$QEDCRAFT" sub/middle.qed --read 1M 8K | put 1048576
head -c 8K /dev/zero | put 65536
head -c 128K /dev/zero | put 2097152
"$QEDCRAFT" sub/middle.qed --read 4M 4K | put 4194304
"$QEDCRAFT" top.qed --read 2M 64K | put 2097152
head -c 64K /dev/zero | put 1048576
"$QEDCRAFT" top.qed --read 8M-64K 64K | put $((8388608 - 65536))
head -c 64K /dev/zero | put $((2432 * 1024))

expect_status 0 "$QEDTOOL" convert top.qed top.raw
same_file expected.raw top.raw
expect_status 0 "$QEDTOOL" convert -O qed -o cluster_size=16k top.qed flat.qed
"$QEDCRAFT" flat.qed --read 0 8M | cmp - expected.raw >&2 || fail "the flat image reads otherwise"
expect_status 0 "$QEDTOOL" check flat.qed
expect_status 0 "$QEDTOOL" info flat.qed
! grep -q backing out || fail "the flat image has a backing file"
