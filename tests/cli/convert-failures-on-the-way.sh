#!/usr/bin/env bash
# What fails in the middle of convert: a limit on the size of files, a source that is cut, an image in
# use, a signal at any moment. No half of a target, no temporary file; what was there stays.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"

craft a.qed 'new size=64M' 'data 0 48M seed=1'
"$QEDCRAFT" a.qed --read 0 64M >a.raw
truncate -s 64M empty.raw
mkdir target

# limited ARG...: with files of 1 MiB at most; what the tests print is less.
limited()
{
    (
        ulimit -f 1024
        exec "$QEDTOOL" convert "$@"
    )
}

# A limit on the size of files is an error like others.
for options in "-O raw" "-O qed" "-O qed -o cluster_size=4k" "-O raw -S 0" "-O raw -m 1 -t none" "-C -O raw" \
    "-O qed -B ../empty.raw -F raw" "-O raw --salvage --mapfile=target/map"; do
    rm -f target/disk
    # shellcheck disable=SC2086 # some words
    expect_status 1 limited $options a.qed target/disk
    [[ $(wc -l <err) -eq 1 ]] || fail "more than a line: $(cat err)"
    expect_stderr_has "File too large"
    expect_files target
    echo "of an earlier day" >target/disk
    # shellcheck disable=SC2086
    unchanged target/disk expect_status 1 limited $options a.qed target/disk
    expect_files target disk
done

# What is there and written in place is clearly failed.
cp a.raw target/disk
truncate -s 0 target/disk
truncate -s 64M target/disk
expect_status 1 limited -n -O raw a.qed target/disk
expect_stderr_has "File too large"

# Source invalid, or in use for writing: the target is not touched, in place or not.
craft invalid.qed 'new size=64M' 'data 0 64K'
craft invalid.qed 'poke-header table_size 3'
echo "of an earlier day" >target/disk
for options in "-O raw" "-O qed" "-n -O raw" "-n -O qed"; do
    # shellcheck disable=SC2086
    unchanged target/disk expect_status 1 "$QEDTOOL" convert $options invalid.qed target/disk
    expect_stderr_has "QED table size is invalid"
    expect_files target disk
done

# A target that another qedtool is writing in place.
endless long.qed
truncate -s 8T target/busy
cp a.raw target/small
"$QEDTOOL" convert -n long.qed target/busy &
writer=$!
stop_writer()
{
    kill "$writer" 2>/dev/null
    wait "$writer" 2>/dev/null
}
cleanup_fn stop_writer
has_lock()
{
    grep -qE "^[0-9]+: OFDLCK .*:$(stat -c %i target/busy) " /proc/locks
}
wait_for has_lock
for options in "-n -O raw" "-O raw" "-O qed"; do
    # shellcheck disable=SC2086
    expect_status 1 "$QEDTOOL" convert $options a.qed target/busy
    expect_stderr_has 'Failed to get'
done
stop_writer || true
rm -f target/*

# Signals at any moment. SIGPIPE, too, though nothing is written to a pipe.
craft few.qed 'new size=256M' 'data 0 8M seed=2'
for signal in TERM PIPE; do
    for pause in 0 0.001 0.002 0.005 0.01 0.02 0.05; do
        echo "of an earlier day" >target/disk
        before=$(sha256sum <target/disk)
        status=0
        "$QEDTOOL" convert -O qed -S 0 few.qed target/disk 2>err &
        pid=$!
        sleep "$pause"
        kill "-$signal" $pid 2>/dev/null || true
        wait $pid 2>/dev/null || status=$?
        expect_files target disk
        if [[ $status -eq 0 ]]; then
            "$QEDTOOL" check -q target/disk || fail "said to be whole, but is not"
        else
            [[ $status -gt 128 ]] || fail "exit status $status after $signal: $(cat err)"
            [[ $(sha256sum <target/disk) == "$before" ]] || fail "$signal: half a target"
        fi
    done
done

# A source that is cut while it is read: told, with the range of the guest.
cp a.raw shrinking.raw
rm -f target/*
"$QEDTOOL" convert -f raw -m 1 -S 0 -O qed shrinking.raw target/disk 2>err &
pid=$!
truncate -s 1M shrinking.raw
status=0
wait $pid || status=$?
if [[ $status -eq 0 ]]; then
    # It was too late, or early enough to be an image of 1 MiB.
    "$QEDTOOL" check -q target/disk || fail "unsound"
else
    [[ $status -eq 1 ]] || fail "exit status $status"
    expect_stderr_has "shrinking.raw: error while reading at byte"
    expect_files target
fi
