#!/usr/bin/env bash
# A command line that makes no sense: exit 1, nothing on stdout, a sentence in qemu-img's words and
# a second line that says where help is.
. "$srcdir/tests/lib.sh"

# wrong SENTENCE ARG...
wrong()
{
    expect_status 1 "$QEDTOOL" "${@:2}"
    expect_stdout ""
    expect_stderr "qedtool: $1
Try 'qedtool --help' for more information"
}

"$QEDTOOL" create -q a.qed 1M
wrong "Not enough arguments"
wrong "Command not found: frobnicate" frobnicate a.qed
wrong "Command not found: inf" inf a.qed
wrong "Command not found: " ''
wrong "unrecognized option '--frobnicate'" --frobnicate
wrong "unrecognized option '-x'" -x

wrong "Expecting image file name" create
wrong "Expecting image file name" create -q -o cluster_size=4k
wrong "Unexpected argument: c" create a b c
wrong "Unexpected argument: c" convert a b c
for command in check info map; do
    wrong "Expecting one image file name" "$command"
    wrong "Expecting one image file name" "$command" a.qed a.qed
    wrong "missing argument for option '--output'" "$command" a.qed --output
    expect_status 1 "$QEDTOOL" "$command" --output=xml a.qed
    expect_stdout ""
    expect_stderr_has "qedtool: --output must be used with human or json as argument."
done
expect_status 1 "$QEDTOOL" convert a.qed
expect_stderr "qedtool: Must specify image file name"
expect_status 1 "$QEDTOOL" convert
expect_stderr "qedtool: Must specify image file name"

for command in check convert create info map; do
    wrong "unrecognized option '--frobnicate'" "$command" --frobnicate a.qed
    wrong "unrecognized option '--frobnicate=1'" "$command" --frobnicate=1 a.qed
    wrong "unrecognized option '-Z'" "$command" a.qed -Z
    wrong "missing argument for option '-f'" "$command" a.qed -f
    # What qemu-img has and this does not is refused, not passed over.
    for option in --object=secret,id=a --image-opts; do
        wrong "unrecognized option '$option'" "$command" "$option" a.qed
    done
done
for option in --frobnicate --format=qed -f -U; do
    wrong "unrecognized option '$option'" undo a.qed "$option" rec
done
wrong "missing argument for option '--limit'" check a.qed --limit
wrong "missing argument for option '-r'" check a.qed -r
wrong "missing argument for option '-S'" convert a.qed b.raw -S
wrong "missing argument for option '--backing'" map a.qed --backing
[[ ! -e b.raw ]] || fail "a target was made"
