#!/usr/bin/env bash
# Images with a write-intent bitmap, and those that each policy leaves, closed or killed, between
# qedtool and QEMU, both ways: QEMU reads them, drops the bitmap when it writes, and what it then
# leaves is recovered in full.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/foreign/lib.sh"
requires qemu-img qemu-io jq stdbuf

# recovered KIND IMAGE: check --recover reads so much, and both find the image sound then
recovered()
{
    "$QEDTOOL" check --recover --output=json "$2" >recovery.json || fail "no recovery of $2"
    [[ $(jq -r .recovery recovery.json) == "$1" ]] || fail "not $1: $(cat recovery.json)"
    ! is_dirty "$2" || fail "$2 is still marked"
    no_corruption "$2"
}

# no_corruption IMAGE: nothing worse than leaks, for both
no_corruption()
{
    local status=0

    "$QEDTOOL" check -q "$1" >check.out 2>&1 || status=$?
    [[ $status -eq 0 || $status -eq 3 ]] || fail "check of $1 exits with $status: $(cat check.out)"
    status=0
    qemu-img check -q -f qed "$1" >check.out 2>&1 || status=$?
    [[ $status -eq 0 || $status -eq 3 ]] || fail "qemu-img check of $1 exits with $status: $(cat check.out)"
    same_guest "$1"
}

# QEMU opens our images, reads, and finds no fault, and keeps the bitmap as long as it only reads.
for geometry in cluster_size=64k cluster_size=4k,table_size=2 cluster_size=1M,table_size=2; do
    "$QEDTOOL" create -q -o "$geometry,intent=on" a.qed 64M
    [[ $(qemu-img info --output=json a.qed | jq '."virtual-size"') -eq 67108864 ]] ||
        fail "QEMU sees another size"
    "$QEDTOOL" bench -q -w -c 64 -s 20000 -S 1000003 --pattern=9 a.qed >/dev/null
    has_intent a.qed || fail "our writer dropped the bitmap"
    unchanged a.qed clean_for_both a.qed
    unchanged a.qed same_guest a.qed
    qemu-io -r -f qed -c 'read -P 9 0 20000' a.qed >qemu-io.out
    ! grep -iE 'fail|verif' qemu-io.out >&2 || fail "QEMU reads something else"
    has_intent a.qed || fail "a reader dropped the bitmap"

    # It writes: the bitmap goes, and ours to follow writes without.
    scribble a.qed 7 20
    ! has_intent a.qed || fail "QEMU left a bitmap that it does not keep up"
    clean_for_both a.qed
    same_guest a.qed
    "$QEDTOOL" bench -q -w -c 64 -s 4096 -S 999424 --pattern=8 -o 512 a.qed >/dev/null
    ! has_intent a.qed || fail "nobody asked for a bitmap"
    clean_for_both a.qed
    same_guest a.qed
    # Asked for, it comes back; there is room for it.
    "$QEDTOOL" bench -q -w -c 8 --durability=intent a.qed >/dev/null
    has_intent a.qed || fail "the bitmap was not turned on"
    scribble a.qed 8 20
    clean_for_both a.qed
    same_guest a.qed
done

# QEMU is killed: recovered in full, by check --recover and by our next writer.
"$QEDTOOL" create -q -o cluster_size=4k,table_size=2,intent=on a.qed 64M
killed_after a.qed 20 60
is_dirty a.qed || fail "the kill did not leave it dirty"
! has_intent a.qed || fail "QEMU left a bitmap that it does not keep up"
cp a.qed killed.qed
for lost in 0 4096 70000; do
    cp killed.qed a.qed
    truncate -s "-$lost" a.qed
    cp a.qed b.qed
    recovered full a.qed
    "$QEDTOOL" bench -q -w -c 100 -o 62M -s 512 b.qed >/dev/null 2>bench.err || fail "$(cat bench.err)"
    grep -q 'was not cleanly closed' bench.err || fail "no word of a recovery: $(cat bench.err)"
    no_corruption b.qed
    scribble a.qed 3 20
    no_corruption a.qed
