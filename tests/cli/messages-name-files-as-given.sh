#!/usr/bin/env bash
# A message calls a file by the name it was given, not by another one that was looked up.
. "$srcdir/tests/lib.sh"

mkdir folder
ln -s folder link
"$QEDTOOL" create -q a.qed 1M
for target in folder link ./folder; do
    for command in "create $target 1M" "convert a.qed $target" "convert -O qed a.qed $target"; do
        # shellcheck disable=SC2086 # a command line
        expect_status 1 "$QEDTOOL" $command
        expect_stderr_has "'$target'"
        ! grep -qF "$PWD" err || fail "another name: $(cat err)"
    done
done
