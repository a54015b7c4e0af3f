#!/usr/bin/env bash
# Each command's man page documents the options that its --help lists, and no others.
. "$srcdir/tests/lib.sh"
requires mandoc

# The options that a line begins with: `  -f, --format=FMT   text` gives -f and --format.
# Text that is indented further is prose about an option, not its heading.
leading_options()
{
    sed -nE 's/^ {1,8}(-.*)/\1/p' | sed 's/  .*//' | awk -F', *' '
        {
            for (i = 1; i <= NF && $i ~ /^-/; i++) {
                match($i, /^--?[^][ =]+/)
                print substr($i, RSTART, RLENGTH)
            }
        }' | sort -u
}

help_options()
{
    "$QEDTOOL" "$@" --help | leading_options
}

# Unwrapped, so that no line of prose begins with an option by chance.
man_options()
{
    mandoc -T ascii -O width=1000 "$1" | sed 's/.\x08//g' | awk '
        /^[A-Z]/ { synopsis = /^SYNOPSIS/ }
        !synopsis' | leading_options
}

# Every command has these from argp; qedtool.1 alone documents them.
without_common()
{
    grep -vxE -e '-\?|-h|-V|--help|--usage|--version' || true
}

compare()
{
    local what=$1

    comm -23 in_help in_page | sed "s/^/$what: not in the man page: /" >>findings
    comm -13 in_help in_page | sed "s/^/$what: not in --help: /" >>findings
}

"$QEDTOOL" --help >overview
mapfile -t commands < <(awk '
    /^ ?Commands:/ { inside = 1; next }
    inside && /^  [a-z]/ { print $1 }
    inside && !/^  / { inside = 0 }' overview)
[[ ${#commands[@]} -gt 0 ]] || fail "qedtool --help lists no command"
: >findings

leading_options <overview | { grep -vx -e '-?' || true; } >in_help
man_options "$srcdir/man/qedtool.1" | { grep -vx -e '-?' || true; } >in_page
[[ -s in_help ]] || fail "qedtool --help lists no option"
compare qedtool

for command in "${commands[@]}"; do
    page=$srcdir/man/qedtool-$command.1
    [[ -f $page ]] || fail "no man page: qedtool-$command.1"
    help_options "$command" | without_common >in_help
    man_options "$page" | without_common >in_page
    [[ -s in_help ]] || fail "qedtool $command --help lists no option"
    compare "qedtool $command"
done

for page in "$srcdir"/man/qedtool-*.1; do
    command=${page##*/qedtool-} command=${command%.1}
    [[ " ${commands[*]} " == *" $command "* ]] || echo "${page##*/}: no such command" >>findings
done

[[ ! -s findings ]] || { cat findings >&2; fail "--help and the man pages differ"; }
