# What the test scripts share: . "$srcdir/tests/lib.sh"
# Each test runs in an empty directory of its own, which is removed when it ends.
# shellcheck shell=bash
set -Eeuo pipefail
export LC_ALL=C

absolute()
{
    case $1 in
    /*) printf '%s\n' "$1" ;;
    *) printf '%s\n' "$PWD/$1" ;;
    esac
}

srcdir=$(absolute "${srcdir:-.}")
top_builddir=$(absolute "${top_builddir:-.}")
QEDTOOL=$(absolute "${QEDTOOL:-$top_builddir/qedtool}")
QEDCRAFT=$(absolute "${QEDCRAFT:-$top_builddir/tests/support/qedcraft}")
CC=${CC:-cc}
export srcdir top_builddir QEDTOOL QEDCRAFT CC

# A finding of a sanitizer must not pass for an exit status that a test expects.
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}exitcode=99"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:+$UBSAN_OPTIONS:}exitcode=99:print_stacktrace=1"
export TSAN_OPTIONS="${TSAN_OPTIONS:+$TSAN_OPTIONS:}exitcode=99"

cleanup_fns=()
test_dir=$(mktemp -d "${TMPDIR:-/tmp}/qedtool-test.XXXXXX")

on_exit()
{
    local status=$? i

    trap - EXIT ERR
    set +e
    for ((i = ${#cleanup_fns[@]} - 1; i >= 0; i--)); do
        "${cleanup_fns[i]}"
    done
    cd /
    chmod -R u+w "$test_dir"
    rm -rf "$test_dir"
    exit "$status"
}

trap on_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
trap 'echo "${BASH_SOURCE[0]}:$LINENO: failed: $BASH_COMMAND" >&2' ERR
cd "$test_dir"

# cleanup_fn FN: call FN when the test ends, however it ends; the last one given runs first.
cleanup_fn()
{
    cleanup_fns+=("$1")
}

skip()
{
    echo "SKIP: $*"
    exit 77
}

# fail MSG: end the test, naming the line of the test script that led here.
fail()
{
    echo "FAIL: ${0##*/}:${BASH_LINENO[-2]}: $*" >&2
    exit 1
}

requires()
{
    local cmd

    for cmd; do
        command -v "$cmd" >/dev/null || skip "needs $cmd"
    done
}

requires_root()
{
    [[ $(id -u) -eq 0 ]] || skip "needs root"
}

# expect_status N CMD…: run CMD, its output in the files out and err; fail if it does not exit with N.
expect_status()
{
    local expected=$1 status=0

    shift
    "$@" >"$test_dir/out" 2>"$test_dir/err" || status=$?
    [[ $status -eq $expected ]] && return
    cat "$test_dir/out" "$test_dir/err" >&2
    fail "exit status $status, expected $expected: $*"
}

# expect_stdout [TEXT]: the last out is exactly the lines of TEXT, or of stdin; "" expects nothing.
expect_stdout()
{
    expect_text out "$@"
}

expect_stderr()
{
    expect_text err "$@"
}

expect_text()
{
    local file=$1

    shift
    if [[ $# -eq 0 ]]; then
        cat
    elif [[ -n $1 ]]; then
        printf '%s\n' "$1"
    fi >"$test_dir/expected"
    diff -u "$test_dir/expected" "$test_dir/$file" >&2 || fail "$file is not what was expected"
}

# expect_stdout_has TEXT: TEXT, not a pattern, stands somewhere in a line of the last out.
expect_stdout_has()
{
    expect_has out "$1"
}

expect_stderr_has()
{
    expect_has err "$1"
}

expect_has()
{
    grep -qF -e "$2" "$test_dir/$1" && return
    cat "$test_dir/$1" >&2
    fail "no \"$2\" in $1"
}

same_file()
{
    cmp "$1" "$2" >&2 || fail "$1 and $2 differ"
}

# unchanged FILE CMD…: run CMD and fail if it changed a byte of FILE; the status is CMD's.
unchanged()
{
    local file=$1 before status=0

    shift
    before=$(sha256sum <"$file")
    "$@" || status=$?
    [[ $(sha256sum <"$file") == "$before" ]] || fail "$file was changed by: $*"
    return "$status"
}

# wait_for COMMAND...: until it succeeds, for 20 seconds at most.
wait_for()
{
    local tries

    for ((tries = 0; tries < 400; tries++)); do
        ! "$@" || return 0
        sleep 0.05
    done
    fail "waited in vain for: $*"
}