done

# has_written: the killed writer's fifth table is there
has_written()
{
    "$QEDCRAFT" a.qed --dump | grep '^l2 12 ' >l2.out
}

# kill_ours POLICY: our writer is killed; what it wrote before, and closed, is flushed data
kill_ours()
{
    rm -f a.qed
    "$QEDTOOL" create -q -o cluster_size=4k,table_size=2,intent=on a.qed 512M
    "$QEDTOOL" bench -q -w -c 20 -s 64k --pattern=17 --durability="$1" a.qed >/dev/null
    "$QEDTOOL" bench -q -w -c 7600 -d 1 -s 64k -o 32M --pattern=18 --flush-interval=2 \
        --durability="$1" a.qed >bench.out 2>&1 &
    wait_for has_written
    kill -KILL $!
    wait $! 2>/dev/null || true
}

# reads_right IMAGE: for QEMU, what was flushed
reads_right()
{
    qemu-io -f qed "${@:2}" -c 'read -P 17 0 1280k' -c 'read -P 18 32M 16M' \
        "$1" >qemu-io.out 2>&1 || fail "qemu-io: $(cat qemu-io.out)"
    ! grep -iE 'fail|verif' qemu-io.out >&2 || fail "QEMU reads something else of $1"
}

for policy in need-check preallocate intent ordered; do
    kill_ours $policy
    cp a.qed killed.qed
    case $policy in
    need-check) kind=full ;;
    intent) kind=marked ;;
    *) kind=none ;;
    esac
    # Reading; then what QEMU does by itself when it opens for writing; then when asked to repair.
    if [[ $kind == none ]]; then
        ! is_dirty a.qed || fail "$policy leaves a mark"
        unchanged a.qed no_corruption a.qed
    else
        is_dirty a.qed || fail "$policy leaves no mark"
    fi
    reads_right a.qed -r
    reads_right a.qed
    scribble a.qed 5 20
    no_corruption a.qed
    cp killed.qed a.qed
    status=0
    qemu-img check -q -f qed -r all a.qed >check.out 2>&1 || status=$?
    [[ $status -eq 0 || $status -eq 3 ]] || fail "qemu-img check -r all: $status"
    reads_right a.qed -r
    no_corruption a.qed
    # Ours, and QEMU writes on.
    cp killed.qed a.qed
    recovered $kind a.qed
    reads_right a.qed -r
    scribble a.qed 6 20
    no_corruption a.qed
done

# written POLICY BENCH-OPTION...: the same requests into an image and into a raw file
written()
{
    "$QEDTOOL" bench -q -w --durability="$1" "${@:2}" a.qed >/dev/null
    "$QEDTOOL" bench -q -w -f raw "${@:2}" a.raw >/dev/null
}

# Written by us, by QEMU, and by us: each time as it should read.
for policy in need-check preallocate intent ordered; do
    for geometry in cluster_size=64k cluster_size=4k,table_size=2; do
        rm -f a.raw
        "$QEDTOOL" create -q -o "$geometry,intent=on" a.qed 64M
        truncate -s 64M a.raw
        written $policy -c 200 -d 4 -s 10000 -S 333331 --pattern=3 --flush-interval=20
        written $policy -c 100 -d 8 -s 64k -S 1M -o 4k --pattern=4 -t none
        clean_for_both a.qed
        qemu-img compare -q -f qed -F raw a.qed a.raw || fail "$policy: QEMU reads something else"
        for image in a.qed a.raw; do
            qemu-io -f "${image#a.}" -c 'write -P 5 1000k 2M' -c 'write -z 5M 128k' \
                -c 'write -P 6 60M 4M' "$image" >/dev/null
        done
        written $policy -c 150 -d 4 -s 5000 -S 444443 -o 100 --pattern=7 --flush-interval=10
        clean_for_both a.qed
        qemu-img compare -q -f qed -F raw a.qed a.raw || fail "$policy: not as it should read"
        same_guest a.qed
    done
done
