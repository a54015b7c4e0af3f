#!/usr/bin/env bash
# Undo records made by hand from the description of their format: . "$srcdir/tests/cli/undo-lib.sh"

# le BYTES NUMBER: a little-endian number.
le()
{
    local i

    for ((i = 0; i < $1; i++)); do
        # shellcheck disable=SC2059 # the format is the byte
        printf "\\x$(printf %02x $(($2 >> (8 * i) & 255)))"
    done
}

# The CRC-32 of stdin, as a little-endian number: gzip's own is the first half of its last 8 bytes.
crc()
{
    gzip -c | tail -c 8 | head -c 4
}

# record_of_sector IMAGE OLD FILE WORD: the record FILE of a repair that made IMAGE of OLD and changed
# nothing but the 64-bit word number WORD of the first sector.
record_of_sector()
{
    local length

    length=$(stat -c %s "$1")
    {
        printf 'QEDUNDO\0'
        le 4 1
        { printf 'QEDUNDO\0'; le 4 1; le 4 0; lengths "$length"; } | crc
        lengths "$length"
        printf 'WORD'
        le 4 0
        le 8 0
        le 8 512
        le 8 $((1 << $4))
        le 8 0
        head -c 512 "$2" | crc
        head -c 512 "$1" | crc
        head -c 512 "$2"
        dd if="$1" bs=8 skip="$4" count=1 status=none
        printf 'END '
        le 4 0
        le 8 0
        le 8 1
        le 8 0
        le 8 0
    } >"$3"
    crc <"$3" >"$3.crc"
    { cat "$3.crc"; le 4 0; } >>"$3"
    rm "$3.crc"
}

lengths()
{
    le 8 "$1"
    le 8 "$1"
    le 8 "$1"
    head -c 24 /dev/zero
}
