#!/usr/bin/env bash
# What the tests on file systems of their own share beyond tests/lib.sh:
# . "$srcdir/tests/filesystems/lib.sh"

IOCALL=$(absolute "${IOCALL:-$top_builddir/tests/support/iocall}")
mounted=()
attached=()

# The last one mounted goes first: it may lie in a file of the one before.
release_all()
{
    local i

    for ((i = ${#mounted[@]} - 1; i >= 0; i--)); do
        umount "${mounted[i]}"
    done
    for ((i = ${#attached[@]} - 1; i >= 0; i--)); do
        losetup -d "${attached[i]}"
    done
}
cleanup_fn release_all

# attach FILE: a loop device on it, its name in $device.
attach()
{
    device=$(losetup --find --show "$1" 2>/dev/null) || skip "cannot set up a loop device"
    attached+=("$device")
}

# mount_on FOLDER OPTION...: a file system mounted there, by the options of mount.
mount_on()
{
    local folder=$PWD/$1

    mkdir "$folder"
    mount "${@:2}" "$folder" 2>mount.err || skip "cannot mount: $(cat mount.err)"
    mounted+=("$folder")
}

# mount_image FILE FOLDER: the file system in it, through a loop device.
mount_image()
{
    attach "$1"
    mount_on "$2" "$device"
}

# expect_call RESULT CALL ARGUMENT...: iocall prints exactly that.
expect_call()
{
    local result

    result=$("$IOCALL" "${@:2}") || fail "iocall ${*:2}: exit status $?"
    [[ $result == "$1" ]] || fail "iocall ${*:2}: '$result', expected '$1'"
}

# random_file FILE BYTES
random_file()
{
    head -c "$2" /dev/urandom >"$1"
}

# bytes_of FILE OFF LEN: their checksum.
bytes_of()
{
    dd if="$1" iflag=skip_bytes,count_bytes,fullblock skip="$2" count="$3" bs=1M status=none |
        sha256sum
}

same_bytes()
{
    [[ $(bytes_of "$1" "$2" "$5") == $(bytes_of "$3" "$4" "$5") ]] ||
        fail "$5 bytes of $1 at $2 and of $3 at $4 differ"
}

# taken FILE: the KiB that it takes on its file system.
taken()
{
    sync -d "$1"
    du -k "$1" | cut -f1
}

# extents FILE: lines "logical physical length flags" of its extents, in file system blocks of 4096.
extents()
{
    filefrag -b4096 -v -s "$1" | sed -nE \
        's/^ *[0-9]+: *([0-9]+)\.\. *[0-9]+: *([0-9]+)\.\. *[0-9]+: *([0-9]+):( *[0-9]+:)?(.*)$/\1 \2 \3 \5/p'
}
