#!/usr/bin/env bash
# Whichever call to the kernel fails while an image is converted: the target is right, or there is
# none, and one line says why; a target that was there is as it was, or, with -n, clearly failed.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"
requires strace gzip

craft a.qed 'new size=40M' 'data 0 1M seed=1' 'data 2M 192K seed=2'
"$QEDCRAFT" a.qed --read 0 40M >a.raw
ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=0" # that does not work under a tracer
strace -qq -o trace true 2>/dev/null || skip "strace cannot trace here"

# failing CALLS ERRNO N SOURCE ARG...: convert with the N-th of those calls failing, and no ring; only
# those on SOURCE where it is not "-". Sets status.
failing()
{
    local only=()

    [[ $4 == - ]] || only=(-P "$4")
    status=0
    strace -f -qq -o trace "${only[@]}" -e trace="$1,io_uring_setup" \
        -e inject=io_uring_setup:error=ENOSYS -e "inject=$1:error=$2:when=$3" \
        "$QEDTOOL" convert "${@:5}" >out 2>err || status=$?
}

# holds FORMAT: the target has the guest's bytes.
holds()
{
    case $1 in
    raw.gz) gzip -dc target/disk >found ;;
    *) "$QEDTOOL" convert -f "$1" target/disk found ;;
    esac
    cmp -s a.raw found
}

# every N-th call of a kind, until there is no such call any more.
sweep()
{
    local calls=$1 errno=$2 source=$3 format=$4 n=0

    shift 4
    while ((++n < 200)); do
        rm -rf target
        mkdir target
        if [[ ${1:-} == -n ]]; then
            truncate -s 40M target/disk
            [[ $format == raw ]] || "$QEDTOOL" create -q target/disk 40M
        elif ((n % 2)); then
            echo "of an earlier day" >target/disk
        fi
        failing "$calls" "$errno" "$n" "$source" "$@" -O "$format" a.qed target/disk
        grep -q INJECTED <(grep -v io_uring_setup trace) || break
        [[ $status -eq 0 || $status -eq 1 ]] || fail "$calls $n: exit status $status"
        if [[ $status -eq 0 ]]; then
            holds "$format" || fail "$calls $n: not the guest's bytes in $format, and no word of it"
            continue
        fi
        [[ $(wc -l <err) -eq 1 ]] || fail "$calls $n: not one line: $(cat err)"
        if [[ ${1:-} == -n ]]; then
            expect_files target disk
        elif ((n % 2)); then
            expect_files target disk
            [[ $(cat target/disk) == "of an earlier day" ]] || fail "$calls $n: not as it was"
        else
            expect_files target
        fi
    done
    ((n < 200)) || fail "$calls: no end of it"
    [[ $status -eq 0 ]] || fail "$calls: fails without a reason: $(cat err)"
    holds "$format" || fail "$calls: not the guest's bytes"
    calls_failed=$((calls_failed + n - 1))
}

calls_failed=0
for format in raw qed raw.gz; do
    sweep pread64,preadv2 EIO "$PWD/a.qed" "$format"
    sweep pwrite64 EIO - "$format"
    sweep pwrite64 ENOSPC - "$format"
    sweep ftruncate,fallocate ENOSPC - "$format"
    sweep fdatasync,fsync,sync_file_range EIO - "$format"
    sweep rename,renameat,renameat2,fchmod EPERM - "$format"
done
for format in raw qed; do
    sweep pread64,preadv2 EIO "$PWD/a.qed" "$format" -n
    sweep pwrite64 EIO - "$format" -n
    sweep ftruncate,fallocate ENOSPC - "$format" -n
    sweep fdatasync,fsync,sync_file_range EIO - "$format" -n
done
((calls_failed > 60)) || fail "only $calls_failed calls failed"
echo "$calls_failed calls failed"
