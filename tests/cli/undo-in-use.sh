#!/usr/bin/env bash
# An image that another process reads is not changed under it.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"

endless a.qed
echo none >rec
"$QEDTOOL" convert -O raw a.qed b.raw &
reader=$!
stop_reader()
{
    kill -KILL "$reader" 2>/dev/null
    wait "$reader" 2>/dev/null
}
cleanup_fn stop_reader

target_is_there()
{
    [[ -n $(find . -name '.b.raw.*') ]]
}
wait_for target_is_there
kill -STOP "$reader"
unchanged a.qed expect_status 1 "$QEDTOOL" undo a.qed rec
expect_stderr 'qedtool: Failed to get "write" lock
Is another process using the image [a.qed]?'
kill -KILL "$reader"
wait "$reader" || true
unchanged a.qed expect_status 1 "$QEDTOOL" undo a.qed rec
expect_stderr "qedtool: 'rec' is not an undo record"
