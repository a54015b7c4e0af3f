#!/usr/bin/env bash
# What the tests against QEMU share beyond tests/lib.sh: . "$srcdir/tests/foreign/lib.sh"

# scribble IMAGE SEED COUNT [UNIT]: QEMU writes to an image at places that the seed decides, mostly
# a few units (64k) long: data, zeroes, parts of clusters, and again over what is there.
scribble()
{
    local size requests=() request

    size=$(qemu-img info -f qed --output=json "$1" | sed -n 's/.*"virtual-size": \([0-9]*\).*/\1/p')
    while read -r request; do
        requests+=(-c "$request")
    done < <(awk -v seed="$2" -v count="$3" -v unit="${4:-65536}" -v size="$size" '
        function pick(n) { return int(rand() * n) }
        BEGIN {
            srand(seed)
            sectors = size / 512
            for (i = 0; i < count; i++) {
                kind = pick(10)
                at = pick(sectors)
                len = 1 + pick(3 * unit / 512)
                if (kind < 7)
                    at -= at % (unit / 512)
                if (kind < 3)
                    len = unit / 512 * (1 + pick(3))
                if (at + len > sectors)
                    len = sectors - at
                if (kind == 2 || kind == 6)
                    printf "write -z %.0f %.0f\n", at * 512, len * 512
                else
                    printf "write -P %d %.0f %.0f\n", 1 + pick(255), at * 512, len * 512
            }
        }')
    qemu-io -f qed "${requests[@]}" "$1" >qemu-io.out 2>&1 || fail "qemu-io: $(cat qemu-io.out)"
    ! grep -i fail qemu-io.out >&2 || fail "qemu-io could not write"
}

# joined MAP: its extents with those joined that continue each other. Where no image of the chain
# has anything, the depth is left out: it is the lowest image's in QEMU, and always 0 here.
joined()
{
    jq -c 'reduce (.[] | select(.length > 0) | if .present then . else del(.depth) end) as $e ([];
        if length > 0 and (.[-1] | .depth == $e.depth and .present == $e.present and
            .zero == $e.zero and .data == $e.data and
            (if .offset then .offset + .length else null end) == $e.offset)
        then .[-1].length += $e.length else . + [$e] end) | .[]' "$1"
}

# same_map IMAGE [OPTION...]: qedtool and qemu-img map it alike.
same_map()
{
    qemu-img map --output=json "${@:2}" "$1" >theirs.json
    "$QEDTOOL" map --output=json "${@:2}" "$1" >ours.json
    joined theirs.json >theirs.joined
    joined ours.json >ours.joined
    diff -u theirs.joined ours.joined >&2 || fail "another map of $*"
    # Ours is joined as it is.
    [[ $(wc -l <ours.json) -eq $(wc -l <ours.joined) ]] || fail "extents of $1 that continue each other"
    qemu-img map "${@:2}" "$1" >theirs.txt
    "$QEDTOOL" map "${@:2}" "$1" >ours.txt
    diff -u theirs.txt ours.txt >&2 || fail "another map for humans of $*"
}

# same_guest IMAGE: qedtool and qemu-img read the same bytes from it.
same_guest()
{
    qemu-img convert -O raw "$1" theirs.raw
    "$QEDTOOL" convert -O raw "$1" ours.raw
    same_file theirs.raw ours.raw
}

# same_info IMAGE: the keys that both have, in the same order and with the same values.
same_info()
{
    qemu-img info --output=json "$1" >theirs.json
    "$QEDTOOL" info --output=json "$1" | jq 'del(."format-specific")' >ours.json
    diff -u <(jq . theirs.json) ours.json >&2 || fail "another info of $1"
    diff -u <(qemu-img info "$1") <("$QEDTOOL" info "$1") >&2 || fail "another info for humans of $1"
}

# same_check IMAGE: the same result, numbers and lines.
same_check()
{
    local theirs=0 ours=0

    qemu-img check -f qed --output=json "$1" >theirs.json 2>theirs.err || theirs=$?
    "$QEDTOOL" check -f qed --output=json "$1" >ours.json || ours=$?
    [[ $theirs -eq $ours ]] || fail "check of $1 exits with $ours, not $theirs"
    diff -u <(jq . theirs.json) <(jq 'del(.problems, ."problems-found")' ours.json) >&2 ||
        fail "another check of $1"
    # Of leaks that look like tables, qedtool does not say that they are no harm.
    diff -u <(qemu-img check -f qed "$1" 2>/dev/null || true) \
        <("$QEDTOOL" check -f qed "$1" 2>/dev/null |
            sed "s/^Some of them look like L2 tables.*/This means waste of disk space, but no harm to data./") >&2 || fail "other lines of check of $1"
}

# same_everything IMAGE
same_everything()
{
    same_map "$1"
    same_guest "$1"
    same_info "$1"
    same_check "$1"
}

# clean_for_both IMAGE
clean_for_both()
{
    qemu-img check -q -f qed "$1" || fail "qemu-img check finds fault with $1"
    "$QEDTOOL" check -q -f qed "$1" || fail "qedtool check finds fault with $1"
}

# is_dirty FILE
is_dirty()
{
    [[ $(($("$QEDCRAFT" "$1" --dump | sed -n 's/^features //p') & 2)) -ne 0 ]]
}

# has_intent FILE: the autoclear bit of a write-intent bitmap is set
has_intent()
{
    [[ $(($("$QEDCRAFT" "$1" --dump | sed -n 's/^autoclear_features //p') & 1)) -ne 0 ]]
}

# killed_after IMAGE COUNT MIB: qemu-io writes on, all over so many MiB of the image, so that tables are
# allocated, too; it is killed when it has reported COUNT writes.
killed_after()
{
    local pid i

    rm -f fifo
    mkfifo fifo
    stdbuf -i0 -oL qemu-io -f qed "$1" <fifo >qemu-io.out 2>&1 &
    pid=$!
    exec 9>fifo
    for ((i = 0; i < $2 + 20; i++)); do
        echo "write -P $((i % 255 + 1)) $(((i * 7919 % $3) * 1048576 + i * 512)) 70k"
    done >&9
    wait_for qemu_io_reports "$2"
    kill -KILL "$pid"
    exec 9>&-
    wait "$pid" 2>/dev/null || true
}

# qemu_io_reports COUNT: so many writes, in qemu-io.out.
qemu_io_reports()
{
    [[ $(grep -c ' wrote ' qemu-io.out) -ge $1 ]]
}
