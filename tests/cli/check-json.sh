#!/usr/bin/env bash
# check --output=json has the keys of qemu-img, in its order and left out where it leaves them out,
# and then the findings; stderr stays empty.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"
requires jq

# checked STATUS KEYS IMAGE [OPTION...]
checked()
{
    expect_status "$1" "$QEDTOOL" check --output=json "${@:3}"
    expect_stderr ""
    [[ $(jq -r 'keys_unsorted | join(" ")' out) == "$2" ]] ||
        fail "keys: $(jq -r 'keys_unsorted | join(" ")' out)"
}

# value_is JSON FILTER
value_is()
{
    [[ $(jq -c "$2" out) == "$1" ]] || fail "$2 is $(jq -c "$2" out), not $1"
}

"$QEDTOOL" create -q a.qed 16M
checked 0 "total-clusters check-errors filename format problems-found problems" a.qed
value_is '[256,0,"a.qed","qed",0,[]]' '[.[]]'
[[ $(sed -n 2p out) == '    "total-clusters": 256,' ]] || fail "second line: $(sed -n 2p out)"

craft a.qed 'data 0 256K' 'zero 1M 64K'
checked 0 "total-clusters check-errors allocated-clusters filename format problems-found problems" a.qed
value_is 4 '."allocated-clusters"'

cp a.qed b.qed
craft b.qed 'leak 2'
checked 3 "total-clusters check-errors leaks allocated-clusters filename format problems-found problems" b.qed
value_is '[2,1]' '[.leaks,."problems-found"]'
value_is '[true,{"offset":851968,"length":131072}]' '.problems[0] | [(.id | startswith("QED-LEAK")),.file]'

cp a.qed b.qed
craft b.qed 'poke-l2 0 1 data:0:0' 'poke-l2 0 3 eof+16M'
checked 2 "total-clusters corruptions check-errors leaks allocated-clusters filename format fragmented-clusters problems-found problems" b.qed
value_is '[2,2,4]' '[.corruptions,.leaks,."allocated-clusters"]'
value_is '["QED-L2-SHARED","QED-L2-PAST-END","QED-LEAK","QED-LEAK"]' '[.problems[].id | sub("QED-LEAK.*"; "QED-LEAK")]'
value_is '[0,1,{"offset":65536,"length":65536},{"offset":589824,"length":65536},true]' \
    '.problems[0] | [."l1-index",."l2-index",.guest,.file,.repairable]'
value_is '[0,3,true,null]' '.problems[1] | [."l1-index",."l2-index",.repairable,."action-id"]'
[[ $(jq -r '.problems[1].action' out) == "one flipped bit is put right where that explains it, else"* ]] ||
    fail "action: $(jq -r '.problems[1].action' out)"

# After a repair: what was done about each finding, and the totals of the second pass.
checked 3 "total-clusters corruptions-fixed check-errors leaks allocated-clusters filename format fragmented-clusters problems-found problems repair" b.qed -r all
value_is '[2,2,3]' '[."corruptions-fixed",.leaks,."allocated-clusters"]'
value_is '[["copy-cluster","the entry gets a copy of the cluster"],["clear-entry","the entry is cleared"]]' \
    '[.problems[0,1] | [."action-id",.action]]'
value_is '[["written",true],["actions",{"clear-entry":1,"copy-cluster":1}],["guest-bytes-lost",65536],["guest-bytes-kept",65536],["bytes-copied",65536],["leaks","kept-for-lost-data"],["bytes-punched",0],["bytes-cut",0],["corruptions-after",0],["leaks-after",2]]' \
    '.repair | to_entries | map([.key,.value])'

# A lost table, and an entry that may be its.
craft c.qed 'new size=32M cluster=8K table=2' 'data 0 16K' 'data 16M 16K' 'poke-l1 1 l2:0'
checked 2 "total-clusters corruptions check-errors leaks allocated-clusters filename format problems-found problems repair" c.qed -r all
value_is '[true,"kept-for-corruption",{"leave":1}]' \
    '.repair | [."tables-wait-for-rebuild",.leaks,.actions]'
