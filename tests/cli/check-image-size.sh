#!/usr/bin/env bash
# A header with a wrong image size: check says what to give, --image-size=SIZE sets it, and sizes that
# cannot be, or that would cost the guest bytes, are refused in one sentence.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"
requires jq

# refused WORDS OPTION…: exit 1, and the first line has these words
refused()
{
    unchanged a.qed expect_status 1 "$QEDTOOL" check "${@:2}" a.qed
    expect_stdout ""
    head -n 1 err >first
    expect_has first "$1"
}

# size_is SIZE IMAGE
size_is()
{
    [[ $("$QEDCRAFT" "$2" --dump | sed -n 's/^image_size //p') == "$1" ]] || fail "not $1 bytes"
}

craft sound.qed 'new size=16M' 'data 0 256K seed=1' 'data 15M 64K seed=2'

# A size that no image can have.
for size in 1000 0xffffffffffffffff 128T; do
    cp sound.qed a.qed
    craft a.qed "poke-header image_size $size"
    for options in "" --repair "-r all" "-r leaks" --dry-run; do
        # shellcheck disable=SC2086 # none or some words
        refused "Could not open 'a.qed': QED image size is invalid" $options
        expect_stderr_has "qedtool: QED-IMAGE-SIZE: "
        expect_stderr_has "'qedtool check --repair --image-size=SIZE' sets the size"
    done
    unchanged a.qed expect_status 2 "$QEDTOOL" check --dry-run --image-size=16M a.qed
    expect_stdout_has "    1 x set-field: the header field is set"
    expect_stdout_has "After it: 0 errors, 0 leaked clusters"
    cp a.qed b.qed
    expect_status 0 "$QEDTOOL" check --repair --image-size=16M --undo=undo a.qed
    expect_stderr_has "; the header field is set"
    same_file a.qed sound.qed
    expect_status 0 "$QEDTOOL" undo a.qed undo
    same_file a.qed b.qed
    rm undo
    expect_status 0 "$QEDTOOL" check --rebuild a.qed
    expect_stderr_has "is as far as clusters are mapped: a guess"
    size_is $((15 * 1048576 + 65536)) a.qed
done

# Sizes that cannot be.
for options in "--repair" "--rebuild" "--dry-run"; do
    cp sound.qed a.qed
    for size in 1000 16777217 128T 70368744177665; do
        refused "$(numfmt --from=iec "$size")" "$options" "--image-size=$size"
        [[ $(wc -l <err) -eq 1 ]] || fail "not one sentence: $(cat err)"
    done
    for size in x -1 "" 16M+1 99999999999999999999; do
        refused "'$size'" "$options" "--image-size=$size"
        expect_stderr_has "for option --image-size"
    done
done

# A smaller size than the guest uses; one that is smaller, but not than that.
for size in 0 512 15M $((15 * 1048576 + 65536 - 512)); do
    refused "the guest would lose bytes" --repair "--image-size=$size"
    [[ $(wc -l <err) -eq 1 ]] || fail "not one sentence: $(cat err)"
done
expect_status 0 "$QEDTOOL" check --repair --image-size=$((15 * 1048576 + 65536)) a.qed
size_is $((15 * 1048576 + 65536)) a.qed
expect_status 0 "$QEDTOOL" check --repair --image-size=64T a.qed
size_is $((64 << 40)) a.qed
expect_status 0 "$QEDTOOL" check --repair --image-size=16M a.qed
same_file a.qed sound.qed

# A size that is too small, but may be: what is past it is told, and which size would have room.
cp sound.qed a.qed
craft a.qed 'poke-header image_size 1M'
for options in "" --repair; do
    # shellcheck disable=SC2086 # none or one word
    unchanged a.qed expect_status 0 "$QEDTOOL" check $options a.qed
    expect_stderr_has "qedtool: QED-L2-PAST-SIZE L1[0] L2[240]: "
    expect_stderr_has "repair it with --image-size=$((15 * 1048576 + 65536))"
done
suggested=$(sed -n 's/.*repair it with --image-size=//p' err)
expect_status 0 "$QEDTOOL" check --repair --image-size="$suggested" a.qed
expect_stderr ""
same_file <("$QEDCRAFT" a.qed --read 15M 64K) <("$QEDCRAFT" sound.qed --read 15M 64K)

# Together with other damage.
cp sound.qed a.qed
craft a.qed 'poke-header image_size 1000' 'poke-l2 0 1 data:0:1|1'
expect_status 0 "$QEDTOOL" check --repair --image-size=16M --output=json a.qed
[[ $(jq -c '[.repair.actions, [.problems[] | [.id, ."action-id"]]]' out) == '[{"mask-entry":1,'$(
    )'"set-field":1},[["QED-IMAGE-SIZE","set-field"],["QED-L2-LOW-BITS","mask-entry"],["QED-LEAK",null]]]' ]] ||
    fail "actions: $(cat out)"
same_file a.qed sound.qed

# Not without a repair, nor with one that changes nothing but leaks.
for options in "" "-r leaks" "--repair=leaks --dry-run"; do
    # shellcheck disable=SC2086 # none or some words
    refused "--image-size goes with --repair or --rebuild" $options --image-size=16M
done
