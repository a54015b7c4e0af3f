#!/usr/bin/env bash
# check --recover does what opening for writing does, and no more: nothing for a clean image, all
# tables for one that was not cleanly closed, and with a write-intent bitmap that can be trusted the
# marked ones alone.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"
requires jq

# Three tables of 1024 entries; 4 MiB of the guest each.
sound=('new size=16M cluster=4K table=2 header=2' 'set autoclear_features 1' 'intent 1'
    'data 0 8K' 'data 4M 8K' 'data 8M 8K')
# In the tables 0 and 2, entries that a crash leaves.
crashed=("${sound[@]}" 'set features need_check' 'poke-l2 0 7 eof+4*cluster' 'poke-l2 2 9 eof')

# recovers IMAGE KIND TABLES L1-CLEARED L2-CLEARED
recovers()
{
    expect_status 0 "$QEDTOOL" check --recover --output=json "$1"
    expect_stderr ""
    [[ $(jq -r '[.recovery, ."tables-read", ."l1-entries-cleared", ."l2-entries-cleared"] |
        join(" ")' out) == "${*:2}" ]] || fail "expected ${*:2}: $(cat out)"
    ! "$QEDTOOL" info "$1" | grep 'cleanly shut down' >&2 || fail "the mark is still there"
}

entries()
{
    "$QEDCRAFT" "$1" --dump | grep '^l[12] '
}

# same_entries IMAGE LINE...: they are those of an image that the lines make
same_entries()
{
    rm -f like.qed
    craft like.qed "${@:2}"
    diff -u <(entries like.qed) <(entries "$1") >&2 || fail "other entries in $1"
}

# A clean image: nothing is read, whatever stands in its tables.
craft a.qed "${sound[@]}" 'poke-l2 0 7 eof+cluster'
unchanged a.qed recovers a.qed none 0 0 0
[[ $(jq '."bytes-read"' out) -eq 0 ]] || fail "read something"
[[ $(jq -r .filename out) == a.qed && $(jq '."bytes-added"' out) -eq 0 ]] || fail "other keys: $(cat out)"
unchanged a.qed expect_status 0 "$QEDTOOL" check --recover a.qed
expect_stdout "The image was cleanly closed: nothing was read."

# full LINE...: a crashed image changed so is recovered by reading all.
full()
{
    rm -f a.qed
    craft a.qed "${crashed[@]}" "$@"
    recovers a.qed full 3 0 2
    same_entries a.qed "${sound[@]}"
    expect_status 0 "$QEDTOOL" check a.qed
    recovers a.qed none 0 0 0
}

# No bitmap; then one that cannot be trusted, for each reason that there is.
full 'poke-header autoclear_features 0'
full 'poke-header autoclear_features 2' 'intent 9 0'
full 'fill 4096 4096 0'
full 'intent 9 0' 'bytes 4096 50'
full 'intent 9 0' 'bytes 4104 02'
full 'intent 9 0' 'bytes 4112 0a'
full 'intent 9 0' 'bytes 4124 00000000'
full 'intent 9 0' 'bytes 8191 01'

# page_from IMAGE: a.qed is crashed, with another image's page
page_from()
{
    rm -f a.qed
    craft a.qed "${crashed[@]}"
    dd if="$1" of=a.qed bs=4096 skip=1 seek=1 count=1 conv=notrunc status=none
}

# A page of another geometry, and one that was torn: half of it is older.
craft other.qed 'new size=16M cluster=4K table=4 header=2' 'intent 9 0'
page_from other.qed
recovers a.qed full 3 0 2
craft old.qed "${sound[@]}" 'intent 1 1'
craft new.qed "${sound[@]}" 'intent 2 0'
{
    head -c 4608 new.qed
    tail -c +4609 old.qed
} >torn.qed
page_from torn.qed
recovers a.qed marked 1 0 1
dd if=new.qed of=torn.qed bs=16 skip=256 seek=256 count=1 conv=notrunc status=none
dd if=old.qed of=torn.qed bs=16 skip=257 seek=257 count=1 conv=notrunc status=none
page_from torn.qed
recovers a.qed full 3 0 2

# No room for a page: what stands there is not looked at.
craft small.qed 'new size=16M cluster=4K table=2' 'set autoclear_features 1' 'data 0 8K' \
    'set features need_check' 'poke-l2 0 7 eof'
recovers small.qed full 1 0 1

# marked LINE...: a.qed is crashed, and changed so
marked()
{
    rm -f a.qed
    craft a.qed "${crashed[@]}" "$@"
}

# A bitmap that is right: the marked tables, and no others.
marked 'intent 9'
recovers a.qed marked 0 0 0
same_entries a.qed "${sound[@]}" 'poke-l2 0 7 eof+4*cluster' 'poke-l2 2 9 eof'
marked 'intent 9 0'
recovers a.qed marked 1 0 1
same_entries a.qed "${sound[@]}" 'poke-l2 2 9 eof'
marked 'intent 9 0 2'
expect_status 0 "$QEDTOOL" check --recover a.qed
expect_stdout <<'END'
2 L2 tables were read: marked by the write-intent bitmap.
0 L1 entries and 2 L2 entries pointed past the end of the file, and were cleared.
END
same_entries a.qed "${sound[@]}"
expect_status 0 "$QEDTOOL" info a.qed
expect_stdout_has 'write-intent bitmap: 0 L2 tables marked'
# A bit whose L1 entry is empty reads nothing; one whose table the crash has lost loses the entry.
marked 'intent 9 1 3 1000'
recovers a.qed marked 1 0 0
marked 'intent 9 2 3' 'poke-l1 3 eof' 'poke-l1 1 eof'
recovers a.qed marked 1 1 1
same_entries a.qed "${sound[@]}" 'poke-l2 0 7 eof+4*cluster' 'poke-l1 1 eof'
# Damage in tables that are not marked is none of its business.
marked 'intent 9 2' 'poke-l2 0 0 12345' 'poke-l1 1 77'
recovers a.qed marked 1 0 1

# The last cluster was cut short.
marked 'intent 9 0 2' 'truncate -1000'
expect_status 0 "$QEDTOOL" check --recover a.qed
expect_stdout_has 'The last cluster was cut short by 1000 bytes, and was completed.'
same_entries a.qed "${sound[@]}"

# Damage that no crash leaves: nothing is changed.
for damage in 'poke-l2 0 0 12345' 'poke-l2 0 0 data:0:1|8' 'poke-l2 2 0 4096' 'poke-l1 0 77'; do
    for intent in 'intent 9 0 2' 'fill 4096 4096 0'; do
        for length in 'truncate eof' 'truncate -1000'; do
            marked "$intent" "$damage" "$length"
            unchanged a.qed expect_status 2 "$QEDTOOL" check --recover a.qed
            expect_stdout ""
            expect_stderr_has "no crash explains"
            unchanged a.qed expect_status 2 "$QEDTOOL" check --recover --output=json a.qed
            expect_stdout ""
            # As opening for writing says.
            unchanged a.qed expect_status 1 "$QEDTOOL" bench -q -w -c 1 a.qed
            expect_stderr_has "no crash explains"
        done
    done
done

# A writer does the same, and says so.
marked 'intent 9 0 2'
expect_status 0 "$QEDTOOL" bench -q -w -c 1 -o 1M a.qed
expect_stderr 'qedtool: warning: a.qed was not cleanly closed: 2 L2 tables were read, 2 entries from the crash cleared'
expect_status 0 "$QEDTOOL" check -q a.qed

# Options.
marked 'intent 9 0 2'
expect_status 0 "$QEDTOOL" check --recover --quiet a.qed
expect_stdout ""
expect_stderr ""
marked 'intent 9 0 2'
for options in -U --repair --repair=leaks '-r all' --rebuild --dry-run --undo=undo --image-size=1M; do
    # shellcheck disable=SC2086 # words
    unchanged a.qed expect_status 1 "$QEDTOOL" check --recover $options a.qed
    expect_stderr_has 'cannot be used'
    expect_stdout ""
done
expect_status 0 "$QEDTOOL" check --recover --memory=1M -p -f qed a.qed
expect_stdout_has '(100.00/100%)'

# What cannot be recovered.
truncate -s 1M a.raw
unchanged a.raw expect_status 63 "$QEDTOOL" check --recover a.raw
unchanged a.raw expect_status 63 "$QEDTOOL" check --recover -f raw a.raw
expect_status 1 "$QEDTOOL" check --recover missing.qed
marked 'poke-header cluster_size 12'
unchanged a.qed expect_status 1 "$QEDTOOL" check --recover a.qed
marked 'intent 9 0 2'
if [[ $(id -u) -ne 0 ]]; then
    chmod a-w a.qed
    unchanged a.qed expect_status 1 "$QEDTOOL" check --recover a.qed
    expect_stderr_has 'Permission denied'
fi

# Another writer has it.
"$QEDTOOL" create -q -o intent=on busy.qed 1G
"$QEDTOOL" bench -q -w -c 100000000 -s 512 --flush-interval=64 busy.qed >bench.out 2>&1 &
writer=$!
is_being_written()
{
    [[ $("$QEDTOOL" map -U busy.qed | wc -l) -gt 1 ]]
}
wait_for is_being_written
expect_status 0 "$QEDTOOL" info -U busy.qed
expect_stdout_has "cleanly shut down: no"
expect_status 1 "$QEDTOOL" check --recover busy.qed
expect_stderr_has 'Failed to get "write" lock'
kill -KILL "$writer"
wait "$writer" 2>/dev/null || true
recovers busy.qed marked 1 0 0
