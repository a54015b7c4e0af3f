#!/usr/bin/env bash
# An image that QEMU wrote, with an ext4 in it whose journal is yet to be replayed, is damaged in many
# ways and repaired: both tools find it sound and read the same bytes, just the expected ones; the
# file system can be replayed and read; and undo brings the damage back to the byte.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"
. "$srcdir/tests/foreign/lib.sh"
export PATH="$PATH:/sbin:/usr/sbin"
requires qemu-img qemu-io mke2fs e2fsck debugfs jq

# file_seeded SEED LEN: bytes that no other seed gives
file_seeded()
{
    "$QEDCRAFT" seeded.qed /dev/stdin <<<$'new size=16M\ndata 0 '"$2 seed=$1"
    "$QEDCRAFT" seeded.qed --read 0 "$2"
}

# zero_range FILE OFFSET LENGTH
zero_range()
{
    head -c "$3" /dev/zero | dd of="$1" bs=64k seek="$2" oflag=seek_bytes conv=notrunc status=none
}

# The file system in sound.qed, and what its files hold once its journal is replayed in files. QEMU
# writes four clusters of victim last, from i on under the first table.
make_sound()
{
    local file block

    mkdir -p files/folder
    for ((file = 0; file < 30; file++)); do
        file_seeded "$file" $((file * 2999 + 1)) >"files/folder/file$file"
    done
    file_seeded 100 6M >files/large
    head -c 1024 /dev/zero | tr '\0' o >files/journaled
    truncate -s 12M disk.raw
    mke2fs -q -F -t ext4 -b 1024 -d files disk.raw
    tr o n <files/journaled >journaled.new
    block=$(debugfs -R "bmap /journaled 0" disk.raw 2>/dev/null)
    printf 'jo\njw -b %s journaled.new\njc\n' "$block" | debugfs -w disk.raw >/dev/null 2>&1
    mv journaled.new files/journaled
    truncate -s 16M disk.raw
    i=$(victim_index)
    dd if=disk.raw of=victim.raw bs=4k skip="$i" count=4 status=none
    cp disk.raw early.raw
    zero_range early.raw $((i * 4096)) 16384
    qemu-img convert -f raw -O qed -o cluster_size=4k,table_size=2 early.raw sound.qed
    qemu-io -f qed -c 'write -P 5 13M 200k' -c 'write -z 14M 40k' -c 'write -P 6 15M 64k' \
        -c 'write -P 7 14M 512' -c "write -s victim.raw $((i * 4096)) 16k" \
        sound.qed >qemu-io.out || fail "qemu-io: $(cat qemu-io.out)"
    clean_for_both sound.qed
    qemu-img convert -O raw sound.qed sound.raw
    [[ $("$QEDCRAFT" sound.qed --dump | grep -c '^l1 . ') -eq 4 ]] || fail "not four tables"
}

# The L2 index of the first cluster that is wholly victim's.
victim=file20
victim_index()
{
    local block

    block=$(debugfs -R "bmap /folder/$victim 4" disk.raw 2>/dev/null)
    ((block * 1024 < 4 << 20)) || fail "$victim does not lie under the first table"
    echo $((block / 4))
}

