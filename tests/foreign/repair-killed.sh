#!/usr/bin/env bash
# check --repair and --rebuild are killed at moments all over their run: what the guest could read
# before it still reads, an undo takes all back, a second run ends where an uninterrupted one does,
# and QEMU reads the same.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"
. "$srcdir/tests/foreign/lib.sh"
requires qemu-img jq

sound_lines=('new size=24M cluster=4K table=2 header=2' 'set autoclear_features 1' 'intent 1'
    'data 0 24M seed=3')

# Of six tables of 1024 entries: two that name another's clusters, 2000 copies; half of two that cannot
# be read, for what is to be masked and what is to be cleared.
share_and_break()
{
    local table i

    {
        printf '%s\n' "${sound_lines[@]}"
        for table in 2 3; do
            for ((i = 0; i < 1000; i++)); do
                echo "poke-l2 $table $i data:0:$i"
            done
        done
        for ((i = 0; i < 512; i++)); do
            echo "poke-l2 4 $i data:4:$i|5"
            echo "poke-l2 5 $i eof+$i*cluster"
        done
    } | "$QEDCRAFT" "$1"
}

# share_some: lines by which 600 entries name another's clusters
share_some()
{
    local i

    printf '%s\n' "${sound_lines[@]}"
    for ((i = 0; i < 600; i++)); do
        echo "poke-l2 2 $i data:0:$i"
    done
}

# One L1 entry is lost, and every other entry of two tables; 600 clusters have two owners, so that it
# takes a while to mend all this.
lose_entries()
{
    local i

    {
        share_some
        echo 'poke-l1 1 0'
        for ((i = 1; i < 1000; i += 2)); do
            echo "poke-l2 4 $i 0"
            echo "poke-l2 5 $i 0"
        done
    } | "$QEDCRAFT" "$1"
}

# readable IMAGE: the guest bytes that the damage leaves readable
readable()
{
    local i

    for i in "${ranges[@]}"; do
        # shellcheck disable=SC2086 # two words
        "$QEDCRAFT" "$1" --read $i
    done
}

# repair IMAGE [UNDOFILE]: as the damage asks for it
repair()
{
    local status=0

    "$QEDTOOL" check --limit=5 "$option" ${2:+--undo="$2"} "$1" >repair.out 2>repair.err || status=$?
    [[ $status -eq 0 || $status -eq 3 ]] || fail "check $option exits with $status: $(cat repair.out; tail -n 5 repair.err)"
}

# begin [UNDOFILE]: damaged.qed, copied to a.qed, is being repaired by the process pid
begin()
{
    cp damaged.qed a.qed
    touch -d '1 hour ago' a.qed stamp
    rm -f undo
    "$QEDTOOL" check "$option" ${1:+--undo="$1"} a.qed >repair.out 2>repair.err &
    pid=$!
}

# Until the process writes to a.qed, or has ended.
await_write()
{
    while [[ ! a.qed -nt stamp ]] && kill -0 "$pid" 2>/dev/null; do
        :
    done
}

# pause MICROSECONDS: without another process, which would take a millisecond
pause()
{
    read -r -t "$(($1 / 1000000)).$(printf %06d $(($1 % 1000000)))" -u 8 || true
}

microseconds()
{
    echo $(($(date +%s%N) / 1000))
}

# kill_it: now
kill_it()
{
    local status=0

    kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || status=$?
    [[ $status -eq 137 ]] || return 0
    killed=$((killed + 1))
    cmp -s a.qed damaged.qed || begun=$((begun + 1))
    # Half a repair is not for a recovery that trusts the bitmap.
    ! is_dirty a.qed || ! has_intent a.qed || fail "the bitmap is on while the repair is not finished"
}

# undone: where there is a record, it takes all back
undone()
{
    [[ -e undo ]] || return 0
    cp a.qed b.qed
    expect_status 0 "$QEDTOOL" undo b.qed undo
    same_file b.qed damaged.qed
}

# measure: sets plans, what an uninterrupted run takes before it writes, and writes, how long it does
# so then; in microseconds, the least of some runs: the first ones are slower
measure()
{
    local start first second i

    for i in {1..4}; do
        start=$(microseconds)
        begin
        await_write
        first=$(($(microseconds) - start))
        wait "$pid" || true
        second=$(($(microseconds) - start - first))
        [[ $i -gt 1 && $plans -le $first ]] || plans=$first
        [[ $i -gt 1 && $writes -le $second ]] || writes=$second
    done
    has_intent a.qed || fail "the repair dropped the bitmap"
    qemu-img convert -f qed -O raw a.qed whole.raw
}

# recovered: what could be read is there, and a second run finishes
recovered()
{
    same_file before <(readable a.qed)
    undone
    repair a.qed
    ! is_dirty a.qed || fail "still dirty"
    qemu-img compare -q -f qed -F raw a.qed whole.raw || fail "QEMU reads something else"
}

# killed_often OPTION TIMES: a sixth of TIMES moments is before check OPTION writes to damaged.qed, the
# others are spread over most of the time in which it does; every other run makes an undo record.
killed_often()
{
    local option=$1 times=$2 records=('' undo) i pid plans writes

    killed=0
    begun=0
    measure
    readable damaged.qed >before
    for ((i = 0; i < times; i++)); do
        begin "${records[i % 2]}"
        if ((i % 6 == 0)); then
            pause $((plans * i / times))
        else
            await_write
            pause $((writes * i * 3 / (4 * times)))
        fi
        kill_it
        recovered
    done
    echo "check $option: $killed of $times killed, $begun while it wrote, $plans us + $writes us"
    [[ $killed -gt 0 ]] || fail "no run was killed in time"
}

mkfifo never
exec 8<>never
ranges=('0 16M' '18M 2M' '22M 2M')
share_and_break damaged.qed
killed_often --repair=all 60
[[ $begun -gt 0 ]] || fail "no image was left half repaired"
rm damaged.qed
ranges=('0 4M' '8M 8M')
lose_entries damaged.qed
killed_often --rebuild 40
share_some | "$QEDCRAFT" sound.qed
same_file <("$QEDCRAFT" sound.qed --read 0 24M) whole.raw
