#!/usr/bin/env bash
# qedtool bench -w is killed 200 times while it writes, 50 times under each policy: after the recovery
# that the policy promises, nothing is worse than leaks, what was flushed reads right, and the next
# writer goes on.
#
# Which flushes had come back is told by the file: a request is only begun once the flush that is due
# before it is done, so as many requests as the file has data of, so many flushes have come back.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/foreign/lib.sh"
requires jq

request=65536
pattern=$'\xa7'
ahead=1048576
mkfifo never
exec 8<>never

# begin POLICY INTERVAL OPTION...: a.qed is being written by the process pid
begin()
{
    local preallocate=()

    [[ $1 != preallocate ]] || preallocate=("--preallocate=$ahead")
    cp empty.qed a.qed
    touch -d '1 hour ago' a.qed stamp
    "$QEDTOOL" bench -q -w -c 12000 -s $request --pattern=0xa7 --flush-interval="$2" \
        --durability="$1" "${preallocate[@]}" "${@:3}" a.qed >bench.out 2>bench.err &
    pid=$!
}

# kill_it MICROSECONDS: so long after its first write
kill_it()
{
    local status=0

    while [[ ! a.qed -nt stamp ]] && kill -0 "$pid" 2>/dev/null; do
        :
    done
    read -r -t "0.$(printf %06d "$1")" -u 8 || true
    kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || status=$?
    [[ $status -eq 137 ]] || fail "the writer was not killed: $status, $(cat bench.err)"
    killed=$((killed + 1))
}

# patterned: how many bytes of stdin are the pattern's
patterned()
{
    tr -dc "$pattern" | wc -c
}

# recover POLICY: the image needs no recovery, or gets the one that the policy promises
recover()
{
    local kind

    kind=$("$QEDTOOL" check --recover --output=json a.qed | jq -r .recovery)
    case $1 in
    need-check) [[ $kind == none || $kind == full ]] ;;
    intent) [[ $kind == none || $kind == marked ]] ;;
    *) [[ $kind == none ]] ;;
    esac || fail "$1 needed a recovery: $kind"
    [[ $kind == none ]] || recovered=$((recovered + 1))
}

# checked POLICY: nothing worse than leaks, and of these no more than was ahead
checked()
{
    local status=0

    "$QEDTOOL" check -q --output=json a.qed >check.out 2>check.err || status=$?
    [[ $status -eq 0 || $status -eq 3 ]] || fail "$1: check exits with $status: $("$QEDTOOL" check a.qed 2>&1)"
    [[ $1 == preallocate && $status -eq 3 ]] || return 0
    "$QEDTOOL" check --output=json a.qed >check.out || true
    [[ $(($(jq '.leaks' check.out) * cluster)) -le $ahead ]] ||
        fail "more was leaked than was ahead: $(jq '.leaks' check.out) clusters"
}

# survives POLICY INTERVAL: what the killed writer left is all right
survives()
{
    local stored flushed

    stored=$(($(patterned <a.qed) / request))
    flushed=$((stored > 0 ? (stored - 1) / $2 * $2 : 0))
    acknowledged=$((acknowledged + flushed))
    recover "$1"
    checked "$1"
    [[ $("$QEDCRAFT" a.qed --read 0 $((flushed * request)) | patterned) -eq $((flushed * request)) ]] ||
        fail "$1: of $flushed requests that were flushed, some read wrong"
    "$QEDTOOL" bench -q -w -c 40 -d 4 -s 5000 -S 20M --pattern=0x11 --durability="$1" a.qed >bench.out 2>bench.err ||
        fail "$1: the next writer: $(cat bench.err)"
    checked "$1"
    ! is_dirty a.qed || fail "$1: the next writer left a mark"
}

for policy in need-check preallocate intent ordered; do
    killed=0
    recovered=0
    acknowledged=0
    for ((i = 0; i < 50; i++)); do
        cluster=$((i % 2 ? 4096 : 65536))
        if ((i < 2)); then
            "$QEDTOOL" create -q -o "cluster_size=$cluster,table_size=2,intent=on" "empty$((i % 2)).qed" 1G
        fi
        cp "empty$((i % 2)).qed" empty.qed
        interval=$((1 << i % 6))
        options=(-d 1)
        ((i % 5 || interval < 4)) || options=(-d 4 -t none)
        begin $policy $interval "${options[@]}"
        kill_it $((i * i * 16))
        survives $policy $interval
    done
    echo "$policy: $killed killed, $recovered needed a recovery, $acknowledged requests were flushed"
    [[ $acknowledged -gt 0 ]] || fail "$policy: no flush ever came back"
done
