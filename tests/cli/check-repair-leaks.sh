#!/usr/bin/env bash
# check -r leaks gives leaked space back to the file system and changes no mapping; where the space
# may be needed it stays.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"
requires jq

# stored FILE: bytes of disk that it takes
stored()
{
    sync "$1"
    echo $(($(stat -c %b "$1") * 512))
}

# mapping FILE: what the header and the tables say
mapping()
{
    "$QEDCRAFT" "$1" --dump | grep -v file_length
}

# kept IMAGE STATUS WHY: a repair of leaks alone does nothing
kept()
{
    unchanged "$1" expect_status "$2" "$QEDTOOL" check -r leaks "$1"
    expect_stderr_has "qedtool: Leaked clusters are kept: $3"
    ! grep -q repaired out || fail "a repair is claimed"
    ! grep -q 'given back' err || fail "space is said to be given back"
}

craft sound.qed 'new size=16M' 'data 0 256K' 'leak 3' 'data 1M 64K seed=2' 'leak 2' \
    'set features need_check' 'set autoclear_features 5'
for option in "-r leaks" -rleaks --repair=leaks; do
    cp --sparse=never sound.qed a.qed
    before=$(stored a.qed)
    mapping a.qed >mapped
    # shellcheck disable=SC2086 # one word or two
    expect_status 3 "$QEDTOOL" check $option a.qed
    expect_stdout_has "    2 leaked clusters"
    expect_stdout_has "    0 corruptions"
    expect_stdout_has "3 leaked clusters were found on the image."
    expect_stderr_has "file 0xd0000+0x30000; the space is given back as a hole"
    expect_stderr_has "file 0x110000+0x20000; the file is cut"
    expect_stderr_has "qedtool: 327680 bytes of leaked space are given back: 131072 cut off at the end, 196608 as holes"
    mapping a.qed >mapped.after
    same_file mapped mapped.after
    [[ $(stat -c %s a.qed) -eq $((0x110000)) ]] || fail "the file has $(stat -c %s a.qed) bytes"
    after=$(stored a.qed)
    [[ $after -le $((before - 327680)) ]] || fail "$before bytes were stored, now $after"
done
"$QEDTOOL" convert -O raw sound.qed sound.raw
"$QEDTOOL" convert -O raw a.qed repaired.raw
same_file sound.raw repaired.raw

# Holes are told for what they are, and nothing is claimed.
unchanged a.qed expect_status 3 "$QEDTOOL" check -r leaks a.qed
expect_stderr_has "qedtool: Leaked clusters take no space: they are holes already"
! grep -q repaired out || fail "a repair is claimed"

# Only a tail: clean afterwards. The mark and the autoclear bits are not leaks, and stay.
craft b.qed 'new size=16M' 'data 0 64K' 'leak 4' 'set features need_check'
expect_status 0 "$QEDTOOL" check -r leaks b.qed
expect_stdout_has "No errors were found on the image."
[[ $("$QEDCRAFT" b.qed --dump | sed -n 's/^features //p') == 0x2 ]] || fail "the mark is gone"

expect_status 3 "$QEDTOOL" check --output=json -r leaks a.qed
[[ $(jq -c '.repair | [.written,.leaks,."bytes-punched",."bytes-cut",."leaks-after"]' out) == \
    '[true,"given-back",0,0,3]' ]] || fail "repair: $(jq -c .repair out)"

cp sound.qed c.qed
craft c.qed 'poke-l2 0 1 eof'
kept c.qed 2 "they may be needed to mend the corruption that is left"
craft d.qed 'new size=32M cluster=8K table=2' 'data 0 16K' 'data 16M 16K' 'leak 2' 'poke-l1 1 0'
kept d.qed 3 "some look like L2 tables; 'qedtool check --rebuild' puts these back"
# What may be all that is left of lost data is kept by the repair that lost it, which says that the
# next one gives it back: nothing in the image tells it why. It does.
for next in --repair "-r all" --repair=leaks; do
    cp sound.qed e.qed
    craft e.qed 'poke-l2 0 3 40' 'set features 0'
    unchanged e.qed expect_status 2 "$QEDTOOL" check --repair --dry-run e.qed
    expect_status 3 "$QEDTOOL" check --repair e.qed
    expect_stderr_has "the image does not tell this to the next 'qedtool check --repair', which gives them back, as --repair=leaks does"
    unchanged e.qed expect_status 3 "$QEDTOOL" check e.qed
    # shellcheck disable=SC2086 # one word or two
    expect_status 3 "$QEDTOOL" check $next e.qed
    expect_stderr_has "bytes of leaked space are given back"
done

# With all of a repair it is the same: first the corruption, then the leaks, never lost tables.
unchanged d.qed expect_status 3 "$QEDTOOL" check -r all d.qed
expect_status 3 "$QEDTOOL" check -r all c.qed
expect_stderr_has "qedtool: 327680 bytes of leaked space are given back"
