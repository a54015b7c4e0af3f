#!/usr/bin/env bash
# info --output=json has the keys of qemu-img, in its order, and what the header holds besides.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"
requires jq

# keys FILTER: of the last out, in order
keys()
{
    jq -r "$1 | keys_unsorted | join(\" \")" out
}

# value_is JSON FILTER
value_is()
{
    [[ $(jq -c "$2" out) == "$1" ]] || fail "$2 is $(jq -c "$2" out), not $1"
}

craft a.qed 'new size=16M cluster=4K table=2 header=2' 'data 0 10K'
expect_status 0 "$QEDTOOL" info --output=json a.qed
[[ $(keys .) == "virtual-size filename cluster-size format actual-size format-specific dirty-flag" ]] ||
    fail "keys: $(keys .)"
value_is 16777216 '."virtual-size"'
value_is '"a.qed"' .filename
value_is 4096 '."cluster-size"'
value_is '"qed"' .format
value_is "$(($(stat -c '%b * %B' a.qed)))" '."actual-size"'
value_is false '."dirty-flag"'
value_is '"qed"' '."format-specific".type'
value_is 2 '."format-specific".data."table-size"'
value_is 2 '."format-specific".data."header-size"'
value_is 8192 '."format-specific".data."l1-table-offset"'
value_is '[0,0,0]' \
    '."format-specific".data | [.features, ."compat-features", ."autoclear-features"]'
# Indented by four blanks, a key a line.
[[ $(sed -n 2p out) == '    "virtual-size": 16777216,' ]] || fail "second line: $(sed -n 2p out)"

mkdir sub
truncate -s 1M sub/b.raw
"$QEDTOOL" create -q -b b.raw -F raw sub/c.qed
for output in '--output=json' '--output json'; do
    # shellcheck disable=SC2086 # one word or two
    expect_status 0 "$QEDTOOL" info $output sub/c.qed
    [[ $(keys .) == "backing-filename-format virtual-size filename cluster-size format actual-size format-specific full-backing-filename backing-filename dirty-flag" ]] ||
        fail "keys: $(keys .)"
    value_is '"raw"' '."backing-filename-format"'
    value_is '"sub/b.raw"' '."full-backing-filename"'
    value_is '"b.raw"' '."backing-filename"'
done

expect_status 0 "$QEDTOOL" info --output=json sub/b.raw
[[ $(keys .) == "virtual-size filename format actual-size dirty-flag" ]] || fail "keys: $(keys .)"

craft a.qed 'poke-header compat_features 0x8000000000000001' 'poke-header autoclear_features 0xff'
expect_status 0 "$QEDTOOL" info --output=json a.qed
grep -q '"compat-features": 9223372036854775809,' out || fail "64 bits of features do not survive"
expect_status 1 "$QEDTOOL" info --output=xml a.qed
expect_stdout ""
expect_stderr_has "--output must be used with human or json as argument."
