#!/usr/bin/env bash
# -o preallocation: every cluster of a QED image has its place, and with falloc and full the file its
# space; what QEMU writes into it makes it no longer.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"

mib=1048576

# taken FILE: KiB
taken()
{
    du -k "$1" | cut -f1
}

# expect_whole FILE CLUSTERS: clean, and all of it allocated.
expect_whole()
{
    expect_status 0 "$QEDTOOL" check "$1"
    expect_stdout_has "$2/$2 = 100.00% allocated, 0.00% fragmented"
    expect_status 0 "$QEDTOOL" map --output=json "$1"
    [[ $(wc -l <out) -eq 1 ]] || fail "not one run: $(cat out)"
    expect_stdout_has '"zero": false, "data": true'
    cmp -n $((16 * mib)) /dev/zero <("$QEDCRAFT" "$1" --read 0 16M) || fail "not zeroes"
}

# qemu_writes FILE: all over it, and it stays as long.
qemu_writes()
{
    local length

    command -v qemu-io >/dev/null || return 0
    length=$(stat -c %s "$1")
    qemu-io -f qed -c 'write -P 7 0 64k' -c 'write -P 8 5000k 3M' -c 'write -P 9 16776704 512' "$1" >qemu.out ||
        fail "$(cat qemu.out)"
    [[ $(stat -c %s "$1") -eq $length ]] || fail "$1 grew"
    qemu-io -f qed -c 'read -P 7 0 64k' -c 'read -P 0 64k 1M' -c 'read -P 8 5000k 3M' \
        -c 'read -P 9 16776704 512' "$1" >qemu.out || fail "$(cat qemu.out)"
    ! grep -q failed qemu.out || fail "$(cat qemu.out)"
    expect_status 0 "$QEDTOOL" check "$1"
}

for geometry in 4k:2:4096 64k:4:256 1M:2:16; do
    IFS=: read -r cluster table clusters <<<"$geometry"
    for mode in metadata falloc full; do
        options=cluster_size=$cluster,table_size=$table,preallocation=$mode
        expect_status 0 "$QEDTOOL" create -o "$options" a.qed 16M
        expect_stdout_has " table_size=$table preallocation=$mode"
        expect_whole a.qed "$clusters"
        if [[ $mode == metadata ]]; then
            [[ $(taken a.qed) -le 128 ]] || fail "$options: $(taken a.qed) KiB"
        else
            [[ $(taken a.qed) -ge $(($(stat -c %s a.qed) / 1024)) ]] ||
                fail "$options: $(taken a.qed) KiB"
        fi
        qemu_writes a.qed
    done
done

for mode in falloc full; do
    expect_status 0 "$QEDTOOL" create -f raw -o preallocation=$mode a.raw 16M
    expect_stdout "Formatting 'a.raw', fmt=raw size=16777216 preallocation=$mode"
    [[ $(taken a.raw) -ge 16384 ]] || fail "$mode: $(taken a.raw) KiB"
    cmp -n $((16 * mib)) a.raw /dev/zero
done
for format in qed raw; do
    expect_status 0 "$QEDTOOL" create -f $format -o preallocation=off off 16M
    [[ $(taken off) -le 16 ]] || fail "$format: $(taken off) KiB"
done

# What one file cannot be is refused, with nothing left behind; so is a mode that is none.
rm -f ./*
expect_status 1 "$QEDTOOL" create -o preallocation=metadata,cluster_size=64M,table_size=16 a.qed 9223372036854775296
expect_stderr "qedtool: a.qed: No file is as long as all clusters of the image"
truncate -s 1M base.raw
for mode in metadata falloc full; do
    expect_status 1 "$QEDTOOL" create -b base.raw -F raw -o preallocation=$mode a.qed
    expect_stdout "Formatting 'a.qed', fmt=qed size=1048576 backing_file=base.raw backing_fmt=raw \
cluster_size=65536 preallocation=$mode"
    expect_stderr "qedtool: a.qed: Backing file and preallocation cannot be used at the same time"
done
expect_status 0 "$QEDTOOL" create -b base.raw -F raw -o preallocation=off a.qed
rm a.qed
expect_status 1 "$QEDTOOL" create -o preallocation=some a.qed 1M
expect_stderr "qedtool: a.qed: Parameter 'preallocation' does not accept value 'some'"
expect_status 1 "$QEDTOOL" create -f raw -o preallocation=metadata a.raw 1M
expect_stderr "qedtool: a.raw: Unsupported preallocation mode: metadata"
expect_status 1 "$QEDTOOL" create -f raw -o preallocation=some a.raw 1M
expect_stderr "qedtool: a.raw: invalid parameter value: some"
rm -f out err expected
expect_files . base.raw
