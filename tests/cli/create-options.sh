#!/usr/bin/env bash
# -o takes a list of options, may be repeated, and goes together with -b and -F; a doubled comma
# stands for a comma.
. "$srcdir/tests/lib.sh"

# header_is FILE FIELD VALUE
header_is()
{
    local value

    value=$("$QEDCRAFT" "$1" --dump | sed -n "s/^$2 //p")
    [[ $value == "$3" ]] || fail "$2 is $value, not $3"
}

expect_status 0 "$QEDTOOL" create -o cluster_size=128k,table_size=8 -o size=5M a.qed
expect_stdout "Formatting 'a.qed', fmt=qed size=5242880 cluster_size=131072 table_size=8"
header_is a.qed cluster_size 131072
header_is a.qed table_size 8
header_is a.qed image_size 5242880

# The last one counts.
expect_status 0 "$QEDTOOL" create -o cluster_size=128k,cluster_size=8k -o cluster_size=4096 a.qed 1M
header_is a.qed cluster_size 4096

for bytes in 4k 8192 16K 32k 64k 512k 1M 2M 64M; do
    expect_status 0 "$QEDTOOL" create -o "cluster_size=$bytes" a.qed 1M
    header_is a.qed cluster_size "$(numfmt --from=iec "${bytes^^}")"
done
for clusters in 1 2 4 8 16; do
    expect_status 0 "$QEDTOOL" create -o "table_size=$clusters" a.qed 1M
    header_is a.qed table_size "$clusters"
    expect_status 0 "$QEDTOOL" check a.qed
done

truncate -s 1M a,b.raw
expect_status 0 "$QEDTOOL" create -o backing_file=a,,b.raw,backing_fmt=raw,cluster_size=4k c.qed
header_is c.qed backing a,b.raw
header_is c.qed cluster_size 4096
header_is c.qed features 0x5
expect_status 0 "$QEDTOOL" create -o backing_file=a,,b.raw -F raw c.qed
header_is c.qed backing a,b.raw
# A name in -b is taken as it is.
expect_status 0 "$QEDTOOL" create -b a,b.raw -o backing_fmt=raw c.qed
header_is c.qed backing a,b.raw

cat >qed-options <<'END'
Supported qed options:
  backing_file=<str>     - File name of a base image
  backing_fmt=<str>      - Image format of the base image
  cluster_size=<size>    - Cluster size (in bytes)
  intent=<bool (on/off)> - Write-intent bitmap
  preallocation=<str>    - Preallocation mode (allowed values: off, metadata, falloc, full)
  size=<size>            - Virtual disk size
  table_size=<size>      - L1/L2 table size (in clusters)
END
# Neither a file nor a size is needed, and a file that is named is left alone.
echo precious >d.qed
for list in help '?' cluster_size=4k,help; do
    unchanged d.qed expect_status 0 "$QEDTOOL" create -o "$list" d.qed 1M
    grep -qxFf qed-options out || fail "no options listed for -o $list"
    expect_status 0 "$QEDTOOL" create -f qed -o "$list"
    [[ $(grep -cxFf qed-options out) -eq 8 ]] || fail "not all options are listed for -o $list"
done
expect_status 0 "$QEDTOOL" create -f raw -o help
expect_stdout_has "  size=<size> "
expect_stdout_has "  preallocation=<str>    - Preallocation mode (allowed values: off, falloc, full)"
! grep -q cluster_size out || fail "raw images have no clusters"
