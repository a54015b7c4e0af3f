#!/usr/bin/env bash
# A repair of an image with a write-intent bitmap leaves it on and its page alone; what an undo puts
# back is what was there, bits and all.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"

sound=('new size=16M cluster=4K table=2 header=2' 'set autoclear_features 1' 'data 0 8K' 'data 4M 8K')

# repaired LINE...: an image changed so is repaired, keeps its bitmap, and can have it all back
repaired()
{
    rm -f a.qed undo
    craft a.qed "${sound[@]}" "$@"
    cp a.qed before.qed
    expect_status 0 "$QEDTOOL" check --repair --undo=undo a.qed
    expect_status 0 "$QEDTOOL" check a.qed
    [[ $("$QEDCRAFT" a.qed --dump | sed -n 's/^autoclear_features //p') == 0x1 ]] ||
        fail "the bitmap was dropped"
    cmp <(dd if=a.qed bs=4096 skip=1 count=1 status=none) \
        <(dd if=before.qed bs=4096 skip=1 count=1 status=none) || fail "the page was changed"
    expect_status 0 "$QEDTOOL" undo a.qed undo
    same_file a.qed before.qed
}

repaired 'intent 1' 'poke-l2 0 0 data:0:0|8'
repaired 'intent 1' 'poke-l2 0 7 data:1:0'
repaired 'intent 7 1' 'set features need_check' 'poke-l2 0 0 data:0:0|8' 'poke-l2 1 9 eof'
repaired 'intent 7 1' 'set features need_check'
repaired 'intent 1' 'poke-l2 0 0 data:0:0|8' 'set autoclear_features 0x8000000000000000'

# What is left of a repaired image's bits marks nothing: the next writer begins anew.
rm -f a.qed
craft a.qed "${sound[@]}" 'intent 7 1' 'set features need_check' 'poke-l2 1 9 eof'
expect_status 0 "$QEDTOOL" check --repair a.qed
expect_status 0 "$QEDTOOL" bench -q -w -c 1 -o 8M a.qed
expect_stderr ""
expect_status 0 "$QEDTOOL" info a.qed
expect_stdout_has 'write-intent bitmap: 0 L2 tables marked'
expect_status 0 "$QEDTOOL" check -q a.qed
