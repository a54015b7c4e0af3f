#!/usr/bin/env bash
# Every way that convert can take, by its options, gives the bytes that qemu-img gives: on images that
# QEMU wrote, chains of unlike layers, and sizes that are no whole cluster.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/foreign/lib.sh"
requires qemu-img qemu-io

# The corpus: each is an image, its format, and what it is.
seed=900
images=()
for geometry in 4k,2 16k,2 64k,4 1M,2; do
    IFS=, read -r cluster table <<<"$geometry"
    for size in 37M 4197888 512; do
        name=$cluster-$size.qed
        qemu-img create -q -f qed -o "cluster_size=$cluster,table_size=$table" "$name" "$size"
        [[ $size == 512 ]] || scribble "$name" $((seed++)) 25
        images+=("$name")
    done
done
qemu-img convert -O raw 16k-37M.qed sparse.raw
head -c 5000000 64k-37M.qed >odd.raw
qemu-img create -q -f qed -o cluster_size=4k -b odd.raw -F raw middle.qed 9M
scribble middle.qed $((seed++)) 20 4096
qemu-img create -q -f qed -o cluster_size=128k -b middle.qed -F qed top.qed 40M
scribble top.qed $((seed++)) 20
qemu-img create -q -f qed -b top.qed -F qed shorter.qed 8389120
scribble shorter.qed $((seed++)) 10
images+=(sparse.raw odd.raw middle.qed top.qed shorter.qed)

ways=("" "-m 1" "-m 2" "-m 16" "-W" "-m 3 -W" "-T none" "-t none" "-t none -T none" "-t directsync -T directsync -m 5"
    "-t writeback -T writeback" "-t writethrough -W" "-t unsafe" "-C" "-C -t none" "-S 0" "-S 64k" "-S 0 -T none -t none -m 7"
    "--salvage" "--salvage -t none -T none -W")

# takes_way IMAGE FORMAT WAY...
takes_way()
{
    "$QEDTOOL" convert -O raw -f "$2" "${@:3}" "$1" ours.raw
    cmp theirs.raw ours.raw >&2 || fail "to raw, ${*:3}: $1"
    "$QEDTOOL" convert -O qed -o cluster_size=8k -f "$2" "${@:3}" "$1" ours.qed
    qemu-img compare -q -f raw -F qed theirs.raw ours.qed || fail "to QED, ${*:3}: $1"
    qemu-img check -q -f qed ours.qed || fail "unsound, ${*:3}: $1"
}

# takes_buffers IMAGE FORMAT: over a backing file, and into images that are there and full.
takes_buffers()
{
    "$QEDTOOL" convert -O qed -f "$2" -B sparse.raw -F raw "$1" over.qed
    qemu-img compare -q -f raw -F qed theirs.raw over.qed || fail "over a backing file: $1"
    cp full.qed into.qed
    "$QEDTOOL" convert -n -O qed -f "$2" "$1" into.qed
    qemu-img check -q -f qed into.qed || fail "unsound, in place: $1"
    qemu-img convert -O raw into.qed into.raw
    cmp -n "$(stat -c %s theirs.raw)" theirs.raw into.raw >&2 || fail "into a QED image: $1"
    cp full.raw into.raw
    "$QEDTOOL" convert -n -O raw -f "$2" "$1" into.raw
    cmp -n "$(stat -c %s theirs.raw)" theirs.raw into.raw >&2 || fail "into a raw image: $1"
    cmp -i "$(stat -c %s theirs.raw)" full.raw into.raw >&2 || fail "past the end: $1"
}

head -c 41M /dev/zero | tr '\0' x >full.raw
qemu-img convert -f raw -O qed full.raw full.qed
for image in "${images[@]}"; do
    format=${image##*.}
    qemu-img convert -f "$format" -O raw "$image" theirs.raw
    for way in "${ways[@]}"; do
        # shellcheck disable=SC2086 # none or some words
        takes_way "$image" "$format" $way
    done
    takes_buffers "$image" "$format"
done
