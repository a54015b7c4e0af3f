#!/usr/bin/env bash
# -n writes into an image that is there: it must be of the format, large enough and clean; what it
# held before does not show through.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"

craft a.qed 'new size=4M' 'data 0 100K seed=1' 'zero 1M 64K' 'data 3M+512 70K seed=2'
"$QEDCRAFT" a.qed --read 0 4M >a.raw

# Old data everywhere.
craft full.qed 'new size=5M' 'data 0 5M seed=7'
"$QEDCRAFT" full.qed --read 0 5M >full.raw
cat a.raw <(tail -c 1M full.raw) >expected.raw

cp full.raw b.raw
expect_status 0 "$QEDTOOL" convert -n a.qed b.raw
expect_stdout ""
expect_stderr ""
same_file expected.raw b.raw

cp full.qed b.qed
expect_status 0 "$QEDTOOL" convert -n -O qed a.qed b.qed
"$QEDCRAFT" b.qed --read 0 5M | cmp - expected.raw >&2 || fail "the guest reads otherwise"
expect_status 0 "$QEDTOOL" check b.qed
expect_status 0 "$QEDTOOL" info b.qed
expect_stdout_has "(5242880 bytes)"

# A backing file of the target's does not show through either.
"$QEDTOOL" create -q -b full.raw -F raw over.qed
expect_status 0 "$QEDTOOL" convert -n -O qed a.qed over.qed
expect_status 0 "$QEDTOOL" convert over.qed over.raw
same_file expected.raw over.raw
expect_status 0 "$QEDTOOL" check over.qed
expect_status 0 "$QEDTOOL" info over.qed
expect_stdout_has "backing file: full.raw"

# Inode and mode stay, links too.
cp full.raw b.raw
chmod 604 b.raw
ln b.raw link.raw
expect_status 0 "$QEDTOOL" convert -n a.qed b.raw
same_file expected.raw link.raw
[[ $(stat -c %a b.raw) == 604 ]] || fail "another mode"

truncate -s $((4194304 - 512)) small.raw
"$QEDTOOL" create -q small.qed 3M
unchanged small.raw expect_status 1 "$QEDTOOL" convert -n a.qed small.raw
expect_stderr "qedtool: output file is smaller than input file"
unchanged small.qed expect_status 1 "$QEDTOOL" convert -n -O qed a.qed small.qed
expect_stderr "qedtool: output file is smaller than input file"

cp full.qed b.qed
craft b.qed 'set features need_check'
cp b.qed dirty.qed
expect_status 0 "$QEDTOOL" convert -n -O qed a.qed b.qed
expect_stderr_has "warning: b.qed was not cleanly closed: 1 L2 tables were read, 0 entries"
expect_status 0 "$QEDTOOL" check b.qed
craft dirty.qed 'poke-l2 0 7 9'
unchanged dirty.qed expect_status 1 "$QEDTOOL" convert -n -O qed a.qed dirty.qed
expect_stderr_has "which no crash explains"
unchanged full.raw expect_status 1 "$QEDTOOL" convert -n -O qed a.qed full.raw
expect_stderr_has "Image not in QED format"
expect_status 1 "$QEDTOOL" convert -n a.qed none.raw
expect_stderr "qedtool: Could not open 'none.raw': Could not open 'none.raw': No such file or directory"
unchanged full.qed expect_status 1 "$QEDTOOL" convert -n -O qed -B a.raw -F raw a.qed full.qed
expect_stderr_has "cannot be used with -n"

cp full.qed b.qed
expect_status 0 "$QEDTOOL" convert -n -O qed -o cluster_size=4k a.qed b.qed
expect_stderr "qedtool: -o has no effect when skipping image creation"
"$QEDCRAFT" b.qed --read 0 5M | cmp - expected.raw >&2 || fail "the guest reads otherwise"
