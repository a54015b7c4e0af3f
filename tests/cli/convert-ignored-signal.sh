#!/usr/bin/env bash
# A signal that convert was started to ignore, as by nohup, does not stop it.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"

temporary_is_there()
{
    [[ -n $(find . -name '.a.raw.*') ]]
}

endless a.qed
for signal in HUP INT; do
    (
        trap '' "$signal"
        exec "$QEDTOOL" convert a.qed a.raw 2>err
    ) &
    pid=$!
    wait_for temporary_is_there
    kill "-$signal" "$pid"
    sleep 0.5
    kill -0 "$pid" || fail "SIG$signal stopped it: $(cat err)"
    kill -TERM "$pid"
    wait "$pid" || true
    ! temporary_is_there || fail "a temporary file is left"
done
