#!/usr/bin/env bash
# A source with bad sectors: convert stops and says where, or, with --salvage, loses those sectors and
# nothing else, lists them, and writes a map that GNU ddrescue understands.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"
. "$srcdir/tests/filesystems/lib.sh"
requires_root
[[ -c /dev/fuse ]] || skip "needs /dev/fuse"
[[ $(head -c 2 "$QEDTOOL") != '#!' ]] || skip "the kernel's caches are slow enough without valgrind"

BADFILE=$(absolute "${BADFILE:-$top_builddir/tests/support/badfile}")

# bad FILE OFF:LEN...: bad/disk reads like FILE, but for those places; until the next one.
bad()
{
    if mountpoint -q bad; then
        umount bad
    fi
    mkdir -p bad
    : >badfile.out
    "$BADFILE" bad "$@" >badfile.out 2>badfile.err &
    wait_for test -s badfile.out
}

let_go()
{
    ! mountpoint -q "$test_dir/bad" || umount "$test_dir/bad"
}
cleanup_fn let_go

# zeroed FILE OFF:LEN...: wanted is FILE with zeroes there.
zeroed()
{
    cp "$1" wanted
    for range in "${@:2}"; do
        dd if=/dev/zero of=wanted oflag=seek_bytes iflag=count_bytes conv=notrunc bs=64k \
            seek="${range%:*}" count="${range#*:}" status=none
    done
}

# map_is SIZE OFF:LEN...: the map has these bad sectors and all else finished.
map_is()
{
    {
        printf '# Mapfile. Created by qedtool convert\n'
        printf '# current_pos  current_status  current_pass\n'
        printf '0x%08X     +               1\n#      pos        size  status\n' "$1"
        at=0
        for range in "${@:2}" "$1:0"; do
            off=${range%:*} len=${range#*:}
            [[ $off -eq $at ]] || printf '0x%08X  0x%08X  +\n' "$at" $((off - at))
            [[ $len -eq 0 ]] || printf '0x%08X  0x%08X  -\n' "$off" "$len"
            at=$((off + len))
        done
    } >expected.map
    diff -u expected.map map >&2 || fail "another map"
    ! command -v ddrescuelog >/dev/null || ddrescuelog -t map >log || fail "not a map to ddrescuelog"
}

# lists OFF:LEN...: on stderr, each once, and the sum.
lists()
{
    local sum=0 ranges=ranges

    for range; do
        echo "qedtool: warning: error while reading offset ${range%:*}: Input/output error" \
            "(${range#*:} bytes)"
        sum=$((sum + ${range#*:}))
    done >expected.err
    [[ $# -ne 1 ]] || ranges=range
    diff -u expected.err <(head -n -1 err) >&2 || fail "listed otherwise"
    tail -n 1 err | grep -qE "^qedtool: warning: [^ ]+: $sum bytes \(.*\) in $# $ranges could not be read" ||
        fail "another sum: $(tail -n 1 err)"
}

size=$((8 * 1048576))
random_file good.raw $size
sectors=(4096:4096 1048576:8192 $((size - 4096)):4096)
small=(512:512 69632:512 5242880:1536)

# Every way to read and to write, raw and QED out of it.
salvages()
{
    expect_status 0 "$QEDTOOL" convert --salvage --mapfile=map "${@:2}" bad/disk "$1"
    expect_stdout ""
}

bad good.raw "${sectors[@]}"
zeroed good.raw "${sectors[@]}"
for options in "" "-m 1" "-W" "-T none" "-t none -T none" "-t writeback" "-S 0"; do
    rm -f target.raw
    # shellcheck disable=SC2086 # none or some words
    salvages target.raw $options
    same_file wanted target.raw
    lists "${sectors[@]}"
    map_is $size "${sectors[@]}"
    # shellcheck disable=SC2086
    salvages target.qed -O qed $options
    "$QEDCRAFT" target.qed --read 0 $size | cmp - wanted >&2 || fail "QED, $options: other bytes"
    expect_status 0 "$QEDTOOL" check target.qed
    map_is $size "${sectors[@]}"
done
# Into what is there, in place and one buffer after the other.
random_file target.raw $size
salvages target.raw -n
same_file wanted target.raw
cp target.qed old.qed
"$QEDTOOL" convert -O qed good.raw old.qed
salvages old.qed -n -O qed
lists "${sectors[@]}"
map_is $size "${sectors[@]}"
"$QEDCRAFT" old.qed --read 0 $size | cmp - wanted >&2 || fail "into a QED image: other bytes"
# Over a backing file that has what was lost: it must not show through.
salvages over.qed -O qed -B good.raw -F raw
expect_status 0 "$QEDTOOL" convert over.qed over.raw
same_file wanted over.raw

# Sectors of 512 bytes: their neighbours in the page are kept. The first is what a probe would read.
bad good.raw "${small[@]}"
zeroed good.raw "${small[@]}"
salvages target.raw -f raw
same_file wanted target.raw
lists "${small[@]}"
map_is $size "${small[@]}"
salvages target.raw -f raw -q
expect_stderr ""

# Without --salvage the first bad place ends it, with its range of the guest.
rm -f target.raw map
for options in "" "-m 1" "-T none" "-C" "-O qed"; do
    # shellcheck disable=SC2086
    expect_status 1 "$QEDTOOL" convert -f raw --mapfile=map $options bad/disk target.raw
    [[ $(wc -l <err) -eq 1 ]] || fail "more than a line"
    grep -qE 'bad/disk: error while reading at byte [0-9]+, [0-9]+ bytes of the guest: .*Input/output error' \
        err || fail "no range: $(cat err)"
    [[ ! -e target.raw && ! -e map ]] || fail "something is left"
done

# QED: data clusters, then a sector of the L2 table, which stands for 64 clusters.
craft good.qed 'new size=32M cluster=4K table=4' 'data 0 6M seed=3'
"$QEDCRAFT" good.qed --read 0 32M >guest.raw
l2=$("$QEDCRAFT" good.qed --dump | sed -n 's/^l1 0 //p')
data=$("$QEDCRAFT" good.qed --dump | sed -n 's/^l2 0 300 //p')
[[ -n $l2 && -n $data ]] || fail "no offsets in the dump"
bad good.qed $((l2 + 512)):512 $((data + 1024)):512
lost=($((64 * 4096)):$((64 * 4096)) $((300 * 4096 + 1024)):512)
zeroed guest.raw "${lost[@]}"
salvages target.raw
same_file wanted target.raw
map_is $((32 * 1048576)) "${lost[@]}"
lists "${lost[@]}"
salvages again.qed -O qed
expect_status 0 "$QEDTOOL" check again.qed
expect_status 0 "$QEDTOOL" convert again.qed again.raw
same_file wanted again.raw
# The header is what nothing can be read without.
bad good.qed 0:512
expect_status 1 "$QEDTOOL" convert --salvage bad/disk none.raw
expect_stderr_has "Input/output error"
[[ ! -e none.raw ]] || fail "a target without a source"
umount bad
