#!/usr/bin/env bash
# Where a file system cannot reserve space, preallocation=falloc is refused in one sentence, and full
# is written all the same.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"
. "$srcdir/tests/filesystems/lib.sh"
requires_root

mount_on ram -t ramfs ramfs
craft a.qed 'new size=2M' 'data 0 1M seed=1'
for format in raw qed; do
    expect_status 1 "$QEDTOOL" create -q -f $format -o preallocation=falloc ram/disk 2M
    expect_stderr "qedtool: ram/disk: preallocation=falloc: cannot reserve space: \
Operation not supported"
    expect_status 1 "$QEDTOOL" convert -O $format -o preallocation=falloc a.qed ram/disk
    expect_stderr_has "preallocation=falloc: cannot reserve space: Operation not supported"
    expect_files ram
    expect_status 0 "$QEDTOOL" create -q -f $format -o preallocation=full ram/disk 2M
    [[ $(taken ram/disk) -ge 2048 ]] || fail "$format: $(taken ram/disk) KiB"
    expect_status 0 "$QEDTOOL" convert -O $format -o preallocation=full a.qed ram/disk
    [[ $(taken ram/disk) -ge 2048 ]] || fail "$format: $(taken ram/disk) KiB"
    rm ram/disk
done
