#!/usr/bin/env bash
# A signal while a pipe is waited for, on either side: no target, no temporary file, and the shell is
# told of the signal.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"

temporary_is_there()
{
    [[ -n $(find target -name '.disk.*') ]]
}

# is_quiet PID: it reads and writes nothing for a while.
is_quiet()
{
    local before

    before=$(cat "/proc/$1/io")
    [[ -n $before ]] && sleep 0.3 && [[ $(cat "/proc/$1/io") == "$before" ]]
}

# ends_when CONDITION COMMAND...: a signal makes it end once that holds of its process.
ends_when()
{
    local pid status=0

    "${@:2}" 2>err &
    pid=$!
    wait_for "$1" $pid
    kill -TERM $pid
    wait $pid || status=$?
    [[ $status -eq $((128 + 15)) ]] || fail "exit status $status: $(cat err)"
    expect_stderr_has "$interrupted"
    expect_files target
}

# What is left in the pipe.
drain()
{
    timeout 0.3 cat <fifo >/dev/null || true
}

mkdir target
mkfifo fifo lonely
exec 5<>fifo # it has a reader and a writer, who do nothing
head -c 3M /dev/urandom >a.raw
"$QEDTOOL" convert -O raw.gz a.raw a.raw.gz
interrupted=": interrupted"

# It waits for more, in the middle.
for format in raw qed raw.gz; do
    for input in "raw a.raw" "raw.gz a.raw.gz"; do
        head -c 1500000 "${input#* }" >&5 &
        feeder=$!
        ends_when temporary_is_there "$QEDTOOL" convert -O $format -f "${input% *}" fifo target/disk
        kill $feeder 2>/dev/null || true
        wait $feeder || true
        drain
    done
done

# Nobody takes what it writes.
for format in raw raw.gz; do
    ends_when is_quiet "$QEDTOOL" convert -O $format a.raw - >&5
    drain
done

# Nothing comes at all, and nobody opens the other end.
ends_when is_quiet "$QEDTOOL" convert fifo target/disk
interrupted="Interrupted system call"
ends_when is_quiet "$QEDTOOL" convert lonely target/disk
