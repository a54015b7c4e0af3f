#!/usr/bin/env bash
# Images that qedtool created, in many geometries and with backing files: QEMU finds them sound,
# writes to them, and both read the same and find nothing wrong afterwards.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/foreign/lib.sh"
requires qemu-img qemu-io jq

# goes_round IMAGE SEED UNIT
goes_round()
{
    clean_for_both "$1"
    same_info "$1"
    scribble "$1" "$2" 15 "$3"
    clean_for_both "$1"
    same_everything "$1"
}

seed=300
for geometry in 4k,2,8M 4k,8,30M 8k,4,24M 16k,2,32M 64k,2,40M 64k,4,64M 64k,8,100M \
    128k,2,64M 256k,4,64M 512k,2,100M 1M,4,100M 2M,2,100M; do
    IFS=, read -r cluster table size <<<"$geometry"
    unit=$(numfmt --from=iec "${cluster^^}")
    "$QEDTOOL" create -q -o "cluster_size=$cluster,table_size=$table" a.qed "$size"
    # The very bytes that QEMU would have made.
    qemu-img create -q -f qed -o "cluster_size=$cluster,table_size=$table" theirs.qed "$size"
    cmp -n "$((unit * (1 + table)))" a.qed theirs.qed >&2 || fail "QEMU makes another image: $geometry"
    goes_round a.qed $((seed++)) "$unit"

    "$QEDTOOL" create -q -b a.qed -F qed -o "cluster_size=$cluster,table_size=$table" b.qed
    goes_round b.qed $((seed++)) "$unit"
done

"$QEDTOOL" convert a.qed base.raw
truncate -s 3000320 base.raw
"$QEDTOOL" create -q -b base.raw -F raw a.qed 5M
goes_round a.qed $((seed++)) 65536
"$QEDTOOL" create -q -b base.raw -F raw a.qed
goes_round a.qed $((seed++)) 65536
