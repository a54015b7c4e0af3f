#!/usr/bin/env bash
# An l1_table_offset that leads to another table of the image, or to the L1 table of a QED image that
# the guest keeps: check says that it is no L1 table, --repair changes nothing, and after --rebuild
# the guest reads every byte as before. An L1 table that is where the header says is never given up.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"
requires qemu-img jq

# damaged LINE…: a.qed is what the lines make of sound.qed
damaged()
{
    cp sound.qed a.qed
    craft a.qed "$@"
}

# recognised: in a.qed; and no repair but a rebuild does anything
recognised()
{
    local option

    for option in "" --repair=leaks --repair=all; do
        # shellcheck disable=SC2086 # none or one word
        unchanged a.qed expect_status 2 "$QEDTOOL" check $option a.qed
        grep -qE '^qedtool: QED-(L1|TABLES)-NONSENSE: ' err || fail "not recognised: $(cat err)"
        [[ -z $option ]] || expect_stderr_has "qedtool: Nothing was repaired: see the finding above"
    done
    unchanged a.qed expect_status 2 "$QEDTOOL" check --rebuild --dry-run a.qed
    expect_stderr_has "Rebuild: l1_table_offset: "
}

# as_before: a rebuild of a.qed makes it sound.qed again, and undo goes back
as_before()
{
    cp a.qed before.qed
    expect_status 0 "$QEDTOOL" check --rebuild --undo=a.undo a.qed
    same_file a.qed sound.qed
    expect_status 0 "$QEDTOOL" undo a.qed a.undo
    same_file a.qed before.qed
    rm a.undo
}

# Where guest bytes are in the file.
place_of()
{
    qemu-img map -f qed --output=json sound.qed |
        jq --argjson at "$1" \
            '.[] | select(.data and .start <= $at and $at < .start + .length) | .offset + $at - .start'
}

# nested OPTIONS INNER: sound.qed, made with the options, has INNER in it, stored whole as a guest's
# file is, between data of its own; $l1 is where the inner L1 table lies
nested()
{
    local inner_l1

    inner_l1=$(od -An -tu8 -j40 -N8 "$2")
    rm -f guest.raw
    truncate -s "${3:-24M}" guest.raw
    seq 1 60000 | dd of=guest.raw conv=notrunc status=none
    dd if="$2" of=guest.raw bs=1M seek=4 conv=notrunc status=none
    seq 1 200000 | dd of=guest.raw bs=1M seek=12 conv=notrunc status=none
    qemu-img convert -S 0 -f raw -O qed -o "$1" guest.raw sound.qed
    l1=$(place_of $((4 * 1024 * 1024 + inner_l1)))
    [[ $l1 -gt 0 ]] || fail "the inner L1 table is nowhere"
}

# Images for the guest to keep: one table, and many.
seq 1 100000 >inner.raw
truncate -s 40M inner.raw
seq 1 50000 | dd of=inner.raw bs=1M seek=30 conv=notrunc status=none
for cluster in 4096 65536; do
    qemu-img convert -f raw -O qed -o "cluster_size=$cluster" inner.raw "inner-$cluster.qed"
done

for geometry in cluster_size=65536 cluster_size=65536,table_size=2 cluster_size=4096 \
    cluster_size=4096,table_size=16; do
    for inner in inner-65536.qed inner-4096.qed; do
        [[ $geometry != *65536* || $inner != *4096* ]] || continue # not where an L1 table can be
        nested "$geometry" "$inner"
        expect_status 0 "$QEDTOOL" check sound.qed
        damaged "poke-header l1_table_offset $l1"
        recognised
        as_before
        expect_status 0 "$QEDTOOL" check --rebuild a.qed
        qemu-img compare -q -f raw -F qed guest.raw a.qed || fail "the guest reads something else"
    done
done

# What the header's own L1 table has lost is no reason to take another, though the inner one leads to
# most of the file; nor after a crash.
nested cluster_size=65536 inner-65536.qed
for lines in 'fill l1 table 0' 'set features need_check' $'fill l1 table 0\nset features need_check'; do
    damaged "$lines"
    expect_status 0 "$QEDTOOL" check --rebuild a.qed
    ! grep -q l1_table_offset err || fail "another L1 table: $(cat err)"
    qemu-img compare -q -f qed -F qed sound.qed a.qed || fail "lost: $lines"
done

# L2 tables with few entries.
for new in 'size=4G' 'size=64M cluster=4K' 'size=64M cluster=4K table=1' 'size=64G table=16'; do
    for count in 1 4 8 15; do
        rm -f sound.qed
        craft sound.qed "new $new" "data 0 $count*cluster seed=3" "data size-8M 1M seed=4"
        damaged 'poke-header l1_table_offset l2:0'
        recognised
        as_before
    done
done
