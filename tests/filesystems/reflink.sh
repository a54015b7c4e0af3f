#!/usr/bin/env bash
# Cloning ranges where a file system can share them; the scripts for each source this one, with a
# file system of that kind mounted on "shared". Sharing shows in FIEMAP: the same physical blocks.

mib=1048576

# physical FILE OFF LEN: the physical blocks under a range, one a line.
physical()
{
    extents "$1" | awk -v from=$(($2 / 4096)) -v count=$(($3 / 4096)) '
        {
            for (i = 0; i < $3; i++)
                if ($1 + i >= from && $1 + i < from + count)
                    printf "%.0f\n", $2 + i
        }'
}

check_cloning()
{
    local blocks before

    random_file shared/from $((8 * mib))
    sync -f shared/from
    : >shared/to
    before=$(df -k --output=used shared | tail -n 1)

    # To another offset, over a hole and growing the file; then over what was cloned.
    expect_call ok clone shared/to $((2 * mib)) shared/from $mib $((5 * mib))
    same_bytes shared/to $((2 * mib)) shared/from $mib $((5 * mib))
    [[ $(stat -c %s shared/to) -eq $((7 * mib)) ]] || fail "length $(stat -c %s shared/to)"
    blocks=$(physical shared/from $mib $((5 * mib)))
    [[ $(wc -l <<<"$blocks") -eq $((5 * mib / 4096)) ]] || fail "blocks: $(extents shared/from)"
    [[ $(physical shared/to $((2 * mib)) $((5 * mib))) == "$blocks" ]] ||
        fail "not shared: $(extents shared/from; extents shared/to)"
    extents shared/to | grep -q shared || fail "not told to be shared: $(extents shared/to)"
    expect_call ok clone shared/to $((3 * mib)) shared/from $((7 * mib)) $mib
    same_bytes shared/to $((3 * mib)) shared/from $((7 * mib)) $mib
    [[ $(df -k --output=used shared | tail -n 1) -lt $((before + 1024)) ]] ||
        fail "sharing took space: $before KiB, now $(df -k --output=used shared | tail -n 1)"

    # Writing to one leaves the other alone.
    bytes_of shared/from 0 $((8 * mib)) >before
    expect_call ok windowed shared/to $((2 * mib)) $((2 * mib))
    bytes_of shared/from 0 $((8 * mib)) | cmp - before || fail "the source was written to"

    # The end of the source need not be a whole block.
    random_file shared/odd $((mib + 1234))
    expect_call ok clone shared/to $((16 * mib)) shared/odd $mib 1234
    same_bytes shared/to $((16 * mib)) shared/odd $mib 1234
}

check_refusals()
{
    random_file shared/a $((2 * mib))
    random_file other $mib
    bytes_of shared/a 0 $((2 * mib)) >before
    expect_call "unsupported (Invalid argument)" clone shared/a 512 shared/odd 0 4096
    expect_call "unsupported (Invalid argument)" clone shared/a 0 shared/odd 512 4096
    expect_call "unsupported (Invalid argument)" clone shared/a 0 shared/odd 0 5000
    expect_call "unsupported (Invalid argument)" clone shared/a 0 shared/a 4096 8192
    expect_call "unsupported (Invalid cross-device link)" clone shared/a 0 other 0 4096
    expect_call short-read clone shared/a 0 shared/odd 0 $((2 * mib))
    expect_call ok clone shared/a 0 shared/odd 0 0
    bytes_of shared/a 0 $((2 * mib)) | cmp - before || fail "a refused clone changed the target"
}

# copy_file_range shares here, too, where it is told whole blocks, and copies elsewhere.
check_copying()
{
    : >shared/copy
    expect_call "ok $((4 * mib))" copy shared/copy 0 shared/from $mib $((4 * mib))
    same_bytes shared/copy 0 shared/from $mib $((4 * mib))
    [[ $(physical shared/copy 0 $((4 * mib))) == "$(physical shared/from $mib $((4 * mib)))" ]] ||
        fail "copied, not shared: $(extents shared/copy)"
    expect_call "ok 100001" copy shared/copy 777 shared/from 4097 100001
    same_bytes shared/copy 777 shared/from 4097 100001
}

check_space()
{
    : >shared/space
    expect_call ok allocate shared/space 0 $((4 * mib))
    [[ $(taken shared/space) -ge 4096 ]] || fail "reserved: $(taken shared/space) KiB"
    expect_call ok windowed shared/space 0 $((4 * mib))
    expect_call ok zero-allocated shared/space $mib $((2 * mib))
    [[ $(taken shared/space) -ge 4096 ]] || fail "zeroed, allocated: $(taken shared/space) KiB"
    cmp -n $((2 * mib)) -i $mib:0 shared/space /dev/zero || fail "not zeroed"
    expect_call ok zero shared/space $mib $((2 * mib))
    [[ $(taken shared/space) -le 2176 ]] || fail "zeroed: $(taken shared/space) KiB"
}

# shares_all IMAGE RAW: each block of data in the QED image is where the raw one has it.
shares_all()
{
    local off len host

    sync -f "$1" "$2"
    "$QEDTOOL" map --output=json "$1" |
        sed -nE 's/.*"start": ([0-9]+), "length": ([0-9]+),.*"data": true, "offset": ([0-9]+).*/\1 \2 \3/p' >runs
    [[ -s runs ]] || fail "no data in $1"
    while read -r off len host; do
        diff <(physical "$1" "$host" "$len") <(physical "$2" "$off" "$len") >&2 ||
            fail "not shared at $off: $(extents "$1"; extents "$2")"
        [[ -n $(physical "$1" "$host" "$len") ]] || fail "no blocks at $off of $1"
    done <runs
}

# A conversion shares its extents with the source, both ways; --salvage, which has to read, does not.
check_converting()
{
    random_file shared/guest.raw $((12 * mib))
    dd if=/dev/zero of=shared/guest.raw bs=1M seek=4 count=3 conv=notrunc status=none
    fallocate --dig-holes shared/guest.raw
    sync -f shared/guest.raw
    "$QEDTOOL" convert -f raw -O qed shared/guest.raw shared/guest.qed
    shares_all shared/guest.qed shared/guest.raw
    "$QEDTOOL" convert -O raw shared/guest.qed shared/again.raw
    shares_all shared/guest.qed shared/again.raw
    cmp shared/guest.raw shared/again.raw || fail "the guest reads otherwise"
    "$QEDTOOL" convert -O qed -o cluster_size=4k shared/guest.qed shared/small.qed
    shares_all shared/small.qed shared/guest.raw
    "$QEDTOOL" check -q shared/small.qed || fail "unsound: small.qed"

    "$QEDTOOL" convert --salvage -O raw shared/guest.qed shared/read.raw
    cmp shared/guest.raw shared/read.raw || fail "the guest reads otherwise with --salvage"
    sync -f shared/read.raw
    [[ -z $(comm -12 <(physical shared/read.raw 0 $((12 * mib)) | sort) \
        <(physical shared/guest.raw 0 $((12 * mib)) | sort)) ]] || fail "shared with --salvage"
}
