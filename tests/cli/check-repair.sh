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

# reads_like SOUND FILE: every byte that the guest of the first one reads
reads_like()
{
    "$QEDTOOL" convert -O raw "$1" sound.raw
    "$QEDTOOL" convert -O raw "$2" repaired.raw
    same_file sound.raw repaired.raw
}

craft sound.qed 'new size=16M' 'data 0 256K' 'zero 1M 64K'
unchanged sound.qed expect_status 0 "$QEDTOOL" check -r all sound.qed
expect_stdout "No errors were found on the image.
4/256 = 1.56% allocated, 0.00% fragmented, 0.00% compressed clusters"
expect_stderr ""

# What points nowhere is lost, and is told to be; what it named before may be among the leaks.
for option in "-r all" -rall --repair --repair=all; do
    cp sound.qed a.qed
    craft a.qed 'poke-l2 0 1 eof+16M' 'poke-l2 0 2 data:0:3+512' 'set features need_check'
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
    expect_stderr_has "the entry is cleared, 65536 guest bytes are lost"
    expect_stderr_has "qedtool: 131072 guest bytes are lost, 0 saved"
    expect_stderr_has "qedtool: Leaked clusters are kept: they may hold what damaged entries named"
    ! is_dirty a.qed || fail "the dirty bit is still set"
    expect_status 3 "$QEDTOOL" check a.qed
    ! grep -q errors out || fail "corruption is left"
done

# What can be kept is kept, and the guest reads what it read before the damage.
cp sound.qed a.qed
craft a.qed 'poke-l2 0 1 data:0:1|512' 'poke-l2 0 2 data:0:2+0x40000000' 'poke-l1 0 l2:0|1'
expect_status 0 "$QEDTOOL" check -r all a.qed
expect_stderr_has "L1[0]: L1 entry has reserved low bits set"
expect_stderr_has "the low bits are cleared"
expect_stderr_has "one flipped bit is put right"
expect_stderr_has "qedtool: 0 guest bytes are lost, "
reads_like sound.qed a.qed
expect_status 0 "$QEDTOOL" check a.qed

# An end that was cut off within the last cluster: the bytes that are there stay.
cp sound.qed a.qed
craft a.qed 'truncate -1K'
expect_status 0 "$QEDTOOL" check -r all a.qed
expect_stderr_has "the file is extended, and what is there kept"
"$QEDTOOL" convert -O raw sound.qed sound.raw
"$QEDTOOL" convert -O raw a.qed repaired.raw
cmp -n $((256 * 1024 - 1024)) sound.raw repaired.raw || fail "bytes that were there are gone"

# What two entries share, each has for itself afterwards; both read what they read before.
cp sound.qed a.qed
craft a.qed 'poke-l2 0 100 data:0:2' 'set features need_check'
cp a.qed shared.qed
expect_status 0 "$QEDTOOL" check -r all a.qed
expect_stderr_has "the entry gets a copy of the cluster"
reads_like shared.qed a.qed
! is_dirty a.qed || fail "the dirty bit is still set"
"$QEDTOOL" map --output=json a.qed >mapped
[[ $(grep -o '"offset": [0-9]*' mapped | sort -u | wc -l) -eq $(grep -c '"offset"' mapped) ]] ||
    fail "two ranges have one place"

# Leaks do not keep the bit, and go.
cp sound.qed a.qed
craft a.qed 'leak 1' 'set features need_check'
expect_status 0 "$QEDTOOL" check -r all a.qed
expect_stderr_has "qedtool: 65536 bytes of leaked space are given back: 65536 cut off at the end, 0 as"
! is_dirty a.qed || fail "the dirty bit is still set"
same_file sound.qed a.qed

# A table that two L1 entries share stays while one is lost that may be theirs, and so does the bit.
craft b.qed 'new size=32M cluster=8K table=2' 'data 0 16K' 'data 16M 16K' 'poke-l1 1 l2:0'
unchanged b.qed expect_status 2 "$QEDTOOL" check -r all b.qed
expect_stderr_has "L1 entries that share a table stay so"
! grep -q repaired out || fail "a repair is claimed"
# Beside what was mended, too.
craft b.qed 'poke-l2 0 300 eof'
expect_status 2 "$QEDTOOL" check -r all b.qed
expect_stdout_has "    1 corruptions"
expect_stdout_has "2 errors were found on the image."
is_dirty b.qed || fail "the dirty bit is gone while corruption remains"

for option in "-r none" -r1 --repair=ALL --repair= "-r al"; do
    # shellcheck disable=SC2086 # one word or two
    unchanged b.qed expect_status 1 "$QEDTOOL" check $option b.qed
    expect_stdout ""
    expect_stderr_has "qedtool: Unknown option value for -r (expecting 'leaks' or 'all'): "
done
