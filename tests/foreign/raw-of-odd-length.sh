#!/usr/bin/env bash
# A raw image whose length is no whole sector ends with zeroes up to the next one, in the map too,
# whether data or a hole is at its end.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/foreign/lib.sh"
requires qemu-img qemu-io jq

seed=600
for length in 1 511 513 1000001 3000001; do
    for end in hole data; do
        truncate -s 0 base.raw
        truncate -s "$length" base.raw
        [[ $end == hole ]] || printf x | dd of=base.raw bs=1 seek=$((length - 1)) conv=notrunc status=none
        same_guest base.raw
        same_map base.raw
        for size in 4M $(((length + 511) / 512 * 512)); do
            qemu-img create -q -f qed -b base.raw -F raw a.qed "$size"
            same_guest a.qed
            same_map a.qed
        done
        qemu-img create -q -f qed -b base.raw -F raw a.qed 4M
        scribble a.qed $((seed++)) 8
        same_guest a.qed
        same_check a.qed
        "$QEDTOOL" convert -f raw -O qed base.raw b.qed
        qemu-img compare -q -f raw -F qed base.raw b.qed || fail "converted from raw, it reads otherwise"
    done
done
