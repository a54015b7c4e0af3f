#!/usr/bin/env bash
# --mapfile without a bad sector: one line for the whole guest, the same each time; it takes no image's
# place, and is not there when the copy fails. What --salvage cannot go together with is refused.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"

craft a.qed 'new size=16M' 'data 0 1M seed=1'
expect_status 0 "$QEDTOOL" convert --mapfile=map a.qed a.raw
expect_stdout ""
expect_stderr ""
[[ $(tail -n 1 map) == "0x00000000  0x01000000  +" ]] || fail "$(cat map)"
cp map first
for options in "--salvage" "-O qed" "-W" "-C"; do
    # shellcheck disable=SC2086 # some words
    expect_status 0 "$QEDTOOL" convert $options --mapfile=map a.qed b
    same_file first map
done

for map in a.qed ./a.qed; do
    unchanged a.qed expect_status 1 "$QEDTOOL" convert "--mapfile=$map" a.qed none.raw
    expect_stderr "qedtool: $map: the map file is the source, or a backing file of it"
done
for map in a.raw ./a.raw; do
    unchanged a.raw expect_status 1 "$QEDTOOL" convert "--mapfile=$map" a.qed a.raw
    expect_stderr "qedtool: $map: the map file is the target"
done
expect_status 1 "$QEDTOOL" convert --mapfile=./new.raw a.qed new.raw
expect_stderr "qedtool: ./new.raw: the map file is the target"
"$QEDCRAFT" a.qed --read 0 16M | cmp - new.raw >&2 || fail "the target is not what it was"
expect_status 1 "$QEDTOOL" convert --mapfile=none/map a.qed none.raw
expect_stderr_has "none/map"
expect_status 1 "$QEDTOOL" convert -C --salvage a.qed none.raw
expect_stderr "qedtool: Cannot use copy offloading in salvaging mode"

# Invalid entries without --salvage: the range of the guest is named, and there is neither map nor target.
craft a.qed 'poke-l2 0 5 data:0:0+512'
unchanged map expect_status 1 "$QEDTOOL" convert --mapfile=map a.qed none.raw
expect_stderr_has "a.qed: error while reading at byte 327680, 65536 bytes of the guest: "
[[ ! -e none.raw ]] || fail "a target without a source"
expect_status 0 "$QEDTOOL" convert --salvage --mapfile=map a.qed some.raw
expect_stderr_has "warning: error while reading offset 327680: the table entry is invalid (65536 bytes)"
[[ $(sed -n 's/^\(0x.*\)-$/\1/p' map) == "0x00050000  0x00010000  " ]] || fail "$(cat map)"
