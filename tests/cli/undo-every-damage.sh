#!/usr/bin/env bash
# Each way of damaging an image that there is a case for, repaired once or twice: undo brings every
# byte back, and where there is no record nothing was changed. Images that are too long to be read in
# a moment are sparse: of these, what is stored is compared.
. "$srcdir/tests/lib.sh"

# sum FILE: of all its bytes, or of its length and the stored bytes and their places.
sum()
{
    if [[ $(stat -c %s "$1") -le $((256 << 20)) ]]; then
        sha256sum <"$1"
    else
        tar --sparse --format=gnu --mtime=@0 -cf - "$1" | sha256sum
    fi
}

undone=0 unchanged=0

# check_case CASE REPAIR…: repairs one after the other, then their undos the other way round.
check_case()
{
    local case=$1 repair count=0 i sums

    shift
    rm -f a.qed rec*
    "$QEDCRAFT" a.qed "$case"
    for repair; do
        sums[count]=$(sum a.qed)
        # shellcheck disable=SC2086 # options
        "$QEDTOOL" check -q $repair --undo="rec$count" a.qed >/dev/null 2>err ||
            [[ $? =~ ^([123]|63)$ ]] || fail "$case: check $repair: $(cat err)"
        if [[ -e rec$count ]]; then
            count=$((count + 1))
        else
            unchanged=$((unchanged + 1))
            [[ $(sum a.qed) == "${sums[count]}" ]] || fail "$case: changed without a record: $repair"
        fi
    done
    for ((i = count - 1; i >= 0; i--)); do
        "$QEDTOOL" undo -q a.qed "rec$i" || fail "$case: undo of repair $i: $*"
        [[ $(sum a.qed) == "${sums[i]}" ]] || fail "$case: not as before repair $i: $*"
        undone=$((undone + 1))
    done
}

for case in "$srcdir"/tests/damage/*.case; do
    check_case "$case" --repair
    check_case "$case" --repair=leaks --rebuild
done
echo "$undone repairs were undone; $unchanged times there was nothing to repair"
[[ $undone -gt 80 ]] || fail "too few repairs to be true"
