#!/usr/bin/env bash
# Every header compiles alone, and twice.
. "$srcdir/tests/lib.sh"

read -ra compile <<<"$CC ${CPPFLAGS-}"
compile+=(-std=gnu11 -Wall -Werror -fsyntax-only -include "$top_builddir/config.h"
    -I"$srcdir/lib" -I"$srcdir/src" -x c -)
bad=0 seen=0

while read -r header; do
    seen=$((seen + 1))
    printf '#include "%s"\n' "$header" "$header" | "${compile[@]}" || {
        echo "does not compile alone: $header" >&2
        bad=$((bad + 1))
    }
done < <(cd "$srcdir" && find lib src -name '*.h' | sed 's|^[a-z]*/||' | sort)

[[ $seen -gt 0 ]] || fail "no header found"
[[ $bad -eq 0 ]] || fail "$bad of $seen headers"
