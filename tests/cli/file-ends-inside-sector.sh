#!/usr/bin/env bash
# A file's length counts in sectors, rounded up: where check finds nothing wrong with an image that
# lacks a few bytes at its end, those bytes read as zeroes.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"

for cluster in 4K 64K; do
    for lost in 1 100 511; do
        rm -f a.qed
        craft a.qed "new size=16M cluster=$cluster table=2" 'data 0 320K seed=1'
        "$QEDCRAFT" a.qed --read 0 16M >expected.raw
        truncate -s "-$lost" a.qed
        truncate -s $((320 * 1024 - lost)) expected.raw
        truncate -s 16M expected.raw
        expect_status 0 "$QEDTOOL" check a.qed
        expect_status 0 "$QEDTOOL" convert a.qed a.raw
        same_file expected.raw a.raw
    done
done
