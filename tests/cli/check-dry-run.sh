#!/usr/bin/env bash
# check --dry-run tells what a repair would do, exits with what was found, and writes nothing: the
# image may be read-only, or in use.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"
requires jq

craft sound.qed 'new size=16M' 'data 0 256K'
cp sound.qed a.qed
craft a.qed 'poke-l2 0 1 data:0:1|4' 'poke-l2 0 3 eof+16M' 'poke-l2 0 9 data:0:0' 'leak 1' \
    'set features need_check'
chmod 400 a.qed

for option in --dry-run "--repair --dry-run" "--dry-run -r all"; do
    # shellcheck disable=SC2086 # one word or more
    unchanged a.qed expect_status 2 "$QEDTOOL" check $option a.qed
    expect_stdout "
3 errors were found on the image.
Data may be corrupted, or further writes to the image may corrupt it.

3 leaked clusters were found on the image.
This means waste of disk space, but no harm to data.
5/256 = 1.95% allocated, 80.00% fragmented, 0.00% compressed clusters

Repair plan; nothing was written:
    1 x clear-entry: the entry is cleared
    1 x mask-entry: the low bits are cleared
    1 x copy-cluster: the entry gets a copy of the cluster
    1 x clear-bits: cleared in the header
    65536 guest bytes lost, 131072 saved
    65536 bytes copied, 0 given back
After it: 0 errors, 2 leaked clusters"
    expect_stderr_has "qedtool: QED-L2-LOW-BITS L1[0] L2[1]: "
    expect_stderr_has "qedtool: 65536 guest bytes would be lost, 131072 saved"
    expect_stderr_has "qedtool: Leaked clusters are kept: "
done
cp err planned

# Without locks, beside somebody who writes.
unchanged a.qed expect_status 2 "$QEDTOOL" check -U --dry-run a.qed
unchanged a.qed expect_status 1 "$QEDTOOL" check -U -r all a.qed
expect_stderr_has "-U cannot be used with -r"

# JSON: the same plan, and what each finding would get.
unchanged a.qed expect_status 2 "$QEDTOOL" check --dry-run --output=json a.qed
expect_stderr ""
[[ $(jq -c '.repair | [.written,.actions,."guest-bytes-lost",."guest-bytes-kept",."bytes-copied",
    .leaks,."corruptions-after",."leaks-after"]' out) == '[false,{"clear-entry":1,"mask-entry":1,'$(
    )'"copy-cluster":1,"clear-bits":1},65536,131072,65536,"kept-for-lost-data",0,2]' ]] ||
    fail "plan: $(jq -c .repair out)"
[[ $(jq -c '[.problems[] | [.id, ."action-id"]]' out) == '[["QED-DIRTY","clear-bits"],'$(
    )'["QED-L2-LOW-BITS","mask-entry"],["QED-L2-PAST-END","clear-entry"],'$(
    )'["QED-L2-SHARED","copy-cluster"],["QED-LEAK","leave"],["QED-LEAK-TAIL","leave"]]' ]] ||
    fail "actions: $(jq -c '[.problems[] | [.id, ."action-id"]]' out)"
[[ $(jq -c '[.corruptions, ."corruptions-fixed"]' out) == '[3,null]' ]] || fail "a repair is claimed"

# What was planned is what is done: each finding has the same line.
chmod 600 a.qed
expect_status 3 "$QEDTOOL" check --repair a.qed
grep 'qedtool: QED-' planned >planned.lines
grep 'qedtool: QED-' err >done.lines
same_file planned.lines done.lines
expect_stdout_has "    3 corruptions"

# A cluster that is cut short: what is there is saved, the rest is lost. An action that is none has no
# key, and the end of the file is said to move.
cp sound.qed d.qed
craft d.qed 'truncate -12345'
unchanged d.qed expect_status 2 "$QEDTOOL" check --dry-run d.qed
expect_stderr_has "and what is there kept, guest 0x3cfc7+0x3039 is lost"
expect_stderr_has "qedtool: 12345 guest bytes would be lost, $((65536 - 12345)) saved"
unchanged d.qed expect_status 2 "$QEDTOOL" check --dry-run --output=json d.qed
[[ $(jq -c '[.problems[] | [.id, ."action-id", .lost]]' out) == '[["QED-FILE-LENGTH","extend-file",null],'$(
    )'["QED-L2-CUT-SHORT","extend-file",{"offset":249799,"length":12345}]]' ]] || fail "$(cat out)"
cp sound.qed d.qed
craft d.qed 'poke-l2 0 1 data:0:1|4' 'poke-l1 0 l2:0|2'
unchanged d.qed expect_status 2 "$QEDTOOL" check --dry-run --output=json d.qed
[[ $(jq -c '.repair | [."guest-bytes-lost", ."guest-bytes-kept"]' out) == "[0,$((16 << 20))]" ]] ||
    fail "a byte counts twice: $(jq -c .repair out)"

# Leaks alone; nothing to do; nothing that can be done.
cp sound.qed b.qed
craft b.qed 'leak 2'
unchanged b.qed expect_status 3 "$QEDTOOL" check --dry-run -r leaks b.qed
expect_stdout_has "    0 bytes copied, 131072 given back"
expect_stdout_has "After it: 0 errors, 0 leaked clusters"
expect_stderr_has "131072 bytes of leaked space would be given back"
unchanged sound.qed expect_status 0 "$QEDTOOL" check --dry-run sound.qed
expect_stdout_has "After it: 0 errors, 0 leaked clusters"
cp sound.qed c.qed
craft c.qed 'fill l1 table 0x5b'
unchanged c.qed expect_status 2 "$QEDTOOL" check --dry-run c.qed
expect_stderr_has "qedtool: Nothing was repaired: see the finding above"
truncate -s 1M raw.img
unchanged raw.img expect_status 63 "$QEDTOOL" check --dry-run raw.img
