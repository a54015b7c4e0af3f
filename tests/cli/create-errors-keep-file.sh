#!/usr/bin/env bash
# A create that cannot work leaves the file that is there as it was, byte for byte, and nothing
# beside it.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"

mkdir images
cd images
craft disk.qed 'new size=16M' 'data 0 200K seed=1'
"$QEDTOOL" create -q base.qed 1M
truncate -s 1M base.raw
printf 'QED\0garbage' >broken.qed
chmod 644 disk.qed

# refused SENTENCE ARG...: with disk.qed as the image
refused()
{
    unchanged disk.qed expect_status 1 "$QEDTOOL" create "${@:2}"
    expect_stderr_has "$1"
    expect_files . base.qed base.raw broken.qed disk.qed
}

refused "disk.qed: Image creation needs a size parameter" disk.qed
refused "disk.qed: Image creation needs a size parameter" -u -b base.qed -F qed disk.qed
for size in x 1x -1 '' 1.5.5G 16E 99999999999999999999 0x 1MM; do
    refused "Invalid image size specified. You may use k, M, G, T, P or E suffixes for" \
        -- disk.qed "$size"
done
refused "disk.qed: QED image size must be a non-zero multiple of cluster size and less than" \
    disk.qed 65T
refused "less than 70368744177664 bytes" disk.qed 70368744177665
refused "less than 68719476736 bytes" -o cluster_size=4k,table_size=8 disk.qed 65G

for bytes in 0 1 2k 3k 4097 65537 96k 128M 4G 8G 16E; do
    refused disk.qed -o "cluster_size=$bytes" disk.qed 1M
done
for clusters in 0 3 5 17 32 4294967297; do
    refused "disk.qed: QED table size must be within range [1, 16] and power of 2" \
        -o "table_size=$clusters" disk.qed 1M
done
refused "cluster_size" -o cluster_size=x disk.qed 1M
refused "cluster_size" -o cluster_size= disk.qed 1M
refused "cluster_size" -o cluster_size disk.qed 1M
refused "size" -o size=many disk.qed
refused "disk.qed: Invalid parameter 'compat'" -o compat=1.1 disk.qed 1M
refused "disk.qed: Invalid parameter 'Cluster_size'" -o Cluster_size=4k disk.qed 1M
refused "disk.qed: Invalid parameter 'cluster_size'" -f raw -o cluster_size=4k disk.qed 1M
# The first option is sound, the second is not.
refused "disk.qed: Invalid parameter 'x'" -o cluster_size=4k,x=y disk.qed 1M
refused "disk.qed: Invalid parameter 'x'" -o cluster_size=4k -o x=y disk.qed 1M
# A doubled comma is no separator.
refused "cluster_size" -o cluster_size=4k,,table_size=2 disk.qed 1M
refused "disk.qed: Unknown file format 'qcow2'" -f qcow2 disk.qed 1M
refused "disk.qed: Unknown file format ''" -f '' disk.qed 1M

refused "disk.qed: Could not open 'none.qed': No such file or directory" \
    -b none.qed -F qed disk.qed 1M
expect_stderr "qedtool: disk.qed: Could not open 'none.qed': No such file or directory
Could not open backing image."
expect_stdout ""
refused "Could not open 'none/base.qed'" -b none/base.qed -F qed disk.qed
refused "disk.qed: Backing file specified without backing format" -b base.qed disk.qed 1M
expect_stderr_has "Detected format of qed."
expect_stdout ""
refused "Detected format of raw." -b base.raw disk.qed 1M
refused "Image not in QED format" -b base.raw -F qed disk.qed
refused "broken.qed" -b broken.qed -F qed disk.qed
refused "backing" -b base.qed -F vmdk disk.qed
refused "backing" -b nbd://localhost/a -F raw disk.qed 1M
refused "Backing file not supported for file format 'raw'" -f raw -b base.raw -F raw disk.qed
refused "Backing file name is longer than 1023 bytes" \
    -u -b "$(printf '%01024d' 0)" -F raw disk.qed 1M
refused "control characters" -u -b $'a\x1bb' -F raw disk.qed 1M
refused "disk.qed" -b disk.qed -F qed disk.qed
refused "disk.qed" -b ./disk.qed -F qed disk.qed 1M

refused "Unexpected argument: 2M" disk.qed 1M 2M
refused "unrecognized option '--nonsense'" --nonsense disk.qed 1M
refused "missing argument for option '-b'" disk.qed 1M -b
