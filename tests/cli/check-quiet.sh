#!/usr/bin/env bash
# check -q prints nothing on stdout, whatever the result; the exit status tells it.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"

craft clean.qed 'new size=16M' 'data 0 256K'
cp clean.qed leaks.qed
craft leaks.qed 'leak 1'
cp clean.qed corrupt.qed
craft corrupt.qed 'poke-l2 0 0 eof+16M'

expect_status 0 "$QEDTOOL" check -q clean.qed
expect_stderr ""
for image in clean.qed:0 leaks.qed:3 corrupt.qed:2; do
    for option in -q --quiet; do
        for output in human json; do
            expect_status "${image#*:}" "$QEDTOOL" check "$option" --output="$output" "${image%:*}"
            expect_stdout ""
        done
    done
    # The option is what silences it.
    expect_status "${image#*:}" "$QEDTOOL" check "${image%:*}"
    [[ -s out ]] || fail "nothing was printed without -q"
done
expect_status 3 "$QEDTOOL" check -q -r all corrupt.qed
expect_stdout ""
expect_status 1 "$QEDTOOL" check -q none.qed
expect_stdout ""
expect_stderr_has "No such file or directory"
