#!/usr/bin/env bash
# create says in one line what it makes, in the words and the order of qemu-img; sizes are given as
# asked for and kept in whole sectors.
. "$srcdir/tests/lib.sh"

# says LINE ARG...
says()
{
    expect_status 0 "$QEDTOOL" create "${@:2}"
    expect_stdout "$1"
    expect_stderr ""
}

# has_size BYTES FILE
has_size()
{
    expect_status 0 "$QEDTOOL" info "$2"
    expect_stdout_has " ($1 bytes)"
}

says "Formatting 'a.qed', fmt=qed size=1048576 cluster_size=65536" a.qed 1M
says "Formatting 'a.qed', fmt=qed size=1048576 cluster_size=65536" -f qed a.qed 1M
says "Formatting 'a.raw', fmt=raw size=1048576" -f raw a.raw 1M
[[ $(stat -c %s a.raw) -eq 1048576 ]] || fail "the raw image is not 1 MiB long"

says "Formatting 'a.qed', fmt=qed size=1234 cluster_size=65536" a.qed 1234
has_size 1536 a.qed
says "Formatting 'a.raw', fmt=raw size=1234" -f raw a.raw 1234
has_size 1536 a.raw
says "Formatting 'a.qed', fmt=qed size=0 cluster_size=65536" a.qed 0
has_size 0 a.qed
says "Formatting 'a.qed', fmt=qed size=70368744177664 cluster_size=65536" a.qed 64T
has_size 70368744177664 a.qed

says "Formatting 'a.qed', fmt=qed size=1536 cluster_size=65536" a.qed 1.5k
says "Formatting 'a.qed', fmt=qed size=2048 cluster_size=65536" a.qed 2K
says "Formatting 'a.qed', fmt=qed size=3221225472 cluster_size=65536" a.qed 3G

says "Formatting 'b.qed', fmt=qed size=3221225472 backing_file=a.qed backing_fmt=qed cluster_size=65536" \
    -b a.qed -F qed b.qed
has_size 3221225472 b.qed
says "Formatting 'b.qed', fmt=qed size=3221225472 backing_file=a.qed backing_fmt=qed cluster_size=4096 table_size=16" \
    -o table_size=16,cluster_size=4k -F qed -b a.qed b.qed
# Options may follow the operands.
says "Formatting 'b.qed', fmt=qed size=6442450944 backing_file=a.raw backing_fmt=raw cluster_size=65536" \
    b.qed 6G -b a.raw -F raw
