#!/usr/bin/env bash
# Images that qedtool converted to QED: QEMU finds them sound and the same as the source, can write
# to them, and both find nothing wrong afterwards.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/foreign/lib.sh"
requires qemu-img qemu-io jq

# goes_round IMAGE SOURCE SEED UNIT
goes_round()
{
    clean_for_both "$1"
    qemu-img compare -q "$1" "$2" || fail "QEMU reads $1 unlike $2"
    "$QEDTOOL" convert -O raw "$1" ours.raw
    qemu-img compare -q -f raw -F raw source.raw ours.raw || fail "$1 reads unlike $2"
    scribble "$1" "$3" 15 "$4"
    clean_for_both "$1"
    same_everything "$1"
}

seed=400
qemu-img create -q -f qed -o cluster_size=16k source.qed 24M
scribble source.qed $((seed++)) 40 65536
scribble source.qed $((seed++)) 30 4096
qemu-img convert -O raw source.qed source.raw

for geometry in 4k,2 4k,8 8k,4 16k,2 64k,4 128k,2 256k,4 1M,4; do
    IFS=, read -r cluster table <<<"$geometry"
    options=(-O qed -o "cluster_size=$cluster,table_size=$table")
    "$QEDTOOL" convert "${options[@]}" source.qed a.qed
    goes_round a.qed source.qed $((seed++)) 65536
    case $cluster in 8k | 64k | 1M) ;; *) continue ;; esac
    # Over what is there now.
    "$QEDTOOL" convert -n -O qed source.raw a.qed
    goes_round a.qed source.raw $((seed++)) 65536
done
"$QEDTOOL" convert -S 0 -O qed source.raw a.qed
goes_round a.qed source.qed $((seed++)) 65536
"$QEDTOOL" convert -S 64k -O qed -o cluster_size=4k source.raw a.qed
goes_round a.qed source.qed $((seed++)) 65536