# can_read RAW [whole]: ext4 can be replayed and is sound then; all files but victim hold what they
# did, and with whole it, too.
can_read()
{
    local status=0 differ

    cp "$1" fs.raw
    e2fsck -fy fs.raw >e2fsck.out 2>&1 || status=$?
    [[ $status -le 1 ]] || fail "e2fsck: $status, $(cat e2fsck.out)"
    e2fsck -fn fs.raw >e2fsck.out 2>&1 || fail "e2fsck again: $(cat e2fsck.out)"
    rm -rf dumped
    mkdir dumped
    debugfs -R "rdump /folder /large /journaled dumped" fs.raw >/dev/null 2>&1
    differ=$(diff -rq files dumped || true)
    [[ -z $differ || ($# -eq 1 && $differ == "Files files/folder/$victim and "*" differ") ]] ||
        fail "files differ: $differ"
}

# The ranges of the guest that the last report calls lost, zeroed in sound.raw.
sound_without_lost()
{
    local offset length

    cp sound.raw expected.raw
    while read -r offset length; do
        zero_range expected.raw "$offset" "$length"
    done < <(jq -r '.problems[] | select(."action-id" == "clear-entry") | .guest |
        "\(.offset) \(.length)"' repair.json)
    ! cmp -s sound.raw expected.raw || fail "nothing was lost: $(cat repair.json)"
}

# mended OPTIONS EXPECTED LINE...: the damage of the lines is repaired by check OPTIONS. EXPECTED is
# sound: all of the guest is there; lost: it is but for what the report calls lost; as-read: it reads
# as it did before; or a file.
mended()
{
    local options expected=$2 status=0 tool

    read -ra options <<<"$1"
    echo "check $1, $2: ${*:3}"
    shift 2
    cp sound.qed damaged.qed
    craft damaged.qed "$@"
    ! cmp -s sound.qed damaged.qed || fail "no damage"
    ! unchanged damaged.qed "$QEDTOOL" check damaged.qed >out 2>err || fail "the damage is not found"
    cp damaged.qed a.qed
    rm -f a.undo
    "$QEDTOOL" check "${options[@]}" --undo=a.undo --output=json a.qed >repair.json 2>err || status=$?
    [[ $status -eq 0 || $status -eq 3 ]] || fail "check ${options[*]} exits with $status: $(cat err repair.json)"
    ! is_dirty a.qed || fail "still dirty"
    for tool in "$QEDTOOL" qemu-img; do
        status=0
        unchanged a.qed "$tool" check -f qed a.qed >out 2>&1 || status=$?
        [[ $status -eq 0 || $status -eq 3 ]] || fail "$tool check exits with $status: $(cat out)"
    done
    same_guest a.qed
    case $expected in
    sound) same_file ours.raw sound.raw ;;
    lost)
        sound_without_lost
        same_file ours.raw expected.raw
        ;;
    as-read)
        "$QEDTOOL" convert -O raw damaged.qed read.raw
        same_file ours.raw read.raw
        ;;
    *) same_file ours.raw "$expected" ;;
    esac
    if cmp -s ours.raw sound.raw; then
        can_read ours.raw whole
    else
        can_read ours.raw
    fi
    "$QEDTOOL" undo a.qed a.undo >out 2>err || fail "undo: $(cat err)"
    same_file a.qed damaged.qed
}

make_sound
can_read sound.raw whole

mended --repair sound "poke-l2 0 $i data:0:$i|1" "poke-l2 0 $((i + 1)) data:0:$((i + 1))|0xe00"
mended --repair sound 'poke-l1 1 l2:1|4'
mended --repair lost 'truncate -2*cluster' 'set features need_check'
mended --repair as-read "poke-l2 0 $i data:0:$((i + 1))"
mended --repair as-read "poke-l2 0 $i l2:2+cluster"
mended --repair as-read "poke-l2 0 $i l1"

cp sound.raw cut.raw
zero_range cut.raw $(((i + 4) * 4096 - 1500)) 1500
mended --repair cut.raw 'truncate -1500'

mended --repair sound 'poke-l1 2 l2:2+0x20000000'
garbage=$(awk 'BEGIN { srand(1); for (i = 0; i < 512; i++) printf "%02x", int(rand() * 256) }')
mended --repair sound "bytes l2:3+1000*8-512 $garbage"

mended --rebuild sound "poke-l2 0 $((i + 1)) eof" "poke-l2 0 $((i + 2)) eof+4*cluster"
mended --rebuild sound "poke-l2 0 $((i + 1)) data:0:$((i + 2))"
mended --rebuild sound 'poke-l1 1 0'
mended --rebuild sound 'fill l1 table 0'
mended --rebuild sound 'poke-header l1_table_offset l1+4*cluster'
mended --rebuild sound 'poke-header l1_table_offset l1|0x40000000'
mended --rebuild sound 'poke-header cluster_size 0x1800'
mended --rebuild sound 'poke-header cluster_size 64K'
mended --rebuild sound 'poke-header table_size 4'
mended --rebuild sound 'poke-header magic 0'
mended '--rebuild --image-size=16M' sound 'fill 0 64 0'
