#!/usr/bin/env bash
# Control bytes in a name, which may come from an image of somebody else's, never reach the terminal.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"

# no_control_bytes: none in the last out and err; JSON does not ask for DEL to be escaped
no_control_bytes()
{
    local bytes=$'[\x01-\x08\x0b-\x1f\x7f]'

    [[ $(head -c 1 out) != "{" ]] || bytes=$'[\x01-\x08\x0b-\x1f]'
    ! grep -qE "$bytes" out err || fail "a control byte: $(cat -v out err)"
}

craft a.qed 'new size=1M' 'backing a\x1b]0;x\x07\x0d\x7fb\x20raw raw'
unchanged a.qed expect_status 0 "$QEDTOOL" info a.qed
no_control_bytes
expect_stdout_has 'backing file: a\x1b]0;x\x07\x0d\x7fb raw'
expect_status 0 "$QEDTOOL" info --output=json a.qed
no_control_bytes
expect_stdout_has '"backing-filename": "a\u001b]0;x\u0007\r'
for command in "map" "map --output=json" "info --backing-chain"; do
    # shellcheck disable=SC2086 # a command and its options
    expect_status 1 "$QEDTOOL" $command a.qed
    no_control_bytes
    expect_stdout ""
    expect_stderr_has 'a\x1b]0;x\x07\x0d\x7fb'
done
expect_status 0 "$QEDTOOL" check a.qed
no_control_bytes
# A file that has such a name is not opened either.
cp a.qed $'a\x1b]0;x\x07\r\x7fb raw'
expect_status 1 "$QEDTOOL" map a.qed
expect_stderr_has 'has control characters and is not opened'

# The image's own name, on every way it is printed.
name=$'x\x1b[31m\ny.qed'
craft "$name" 'new size=1M' 'data 0 64K'
expect_status 0 "$QEDTOOL" info "$name"
expect_stdout_has 'image: x\x1b[31m\x0ay.qed'
no_control_bytes
for command in map "map --output=json" "info --output=json" check "check --output=json"; do
    # shellcheck disable=SC2086 # a command and its options
    expect_status 0 "$QEDTOOL" $command "$name"
    no_control_bytes
done
craft "$name" 'poke-header magic 0'
expect_status 1 "$QEDTOOL" check -f qed "$name"
expect_stderr_has 'x\x1b[31m\x0ay.qed'
no_control_bytes
