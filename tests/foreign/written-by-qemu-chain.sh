#!/usr/bin/env bash
# Chains of three images that QEMU wrote, each of another size and geometry.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/foreign/lib.sh"
requires qemu-img qemu-io jq

# layer FILE SIZE CLUSTER SEED [OPTION...]
layer()
{
    qemu-img create -q -f qed -o "cluster_size=$3,table_size=2" "${@:5}" "$1" "$2"
    scribble "$1" "$4" 25 "$(numfmt --from=iec "${3^^}")"
}

mkdir sub
seed=200
for clusters in 4k,64k,16k 64k,4k,64k 8k,8k,8k 512k,64k,4k 4k,4k,1M; do
    IFS=, read -r low middle high <<<"$clusters"
    for sizes in 16M,16M,16M 4M,24M,12M 1536,10M,40M; do
        IFS=, read -r low_size middle_size high_size <<<"$sizes"
        layer sub/low.qed "$low_size" "$low" $((seed++))
        layer sub/middle.qed "$middle_size" "$middle" $((seed++)) -b low.qed -F qed
        layer high.qed "$high_size" "$high" $((seed++)) -b sub/middle.qed -F qed
        same_everything high.qed
    done
done
# Raw at the bottom, and a fourth.
qemu-img convert -O raw sub/low.qed sub/low.raw
layer sub/middle.qed 20M 64k $((seed++)) -b low.raw -F raw
layer high.qed 30M 16k $((seed++)) -b "$PWD/sub/middle.qed" -F qed
layer top.qed 30M 4k $((seed++)) -b ./high.qed -F qed
same_everything top.qed
qemu-img info --backing-chain --output=json top.qed | jq . >theirs.json
"$QEDTOOL" info --backing-chain --output=json top.qed | jq 'map(del(."format-specific"))' >ours.json
diff -u theirs.json ours.json >&2 || fail "another info of the chain"
diff -u <(qemu-img info --backing-chain top.qed) <("$QEDTOOL" info --backing-chain top.qed) >&2 ||
    fail "another info for humans of the chain"
same_map top.qed -s 1M
same_map top.qed -s 1234567 -l 7654321
same_map top.qed -l 5000k
same_map top.qed -s 29M -l 5M
