#!/usr/bin/env bash
# Every problem stands in the man page as the table in lib/format/problem.c has it, and in the
# transcript of at least one damage case.
#
#   problems.sh --update    write the table into man/qedtool-check.1
. "${srcdir:=.}/tests/lib.sh"

table=$top_builddir/tests/support/problem_table
page=$srcdir/man/qedtool-check.1
begin='.\" The table of problems; made by problems.sh --update.'
end='.\" The end of the table of problems.'

first=$(grep -nxF -e "$begin" "$page" | cut -d: -f1)
last=$(grep -nxF -e "$end" "$page" | cut -d: -f1)

if [[ ${1:-} = --update ]]; then
    cp "$page" old
    {
        head -n "$first" old
        "$table"
        tail -n "+$last" old
    } >new
    cp new "$page"
    exit
fi

"$table" >rows
sed -n "$((first + 1)),$((last - 1))p" "$page" >documented
diff -u documented rows >&2 ||
    fail "the man page has not the table of problems; run tests/house/problems.sh --update"

"$table" --ids >ids
missing=0
while read -r id; do
    grep -qF "\"id\": \"$id\"" "$srcdir"/tests/damage/*.expect || {
        echo "no damage case shows $id" >&2
        missing=$((missing + 1))
    }
done <ids
[[ $missing -eq 0 ]] || fail "$missing problems have no damage case"
[[ $(wc -l <ids) -gt 30 ]] || fail "the table is too short to be true"
