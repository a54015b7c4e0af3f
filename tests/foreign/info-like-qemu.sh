#!/usr/bin/env bash
# info says of an image what qemu-img says, for all sorts of backing file names.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/foreign/lib.sh"
requires qemu-img jq

mkdir -p sub/deeper
for name in base.qed ./base.qed ../base.qed sub/base.qed "$PWD/base.qed" deeper/../base.qed \
    ./a:b 'with space' 'it"s' 'back\slash' ümlaut; do
    for format in raw qed; do
        for image in a.qed sub/a.qed; do
            "$QEDTOOL" create -q -u -b "$name" -F "$format" "$image" 1M
            same_info "$image"
            qemu-img create -q -u -f qed -b "$name" -F "$format" theirs.qed 1M
            cmp theirs.qed "$image" >&2 || fail "QEMU makes another image: $name, $format"
        done
    done
done
for image in ./sub/b.qed "$PWD/sub/b.qed"; do
    "$QEDTOOL" create -q -u -b base.qed -F qed "$image" 1M
    same_info "$image"
done

for size in 512 1023k 1234567 5G 64T; do
    "$QEDTOOL" create -q a.qed "$size"
    same_info a.qed
    "$QEDTOOL" create -q -f raw a.raw "${size/64T/1G}"
    same_info a.raw
done
