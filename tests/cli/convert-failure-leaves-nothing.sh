#!/usr/bin/env bash
# A convert that fails, at once or on the way, leaves no target, no half of one and no temporary
# file; a target of an earlier day stays as it was.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"

craft sound.qed 'new size=16M' 'data 0 4M seed=1'
cp sound.qed bad-entry.qed
craft bad-entry.qed 'poke-l2 0 60 data:0:0+512'
cp sound.qed short.qed
craft short.qed 'truncate -1M'
cp sound.qed bad-table.qed
craft bad-table.qed 'poke-l1 0 0x7777'
truncate -s 4M base.raw
cp sound.qed bad-header.qed
craft bad-header.qed 'poke-header table_size 3'

# leaves_nothing SENTENCE ARG...: without the target and with one
leaves_nothing()
{
    rm -rf target
    mkdir target
    expect_status 1 "$QEDTOOL" convert "${@:2}"
    expect_stderr_has "$1"
    expect_files target
    echo "of an earlier day" >target/disk
    unchanged target/disk expect_status 1 "$QEDTOOL" convert "${@:2}"
    expect_files target disk
}

for format in raw qed; do
    leaves_nothing "bad-entry.qed" -O "$format" bad-entry.qed target/disk
    leaves_nothing "short.qed" -O "$format" short.qed target/disk
    leaves_nothing "bad-table.qed" -O "$format" bad-table.qed target/disk
    leaves_nothing "QED table size is invalid" -O "$format" bad-header.qed target/disk
    leaves_nothing "No such file or directory" -O "$format" none.qed target/disk
    leaves_nothing "Invalid buffer size" -O "$format" -S 1 sound.qed target/disk
    leaves_nothing "Unknown driver 'qcow2'" -f qcow2 -O "$format" sound.qed target/disk
done
leaves_nothing "Image not in QED format" -f qed base.raw target/disk
leaves_nothing "target/disk: error while converting qed: QED cluster size must be within range" \
    -O qed -o cluster_size=3k sound.qed target/disk
"$QEDTOOL" create -q huge.qed 64T
leaves_nothing "QED image size must be" -O qed -o cluster_size=4k,table_size=1 huge.qed target/disk
leaves_nothing "Invalid parameter 'x'" -O qed -o x=y sound.qed target/disk
leaves_nothing "Invalid parameter 'cluster_size'" -O raw -o cluster_size=4k sound.qed target/disk
leaves_nothing "Unknown file format 'vmdk'" -O vmdk sound.qed target/disk
leaves_nothing "Unknown file format 'QED'" -O QED sound.qed target/disk
leaves_nothing "Compression not supported for this file format" -c -O qed sound.qed target/disk
leaves_nothing "Use of backing file requires explicit backing format" \
    -O qed -B base.raw sound.qed target/disk
leaves_nothing "Could not open" -O qed -B none.raw -F raw sound.qed target/disk
leaves_nothing "Unexpected argument: more" sound.qed target/disk more
leaves_nothing "unrecognized option '--nonsense'" --nonsense sound.qed target/disk

mkdir target/folder
expect_status 1 "$QEDTOOL" convert sound.qed target/folder
expect_stderr_has "target/folder"
expect_status 1 "$QEDTOOL" convert sound.qed none/disk
expect_stderr_has "Could not create 'none/disk': No such file or directory"
expect_status 1 "$QEDTOOL" convert sound.qed sound.qed/disk
expect_stderr_has "Not a directory"
