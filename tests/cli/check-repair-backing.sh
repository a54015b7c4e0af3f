#!/usr/bin/env bash
# What the end of the file cut off: of a data cluster it is filled from the backing file, or reads as
# zeroes where that cannot be opened, which is said; of the L1 table as nothing; of an L2 table, too.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"
requires jq

# cut_by LENGTH: a.qed is sound.qed without its last bytes, which are those of guest cluster 3.
cut_by()
{
    cp sound.qed a.qed
    craft a.qed "truncate -$1"
    cp sound.raw expected.raw
    expect_status 2 "$QEDTOOL" check a.qed
    expect_stderr_has "qedtool: QED-L2-CUT-SHORT L1[0] L2[3]: "
}

# fill_from FILE LENGTH: expected.raw ends with what FILE has there
fill_from()
{
    local from=$((256 * 1024 - $2))

    { head -c "$from" sound.raw; tail -c "+$((from + 1))" "$1"; } >expected.raw
}

# mended [OPTION…]: it reads as expected.raw does
mended()
{
    expect_status 0 "$QEDTOOL" check --repair "$@" a.qed
    expect_stderr_has "the file is extended, and what is there kept"
    cp err repair.err
    same_file <("$QEDCRAFT" a.qed --read 0 256K) expected.raw
    # shellcheck disable=SC2012 # a name of ours
    [[ $(($(stat -c %s a.qed) % 65536)) -eq 0 ]] || fail "the file still ends inside a cluster"
    expect_status 0 "$QEDTOOL" check a.qed
    expect_stderr ""
}

without_warning()
{
    ! grep -q 'backing file' repair.err || fail "a warning without need: $(cat repair.err)"
}

with_warning()
{
    expect_has repair.err "The backing file cannot be opened: of a cluster that was cut short, what is missing reads as zeroes"
}

craft base.qed 'new size=16M' 'data 0 256K seed=9'
"$QEDCRAFT" base.qed --read 0 256K >base.raw
craft sound.qed 'new size=16M' 'data 0 256K seed=1' 'backing base.qed'
"$QEDCRAFT" sound.qed --read 0 256K >sound.raw
head -c 256K /dev/zero >zero.raw

for length in 512 513 4096 12345 65024 65535; do
    cut_by "$length"
    fill_from base.raw "$length"
    unchanged base.qed mended
    without_warning

    cut_by "$length"
    fill_from zero.raw "$length"
    mended --backing=none
    with_warning
done

# The backing file is missing, or in another folder than it may be.
mkdir other
mv base.qed other
cut_by 12345
fill_from zero.raw 12345
unchanged a.qed expect_status 2 "$QEDTOOL" check --dry-run a.qed
cp err repair.err
with_warning
mended
with_warning
craft sound.qed 'backing other/base.qed'
cut_by 12345
fill_from zero.raw 12345
mended --backing=same-directory
with_warning
cut_by 12345
fill_from base.raw 12345
mended --backing=follow
without_warning

# The cluster has three owners, two of them by a table that two L1 entries name: each is filled with
# what is in the backing file at its own place, whatever the order of the tables in the file.
craft wide.qed 'new size=16G' 'data 0 1M seed=10' 'data 2G 1M seed=11' 'data 4G 1M seed=12'
craft shared.qed 'new size=16G' 'backing wide.qed' 'l2 1' 'data 0 256K seed=1' \
    'poke-l2 0 9 data:0:3' 'poke-l2 1 5 data:0:3' 'poke-l1 2 l2:1'
"$QEDCRAFT" shared.qed --read 192K 64K >kept.raw
for length in 4096 12345 65024; do
    cp shared.qed a.qed
    craft a.qed "truncate -$length"
    expect_status 0 "$QEDTOOL" check --repair a.qed
    for place in 192K 576K $((2048 * 1024 + 320))K $((4096 * 1024 + 320))K; do
        { head -c $((65536 - length)) kept.raw; "$QEDCRAFT" wide.qed --read "$place" 64K |
            tail -c "$length"; } >expected.raw
        same_file <("$QEDCRAFT" a.qed --read "$place" 64K) expected.raw
    done
done

# A raw one that ends in the middle of what is missing, and one that is shorter than that.
for size in 260000 200000 0; do
    head -c "$size" base.raw >other/base.raw
    { cat other/base.raw; tail -c "+$((size + 1))" zero.raw; } >padded.raw
    craft sound.qed 'backing other/base.raw raw'
    cut_by 12345
    fill_from padded.raw 12345
    mended
    without_warning
done

# Where nothing was cut off, the backing file is not looked for.
craft sound.qed 'backing nowhere.qed'
cp sound.qed a.qed
craft a.qed 'poke-l2 0 1 data:0:1|1'
expect_status 0 "$QEDTOOL" check --repair a.qed
cp err repair.err
without_warning
same_file a.qed sound.qed

# Without a backing file.
craft plain.qed 'new size=16M' 'data 0 256K seed=1'
cp plain.qed sound.qed
cut_by 777
fill_from zero.raw 777
mended
without_warning

# The file ends inside the L1 table; inside an L2 table.
craft empty.qed 'new size=16M'
cp empty.qed a.qed
craft a.qed 'truncate l1+table-1000'
expect_status 1 "$QEDTOOL" check a.qed
unchanged a.qed expect_status 2 "$QEDTOOL" check --dry-run a.qed
expect_stdout_has "    1 x extend-file: the file is extended, and what is there kept"
expect_status 0 "$QEDTOOL" check --repair a.qed
expect_stderr_has "qedtool: QED-L1-OFFSET: "
same_file a.qed empty.qed
craft sound.qed 'new size=16G' 'data 0 64K seed=1' 'l2 1' 'zero 2G 64K'
cp sound.qed a.qed
craft a.qed 'truncate -1000'
expect_status 2 "$QEDTOOL" check a.qed
expect_status 0 "$QEDTOOL" check --repair a.qed
expect_stderr_has "qedtool: QED-L1-CUT-SHORT L1[1]: "
same_file a.qed sound.qed
