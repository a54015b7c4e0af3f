#!/usr/bin/env bash
# qemu-nbd is killed while a client writes through it: check -r all makes the image one that QEMU
# opens, writes to and finds sound, and what had been flushed is there.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/foreign/lib.sh"
requires qemu-img qemu-io qemu-nbd jq stdbuf

server=
client=
stop()
{
    [[ -z $server ]] || kill -KILL "$server" 2>/dev/null || true
    [[ -z $client ]] || kill -KILL "$client" 2>/dev/null || true
}
cleanup_fn stop

qemu-img create -q -f qed a.qed 4G
qemu-nbd -f qed -k "$PWD/socket" -t a.qed 2>nbd.err &
server=$!
server_listens()
{
    [[ -S socket ]]
}
wait_for server_listens

# The client flushes a first part and is in the middle of a second when the server goes.
mkfifo fifo
stdbuf -i0 -oL qemu-io -f raw "nbd+unix:///?socket=$PWD/socket" <fifo >qemu-io.out 2>&1 &
client=$!
exec 9>fifo
{
    echo 'write -P 1 0 1M'
    echo 'write -P 2 3G 1M'
    echo 'flush'
    for ((i = 1; i < 400; i++)); do
        echo "write -P 3 $((i * 5))M 300k"
    done
} >&9 2>/dev/null &
feeder=$!
some_are_written()
{
    [[ $(grep -c ' wrote ' qemu-io.out) -ge 30 ]]
}
wait_for some_are_written
kill -KILL "$server"
wait "$server" 2>/dev/null || true
server=
exec 9>&-
kill -KILL "$client" 2>/dev/null || true
wait "$client" "$feeder" 2>/dev/null || true
client=

is_dirty a.qed || fail "the kill did not leave it dirty"
status=0
"$QEDTOOL" check -r all a.qed >check.out 2>check.err || status=$?
[[ $status -eq 0 || $status -eq 3 ]] || fail "check -r all exits with $status: $(cat check.out)"
! is_dirty a.qed || fail "still dirty"
same_check a.qed

qemu-io -f qed -c 'read -P 1 0 1M' -c 'read -P 2 3G 1M' -c 'read -P 3 5M 300k' a.qed >qemu-io.out 2>&1
! grep -iE 'fail|repair' qemu-io.out >&2 || fail "what had been flushed is not there"
qemu-io -f qed -c 'write -P 4 3500M 5M' -c 'read -P 4 3500M 5M' a.qed >qemu-io.out 2>&1
! grep -iE 'fail|repair' qemu-io.out >&2 || fail "qemu-io is not content"
status=0
qemu-img check -q -f qed a.qed || status=$?
[[ $status -eq 0 || $status -eq 3 ]] || fail "qemu-img check exits with $status"
same_check a.qed
same_map a.qed
