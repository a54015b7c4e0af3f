#!/usr/bin/env bash
# Mistakes on bench's command line are refused, in qemu-img's words where it has some.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"

craft a.qed 'new size=16M' 'data 0 1M seed=1'
truncate -s 1M a.raw

# refused WORDS OPTION...: exit 1, nothing on stdout, WORDS on stderr; the image stays as it is.
refused()
{
    unchanged a.qed expect_status 1 "$QEDTOOL" bench "${@:2}" a.qed
    expect_stdout ''
    expect_stderr_has "qedtool: $1"
}

for number in x -1 '' 1.5 99999999999; do
    refused 'Invalid request count specified' -c "$number"
    refused 'Invalid queue depth specified' -d "$number"
    refused 'Invalid flush interval specified' -w --flush-interval="$number"
    refused 'Invalid pattern byte specified' -w --pattern="$number"
done
refused 'Invalid queue depth specified' -d 0
refused 'Invalid pattern byte specified' -w --pattern=256
for size in x -1 ''; do
    refused 'Invalid buffer size specified. You may use k, M, G, T, P or E suffixes for' -s "$size"
    refused 'Invalid step_size specified. You may use k, M, G, T, P or E suffixes for' -S "$size"
    refused 'Invalid offset specified. You may use k, M, G, T, P or E suffixes for' -o "$size"
done
refused 'Invalid buffer size specified. Must be between 0 and 2147483647.' -s 2G
refused 'Invalid step_size specified. Must be between 0 and 2147483647.' -S 2G
refused 'Invalid cache mode' -t fast
refused '--flush-interval is only available in write tests' --flush-interval=64
refused "Flush interval can't be smaller than depth" -w -d 6 --flush-interval=5
refused "Could not open 'a.qed': force-share=on can only be used with read-only images" -w -U
refused "Could not open 'a.qed': Unknown driver 'foo'" -f foo
refused "unrecognized option '-n'" -n
refused "unrecognized option '-i'" -i native
refused '64 requests of 1073741824 bytes in parallel take more than 2 GiB of memory' -s 1G
refused '--durability must be need-check, preallocate, intent or ordered' -w --durability=fast
refused '--durability goes with -w' --durability=intent
refused '--preallocate goes with --durability=preallocate' -w --preallocate=1M

refused "--mode must be io, check or durability, not 'fast'" --mode=fast
refused '--disk and --guests go with --mode=check and --mode=durability' --disk=hdd
refused '--disk and --guests go with --mode=check and --mode=durability' --guests=2
for option in -w '-c 1' '-d 1' '-o 0' '-s 512' '-S 512' '-t none' -q --no-drain --pattern=1; do
    # shellcheck disable=SC2086 # one word or two
    refused 'Options of requests cannot be used with --mode=check' --mode=check $option
done
for disk in '' floppy iops=100 iops=0,bw=1M iops=1,bw=0 iops=x,bw=1M bw=1M,iops=1; do
    refused "Unknown disk '$disk': hdd, sata-ssd, nvme or iops=N,bw=M is expected" --mode=check \
        --disk="$disk"
done
for guests in 0 10001; do
    refused '--guests must be from 1 to 10000' --mode=check --guests="$guests"
done
refused "Invalid value 'x' for option --guests: a number is expected" --mode=check --guests=x

expect_status 1 "$QEDTOOL" bench
expect_stderr_has 'qedtool: Expecting one image file name'
expect_status 1 "$QEDTOOL" bench a.qed a.raw
expect_stderr_has 'qedtool: Expecting one image file name'
expect_status 1 "$QEDTOOL" bench none.qed
expect_stderr_has "qedtool: Could not open 'none.qed': "
expect_status 1 "$QEDTOOL" bench --mode=check a.raw
expect_stdout ''
expect_stderr 'qedtool: This image format does not support checks'
