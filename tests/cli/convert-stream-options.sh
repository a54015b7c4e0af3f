#!/usr/bin/env bash
# Options that mean nothing where a source or target is a pipe or compressed are refused, by name.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"
requires gzip

head -c 100000 /dev/urandom >a.raw
gzip -c a.raw >a.gz
"$QEDTOOL" convert -O qed a.raw a.qed
mkdir target

# refused SENTENCE ARGUMENT...
refused()
{
    expect_status 1 "$QEDTOOL" convert "${@:2}" < <(cat a.raw)
    expect_stdout ""
    expect_stderr "qedtool: $1"
    expect_files target
}

for source in - a.gz; do
    for option in -C -W "-T none"; do
        # shellcheck disable=SC2086 # one word or two
        refused "$option cannot be used where the source is a pipe or compressed" \
            $option "$source" target/disk
    done
    refused "-B cannot be used where the source is a pipe or compressed" \
        -O qed -B a.raw -F raw "$source" target/disk
done
for target in "-O raw -" "-O raw.gz -" "-O raw.gz target/disk"; do
    for option in -C -W "-t none" -n; do
        # shellcheck disable=SC2086 # some words
        refused "$option cannot be used where the target is a pipe or compressed" \
            $option a.qed $target
    done
done
refused "Backing file not supported for file format 'raw.gz'" -O raw.gz -B a.raw -F raw a.qed target/disk
refused "Backing file not supported for file format 'raw'" -B a.raw -F raw a.qed -
for target in - target/disk; do
    refused "-o size cannot be used here: the target is as large as the source" \
        -o size=1M -O raw.gz a.qed $target
done
refused "Invalid parameter 'level'" -o level=1 a.qed target/disk
refused "Invalid parameter 'level'" -o level=1 -O qed - target/disk
refused "Invalid parameter 'cluster_size'" -o cluster_size=4k -O raw.gz a.qed target/disk
for level in 10 -1 x "" 1k; do
    refused "Level must be a digit, not '$level'" -o "level=$level" -O raw.gz a.qed target/disk
done
refused "Unknown file format 'qed.gz'" -O qed.gz a.qed target/disk
expect_status 1 "$QEDTOOL" create -f raw.gz target/disk 1M
expect_stderr_has "raw.gz"

expect_status 0 "$QEDTOOL" convert -O raw.gz -o help a.qed target/disk
expect_stdout <<END
Supported raw.gz options:
  level=<0-9>            - How hard to compress
  size=<size>            - Virtual disk size
END

# What has a meaning, or does no harm.
for options in "-m 2" "-t writeback" "-t unsafe" "-T writeback" "-S 0" "-S 64k" -U --backing=none -q; do
    # shellcheck disable=SC2086 # one word or two
    expect_status 0 "$QEDTOOL" convert $options -f raw.gz -O raw.gz a.gz target/disk
    gzip -cd target/disk | cmp -n 100000 - a.raw >&2 || fail "$options: other bytes"
    rm target/disk
done
