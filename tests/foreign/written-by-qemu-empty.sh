#!/usr/bin/env bash
# Images without data and without a guest: map, convert, info and check tell the same as qemu-img.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/foreign/lib.sh"
requires qemu-img jq

qemu-img create -q -f qed a.qed 64M
same_everything a.qed
qemu-img create -q -f qed -b a.qed -F qed b.qed 65M
same_everything b.qed
for size in 512 1 64M+512 64T; do
    [[ $size != *+512 ]] || size=$((67108864 + 512))
    qemu-img create -q -f qed a.qed "$size"
    same_map a.qed
    same_info a.qed
    same_check a.qed
done
qemu-img create -q -f qed a.qed 0
same_guest a.qed
same_info a.qed
same_check a.qed
