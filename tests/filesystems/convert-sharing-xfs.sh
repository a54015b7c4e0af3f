#!/usr/bin/env bash
# On xfs a preallocated target shares the source's space, unless it was asked for to have space of
# its own; and where space is shared, there is no warning that it may be short.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"
. "$srcdir/tests/filesystems/lib.sh"
requires_root
requires mkfs.xfs filefrag losetup

mib=1048576

# make_xfs MIB FOLDER
make_xfs()
{
    truncate -s "$1M" "$2.image"
    mkfs.xfs -q -m reflink=1 "$2.image" >mkfs.out 2>&1 || fail "mkfs.xfs: $(cat mkfs.out)"
    mount_image "$2.image" "$2"
}

make_xfs 512 shared
random_file shared/a.raw $((100 * mib))
for row in raw:off:shared qed:off:shared qed:metadata:shared raw:falloc:own qed:falloc:own \
    qed:full:own; do
    IFS=: read -r format mode space <<<"$row"
    expect_status 0 "$QEDTOOL" convert -f raw -O "$format" -o "preallocation=$mode" shared/a.raw \
        shared/b
    expect_stderr ""
    if [[ $space == own ]]; then
        [[ $(taken shared/b) -ge $((100 * 1024)) ]] || fail "$row: $(taken shared/b) KiB"
        ! extents shared/b | grep -q shared || fail "$row: shared"
    else
        extents shared/b | grep -q shared || fail "$row: not shared"
    fi
    expect_status 0 "$QEDTOOL" convert -f "$format" shared/b back.raw
    cmp shared/a.raw back.raw
    rm shared/b
done

# Not twice the data has room here.
make_xfs 320 small
random_file small/c.raw $((180 * mib))
for format in raw qed; do
    expect_status 0 "$QEDTOOL" convert -f raw -O $format small/c.raw small/b
    expect_stderr ""
    rm small/b
    expect_status 1 "$QEDTOOL" convert -f raw -O $format -S 0 small/c.raw small/b
    expect_stderr_has "bytes may be needed"
    expect_stderr_has "No space left on device"
done
