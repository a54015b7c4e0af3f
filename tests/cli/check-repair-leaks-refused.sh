#!/usr/bin/env bash
# Repairing leaks only is refused, and so is a repair that is neither leaks nor all; the image stays
# as it is.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"

craft a.qed 'new size=16M' 'data 0 256K' 'leak 2' 'poke-l2 0 1 eof' 'set features need_check'
for option in "-r leaks" -rleaks --repair=leaks; do
    # shellcheck disable=SC2086 # one word or two
    unchanged a.qed expect_status 1 "$QEDTOOL" check $option a.qed
    expect_stdout ""
    expect_stderr "qedtool: Repairing leaks only is not supported; -r all repairs table entries"
done
for option in "-r none" -r1 --repair=ALL --repair= "-r al"; do
    # shellcheck disable=SC2086 # one word or two
    unchanged a.qed expect_status 1 "$QEDTOOL" check $option a.qed
    expect_stdout ""
    expect_stderr_has "qedtool: Unknown option value for -r (expecting 'leaks' or 'all'): "
done
