#!/usr/bin/env bash
# A guest of 5 GiB with a file system in it, converted to QED by qemu-img: convert -O raw gives the
# bytes that qemu-img gives, and the file system in them is sound and holds its files.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/foreign/lib.sh"
export PATH="$PATH:/sbin:/usr/sbin"
requires qemu-img mkfs.ext4 e2fsck jq
[[ $(df -Pk . | awk 'NR == 2 { print $4 }') -gt 2000000 ]] || skip "needs 2 GB of disk"

# same_sparse A B: same bytes; does not read through holes
same_sparse()
{
    qemu-img compare -q -f raw -F raw "$1" "$2" || fail "$1 and $2 differ"
    [[ $(stat -c %s "$1") -eq $(stat -c %s "$2") ]] || fail "$1 and $2 differ in length"
}

mkdir -p files/folder
for ((i = 0; i < 200; i++)); do
    "$QEDCRAFT" seed.qed /dev/stdin <<<$'new size=1M\ndata 0 200K seed='"$i"
    "$QEDCRAFT" seed.qed --read 0 "$((i * 997 + 1))" >"files/folder/file$i"
done
truncate -s 1G files/sparse
printf end | dd of=files/sparse bs=1 seek=900M conv=notrunc status=none
truncate -s 5G disk.raw
mkfs.ext4 -q -F -d files disk.raw

for options in cluster_size=64k cluster_size=4k,table_size=8; do
    qemu-img convert -f raw -O qed -o "$options" disk.raw disk.qed
    qemu-img convert -f qed -O raw disk.qed theirs.raw
    "$QEDTOOL" convert -f qed -O raw disk.qed ours.raw
    same_sparse theirs.raw ours.raw
    same_map disk.qed
    e2fsck -fn ours.raw >e2fsck.out 2>&1 || fail "e2fsck: $(cat e2fsck.out)"

    "$QEDTOOL" convert -f raw -O qed -o "$options" disk.raw ours.qed
    qemu-img compare -q -f qed -F raw ours.qed disk.raw || fail "QEMU reads our QED otherwise"
    "$QEDTOOL" check ours.qed >check.out || fail "check: $(cat check.out)"
    # Not much more than what is stored.
    [[ $(du -k ours.qed | cut -f1) -lt $(($(du -k disk.raw | cut -f1) * 3 / 2 + 4096)) ]] ||
        fail "$(du -k ours.qed disk.raw)"
done
same_sparse theirs.raw disk.raw
requires debugfs
for i in 0 57 199; do
    debugfs -R "cat /folder/file$i" ours.raw 2>/dev/null | cmp - "files/folder/file$i" >&2 ||
        fail "file$i is not in the guest"
done
