#!/usr/bin/env bash
# --backing-chain describes every image of the chain, each named from the folder of the one above
# it, and refuses a chain that bites its tail.
. "$srcdir/tests/lib.sh"

mkdir -p one/two
truncate -s 1M one/two/base.raw
"$QEDTOOL" create -q -b two/base.raw -F raw one/middle.qed 2M
"$QEDTOOL" create -q -b one/middle.qed -F qed top.qed 3M

expect_status 0 "$QEDTOOL" info --backing-chain top.qed
[[ $(grep '^image: ' out | tr '\n' ,) == "image: top.qed,image: one/middle.qed,image: one/two/base.raw," ]] ||
    fail "other images are described"
[[ $(grep -c '^$' out) -eq 2 && $(grep -A1 '^$' out | grep -c '^image: ') -eq 2 ]] ||
    fail "one empty line parts two images"
expect_stdout_has "backing file: two/base.raw (actual path: one/two/base.raw)"

expect_status 0 "$QEDTOOL" info one/middle.qed
cp out alone
expect_status 0 "$QEDTOOL" info --backing-chain top.qed
sed -n '/^image: one.middle.qed/,/^$/p' out | sed '/^$/d' >out.middle
same_file alone out.middle

expect_status 0 "$QEDTOOL" info --backing-chain --output=json top.qed
if command -v jq >/dev/null; then
    [[ $(jq -c 'map([.filename, ."virtual-size"])' out) == \
        '[["top.qed",3145728],["one/middle.qed",2097152],["one/two/base.raw",1048576]]' ]] ||
        fail "other images are described in JSON"
    jq '.[1]' out >middle.json
    "$QEDTOOL" info --output=json one/middle.qed | jq . | diff - middle.json >&2 ||
        fail "an image of the chain is described differently when alone"
fi
[[ $(head -n 3 out | tr '\n' '|') == '[|    {|        "virtual-size": 3145728,|' ]] ||
    fail "the list is indented otherwise"
# One image is a list of one.
expect_status 0 "$QEDTOOL" info --backing-chain --output=json one/two/base.raw
[[ $(head -n 1 out) == "[" ]] || fail "no list"

"$QEDTOOL" create -q -u -b ring2.qed -F qed ring1.qed 1M
"$QEDTOOL" create -q -u -b ring3.qed -F qed ring2.qed 1M
"$QEDTOOL" create -q -u -b ring1.qed -F qed ring3.qed 1M
"$QEDTOOL" create -q -u -b ring2.qed -F qed into.qed 1M
"$QEDTOOL" create -q -u -b self.qed -F qed self.qed 1M
for output in human json; do
    expect_status 1 timeout 20 "$QEDTOOL" info --backing-chain "--output=$output" ring1.qed
    expect_stdout ""
    expect_stderr "qedtool: Backing file 'ring1.qed' creates an infinite loop."
    expect_status 1 timeout 20 "$QEDTOOL" info --backing-chain "--output=$output" into.qed
    expect_stderr "qedtool: Backing file 'ring2.qed' creates an infinite loop."
    expect_status 1 timeout 20 "$QEDTOOL" info --backing-chain "--output=$output" self.qed
    expect_stderr "qedtool: Backing file 'self.qed' creates an infinite loop."
done
# The same file under another name makes a ring just as well.
ln -s self2.qed alias.qed
"$QEDTOOL" create -q -u -b alias.qed -F qed self2.qed 1M
expect_status 1 timeout 20 "$QEDTOOL" info --backing-chain self2.qed
expect_stderr_has "creates an infinite loop."
# Alone, each is an image like any other.
expect_status 0 "$QEDTOOL" info ring1.qed
expect_status 0 "$QEDTOOL" check ring1.qed

expect_status 1 timeout 20 "$QEDTOOL" map ring1.qed
expect_stderr "qedtool: Backing file 'ring1.qed' creates an infinite loop."
expect_status 1 timeout 20 "$QEDTOOL" convert ring1.qed target.raw
expect_stderr "qedtool: Backing file 'ring1.qed' creates an infinite loop."
[[ ! -e target.raw ]] || fail "a ring was converted"
