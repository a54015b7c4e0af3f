#!/usr/bin/env bash
# An image that is read-only or in use is not repaired; each is said in one sentence. A check, and
# the plan of a repair, need neither.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"

# refused WORDS REPAIR…: one line, with these words
refused()
{
    unchanged a.qed expect_status 1 "${@:2}"
    expect_stdout ""
    [[ $(grep -vc '^Is another process using' err) -eq 1 ]] || fail "not one sentence: $(cat err)"
    expect_stderr_has "$1"
}

craft a.qed 'new size=16M' 'data 0 256K' 'poke-l2 0 1 data:0:1|4' 'leak 1'
chmod 444 a.qed
as_user=()
if [[ $(id -u) -eq 0 ]]; then
    requires setpriv
    chown 65534 a.qed .
    chmod 755 .
    as_user=(setpriv --reuid=65534 --regid=65534 --clear-groups)
fi
if "${as_user[@]}" test -x "$QEDTOOL"; then
    for what in all leaks; do
        refused "Could not open 'a.qed': Permission denied" "${as_user[@]}" "$QEDTOOL" check -r "$what" a.qed
    done
    expect_status 2 "${as_user[@]}" "$QEDTOOL" check --dry-run a.qed
fi
chmod 644 a.qed

# In use: somebody converts it, which takes long.
temporary_is_there()
{
    [[ -n $(find target -name '.disk.*') ]]
}

stop_reader()
{
    kill -KILL "$reader" 2>/dev/null || true
}

rm a.qed
endless a.qed
mkdir target
"$QEDTOOL" convert -O raw -S 4k "$PWD/a.qed" target/disk 2>/dev/null &
reader=$!
cleanup_fn stop_reader
wait_for temporary_is_there
for what in all leaks; do
    refused 'Failed to get "write" lock' "$QEDTOOL" check -r "$what" a.qed
done
unchanged a.qed expect_status 2 "$QEDTOOL" check --dry-run a.qed
kill -KILL "$reader"
wait "$reader" 2>/dev/null || true
# Nothing is in the way any more, but that its tables make no sense.
unchanged a.qed expect_status 2 "$QEDTOOL" check -r all a.qed
expect_stderr_has "Nothing was repaired: see the finding above"
