#!/usr/bin/env bash
# A signal while create writes tables or zeroes: nothing is left, an image of an earlier day stays as
# it was, and the shell is told of the signal.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"
requires strace

# stopped_at WRITE ARG...: create, which gets a signal at its so manieth write.
stopped_at()
{
    expect_status 143 strace -qq -o trace -e trace=pwrite64 -e "inject=pwrite64:signal=TERM:when=$1" \
        "$QEDTOOL" create -q "${@:2}"
    expect_stderr "qedtool: target/disk: interrupted"
}

strace -qq -o trace true 2>/dev/null || skip "strace cannot trace here"
mkdir target
for disk in none old; do
    [[ $disk == none ]] || echo "of an earlier day" >target/disk
    stopped_at 10 -f raw -o preallocation=full target/disk 256M
    stopped_at 100 -o preallocation=full target/disk 256M
    stopped_at 3 -o preallocation=metadata,cluster_size=4k target/disk 4G
    if [[ $disk == none ]]; then
        expect_files target
    else
        expect_files target disk
        [[ $(cat target/disk) == "of an earlier day" ]] || fail "the old image was changed"
    fi
done
