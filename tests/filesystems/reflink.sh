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
