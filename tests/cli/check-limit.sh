#!/usr/bin/env bash
# --limit cuts the list of findings, never what is counted and never what is repaired.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"

entries=()
for ((i = 0; i < 150; i++)); do
    entries+=("poke-l2 0 $i eof+$((i * 64))K")
done
craft a.qed 'new size=16M' 'data 0 64K' 'poke-l2 0 0 0' "${entries[@]}"

# listed LISTED MORE [OPTION...]: on stderr, while stdout stays the same
listed()
{
    expect_status 2 "$QEDTOOL" check "${@:3}" a.qed
    expect_stdout_has "150 errors were found on the image."
    [[ $(grep -c 'qedtool: QED-' err) -eq $1 ]] || fail "$(grep -c 'qedtool: QED-' err) are listed"
    if [[ $2 -gt 0 ]]; then
        expect_stderr_has "qedtool: $2 more findings are not listed; see --limit"
    else
        ! grep -q 'not listed' err || fail "some are said to be missing"
    fi
}

listed 100 51
listed 0 151 --limit=0
listed 1 150 --limit 1
listed 150 1 --limit=150
listed 151 0 --limit=151
listed 151 0 --limit=1000000

expect_status 2 "$QEDTOOL" check --limit=3 --output=json a.qed
[[ $(grep -c '"id": ' out) -eq 3 ]] || fail "$(grep -c '"id": ' out) findings in JSON"
expect_stdout_has '"corruptions": 150,'
expect_stdout_has '"problems-found": 151,'

for value in -1 x ''; do
    expect_status 1 "$QEDTOOL" check --limit="$value" a.qed
    expect_stdout ""
    expect_stderr_has "--limit"
done

expect_status 3 "$QEDTOOL" check -r all --limit=3 a.qed
expect_stdout_has "    150 corruptions"
[[ $(grep -c 'qedtool: QED-' err) -eq 3 ]] || fail "the list was not cut"
expect_status 3 "$QEDTOOL" check a.qed
