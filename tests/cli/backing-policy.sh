#!/usr/bin/env bash
# Which files an image may name as its backing file is for the caller to say: --backing=follow,
# same-directory or none. Protocols, devices and FIFOs are never opened.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"

mkdir sub
craft base.qed 'new size=1M' 'data 0 64K seed=1'
cp base.qed sub/base.qed
"$QEDTOOL" create -q -b base.qed -F qed beside.qed
"$QEDTOOL" create -q -b sub/base.qed -F qed below.qed
"$QEDTOOL" create -q -b "$PWD/base.qed" -F qed absolute.qed
"$QEDTOOL" create -q -b ../base.qed -F qed sub/above.qed
"$QEDTOOL" create -q -b beside.qed -F qed chain.qed
"$QEDTOOL" create -q -b below.qed -F qed chain-below.qed

# opens|refuses POLICY IMAGE, in each command that reads the chain
opens()
{
    expect_status 0 "$QEDTOOL" map "--backing=$1" "$2"
    expect_stdout_has base.qed
    expect_status 0 "$QEDTOOL" info --backing-chain --backing="$1" "$2"
    expect_status 0 "$QEDTOOL" convert --backing="$1" "$2" target.raw
    "$QEDCRAFT" base.qed --read 0 1M | cmp - target.raw >&2 || fail "$2 reads otherwise"
    rm target.raw
}

# refuses POLICY IMAGE SENTENCE
refuses()
{
    local command

    for command in map "info --backing-chain"; do
        # shellcheck disable=SC2086 # a command and its options
        expect_status 1 "$QEDTOOL" $command "--backing=$1" "$2"
        expect_stdout ""
        expect_stderr_has "$3"
        [[ $(wc -l <err) -eq 1 ]] || fail "more than one sentence"
    done
    expect_status 1 "$QEDTOOL" convert "--backing=$1" "$2" target.raw
    expect_stderr_has "$3"
    [[ ! -e target.raw ]] || fail "a target was made"
}

for image in beside.qed below.qed absolute.qed sub/above.qed chain.qed chain-below.qed; do
    opens follow "$image"
    refuses none "$image" "backing files are not allowed"
done
opens same-directory beside.qed
opens same-directory chain.qed
for image in below.qed absolute.qed sub/above.qed chain-below.qed; do
    refuses same-directory "$image" "is not in the folder of the image"
done
for policy in follow same-directory none; do
    expect_status 0 "$QEDTOOL" map --backing="$policy" base.qed
done
expect_status 1 "$QEDTOOL" map --backing=maybe beside.qed
expect_stderr_has "--backing must be follow, same-directory or none, not 'maybe'"

# Names that QEMU would not take for a file's.
for name in json:{} 'json:{"driver":"nbd"}' nbd://localhost/a file:base.qed fd:3 \
    blkdebug::base.qed http://localhost/a; do
    "$QEDTOOL" create -q -u -b "$name" -F qed over.qed 1M
    refuses follow over.qed "is not a plain file name"
done
# Behind a slash, a colon is one like any other.
cp base.qed a:base.qed
"$QEDTOOL" create -q -b ./a:base.qed -F qed over.qed
opens follow over.qed

mkfifo fifo
for name in fifo sub . /dev/null /dev/zero; do
    "$QEDTOOL" create -q -u -b "$name" -F raw over.qed 1M
    expect_status 1 timeout 20 "$QEDTOOL" map over.qed
    expect_stderr_has "Could not open"
    expect_status 1 timeout 20 "$QEDTOOL" convert over.qed target.raw
done

# The chain below a target's backing file falls under the policy, too.
expect_status 1 "$QEDTOOL" convert --backing=none -O qed -B beside.qed -F qed base.qed target.qed
[[ ! -e target.qed ]] || fail "a target was made"
