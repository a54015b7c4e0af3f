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

# SIGUSR1 asks for a line, with or without -p, on stderr.
is_told()
{
    grep -qE '^    [0-9.]+ %, [0-9.]+ [KMGTP]?i?B/s, [0-9]+:[0-9]{2} left$' err
}

endless endless.qed
for options in "" "-p" "-q"; do
    rm -f .a.raw.*
    # shellcheck disable=SC2086 # none or one word
    "$QEDTOOL" convert $options endless.qed a.raw >out 2>err &
    pid=$!
    wait_for compgen -G '.a.raw.*' >found
    kill -USR1 "$pid"
    wait_for is_told
    kill -TERM "$pid"
    status=0
    wait "$pid" || status=$?
    [[ $status -eq 143 ]] || fail "exit status $status after SIGUSR1 and SIGTERM"
done

# On a terminal, rate and time left are drawn without being asked for, and wiped at the end.
if command -v script >/dev/null; then
    timeout -s TERM 5 script -qec "timeout -s INT 2 '$QEDTOOL' convert endless.qed a.raw" typescript \
        >screen </dev/null || true
    grep -qE '[0-9.]+ %, .*/s, [0-9]+:[0-9]{2} left' screen || fail "nothing is drawn on a terminal"
fi
