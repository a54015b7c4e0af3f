#!/usr/bin/env bash
# A file system that fills up is told as that, by every way to write and to reserve.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/filesystems/lib.sh"
requires_root
requires mkfs.ext4 losetup

full="no-space (No space left on device)"
mib=1048576

check_full()
{
    local folder=$1 call result

    for call in allocate zero-allocated write-zeroes windowed queue-sync queue-uring; do
        rm -f "$folder/to"
        truncate -s 24M "$folder/to"
        result=$("$IOCALL" "$call" "$folder/to" 0 $((24 * mib)))
        [[ $call != queue-uring || $result != unsupported ]] || continue
        # A file system that cannot reserve says so.
        [[ $result == "$full" ]] || fail "$folder: $call: $result"
    done
    rm -f "$folder/to"
    # Zeroes that are copied take up space; what was said to be copied is.
    truncate -s 24M "$folder/from"
    : >"$folder/to"
    result=$("$IOCALL" copy "$folder/to" 0 "$folder/from" 0 $((24 * mib)))
    [[ $result == "$full "[0-9]* ]] || fail "$folder: copy: $result"
    [[ $(stat -c %s "$folder/to") -ge ${result##* } && ${result##* } -gt $mib ]] ||
        fail "$folder: copy: $result, but $(stat -c %s "$folder/to") bytes are there"
    rm "$folder/to"
}

mount_on tmpfs -t tmpfs -o size=16M tmpfs
check_full tmpfs

truncate -s 20M image
mkfs.ext4 -q -F -O ^has_journal image
mount_image image ext4
check_full ext4
