#!/usr/bin/env bash
# Images that qedtool converted onto a backing file: QEMU finds them sound and the same as the
# source, can write to them, and both find nothing wrong afterwards.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/foreign/lib.sh"
requires qemu-img qemu-io jq

seed=500
qemu-img create -q -f qed base.qed 16M
scribble base.qed $((seed++)) 60
# The source has changed from there, one way without and one way with the base below it.
cp base.qed changed.qed
qemu-img create -q -f qed -b base.qed -F qed child.qed 20M
scribble changed.qed $((seed++)) 20
scribble child.qed $((seed++)) 20 16384
qemu-img convert -O raw base.qed base.raw
cp base.raw short.raw
truncate -s 9000448 short.raw

for source in changed.qed child.qed; do
    for base in base.qed,qed base.raw,raw short.raw,raw; do
        for cluster in 4k 64k; do
            "$QEDTOOL" convert -O qed -B "${base%,*}" -F "${base#*,}" \
                -o "cluster_size=$cluster,table_size=2" "$source" a.qed
            clean_for_both a.qed
            qemu-img compare -q a.qed "$source" || fail "QEMU reads $source otherwise on $base"
            same_everything a.qed
            scribble a.qed $((seed++)) 10
            clean_for_both a.qed
            same_guest a.qed
        done
    done
done

# It is smaller than a copy of everything.
"$QEDTOOL" convert -O qed -B base.qed -F qed child.qed a.qed
"$QEDTOOL" convert -O qed child.qed whole.qed
[[ $(stat -c %s a.qed) -lt $(stat -c %s whole.qed) ]] || fail "the base saves nothing"
