#!/usr/bin/env bash
# A check that is stopped says what it has counted so far and exits with 1; SIGUSR1 makes it print a
# line of progress and go on. The kernel's answers are held up, so that the check takes minutes.
. "${srcdir:=.}/tests/lib.sh"
requires strace pgrep
[[ $(head -c 2 "$QEDTOOL") != '#!' ]] || skip "the program that is traced must be qedtool itself"
ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=0" # that does not work under a tracer

{
    echo "new size=8G cluster=4K"
    for ((i = 0; i < 1000; i++)); do
        echo "data $((i * 8))M 4K"
    done
} | "$QEDCRAFT" many-tables.qed

strace -f -qq -o /dev/null -e trace=lseek -e inject=lseek:delay_enter=50000 \
    "$QEDTOOL" check many-tables.qed >out 2>err &
tracer=$!
stop_tracer()
{
    kill -KILL "$tracer" 2>/dev/null
    wait "$tracer" 2>/dev/null
}
cleanup_fn stop_tracer

# wait_for CMD…: until it succeeds, for a minute at most.
wait_for()
{
    local i

    for ((i = 0; i < 600; i++)); do
        "$@" && return
        sleep 0.1
    done
    cat err >&2
    fail "waited in vain for: $*"
}

checker_is_threaded()
{
    local tasks

    checker=$(pgrep -P "$tracer" -x qedtool) || return 1
    tasks=("/proc/$checker/task"/*)
    [[ ${#tasks[@]} -gt 1 ]]
}

wait_for checker_is_threaded
kill -USR1 "$checker"
wait_for grep -q '%, .*/s, .* left' err
kill -TERM "$checker" # SIGINT is ignored in what a script runs in the background
status=0
wait "$tracer" || status=$?
[[ $status -eq 1 ]] || fail "exit status $status after SIGTERM"
[[ ! -s out ]] || fail "half an answer on stdout"
expect_stderr_has "interrupted; so far 0 errors and "
