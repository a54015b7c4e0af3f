#!/usr/bin/env bash
# A backing file's name is stored as given and taken from the image's own folder; its size is the
# image's when none is given; -u does not look for it.
. "$srcdir/tests/lib.sh"

mkdir sub
"$QEDTOOL" create -q sub/base.qed 5M
"$QEDTOOL" create -q base.qed 7M

# has_size BYTES FILE
has_size()
{
    expect_status 0 "$QEDTOOL" info "$2"
    expect_stdout_has " ($1 bytes)"
}

expect_status 0 "$QEDTOOL" create -b base.qed -F qed sub/over.qed
has_size 5242880 sub/over.qed
expect_stdout_has "backing file: base.qed (actual path: sub/base.qed)"
expect_status 0 "$QEDTOOL" create -b ../base.qed -F qed sub/over.qed
has_size 7340032 sub/over.qed
expect_status 0 "$QEDTOOL" create -b "$PWD/base.qed" -F qed sub/over.qed
has_size 7340032 sub/over.qed
expect_status 0 "$QEDTOOL" create -b base.qed -F qed sub/over.qed 9M
has_size 9437184 sub/over.qed

# QED keeps the format of a raw backing file only.
! grep -q "backing file format" out || fail "a format is told for a QED backing file"
truncate -s 1000 short.raw
expect_status 0 "$QEDTOOL" create -b short.raw -F raw over.qed
has_size 1024 over.qed
expect_stdout_has "backing file format: raw"
# Said to be raw, it is not probed.
expect_status 0 "$QEDTOOL" create -b base.qed -F raw over.qed
has_size "$(stat -c %s base.qed)" over.qed

expect_status 0 "$QEDTOOL" create -u -b none.qed -F qed over.qed 3M
has_size 3145728 over.qed
expect_stdout_has "backing file: none.qed"
expect_status 0 "$QEDTOOL" create -u -b none.qed over.qed 3M
has_size 3145728 over.qed
# No name is no backing file.
expect_status 0 "$QEDTOOL" create -b '' over.qed 3M
has_size 3145728 over.qed
! grep -q backing out || fail "there is a backing file"
