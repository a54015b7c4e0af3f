#!/usr/bin/env bash
# Images that QEMU wrote, in many geometries: map, convert, info and check tell the same as qemu-img.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/foreign/lib.sh"
requires qemu-img qemu-io jq

seed=1
for geometry in 4k,2,8M 4k,4,30M 4k,8,60M 8k,2,24M 8k,8,100M 16k,2,32M 16k,4,64M 32k,2,64M \
    64k,2,40M 64k,4,64M+512 64k,8,600M 128k,4,64M 256k,2,64M 512k,2,100M 1M,2,128M 1M,4,200M \
    2M,2,200M; do
    IFS=, read -r cluster table size <<<"$geometry"
    [[ $size != *+512 ]] || size=$(($(numfmt --from=iec "${size%+*}") + 512))
    qemu-img create -q -f qed -o "cluster_size=$cluster,table_size=$table" a.qed "$size"
    scribble a.qed $((seed++)) 30 "$(numfmt --from=iec "${cluster^^}")"
    same_everything a.qed
done
