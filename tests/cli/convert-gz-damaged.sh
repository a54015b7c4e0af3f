#!/usr/bin/env bash
# gzip data that is cut short, damaged or followed by something else makes no image; what is much
# larger than it looks makes none that is larger than allowed.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"
requires gzip

mkdir target
head -c 3M /dev/urandom >a.raw
gzip -1 -c a.raw >a.gz
size=$(stat -c %s a.gz)

# refused SENTENCE FILE [OPTION...]: as a file and from a pipe, to every kind of target.
refused()
{
    local options source

    for options in "-O raw" "-O qed" "-O qed -o cluster_size=2M" "-O raw.gz"; do
        for source in "$2" -; do
            # shellcheck disable=SC2086 # two words or more
            expect_status 1 "$QEDTOOL" convert $options "${@:3}" -f raw.gz "$source" target/disk \
                < <(cat "$2" 2>/dev/null || true)
            expect_stderr_has "$1"
            [[ $(wc -l <err) -eq 1 ]] || fail "not one line: $(cat err)"
            expect_files target
        done
    done
}

for cut in 1 5 9 20 $((size / 2)) $((size - 1)); do
    head -c "$cut" a.gz >cut.gz
    refused "the gzip data ends too early" cut.gz
done
: >empty.gz
refused "the gzip data ends too early" empty.gz

for at in $((size / 2)) $((size - 5)) $((size - 2)); do
    cp a.gz bad.gz
    byte=$(od -An -tu1 -j "$at" -N 1 bad.gz)
    # shellcheck disable=SC2059 # the byte
    printf "\\x$(printf %02x $((byte ^ 255)))" | dd of=bad.gz bs=1 seek="$at" conv=notrunc status=none
    refused "error while reading at byte" bad.gz
done
(cat a.gz; echo more) >trailing.gz
refused "there is something else behind the gzip data" trailing.gz

# Ten GiB of zeroes in ten MiB: no more space than that, and not at all where that is too much.
head -c 10G /dev/zero | gzip -1 >bomb.gz
expect_status 0 "$QEDTOOL" convert bomb.gz target/disk
[[ $(stat -c %s target/disk) -eq $((10 << 30)) ]] || fail "$(stat -c %s target/disk) bytes"
[[ $(du -k target/disk | cut -f1) -le 1024 ]] || fail "zeroes are stored: $(du -k target/disk)"
expect_status 0 "$QEDTOOL" convert -O qed bomb.gz target/disk
[[ $(stat -c %s target/disk) -le 1048576 ]] || fail "zeroes are stored: $(stat -c %s target/disk)"
rm target/disk
refused "there is more than the 1048576 bytes that it was to have" bomb.gz -o size=1M
expect_status 1 "$QEDTOOL" convert -O qed -o cluster_size=4k,table_size=1 bomb.gz target/disk
expect_stderr_has "has more than 1073741824 bytes"
expect_files target
