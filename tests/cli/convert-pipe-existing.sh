#!/usr/bin/env bash
# convert -n from a pipe: into an image that is there, as far as the source goes and no further.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"

head -c 5M /dev/urandom >old.raw
(head -c 100000 /dev/urandom; head -c 1M /dev/zero; head -c 777 /dev/urandom) >a.raw
"$QEDTOOL" convert a.raw padded.raw
(cat padded.raw; tail -c "+$(($(stat -c %s padded.raw) + 1))" old.raw) >expected.raw

cp old.raw b.raw
expect_status 0 "$QEDTOOL" convert -n - b.raw < <(cat a.raw)
expect_stderr ""
same_file expected.raw b.raw

for geometry in cluster_size=4k cluster_size=64k cluster_size=4M; do
    "$QEDTOOL" convert -O qed -o "$geometry" old.raw b.qed
    expect_status 0 "$QEDTOOL" convert -n -O qed - b.qed < <(cat a.raw)
    expect_status 0 "$QEDTOOL" check b.qed
    expect_status 0 "$QEDTOOL" convert b.qed b.raw
    same_file expected.raw b.raw
done

# What is in a backing file of the target does not show through.
"$QEDTOOL" create -q -b old.raw -F raw over.qed
expect_status 0 "$QEDTOOL" convert -n -O qed - over.qed < <(cat a.raw)
expect_status 0 "$QEDTOOL" convert over.qed b.raw
same_file expected.raw b.raw

# A source that turns out to be longer, by a byte or by much.
for more in 1 512 3000000; do
    cp old.raw b.raw
    "$QEDTOOL" convert -O qed old.raw b.qed
    expect_status 1 "$QEDTOOL" convert -n - b.raw < <(cat old.raw; head -c "$more" /dev/urandom)
    expect_stderr "qedtool: output file is smaller than input file: standard input has more than 5242880 bytes"
    [[ $(stat -c %s b.raw) -eq 5242880 ]] || fail "it grew: $(stat -c %s b.raw)"
    expect_status 1 "$QEDTOOL" convert -n -O qed - b.qed < <(cat old.raw; head -c "$more" /dev/urandom)
    expect_stderr_has "output file is smaller than input file"
done
cp old.raw b.raw
expect_status 0 "$QEDTOOL" convert -n - b.raw < <(cat old.raw)
same_file old.raw b.raw

# -o size holds the source to its word here, too.
expect_status 1 "$QEDTOOL" convert -n -o size=2M - b.raw < <(cat a.raw)
expect_stderr "qedtool: standard input: ended after 1149353 of the 2097152 bytes that it was to have"
unchanged b.raw expect_status 1 "$QEDTOOL" convert -n -o size=6M - b.raw < <(cat a.raw)
expect_stderr "qedtool: output file is smaller than input file"
expect_status 0 "$QEDTOOL" convert -n -o size=1149353 - b.raw < <(cat a.raw)
same_file expected.raw b.raw
expect_status 0 "$QEDTOOL" convert -n -O qed -o cluster_size=4k - b.qed < <(cat a.raw)
expect_stderr "qedtool: -o has no effect when skipping image creation"

# One file on both sides.
cp old.raw b.raw
for options in -n ""; do
    # shellcheck disable=SC2086,SC2094 # one word or none; that is the question
    unchanged b.raw expect_status 1 "$QEDTOOL" convert $options - b.raw <b.raw
    expect_stderr "qedtool: b.raw: the target is the source"
done
for source in b.raw -; do
    status=0
    # shellcheck disable=SC2094
    "$QEDTOOL" convert "$source" - <b.raw >>b.raw 2>err || status=$?
    [[ $status -eq 1 ]] || fail "appended to itself: exit status $status"
    grep -q "the target is the source" err || fail "$(cat err)"
    same_file old.raw b.raw
done
