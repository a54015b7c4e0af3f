#!/usr/bin/env bash
# raw.gz both ways, in files and pipes: what gzip makes is read, what is made gzip reads, at every
# level, and a round trip changes nothing.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"
requires gzip zcat

craft a.qed 'new size=20M+512' 'data 0 3M seed=1' 'data 4M 1M byte=7' 'data 19M 100K seed=2'
"$QEDTOOL" convert a.qed a.raw

for level in "" 0 1 6 9; do
    expect_status 0 "$QEDTOOL" convert -O raw.gz ${level:+-o level=$level} a.qed a.raw.gz
    expect_stdout ""
    expect_stderr ""
    gzip -t a.raw.gz
    zcat a.raw.gz | cmp - a.raw >&2 || fail "level $level: other bytes"

    # The same from a raw image, a pipe, to a pipe.
    "$QEDTOOL" convert -O raw.gz ${level:+-o level=$level} a.qed - | cmp - a.raw.gz >&2 ||
        fail "level $level: other bytes in a pipe"
    "$QEDTOOL" convert -O raw.gz ${level:+-o level=$level} - - < <(cat a.raw) | cmp - a.raw.gz >&2 ||
        fail "level $level: other bytes from pipe to pipe"
    "$QEDTOOL" convert -S 0 -O raw.gz ${level:+-o level=$level} a.raw b.raw.gz
    same_file a.raw.gz b.raw.gz

    # And back.
    expect_status 0 "$QEDTOOL" convert a.raw.gz b.raw
    same_file a.raw b.raw
    expect_status 0 "$QEDTOOL" convert -O qed a.raw.gz b.qed
    expect_status 0 "$QEDTOOL" check b.qed
    "$QEDTOOL" convert -O raw.gz ${level:+-o level=$level} b.qed - | cmp - a.raw.gz >&2 ||
        fail "level $level: the round trip changed it"
    "$QEDTOOL" convert -f raw.gz - - < <(cat a.raw.gz) | cmp - a.raw >&2 || fail "other bytes"
done
(("$("$QEDTOOL" convert -O raw.gz -o level=9 a.qed - | wc -c)" <
    "$("$QEDTOOL" convert -O raw.gz -o level=0 a.qed - | wc -c)")) || fail "the level has no effect"

# What gzip makes, in any length.
for size in 1 512 513 65537 3000001; do
    head -c "$size" a.raw >part
    gzip -c part >part.gz
    "$QEDTOOL" convert part whole.raw
    expect_status 0 "$QEDTOOL" convert part.gz b.raw
    same_file whole.raw b.raw
    expect_status 0 "$QEDTOOL" convert -o size=$size part.gz b.raw
    same_file whole.raw b.raw
    "$QEDTOOL" convert part.gz - | cmp - whole.raw >&2 || fail "$size: other bytes"
done

# Several members, one after the other; zeroes behind them.
(head -c 1000000 a.raw | gzip; tail -c +1000001 a.raw | gzip -1; head -c 5000 /dev/zero) >many.gz
expect_status 0 "$QEDTOOL" convert -f raw.gz -O qed many.gz b.qed
expect_status 0 "$QEDTOOL" convert b.qed b.raw
same_file a.raw b.raw

# By its name and its first bytes, or by what is said.
cp a.raw.gz other
expect_status 0 "$QEDTOOL" convert -f raw.gz other b.raw
same_file a.raw b.raw
expect_status 0 "$QEDTOOL" convert other b.raw
cmp -n "$(stat -c %s other)" other b.raw >&2 || fail "taken for compressed by its bytes alone"
expect_status 0 "$QEDTOOL" convert -f raw a.raw.gz b.raw
cmp -n "$(stat -c %s other)" other b.raw >&2 || fail "-f raw is not heeded"
cp a.raw misnamed.gz
expect_status 0 "$QEDTOOL" convert misnamed.gz b.raw
same_file a.raw b.raw
cp a.qed misnamed.gz
expect_status 0 "$QEDTOOL" convert misnamed.gz b.raw
same_file a.raw b.raw
expect_status 1 "$QEDTOOL" convert -f raw.gz a.raw b.raw
expect_stderr "qedtool: a.raw: not in gzip format"
gzip -c a.qed >a.qed.gz
expect_status 1 "$QEDTOOL" convert a.qed.gz b.raw
expect_stderr_has "a QED image cannot be read from a pipe, or compressed"

# Onto itself, and on links to it.
ln -s a.raw.gz link.gz
for pair in "a.raw.gz link.gz" "link.gz a.raw.gz"; do
    # shellcheck disable=SC2086 # two words
    unchanged a.raw.gz expect_status 1 "$QEDTOOL" convert -O raw.gz $pair
    expect_stderr_has "the target is the source"
done
unchanged a.qed expect_status 1 "$QEDTOOL" convert -O raw.gz a.qed a.qed

# A target that is replaced keeps its mode, and is there only when it is whole.
chmod 604 b.raw.gz
expect_status 0 "$QEDTOOL" convert -t unsafe -O raw.gz a.qed b.raw.gz
[[ $(stat -c %a b.raw.gz) == 604 ]] || fail "another mode"
expect_status 1 "$QEDTOOL" convert -O raw.gz a.qed none/b.raw.gz
expect_stderr_has "none/b.raw.gz: error while converting raw.gz: Could not create"
