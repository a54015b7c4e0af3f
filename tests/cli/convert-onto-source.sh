#!/usr/bin/env bash
# A target that is the source, or a backing file of it, is refused under whatever name.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"

mkdir images
cd images
craft base.qed 'new size=4M' 'data 0 200K seed=1'
"$QEDTOOL" create -q -b base.qed -F qed over.qed
craft over.qed 'data 1M 64K seed=2'
for image in base over; do
    ln "$image.qed" "$image-hard.qed"
    ln -s "$image.qed" "$image-soft.qed"
    ln -s "$image-soft.qed" "$image-softer.qed"
done
sha256sum base.qed over.qed >../sums

for image in base over; do
    for target in "$image.qed" "./$image.qed" "$PWD/$image.qed" "../images/$image.qed" \
        "$image-hard.qed" "$image-soft.qed" "$image-softer.qed"; do
        for options in "-O raw" "-O qed" "-n -O qed" "-n -O raw" "-O qed -S 0"; do
            # shellcheck disable=SC2086 # some words
            expect_status 1 "$QEDTOOL" convert $options over.qed "$target"
            expect_stderr "qedtool: $target: the target is the source, or a backing file of it"
        done
    done
done
for target in base-hard.qed base-soft.qed; do
    expect_status 1 "$QEDTOOL" convert -O qed "$target" base.qed
    expect_stderr_has "the target is the source"
done
sha256sum -c ../sums >&2 || fail "an image was changed"
expect_files . base-hard.qed base-soft.qed base-softer.qed base.qed \
    over-hard.qed over-soft.qed over-softer.qed over.qed

# The other way round is a conversion like any other.
expect_status 0 "$QEDTOOL" convert -O qed base.qed over.qed
"$QEDCRAFT" base.qed --read 0 4M >base.raw
"$QEDCRAFT" over.qed --read 0 4M | cmp - base.raw >&2 || fail "the guest reads otherwise"
