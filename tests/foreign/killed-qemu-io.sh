#!/usr/bin/env bash
# qemu-io is killed between allocating writes: the image is left dirty, check says what is wrong,
# check -r all makes it one that QEMU opens, writes to and finds sound. So it is when the file then
# loses its end.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/foreign/lib.sh"
requires qemu-img qemu-io jq stdbuf

# repaired IMAGE
repaired()
{
    local status=0

    "$QEDTOOL" check -r all "$1" >check.out 2>check.err || status=$?
    [[ $status -eq 0 || $status -eq 3 ]] || fail "check -r all exits with $status: $(cat check.out)"
    ! is_dirty "$1" || fail "still dirty"
    # Opened for reading, the image is not touched by QEMU's own repair.
    same_guest "$1"
    same_check "$1"
    qemu-io -f qed -c 'write -P 7 0 64k' -c 'write -P 8 50M 1M' -c 'write -z 60M 64k' \
        -c 'read -P 8 50M 1M' "$1" >qemu-io.out 2>&1 || fail "qemu-io: $(cat qemu-io.out)"
    ! grep -iE 'fail|repair' qemu-io.out >&2 || fail "qemu-io is not content"
    ! is_dirty "$1" || fail "QEMU left it dirty"
    status=0
    qemu-img check -q -f qed "$1" || status=$?
    [[ $status -eq 0 || $status -eq 3 ]] || fail "qemu-img check exits with $status"
    same_check "$1"
    same_guest "$1"
}

for cluster in 4k 64k; do
    for count in 2 20; do
        [[ $cluster == 4k || $count -gt 2 ]] || continue
        qemu-img create -q -f qed -o "cluster_size=$cluster,table_size=2" a.qed 101M
        killed_after a.qed "$count" 100
        is_dirty a.qed || fail "the kill did not leave it dirty"
        expect_status 0 "$QEDTOOL" info a.qed
        expect_stdout_has "cleanly shut down: no"
        cp a.qed cut.qed

        repaired a.qed

        # The last clusters never reached the disk.
        for lost in 512 69632 299520; do
            cp cut.qed b.qed
            truncate -s "-$lost" b.qed
            status=0
            unchanged b.qed "$QEDTOOL" check b.qed >check.out 2>check.err || status=$?
            [[ $status -eq 2 || $status -eq 3 || $status -eq 0 ]] || fail "check exits with $status"
            repaired b.qed
        done
        [[ $count -lt 20 || $status -eq 2 ]] || fail "losing so much did no harm"
    done
done
