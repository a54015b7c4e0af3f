#!/usr/bin/env bash
# check -r all mends what can be mended, says so in qemu-img's words, and takes the dirty bit off
# only when no corruption is left.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"

# is_dirty FILE
is_dirty()
{
    [[ $(($("$QEDCRAFT" "$1" --dump | sed -n 's/^features //p') & 2)) -ne 0 ]]
}

craft sound.qed 'new size=16M' 'data 0 256K' 'zero 1M 64K'
unchanged sound.qed expect_status 0 "$QEDTOOL" check -r all sound.qed
expect_stdout "No errors were found on the image.
4/256 = 1.56% allocated, 0.00% fragmented, 0.00% compressed clusters"

for option in "-r all" -rall --repair --repair=all; do
    cp sound.qed a.qed
    craft a.qed 'poke-l2 0 1 eof' 'poke-l2 0 2 data:0:2+512' 'set features need_check'
    unchanged a.qed expect_status 2 "$QEDTOOL" check a.qed
    # shellcheck disable=SC2086 # one word or two
    expect_status 3 "$QEDTOOL" check $option a.qed
    expect_stdout "The following inconsistencies were found and repaired:

    0 leaked clusters
    2 corruptions

Double checking the fixed image now...

2 leaked clusters were found on the image.
This means waste of disk space, but no harm to data.
2/256 = 0.78% allocated, 50.00% fragmented, 0.00% compressed clusters"
    ! is_dirty a.qed || fail "the dirty bit is still set"
    expect_status 3 "$QEDTOOL" check a.qed
    ! grep -q errors out || fail "corruption is left"
done

# Leaks do not keep the bit.
cp sound.qed a.qed
craft a.qed 'leak 1' 'set features need_check'
expect_status 3 "$QEDTOOL" check -r all a.qed
! is_dirty a.qed || fail "the dirty bit is still set"

# A cluster that two entries share is no thing to guess about: it stays, and so does the bit.
cp sound.qed a.qed
craft a.qed 'poke-l2 0 1 data:0:2' 'set features need_check'
unchanged a.qed expect_status 2 "$QEDTOOL" check -r all a.qed
is_dirty a.qed || fail "the dirty bit is gone while corruption remains"
! grep -q repaired out || fail "a repair is claimed"
# Beside what was mended, too.
craft a.qed 'poke-l2 0 3 eof'
expect_status 2 "$QEDTOOL" check -r all a.qed
expect_stdout_has "    1 corruptions"
expect_stdout_has "1 errors were found on the image."
is_dirty a.qed || fail "the dirty bit is gone while corruption remains"
