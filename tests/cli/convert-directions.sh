#!/usr/bin/env bash
# convert copies the guest's bytes from QED and raw to QED and raw, in every geometry.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"

craft a.qed 'new size=16M+512' 'data 0 100K seed=1' 'data 2M+5 70K seed=2' 'zero 4M 64K' \
    'data 8M 64K byte=0' 'data 16M 512 seed=3' 'swap-l2 0 0 0 32'
"$QEDCRAFT" a.qed --read 0 16M+512 >a.raw

expect_status 0 "$QEDTOOL" convert a.qed default.raw
expect_stdout ""
expect_stderr ""
same_file a.raw default.raw
expect_status 0 "$QEDTOOL" convert -f qed -O raw a.qed named.raw
same_file a.raw named.raw
expect_status 0 "$QEDTOOL" convert -f raw -O raw a.raw copy.raw
same_file a.raw copy.raw
expect_status 0 "$QEDTOOL" convert a.qed last.raw -O raw
same_file a.raw last.raw

# converts_to_qed SOURCE OPTION...: and back
converts_to_qed()
{
    expect_status 0 "$QEDTOOL" convert -O qed "${@:2}" "$1" b.qed
    expect_stdout ""
    expect_stderr ""
    "$QEDCRAFT" b.qed --read 0 16M+512 | cmp - a.raw >&2 || fail "the guest reads otherwise: $*"
    expect_status 0 "$QEDTOOL" check b.qed
    expect_status 0 "$QEDTOOL" convert -O raw b.qed b.raw
    same_file a.raw b.raw
}

converts_to_qed a.qed
converts_to_qed a.raw
converts_to_qed a.raw -f raw
converts_to_qed a.qed -f qed
for geometry in 4k,1 4k,2 4k,16 8k,4 64k,1 64k,16 128k,4 1M,2 4M,4 64M,16; do
    converts_to_qed a.qed -o "cluster_size=${geometry%,*},table_size=${geometry#*,}"
    [[ $("$QEDCRAFT" b.qed --dump | sed -n 's/^table_size //p') == "${geometry#*,}" ]] ||
        fail "another geometry"
done
converts_to_qed a.raw -o cluster_size=4k -o table_size=2
# Between geometries.
mv b.qed c.qed
converts_to_qed c.qed -o cluster_size=1M

# A raw image whose length is no whole sector is filled up with zeroes.
head -c 1000 a.raw >odd.raw
expect_status 0 "$QEDTOOL" convert -O qed odd.raw odd.qed
truncate -s 1024 odd.raw
"$QEDCRAFT" odd.qed --read 0 1024 | cmp - odd.raw >&2 || fail "odd lengths"
"$QEDTOOL" create -q none.qed 0
expect_status 0 "$QEDTOOL" convert none.qed none.raw
[[ -e none.raw && ! -s none.raw ]] || fail "an image of nothing"
expect_status 0 "$QEDTOOL" convert -O qed none.raw none2.qed
expect_status 0 "$QEDTOOL" check none2.qed
# QED said to be raw is copied as it is.
expect_status 0 "$QEDTOOL" convert -f raw -O raw a.qed a.copy
cmp -n "$(stat -c %s a.qed)" a.qed a.copy >&2 || fail "not copied as raw"
