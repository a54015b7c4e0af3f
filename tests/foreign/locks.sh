#!/usr/bin/env bash
# qedtool and QEMU keep out of each other's way, whichever comes first.
. "${srcdir:=.}/tests/lib.sh"
requires qemu-img qemu-io

held='Is another process using the image [a.qed]?'

"$QEDTOOL" create -q a.qed 64M
"$QEDTOOL" create -q b.qed 64M
qemu-io -f qed -c 'write -q -P 1 0 1M' b.qed

# hold_with CMD…: CMD with a FIFO for stdin, so that it stays until release.
hold_with()
{
    rm -f gate
    mkfifo gate
    "$@" <gate >held.out 2>&1 &
    holder=$!
    exec 9>gate
}

release()
{
    exec 9>&-
    wait "$holder" || true
}

# The lock that says "others may not write" is there.
is_held()
{
    ! "$QEDTOOL" info a.qed >/dev/null 2>&1
}

wait_until_held()
{
    local i

    for ((i = 0; i < 100; i++)); do
        is_held && return
        sleep 0.1
    done
    fail "the holder did not open the image"
}

# QEMU writes: nothing here may read, write or replace; -U may look.
hold_with qemu-io -f qed a.qed
wait_until_held
for command in info map check "check -r all"; do
    # shellcheck disable=SC2086 # the words of a command
    unchanged a.qed expect_status 1 "$QEDTOOL" $command a.qed
    expect_stderr_has "$held"
done
unchanged a.qed expect_status 1 "$QEDTOOL" undo a.qed b.qed
expect_stderr_has "$held"
expect_status 1 "$QEDTOOL" create a.qed 1M
expect_stderr_has "$held"
expect_status 1 "$QEDTOOL" convert -O qed b.qed a.qed
expect_stderr_has "$held"
expect_status 1 "$QEDTOOL" convert -n -O qed b.qed a.qed
expect_stderr_has "$held"
expect_status 1 "$QEDTOOL" convert -O raw a.qed out.raw
expect_stderr_has "$held"
for command in info map check; do
    expect_status 0 "$QEDTOOL" "$command" -U a.qed
done
expect_status 0 "$QEDTOOL" convert -U -O raw a.qed out.raw
release

# QEMU reads: readers are welcome, writers are not.
hold_with qemu-io -r -f qed a.qed
sleep 0.5
expect_status 0 "$QEDTOOL" check a.qed
expect_status 1 "$QEDTOOL" check -r all a.qed
expect_stderr_has 'Failed to get "write" lock'
release

# A killed holder leaves no lock.
hold_with qemu-io -f qed a.qed
wait_until_held
kill -KILL "$holder"
release
expect_status 0 "$QEDTOOL" check a.qed

# qedtool writes into an image: QEMU is refused. Its writes are held up.
requires strace
strace -f -qq -o /dev/null -e trace=pwrite64 -e inject=pwrite64:delay_exit=3000000 \
    "$QEDTOOL" convert -n -O qed b.qed a.qed &
writer=$!
wait_until_held
expect_status 1 qemu-img info a.qed
expect_stderr_has "$held"
expect_status 1 qemu-io -f qed -c 'write 0 64k' a.qed
wait "$writer"
expect_status 0 qemu-img compare a.qed b.qed
expect_status 1 "$QEDTOOL" check -U -r all a.qed
expect_stderr_has "-U cannot be used with -r"
