#!/bin/bash
# qedcraft is what the damage tests are measured against, so it is measured itself: by its own
# read-back, and by QEMU both ways (skipped without qemu-img and qemu-io).
set -u

here=$(cd "$(dirname "$0")" && pwd) || exit 1
craft=${QEDCRAFT:-${top_builddir:-$here/../..}/tests/support/qedcraft}
case $craft in
    /*) ;;
    *) craft=$PWD/$craft ;;
esac
compare=$(dirname "$craft")/qedcompare
scratch=$(mktemp -d "${TMPDIR:-/tmp}/craft.XXXXXX") || exit 1
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM
cd "$scratch" || exit 1
failures=0

# verify WHAT EXPECTED ACTUAL
verify()
{
    if [ "$2" = "$3" ]; then
        echo "PASS $1"
    else
        printf 'FAIL %s\nexpected: %s\nactual:   %s\n' "$1" "$2" "$3"
        failures=$((failures + 1))
    fi
}

# make IMAGE LINE...: runs the lines as a script
make()
{
    local image=$1

    shift
    printf '%s\n' "$@" | "$craft" "$image"
}

entries()
{
    "$craft" "$1" --dump | sed -n '/^l[12] /p' | tr '\n' ';'
}

header_field()
{
    "$craft" "$1" --dump | sed -n "s/^$2 //p"
}

guest_sum()
{
    "$craft" "$1" --read 0 "$2" | sha256sum
}

tables_and_values()
{
    local table0 table1

    make a.qed 'new size=4G' 'data 0 100K' 'zero 1M 64K' 'data 2G 1 byte=0xab # comment' '' '# b'
    table0="l1 0 0x50000;l2 0 0 0x90000;l2 0 1 0xa0000;l2 0 16 zero;"
    table1="l1 1 0xb0000;l2 1 0 0xf0000;"
    verify "tables and clusters are appended in order" "$table0$table1" "$(entries a.qed)"
    verify "what was written is read back" "abab00" \
        "$(make a.qed 'data 2G 2 byte=0xab'
            "$craft" a.qed --read 2G 3 | od -An -tx1 | tr -d ' \n')"
    make a.qed 'poke-l2 0 2 data:0:1+4096*2|2-1' 'poke-l1 2 l2:1+table' 'swap-l2 0 0 0 1' \
        'poke-l2 0 16 0' 'truncate data:1:0+512'
    table0="l1 0 0x50000;l2 0 0 0xa0000;l2 0 1 0x90000;l2 0 2 0xa2001 bad;"
    verify "values" "$table0${table1}l1 2 0xf0000;l2 2 0 0xabab bad;" "$(entries a.qed)"
    verify "length" $((0xf0000 + 512)) "$(header_field a.qed file_length)"
}

header_fields()
{
    local field u32 u64

    make a.qed 'new size=16M header=2' 'backing a\x1bb\x20c raw' 'set features need_check' \
        'set features 0x80' 'clear features backing_file' 'set features backing_file'
    verify "flags" 0x87 "$(header_field a.qed features)"
    verify "backing name" 'a\x1bb\x20c' "$(header_field a.qed backing)"
    for field in magic cluster_size table_size header_size features compat_features \
        autoclear_features l1_table_offset image_size backing_filename_offset \
        backing_filename_size; do
        make a.qed "poke-header $field 0x12345678"
    done
    u32=78563412
    u64=7856341200000000
    verify "eleven fields fill the header" $u32$u32$u32$u32$u64$u64$u64$u64$u64$u32$u32 \
        "$(head -c 64 a.qed | od -An -v -tx1 | tr -d ' \n')"
}

mistakes()
{
    printf 'new size=1M\n\npoke-l2 0 0 1\n' > bad.script
    verify "a mistake is told with file and line" "bad.script:3: L1 entry 0 is empty, exit 1" \
        "$("$craft" a.qed bad.script 2>&1), exit $("$craft" a.qed bad.script 2> /dev/null; echo $?)"
    verify "values must end" "stdin:1: stray 'x' after a value" "$(make a.qed 'truncate 12x' 2>&1)"
    verify "an offset must fit into a file" \
        "stdin:1: offset 0xffffffffffffff9c is beyond what a file can have" \
        "$(make b.qed 'truncate -100' 2>&1)"
}

sparse()
{
    make a.qed 'new size=64T cluster=64M table=16' 'data 64T-64M 10' 'data 0 10'
    verify "the largest geometry" "l1 0 0x44000000;l2 0 0 0x88000000;l2 0 1048575 0x84000000;" \
        "$(entries a.qed)"
    verify "costs nothing on disk" yes "$([ "$(du -k a.qed | cut -f1)" -lt 1024 ] && echo yes)"
}

# ---- QEMU ----

qemu_sum()
{
    qemu-img convert -f qed -O raw "$1" raw.out && sha256sum < raw.out
}

qemu_check()
{
    qemu-img check -f qed "$1" 2>&1 | sed -n 's/^\([0-9]*\) \(errors\|leaked\).*/\1 \2/p' |
        tr '\n' ';'
}

# crafted_agrees WHAT SIZE LINE...
crafted_agrees()
{
    local what=$1 size=$2

    shift 2
    make a.qed "$@"
    verify "$what: QEMU finds nothing wrong" "" "$(qemu_check a.qed)"
    verify "$what: QEMU reads the same bytes" "$(qemu_sum a.qed)" "$(guest_sum a.qed "$size")"
}

