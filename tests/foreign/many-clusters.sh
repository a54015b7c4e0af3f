#!/usr/bin/env bash
# A sound image of more clusters than a cluster has bytes (more than 4 GiB of 64K clusters, or 16
# MiB of 4K ones), for which QEMU counts leaks that are not there: check finds it clean.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/foreign/lib.sh"
requires qemu-img qemu-io

# Written by QEMU: 40 MiB of 4K clusters. QEMU's leaks are those of its wrong division.
qemu-img create -q -f qed -o cluster_size=4k a.qed 64M
qemu-io -f qed -c 'write -P 1 0 40M' a.qed >/dev/null
status=0
qemu-img check -f qed a.qed >theirs.txt 2>&1 || status=$?
[[ $status -eq 0 || $(cat theirs.txt) == *"2 leaked clusters"* ]] || fail "$(cat theirs.txt)"
expect_status 0 "$QEDTOOL" check a.qed
expect_stdout "No errors were found on the image.
10240/16384 = 62.50% allocated, 0.00% fragmented, 0.00% compressed clusters"
unchanged a.qed expect_status 0 "$QEDTOOL" check -r all a.qed

# 5 GiB of 64K clusters, of which the file holds holes.
{
    echo 'new size=8G'
    for ((table = 0; table < 3; table++)); do
        echo "l2 $table"
    done
    echo 'extend 5G'
    awk 'BEGIN {
        # Header, L1 table and three L2 tables of four clusters each come first.
        for (i = 0; i < 81920; i++)
            printf "poke-l2 %d %d %.0f\n", i / 32768, i % 32768, (17 + i) * 65536
    }'
} | "$QEDCRAFT" b.qed
[[ $(du -k b.qed | cut -f1) -lt 4096 ]] || fail "the image is not sparse"
expect_status 0 "$QEDTOOL" check b.qed
expect_stdout "No errors were found on the image.
81920/131072 = 62.50% allocated, 0.00% fragmented, 0.00% compressed clusters"
qemu-img map b.qed >theirs.txt
"$QEDTOOL" map b.qed | diff -u theirs.txt - >&2 || fail "another map"

# A real leak among them is still found.
printf '%s\n' 'poke-l2 2 100 0' | "$QEDCRAFT" b.qed
expect_status 3 "$QEDTOOL" check b.qed
expect_stdout_has "1 leaked clusters were found on the image."
