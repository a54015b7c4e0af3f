#!/usr/bin/env bash
# What a check takes is bounded by what the file holds and by --memory, not by what a header says.
. "${srcdir:=.}/tests/lib.sh"
requires /usr/bin/time
symbols=$(nm "$QEDTOOL" 2>/dev/null) || skip "another program's memory would be measured"
case $symbols in
*__asan_init* | *__tsan_init*) skip "a sanitizer's own memory would be measured" ;;
esac

# peak_kib CMD…: the most memory that CMD had, in KiB.
peak_kib()
{
    /usr/bin/time -f %M -o peak "$@" >/dev/null 2>&1
    tail -n 1 peak
}

at_most()
{
    local limit=$1 peak

    shift
    peak=$(peak_kib "$@")
    [[ $peak -le $limit ]] || fail "$peak KiB, more than $limit: $*"
}

# A file of a few KiB that claims 64 TiB of guest, and tables of 1 GiB.
echo "new size=64T" | "$QEDCRAFT" claims-64t.qed
echo "new size=64T cluster=64M table=16" | "$QEDCRAFT" large-tables.qed
at_most 16384 "$QEDTOOL" check claims-64t.qed
at_most 16384 "$QEDTOOL" check large-tables.qed
at_most 16384 "$QEDTOOL" info claims-64t.qed
at_most 16384 "$QEDTOOL" map large-tables.qed

# 256 MiB of tables, stored in full.
{
    echo "new size=2T"
    for ((i = 0; i < 1024; i++)); do
        echo "l2 $i"
    done
    echo "fill l2:0 256M 1"
    echo "fill l2:0 256M 0"
} | "$QEDCRAFT" tables.qed
at_most $((96 * 1024)) "$QEDTOOL" check tables.qed
at_most $((24 * 1024)) "$QEDTOOL" check --memory=4M tables.qed
