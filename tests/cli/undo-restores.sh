#!/usr/bin/env bash
# undo puts an image back bit for bit, says so in one line, and says so, too, when there is nothing
# to do. The record is made by hand.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"
. "$srcdir/tests/cli/undo-lib.sh"
requires gzip

craft old.qed 'new size=1M' 'data 0 64K seed=1' 'poke-header image_size 12345'
cp old.qed repaired.qed
craft repaired.qed 'poke-header image_size 1M'
record_of_sector repaired.qed old.qed rec 6

cp repaired.qed a.qed
expect_status 0 "$QEDTOOL" undo a.qed rec
expect_stdout "Image restored to its state before the repair."
expect_stderr ""
same_file a.qed old.qed

unchanged a.qed expect_status 0 "$QEDTOOL" undo a.qed rec
expect_stdout "The image is as it was before the repair; nothing was changed."
expect_stderr ""

for option in -q --quiet; do
    cp repaired.qed a.qed
    unchanged rec expect_status 0 "$QEDTOOL" undo a.qed "$option" rec
    expect_stdout ""
    expect_stderr ""
    same_file a.qed old.qed
done

# The repair was cut off: the mark is all that it left, or a guest has opened the image since.
craft a.qed 'set features need_check'
expect_status 0 "$QEDTOOL" undo a.qed rec
same_file a.qed old.qed

# The answer is one like any other.
cp repaired.qed a.qed
expect_status 1 to_full undo a.qed rec
expect_stderr "qedtool: cannot write to stdout: No space left on device"
same_file a.qed old.qed
