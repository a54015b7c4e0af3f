#!/usr/bin/env bash
# Every test, source file and man page that is there is listed in a Makemodule.am, so none is
# silently left out of the build, the test run or the distribution.
. "$srcdir/tests/lib.sh"

cd "$srcdir"
find lib src man tests -name Makemodule.am -exec cat {} + | grep -oE '[^[:space:]\\]+' |
    sort -u >"$test_dir/listed"
# A unit test is listed by the name of its program, an .expect by that of its .case.
find lib src tests -name '*.[ch]' -o -path 'tests/*/*.sh' -o -name '*.case' -o -name '*.expect' |
    sed -E 's|^(tests/(unit\|crash)/test_.*)\.c$|\1|; s|\.expect$|.case|' >"$test_dir/names"
find man -name '*.[1-8]' >>"$test_dir/names"

sort -u "$test_dir/names" | comm -23 - "$test_dir/listed" >"$test_dir/forgotten"
[[ -s $test_dir/listed ]] || fail "nothing is listed"
[[ ! -s $test_dir/forgotten ]] || fail "in no Makemodule.am: $(tr '\n' ' ' <"$test_dir/forgotten")"
