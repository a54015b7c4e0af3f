#!/usr/bin/env bash
# Images that QEMU wrote on top of QED and raw backing files, as long, shorter and longer than the
# image: map, convert, info and check tell the same as qemu-img.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/foreign/lib.sh"
requires qemu-img qemu-io jq

seed=100
for geometry in 4k,2 64k,4 1M,2; do
    IFS=, read -r cluster table <<<"$geometry"
    unit=$(numfmt --from=iec "${cluster^^}")
    size=$((unit * 300))
    # Cluster sizes of the backing file below, as and above those of the image.
    for base in "$((size))" "$((unit * 100 + 512))" "$((unit * 400))"; do
        for other in 4k 64k; do
            qemu-img create -q -f qed -o "cluster_size=$other,table_size=2" base.qed "$base"
            scribble base.qed $((seed++)) 20 "$unit"
            qemu-img create -q -f qed -b base.qed -F qed \
                -o "cluster_size=$cluster,table_size=$table" a.qed "$size"
            scribble a.qed $((seed++)) 20 "$unit"
            same_everything a.qed
        done
        qemu-img convert -O raw base.qed base.raw
        qemu-img create -q -f qed -b base.raw -F raw \
            -o "cluster_size=$cluster,table_size=$table" a.qed "$size"
        scribble a.qed $((seed++)) 20 "$unit"
        same_everything a.qed
    done
done
