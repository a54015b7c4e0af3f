#!/usr/bin/env bash
# What the command line tests share beyond tests/lib.sh: . "$srcdir/tests/cli/lib.sh"

# craft IMAGE LINE...: run the lines as a script of qedcraft.
craft()
{
    printf '%s\n' "${@:2}" | "$QEDCRAFT" "$1"
}

# expect_files FOLDER NAME...: nothing else is in the folder, hidden files counted; names sorted.
expect_files()
{
    local folder=$1

    shift
    [[ $(ls -A "$folder") == "$(printf '%s\n' "$@")" ]] ||
        fail "in $folder, expected $*: $(ls -Am "$folder")"
}

# to_full ARG...: qedtool with a stdout that takes nothing.
to_full()
{
    "$QEDTOOL" "$@" >/dev/full
}

# endless IMAGE [GIB]: an image whose conversion takes long and needs no space: in each 2 GiB of the
# guest a cluster of data and then, over and over, one stored cluster of zeroes. 8 TiB if not told.
endless()
{
    local gib=${2:-8192}

    {
        printf '%s\n' "new size=${gib}G" 'data 0 64K seed=1' 'data 64K 64K byte=0'
        seq -f 'poke-l2 0 %.0f data:0:1' 2 32767
        seq -f 'poke-l1 %.0f l2:0' 1 $((gib / 2 - 1))
    } | "$QEDCRAFT" "$1"
}
