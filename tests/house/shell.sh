#!/usr/bin/env bash
# The shell scripts are clean for shellcheck.
. "$srcdir/tests/lib.sh"
requires shellcheck

cd "$srcdir"
mapfile -t scripts < <(find script .ci tests -type f -exec grep -lE '^#!.*\b(ba)?sh$' {} + | sort)
[[ ${#scripts[@]} -gt 0 ]] || fail "no script found"
shellcheck tests/lib.sh "${scripts[@]}" || fail "shellcheck has warnings"
