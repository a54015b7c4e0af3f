#!/usr/bin/env bash
# Started without stdin, stdout or stderr, qedtool never takes the image it writes for one of them:
# what is meant for the terminal does not end up in the target.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"

craft a.qed 'new size=16M' 'data 0 5M seed=1'
"$QEDCRAFT" a.qed --read 0 16M >a.raw
for target in raw qed; do
    for closed in '<&-' '>&-' '2>&-' '<&- >&-' '>&- 2>&-' '<&- 2>&-' '<&- >&- 2>&-'; do
        rm -f b.*
        # shellcheck disable=SC2016 # expanded by the inner shell
        bash -c '"$QEDTOOL" convert -p -O "$0" a.qed "b.$0" '"$closed" "$target" 2>/dev/null || true
        [[ -e b.$target ]] || continue
        expect_status 0 "$QEDTOOL" convert -O raw "b.$target" c.raw
        same_file a.raw c.raw
    done
done

# On a long way, with progress drawn in the middle of it.
endless long.qed 8
"$QEDTOOL" convert -p long.qed b.raw <&- >&- &
pid=$!
part_is_there()
{
    [[ -n $(find . -name '.b.raw.*' -size +0) ]] || ! kill -0 "$pid" 2>/dev/null
}
wait_for part_is_there
kill -STOP "$pid" || fail "over before it could be stopped"
sleep 0.4
kill -CONT "$pid"
wait "$pid" || true
if [[ -e b.raw ]]; then
    "$QEDCRAFT" long.qed --read 0 64K | cmp -n 65536 - b.raw >&2 ||
        fail "progress was written into the target"
fi
