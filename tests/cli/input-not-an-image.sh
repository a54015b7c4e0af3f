#!/usr/bin/env bash
# What is no image is refused with a sentence, and nothing but convert, which reads them as streams,
# waits for a FIFO or a device.
. "$srcdir/tests/lib.sh"

mkdir folder
mkfifo fifo
printf 'QED' >three
printf 'QED\0' >four
printf 'QED\0%059d' 0 >short
: >empty
echo hello >text
printf 'QFI\xfb%0600d' 0 >a.qcow2

# refuses FILE SENTENCE [OPTION...]: in every command
refuses()
{
    local command

    for command in info "info --output=json" check "check -r all" map "map --output=json"; do
        # shellcheck disable=SC2086 # a command and its options
        expect_status 1 timeout 20 "$QEDTOOL" $command "${@:3}" "$1"
        expect_stdout ""
        expect_stderr_has "qedtool: Could not open '$1': "
        expect_stderr_has "$2"
        # check may list findings besides.
        [[ $(grep -cv "^qedtool: QED-" err) -eq 1 ]] || fail "more than one line: $(cat err)"
    done
    [[ ! -p $1 && ! -c $1 ]] || return 0
    expect_status 1 timeout 20 "$QEDTOOL" convert "${@:3}" "$1" target.raw
    expect_stderr_has "$2"
    [[ ! -e target.raw ]] || fail "a target was made"
}

refuses none "Could not open 'none': No such file or directory"
refuses none/none "Could not open 'none/none': No such file or directory"
refuses text/none "Not a directory"
refuses '' "No such file or directory"
# An open for writing, as by check -r, calls it by its errno.
expect_status 1 "$QEDTOOL" info folder
expect_stderr_has "Could not open 'folder': 'folder' is not a regular file"
refuses folder "folder"
refuses folder "folder" -f raw
refuses fifo "'fifo' is not a regular file or a block device"
refuses fifo "'fifo' is not a regular file or a block device" -f qed
refuses /dev/null "is not a regular file or a block device"
refuses /dev/zero "is not a regular file or a block device" -f raw

refuses text "Image not in QED format" -f qed
refuses empty "Image not in QED format" -f qed
refuses three "Image not in QED format" -f qed
refuses four "QED"
refuses short "QED"
refuses a.qcow2 "qcow"
refuses a.qcow2 "Image not in QED format" -f qed
refuses text "Unknown driver 'vmdk'" -f vmdk
refuses text "Unknown driver ''" -f ''

# As a target, and as a new image.
"$QEDTOOL" create -q a.qed 1M
for options in "" "-O qed" "-n" "-n -O qed"; do
    for target in folder fifo /dev/full; do
        # shellcheck disable=SC2086 # none, one or two words
        expect_status 1 timeout 20 "$QEDTOOL" convert $options a.qed "$target"
        expect_stderr_has "${target##*/}"
    done
done
for target in folder fifo /dev/full; do
    expect_status 1 timeout 20 "$QEDTOOL" create "$target" 1M
    expect_stderr_has "$target: "
    expect_status 1 timeout 20 "$QEDTOOL" create -b "$target" -F raw b.qed 1M
    [[ ! -e b.qed ]] || fail "an image was made"
done
[[ -p fifo && -d folder && -c /dev/full ]] || fail "what is no plain file was replaced"
