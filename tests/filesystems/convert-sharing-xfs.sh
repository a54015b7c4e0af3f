#!/usr/bin/env bash
# On xfs a preallocated target shares the source's space, unless it was asked for to have space of
# its own; and where space is shared, there is no warning that it may be short.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"
. "$srcdir/tests/filesystems/lib.sh"
requires_root
requires mkfs.xfs filefrag losetup

mib=1048576

# free: KiB
free()
{
    sync -f shared
    df -k --output=avail shared | tail -n 1
}

truncate -s 512M image
mkfs.xfs -q -m reflink=1 image >mkfs.out 2>&1 || fail "mkfs.xfs: $(cat mkfs.out)"
mount_image image shared
random_file shared/a.raw $((100 * mib))
for row in raw:off:shared qed:off:shared qed:metadata:shared raw:falloc:own qed:falloc:own \
    qed:full:own; do
    IFS=: read -r format mode space <<<"$row"
    before=$(free)
    expect_status 0 "$QEDTOOL" convert -f raw -O "$format" -o "preallocation=$mode" shared/a.raw \
        shared/b
    expect_stderr ""
    used=$((before - $(free)))
    if [[ $space == own ]]; then
        [[ $used -ge $((99 * 1024)) ]] || fail "$row: $used KiB"
        ! extents shared/b | grep -q shared || fail "$row: shared"
    else
        [[ $used -lt $((10 * 1024)) ]] || fail "$row: $used KiB"
        extents shared/b | grep -q shared || fail "$row: not shared"
    fi
    expect_status 0 "$QEDTOOL" convert -f "$format" shared/b back.raw
    cmp shared/a.raw back.raw
    rm shared/b
done

random_file shared/c.raw $((200 * mib))
[[ $(free) -lt $((200 * 1024)) ]] || random_file shared/d.raw $((($(free) - 150 * 1024) * 1024))
for format in raw qed; do
    expect_status 0 "$QEDTOOL" convert -f raw -O $format shared/c.raw shared/b
    expect_stderr ""
    rm shared/b
    expect_status 1 "$QEDTOOL" convert -f raw -O $format -S 0 shared/c.raw shared/b
    expect_stderr_has "bytes may be needed"
    expect_stderr_has "No space left on device"
done
