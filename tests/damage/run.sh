#!/bin/bash
# Crafts each damaged image, runs qedtool on it, and compares what it says and does with a golden
# transcript.
#
#   run.sh [--update] [CASE...]      CASE is a path or a bare name; all of them without one
#
# A case is a script for qedcraft. Lines that begin with "#!" speak to this one:
#   #! damage             what stands above makes the sound image that the guest content is
#                         compared with
#   #! cmd: info          runs one more qedtool command before any repair; the image is put in place
#                         of the word IMAGE, or at the end; what it leaves in out.raw is compared
set -u

here=$(cd "$(dirname "$0")" && pwd) || exit 1
top_builddir=${top_builddir:-$here/../..}
guest_limit=$((64 << 20))
update=no
failures=0

absolute()
{
    case $1 in
        /*) echo "$1" ;;
        */*) echo "$PWD/$1" ;;
        *) command -v "$1" || echo "$PWD/$1" ;;
    esac
}

if [ "${1:-}" = --update ]; then
    update=yes
    shift
fi

QEDTOOL=$(absolute "${QEDTOOL:-$top_builddir/qedtool}")
QEDCRAFT=$(absolute "${QEDCRAFT:-$top_builddir/tests/support/qedcraft}")
QEDCOMPARE=$(dirname "$QEDCRAFT")/qedcompare
for program in "$QEDTOOL" "$QEDCRAFT" "$QEDCOMPARE"; do
    if [ ! -x "$program" ]; then
        echo "run.sh: $program is not there; build it, or set QEDTOOL and QEDCRAFT" >&2
        exit 1
    fi
done

scratch=$(mktemp -d "${TMPDIR:-/tmp}/damage.XXXXXX") || exit 1
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM

# Marks stderr, and takes out what differs between machines.
tidy()
{
    sed -e "s|$QEDTOOL|qedtool|g" -e "s|$scratch/||g" \
        -e 's/^disk size: .*/disk size: (varies)/' \
        -e 's/"actual-size": [0-9]*/"actual-size": "varies"/' "$@"
}

sum_of_file()
{
    sha256sum < "$1"
}

# run ARGS...: one command of qedtool, as the transcript shows it
run()
{
    local status

    echo "\$ qedtool $*"
    timeout 120 "$QEDTOOL" "$@" > "$scratch/stdout" 2> "$scratch/stderr" < /dev/null
    status=$?
    tidy "$scratch/stdout"
    tidy -e 's/^/stderr: /' "$scratch/stderr"
    echo "exit $status"
}

# Like run, and says whether the image is still what it was. Images too long to be read in a moment
# are sparse, and are compared by their length and what qedcraft reads in them.
run_and_compare()
{
    local before

    before=$(fingerprint)
    run "$@"
    if [ "$before" = "$(fingerprint)" ]; then
        echo "image unchanged: yes"
    else
        echo "image unchanged: no"
    fi
    echo
}

fingerprint()
{
    local length

    length=$(stat -c %s image.qed)
    if [ "$length" -le $((256 << 20)) ]; then
        sum_of_file image.qed
    else
        echo "$length"
        "$QEDCRAFT" image.qed --dump | sum_of_file /dev/stdin
    fi
}

# guest_sum IMAGE LENGTH: what a guest would read, according to qedcraft
guest_sum()
{
    "$QEDCRAFT" "$1" --read 0 "$2" 2> /dev/null > "$scratch/guest" || { echo unreadable; return; }
    sum_of_file "$scratch/guest"
}

guest_length()
{
    local length

    length=$("$QEDCRAFT" "$1" --dump 2> /dev/null | sed -n 's/^image_size //p')
    [ "${#length}" -lt 18 ] && [ "${length:-0}" -le "$guest_limit" ] || length=$guest_limit
    echo "$length"
}

# says SUM: which of the states known so far has this guest content
says()
{
    if [ "$1" = unreadable ]; then
        echo "unreadable"
    elif [ "$1" = "$sum_sound" ]; then
        echo "as made"
    elif [ "$1" = "${2:-}" ]; then
        echo "as damaged"
    else
        echo "differs"
    fi
}

# transcript CASE: runs in a directory of its own, beside which nothing is written
transcript()
{
    local sound length sum_sound sum_damaged command words

    if ! "$QEDCRAFT" image.qed "$1"; then
        echo "the image cannot be made"
        return 1
    fi
    sound=damaged.qed
    cp --sparse=always image.qed damaged.qed || return 1
    if grep -q '^#! damage' "$1"; then
        sound=sound.qed
        sed '/^#! damage/,$d' "$1" | "$QEDCRAFT" $sound || return 1
    fi
    length=$(guest_length $sound)
    sum_sound=$(guest_sum $sound "$length")
    sum_damaged=$(guest_sum image.qed "$length")
    grep '^#! cmd: ' "$1" | sed 's/^#! cmd: //' > "$scratch/commands"
    while read -r command; do
        case " $command " in
            *" IMAGE "*) words=${command/IMAGE/image.qed} ;;
            *) words="$command image.qed" ;;
        esac
        # shellcheck disable=SC2086
        run_and_compare $words
    done < "$scratch/commands"
    if [ -e out.raw ]; then
        echo "out.raw: $(says "$(sum_of_file out.raw)" "$sum_damaged")"
        echo
    fi

    run_and_compare check image.qed
    run_and_compare check --output=json image.qed
    run_and_compare check -r all --dry-run image.qed
    run_and_compare check -r all image.qed
    run_and_compare check image.qed
    echo "guest content after the damage: $(says "$sum_damaged")"
    echo "guest content after the repair: $(says "$(guest_sum image.qed "$length")" "$sum_damaged")"
    echo
    echo "guest sectors as made, after the damage: $("$QEDCOMPARE" damaged.qed $sound)"
    echo "guest sectors as made, after the repair: $("$QEDCOMPARE" image.qed $sound)"
    echo "guest sectors as damaged, after the repair: $("$QEDCOMPARE" image.qed damaged.qed)"
}

one_case()
{
    local case=$1 name

    name=$(basename "$case" .case)
    mkdir "$scratch/work"
    if ! (cd "$scratch/work" && transcript "$case") > "$scratch/actual" 2>&1; then
        cat "$scratch/actual"
        echo "FAIL $name"
        failures=$((failures + 1))
    elif [ "$update" = yes ]; then
        cp "$scratch/actual" "${case%.case}.expect"
        echo "WROTE $name"
    elif [ ! -f "${case%.case}.expect" ]; then
        echo "FAIL $name: there is no $name.expect"
        failures=$((failures + 1))
    elif ! diff -u --label expected --label actual "${case%.case}.expect" "$scratch/actual"; then
        echo "FAIL $name"
        failures=$((failures + 1))
    else
        echo "PASS $name"
    fi
    rm -rf "$scratch/work"
}

if [ $# -eq 0 ]; then
    set -- "$here"/*.case
fi
for argument in "$@"; do
    one_case "$here/$(basename "$argument" .case).case"
done
[ "$failures" -eq 0 ] || echo "$failures of $# cases failed"
[ "$failures" -eq 0 ]
