#!/usr/bin/env bash
# --target-is-zero: with -n, zeroes are taken to be there already.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"

craft a.qed 'new size=4M' 'data 0 128K seed=1' 'zero 1M 64K' 'data 2M 64K byte=0' 'data 3M 64K seed=2'
"$QEDCRAFT" a.qed --read 0 4M >a.raw

# What is said is not looked at: where the target is not zero, its bytes stay.
craft old.qed 'new size=4M' 'data 0 4M byte=7'
"$QEDCRAFT" old.qed --read 0 4M >old.raw
cp old.raw expected.raw
dd if=a.raw of=expected.raw bs=64K count=2 conv=notrunc status=none
dd if=a.raw of=expected.raw bs=64K count=1 skip=48 seek=48 conv=notrunc status=none
cp old.raw b.raw
expect_status 0 "$QEDTOOL" convert -n --target-is-zero a.qed b.raw
expect_stderr ""
same_file expected.raw b.raw
cp old.qed b.qed
expect_status 0 "$QEDTOOL" convert -n --target-is-zero -O qed a.qed b.qed
"$QEDCRAFT" b.qed --read 0 4M | cmp - expected.raw >&2 || fail "the guest reads otherwise"
expect_status 0 "$QEDTOOL" check b.qed
# Without it they are zeroed.
cp old.raw b.raw
expect_status 0 "$QEDTOOL" convert -n a.qed b.raw
same_file a.raw b.raw

# With a target that is zero, the same image. -S 0 stores everything in any case.
for target in "raw:truncate -s 4M b" "qed:$QEDTOOL create -q b 4M"; do
    rm -f b
    ${target#*:}
    expect_status 0 "$QEDTOOL" convert -n --target-is-zero -O "${target%%:*}" a.qed b
    expect_status 0 "$QEDTOOL" convert -f "${target%%:*}" b back.raw
    same_file a.raw back.raw
done
cp old.raw b.raw
expect_status 0 "$QEDTOOL" convert -n --target-is-zero -S 0 a.qed b.raw
same_file a.raw b.raw

for format in raw qed; do
    expect_status 1 "$QEDTOOL" convert --target-is-zero -O $format a.qed new
    expect_stderr "qedtool: --target-is-zero requires use of -n flag"
done
[[ ! -e new ]] || fail "something was made"
"$QEDTOOL" create -q -b old.raw -F raw over.qed
unchanged over.qed expect_status 1 "$QEDTOOL" convert -n --target-is-zero -O qed a.qed over.qed
expect_stderr "qedtool: Cannot use --target-is-zero when the destination image has a backing file"
