#!/usr/bin/env bash
# --help and --version answer on stdout with exit 0; each command names its options.
. "$srcdir/tests/lib.sh"

for option in --help -h; do
    expect_status 0 "$QEDTOOL" "$option"
    expect_stderr ""
    for command in check convert create info map undo; do
        grep -qE "^  $command +[a-z]" out || fail "$command is not named"
    done
done
for option in --version -V; do
    expect_status 0 "$QEDTOOL" "$option"
    expect_stderr ""
    grep -qxE 'qedtool [0-9]+\.[0-9.]+' out || fail "no version: $(cat out)"
done
for command in check convert create info map undo; do
    for option in --help -h; do
        # Whatever else the command line says.
        expect_status 0 "$QEDTOOL" "$command" none.qed "$option"
        expect_stderr ""
        [[ $(head -n 1 out) == "Usage: qedtool $command "* ]] || fail "$(head -n 1 out)"
        [[ $command == undo ]] || expect_stdout_has "--format=FMT"
        expect_stdout_has "--help"
    done
done
