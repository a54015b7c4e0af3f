#!/usr/bin/env bash
# What is not there, is no undo record, is damaged, or is not this image's, is refused in a sentence,
# and the image stays as it is.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"
. "$srcdir/tests/cli/undo-lib.sh"
requires gzip

craft old.qed 'new size=1M' 'data 0 64K seed=1' 'poke-header image_size 12345'
cp old.qed a.qed
craft a.qed 'poke-header image_size 1M'
record_of_sector a.qed old.qed rec 6

# refused SENTENCE IMAGE RECORD
refused()
{
    unchanged a.qed expect_status 1 timeout 20 "$QEDTOOL" undo "$2" "$3"
    expect_stdout ""
    expect_stderr "qedtool: $1"
}

refused "Could not open 'none': No such file or directory" none rec
refused "Could not open 'none': No such file or directory" a.qed none
mkdir folder
mkfifo fifo
refused "'folder' is not a regular file or a block device" a.qed folder
refused "'fifo' is not a regular file or a block device" a.qed fifo
refused "'fifo' is not a regular file or a block device" fifo rec

ln -s a.qed link
refused "'a.qed' and 'a.qed' are the same file" a.qed a.qed
refused "'a.qed' and 'link' are the same file" a.qed link

: >empty
refused "'empty' is not an undo record" a.qed empty
refused "'a.qed' is not an undo record" rec a.qed
refused "'old.qed' is not an undo record" a.qed old.qed

length=$(stat -c %s rec)
for end in 8 63 100 500 $((length - 49)) $((length - 1)); do
    head -c "$end" rec >short
    refused "'short' is not complete: the repair that wrote it had not begun to change the image, \
or it was cut off since" a.qed short
done
for offset in 9 20 70 200 $((length - 50)) $((length - 6)) $((length - 1)); do
    cp rec bad
    craft_byte=$(od -An -tu1 -j "$offset" -N 1 rec)
    # shellcheck disable=SC2059 # the format is the byte
    printf "\\x$(printf %02x $((craft_byte ^ 4)))" |
        dd of=bad bs=1 seek="$offset" conv=notrunc status=none
    refused "'bad' was changed or is damaged" a.qed bad
done
{ cat rec; echo; } >bad
refused "'bad' was changed or is damaged" a.qed bad

other="'rec' is the undo record of another image, or"
craft b.qed 'new size=2M' 'data 0 64K seed=1'
refused "$other 'b.qed' was written to since the repair" b.qed rec
craft a.qed 'poke-header image_size 2M'
refused "$other 'a.qed' was written to since the repair" a.qed rec
craft a.qed 'poke-header image_size 1M' 'extend 64K'
refused "$other 'a.qed' was written to since the repair" a.qed rec

for words in "" a.qed; do
    # shellcheck disable=SC2086 # none or one word
    expect_status 1 "$QEDTOOL" undo $words
    expect_stdout ""
    expect_stderr "qedtool: Expecting an image file name and the undo record of its repair
Try 'qedtool --help' for more information"
done
expect_status 1 "$QEDTOOL" undo a.qed rec rec
expect_stderr_has "qedtool: Unexpected argument: rec"