# written_agrees WHAT OPTIONS SIZE REQUEST...: QEMU makes it
written_agrees()
{
    local what=$1 options=$2 size=$3 request

    shift 3
    qemu-img create -q -f qed -o "$options" a.qed "$size"
    for request in "$@"; do
        qemu-io -f qed -c "$request" a.qed > /dev/null
    done
    verify "$what: reads as in QEMU" "$(qemu_sum a.qed)" "$(guest_sum a.qed "$size")"
    make a.qed 'data 3M 70K seed=9' 'zero 5M 128K'
    verify "$what: QEMU takes what was added" "" "$(qemu_check a.qed)"
    verify "$what: and reads the same bytes" "$(qemu_sum a.qed)" "$(guest_sum a.qed "$size")"
}

# damage_counts WHAT EXPECTED LINE...
damage_counts()
{
    local what=$1 expected=$2

    shift 2
    make a.qed 'new size=4G' 'data 0 256K' 'data 2G 64K' "$@"
    verify "$what: QEMU counts" "$expected" "$(qemu_check a.qed)"
}

with_qemu()
{
    crafted_agrees "default" 16M 'new size=16M' 'data 0 100K' 'data 5M 1M seed=2' 'zero 8M 1M'
    crafted_agrees "4K clusters" 24M 'new size=24M cluster=4K table=2 header=3' 'data 1000 9000' \
        'data 2M-4K 8K' 'data 24M-512 512'
    crafted_agrees "1M clusters" 32M 'new size=32M cluster=1M table=2 l1_at=1M' 'data 3M+5 2M'
    crafted_agrees "scattered" 16M 'new size=16M' 'data 0 1M' 'swap-l2 0 0 0 9' 'swap-l2 0 3 0 15'

    written_agrees "QEMU's default" cluster_size=64k 16M 'write -P 1 0 128k' 'write -z 1M 64k' \
        'write -P 2 9M 1234k'
    verify "zero cluster of QEMU's" "l2 0 16 zero;" "$(entries a.qed | grep -o 'l2 0 16 [^;]*;')"
    written_agrees "QEMU's 4K clusters" cluster_size=4k,table_size=2 16M 'write -P 3 4k 40k' \
        'write -P 4 15M 512'

    damage_counts "entry past the end" "1 errors;1 leaked;" 'poke-l2 0 1 eof'
    damage_counts "shared cluster" "1 errors;1 leaked;" 'poke-l2 0 1 data:0:2'
    damage_counts "shared table" "4 errors;5 leaked;" 'poke-l1 1 l2:0'
    damage_counts "low bits" "2 errors;2 leaked;" 'poke-l2 0 1 data:0:1|1' 'poke-l2 1 0 data:1:0|2'
    damage_counts "cut file" "1 errors;8 leaked;" 'copy l2:1 table eof' \
        'poke-l1 1 eof-table' 'truncate -512'
    damage_counts "leaks" "4 leaked;" 'leak 3' 'poke-l2 0 1 0'
}

# compares WHAT EXPECTED: what qedcompare says of a.qed against b.qed
compares()
{
    verify "$1" "$2" "$("$compare" a.qed b.qed)"
}

comparisons()
{
    rm -f a.qed b.qed
    make b.qed 'new size=32M cluster=8K table=1' 'data 0 16K' 'data 8M 8K seed=2' 'zero 1M 8K'
    cp b.qed a.qed
    compares "an image is like itself" \
        "64 of 64 the same, 0 not readable, 0 differ, 0 others not empty"
    make a.qed 'poke-l2 0 0 eof' 'bytes data:1:0 00112233'
    compares "unreadable and different sectors" \
        "47 of 64 the same, 16 not readable, 1 differ, 0 others not empty"
    make a.qed 'poke-l1 1 eof'
    compares "unreadable tables" "32 of 64 the same, 32 not readable, 0 differ, 0 others not empty"
    cp b.qed a.qed
    make a.qed 'data 2M 512' 'poke-l2 0 300 7' 'poke-l2 0 128 0'
    compares "what should be empty" \
        "64 of 64 the same, 0 not readable, 0 differ, 17 others not empty"
    make a.qed 'backing base raw'
    make b.qed 'backing base raw'
    compares "over a backing file zeroes are not nothing" \
        "48 of 64 the same, 0 not readable, 16 differ, 32 others not empty"
    cp b.qed a.qed
    make a.qed 'truncate data:1:0+512'
    compares "a cluster that is cut short cannot be read" \
        "48 of 64 the same, 16 not readable, 0 differ, 0 others not empty"
    make a.qed 'poke-header cluster_size 16K'
    compares "another geometry has nothing in common" \
        "0 of 64 the same, 64 not readable, 0 differ, 0 others not empty"
    cp b.qed a.qed
    make a.qed 'poke-header magic 0'
    compares "what cannot be opened cannot be read" \
        "0 of 64 the same, 64 not readable, 0 differ, 0 others not empty"
}

tables_and_values
header_fields
mistakes
sparse
comparisons
if command -v qemu-img > /dev/null && command -v qemu-io > /dev/null; then
    with_qemu
elif [ "$failures" -eq 0 ]; then
    echo "SKIP agreement with QEMU: no qemu-img or qemu-io here"
    exit 77
fi
[ "$failures" -eq 0 ]
