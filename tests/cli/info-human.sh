#!/usr/bin/env bash
# The lines of info are those of qemu-img, in its order, with sizes in three significant places.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"

# info_lines FILE [OPTION...]: without the disk size, which is the file system's affair
info_lines()
{
    expect_status 0 "$QEDTOOL" info "$@"
    expect_stderr ""
    grep -qxE 'disk size: [0-9.]+ ([KMG]i)?B' out || fail "no disk size"
    sed -i '/^disk size: /d' out
}

"$QEDTOOL" create -q a.qed 64M
info_lines a.qed
expect_stdout "image: a.qed
file format: qed
virtual size: 64 MiB (67108864 bytes)
cluster_size: 65536"

expect_status 0 "$QEDTOOL" info a.qed
[[ $(cut -d: -f1 out | tr '\n' ,) == "image,file format,virtual size,disk size,cluster_size," ]] ||
    fail "the lines come in another order"

"$QEDTOOL" create -q -b a.qed -F qed -o cluster_size=4k b.qed
info_lines b.qed
expect_stdout "image: b.qed
file format: qed
virtual size: 64 MiB (67108864 bytes)
cluster_size: 4096
backing file: a.qed"

truncate -s 1000 a.raw
"$QEDTOOL" create -q -b a.raw -F raw c.qed
mkdir sub
mv c.qed a.raw sub/
info_lines sub/c.qed
expect_stdout "image: sub/c.qed
file format: qed
virtual size: 1 KiB (1024 bytes)
cluster_size: 65536
backing file: a.raw (actual path: sub/a.raw)
backing file format: raw"

info_lines sub/a.raw
expect_stdout "image: sub/a.raw
file format: raw
virtual size: 1 KiB (1024 bytes)"
# Whatever it looks like, raw is raw.
info_lines -f raw a.qed
expect_stdout_has "file format: raw"
info_lines -f qed a.qed
expect_stdout_has "file format: qed"
expect_status 1 "$QEDTOOL" info -f qed sub/a.raw
expect_stderr "qedtool: Could not open 'sub/a.raw': Image not in QED format"

# shows TEXT SIZE
shows()
{
    "$QEDTOOL" create -q s.qed "$2"
    info_lines s.qed
    expect_stdout_has "virtual size: $1 ("
}
shows "0 B" 0
shows "512 B" 1
shows "1.5 KiB" 1536
shows "1 KiB" 1k
shows "999 KiB" 1022976
shows "0.996 MiB" 1020k
shows "1 MiB" 1M
shows "1.21 GiB" 1300000000
shows "64 TiB" 64T
