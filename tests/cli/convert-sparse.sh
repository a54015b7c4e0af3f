#!/usr/bin/env bash
# Zeroes take no space unless -S 0 asks for it; -S takes multiples of 512 up to 16 MiB.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"

# stored_bytes FILE
stored_bytes()
{
    echo $(($(stat -c '%b * %B' "$1")))
}

craft a.qed 'new size=16M' 'data 0 64K seed=1' 'data 1M 1M byte=0' 'zero 4M 64K' \
    'data 8M 1 seed=2'
"$QEDCRAFT" a.qed --read 0 16M >a.raw

expect_status 0 "$QEDTOOL" convert a.qed b.raw
same_file a.raw b.raw
[[ $(stored_bytes b.raw) -lt 524288 ]] || fail "zeroes take $(stored_bytes b.raw) bytes"
expect_status 0 "$QEDTOOL" convert -S 0 a.qed b.raw
same_file a.raw b.raw
[[ $(stored_bytes b.raw) -ge 16777216 ]] || fail "-S 0 left holes: $(stored_bytes b.raw) bytes"

expect_status 0 "$QEDTOOL" convert -O qed a.raw b.qed
[[ $("$QEDCRAFT" b.qed --dump | grep -c '^l2 .*0x') -eq 2 ]] || fail "more than two clusters of data"
expect_status 0 "$QEDTOOL" convert -O qed -S 0 a.qed b.qed
[[ $("$QEDCRAFT" b.qed --dump | grep -c '^l2 .*0x') -eq 256 ]] || fail "-S 0 left clusters out"
"$QEDCRAFT" b.qed --read 0 16M | cmp - a.raw >&2 || fail "the guest reads otherwise"

for size in 512 1k 3k 4k 64k 1M 16M; do
    expect_status 0 "$QEDTOOL" convert -S "$size" a.qed b.raw
    same_file a.raw b.raw
done
[[ $(stored_bytes b.raw) -gt 524288 ]] || fail "no block of 16 MiB is all zero"

rm b.raw
for size in 1 511 513 1000 16777217 32M 1G; do
    expect_status 1 "$QEDTOOL" convert -S "$size" a.qed b.raw
    expect_stderr_has "Invalid buffer size for sparse output specified. Valid sizes are multiples of 512 up to 16777216."
done
for size in x -1 '' 4q; do
    expect_status 1 "$QEDTOOL" convert -S "$size" a.qed b.raw
    expect_stderr_has "qedtool: Invalid "
done
[[ ! -e b.raw ]] || fail "a target was made"
