#!/usr/bin/env bash
# What can go wrong with a pipe: what did not come whole is no image, a new target is gone, one that
# was there stays, and nothing but the image goes to standard output.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"

mkdir target
head -c 3M /dev/urandom >a.raw
"$QEDTOOL" convert -O qed a.raw a.qed
"$QEDTOOL" convert -O raw.gz a.raw a.raw.gz

# refused SENTENCE ARGUMENT...: standard input being given by the caller, into no target and into one.
refused()
{
    local format

    cat >input
    for format in raw qed raw.gz; do
        rm -f target/disk
        expect_status 1 "$QEDTOOL" convert -O $format "${@:2}" - target/disk < <(cat input)
        expect_stdout ""
        expect_stderr "qedtool: $1"
        expect_files target
        echo "of an earlier day" >target/disk
        unchanged target/disk \
            expect_status 1 "$QEDTOOL" convert -O $format "${@:2}" - target/disk < <(cat input)
        expect_files target disk
    done
}

# A writer that died.
head -c 3000000 a.raw | refused \
    "standard input: ended after 3000000 of the 3145728 bytes that it was to have" -o size=3M
refused "standard input: there is nothing in it" </dev/null
refused "standard input: ended after 0 of the 3145728 bytes that it was to have" -o size=3M </dev/null
refused "standard input: there is more than the 1048576 bytes that it was to have" -o size=1M <a.raw
(cat a.raw; echo) | refused \
    "standard input: there is more than the 3145728 bytes that it was to have" -o size=3M
expect_status 0 "$QEDTOOL" convert -o size=3M - target/disk < <(cat a.raw)
same_file a.raw target/disk
expect_status 0 "$QEDTOOL" convert -O qed -o size=0 - target/disk </dev/null
expect_status 0 "$QEDTOOL" info target/disk
expect_stdout_has "virtual size: 0 B"

# No image of another format passes for raw, unless it is said to be.
refused "standard input: a QED image cannot be read from a pipe, or compressed: its tables may stand anywhere" <a.qed
refused "Could not open '-': a QED image cannot be read from a pipe, or compressed: its tables may stand anywhere" -f qed <a.qed
refused "standard input: it begins like a gzip file: its format has to be given, raw.gz or raw" <a.raw.gz
printf 'QFI\xfb%0600d' 0 | refused "standard input: Image is in qcow2 format, which is not supported"
refused "Could not open '-': Unknown driver 'vmdk'" -f vmdk <a.raw
"$QEDTOOL" convert -f raw - target/disk <a.qed
cmp -n "$(stat -c %s a.qed)" a.qed target/disk >&2 || fail "raw is not raw"
expect_status 1 "$QEDTOOL" convert -O qed a.raw -
expect_stdout ""
expect_stderr "qedtool: a QED image cannot be written to a pipe: its header and tables are known only at the end"

# A reader that closes early; one that is not there at all.
for options in "-O raw" "-O raw.gz"; do
    for source in a.qed -; do
        status=0
        # shellcheck disable=SC2086 # two words
        "$QEDTOOL" convert $options -f "$([[ $source == - ]] && echo raw || echo qed)" "$source" - \
            < <(cat a.raw a.raw a.raw) 2>err | head -c 1000 >out || status=${PIPESTATUS[0]}
        [[ $status -eq 1 ]] || fail "exit status $status: $(cat err)"
        [[ $(stat -c %s out) -eq 1000 ]] || fail "$(stat -c %s out) bytes came"
        [[ $(wc -l <err) -eq 1 ]] || fail "not one line: $(cat err)"
        expect_stderr_has "the output is not read any further"

        # shellcheck disable=SC2086
        expect_status 1 to_full convert $options -f raw "${source/a.qed/a.raw}" - < <(cat a.raw)
        expect_stderr_has "No space left on device"
    done
done

# -p keeps away from the image.
"$QEDTOOL" convert -p a.qed - 2>err | cmp - a.raw >&2 || fail "something else on standard output"
expect_stderr_has "(100.00/100%)"
expect_status 0 "$QEDTOOL" convert -p - b.raw < <(cat a.raw)
expect_stdout_has "(3 MiB, "
expect_status 0 "$QEDTOOL" convert -p -o size=3M - b.raw < <(cat a.raw)
expect_stdout_has "(100.00/100%)"
