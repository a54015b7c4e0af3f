#!/usr/bin/env bash
# qedtool under valgrind, to stand in for the program in the test scripts.
exec "${VALGRIND:-valgrind}" --quiet --leak-check=full --error-exitcode=99 \
    --suppressions="$(dirname "$0")/valgrind.supp" \
    "${top_builddir:?}/qedtool" "$@"
