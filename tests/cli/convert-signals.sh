#!/usr/bin/env bash
# A signal in the middle of convert: no target, no temporary file, and the shell is told which
# signal it was. A target of an earlier day stays as it was.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"

temporary_is_there()
{
    [[ -n $(find target -name '.disk.*') ]]
}

no_job_runs()
{
    [[ -z $(jobs -r) ]]
}

# end_of_conversion SIGNAL FORMAT: how the shell calls it. With job control it does not have its
# children ignore SIGINT, and tells a death by a signal from a status that looks like one.
end_of_conversion()
{
    set -m
    "$QEDTOOL" convert -O "$2" a.qed target/disk 2>err &
    wait_for temporary_is_there
    kill "-$1" $!
    wait_for no_job_runs
    jobs
}

# is_ignored NUMBER: whoever started this test has the signal ignored, and nothing below can undo
# that: a background job's SIGINT, SIGHUP under nohup.
is_ignored()
{
    (((0x$(awk '/^SigIgn:/ { print $2 }' /proc/$$/status) >> ($1 - 1)) & 1))
}

endless a.qed
mkdir target
signals=(TERM:Terminated)
is_ignored 2 || signals+=(INT:Interrupt)
is_ignored 1 || signals+=(HUP:Hangup)
for signal in "${signals[@]}"; do
    for format in raw qed; do
        rm -f target/disk
        state=$(end_of_conversion "${signal%:*}" "$format" 2>&1)
        [[ $state == *"${signal#*:}"* ]] || fail "after $signal: $state $(cat err)"
        expect_files target

        echo "of an earlier day" >target/disk
        state=$(unchanged target/disk end_of_conversion "${signal%:*}" "$format" 2>&1)
        [[ $state == *"${signal#*:}"* ]] || fail "after $signal: $state $(cat err)"
        expect_files target disk
    done
done
