#!/usr/bin/env bash
# mandoc has nothing to warn of in the man pages.
. "$srcdir/tests/lib.sh"
requires mandoc

mandoc -T lint -W warning "$srcdir"/man/*.[1-8] || fail "mandoc has warnings"
