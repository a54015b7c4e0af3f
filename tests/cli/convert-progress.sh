#!/usr/bin/env bash
# convert -p draws qemu-img's line, again and again on the same line of the terminal; without -p, or
# with -q, convert is silent.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"

# drawn: what the last out shows, a state a line
drawn()
{
    tr '\r' '\n' <out
}

craft a.qed 'new size=16M' 'data 0 10M'
expect_status 0 "$QEDTOOL" convert -p a.qed a.raw
expect_stderr ""
[[ $(drawn | head -n 1) == "    (0.00/100%)" ]] || fail "it starts with $(drawn | head -n 1)"
[[ $(drawn | tail -n 2 | tr "\n" "|") == "    (100.00/100%)||" ]] || fail "it ends otherwise"
! drawn | grep -vxE '(    \([0-9]{1,3}\.[0-9]{2}/100%\))?' || fail "other lines are drawn"
[[ $(wc -l <out) -eq 1 ]] || fail "the line is left before the end"

# On a long way, it shows more than the two ends, and never goes back.
endless long.qed 8
"$QEDTOOL" convert -p long.qed long.raw >out &
pid=$!
wait_for grep -q 0.00/100 out
kill -STOP "$pid"
sleep 0.4
kill -CONT "$pid"
wait "$pid"
drawn | sed -n 's/^ *(\(.*\)\/100%)$/\1/p' >percent
[[ $(wc -l <percent) -gt 2 ]] || fail "nothing is drawn on the way"
sort -n percent | cmp - percent >&2 || fail "it goes back"

for options in "" -q "-q -p" "-p -q"; do
    # shellcheck disable=SC2086 # none, one or two words
    expect_status 0 "$QEDTOOL" convert $options a.qed a.raw
    expect_stdout ""
    expect_stderr ""
done
expect_status 1 "$QEDTOOL" convert -p a.qed none/a.raw
! grep -q 100.00 out || fail "a failure is drawn as done"
