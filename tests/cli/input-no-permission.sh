#!/usr/bin/env bash
# A file that may not be read or written to is left alone, and the message says why; where reading
# is enough, a read-only file is no obstacle. As root, this runs as nobody.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"

as_user=()
if [[ $(id -u) -eq 0 ]]; then
    requires setpriv
    as_user=(setpriv --reuid=65534 --regid=65534 --clear-groups)
fi
chmod 755 .
"${as_user[@]}" "$QEDTOOL" --version >/dev/null 2>&1 || skip "nobody may not run $QEDTOOL"

# denied FILE ARG...
denied()
{
    expect_status 1 "${as_user[@]}" "$QEDTOOL" "${@:2}"
    expect_stderr_has "${1##*/}'"
    expect_stderr_has "Permission denied"
}

mkdir open closed
craft open/ro.qed 'new size=1M' 'data 0 64K seed=1' 'poke-l2 0 3 eof'
cp open/ro.qed open/secret.qed
echo "of an earlier day" >open/old.raw
echo "of an earlier day" >closed/old.raw
chmod 444 open/ro.qed open/old.raw
chmod 000 open/secret.qed
if [[ $(id -u) -eq 0 ]]; then
    chown 65534 open/ro.qed open/secret.qed open/old.raw closed/old.raw
    chmod 777 open
fi
chmod 555 closed

for command in info check map; do
    denied open/secret.qed "$command" open/secret.qed
    expect_stdout ""
done
denied open/secret.qed convert open/secret.qed open/new.raw
denied open/secret.qed create -b secret.qed -F qed open/new.qed

# Reading is enough.
expect_status 0 "${as_user[@]}" "$QEDTOOL" info open/ro.qed
expect_status 0 "${as_user[@]}" "$QEDTOOL" map -l 64k open/ro.qed
expect_status 2 "${as_user[@]}" "$QEDTOOL" check open/ro.qed
# A repair needs more.
unchanged open/ro.qed denied open/ro.qed check -r all open/ro.qed
expect_stdout ""
unchanged open/ro.qed denied open/ro.qed undo open/ro.qed open/secret.qed
expect_stdout ""
# So does an undo record.
cp open/ro.qed open/rw.qed
chmod 666 open/rw.qed
unchanged open/rw.qed denied open/secret.qed undo open/rw.qed open/secret.qed
rm open/rw.qed

# No new file there, and no way to replace one.
denied closed/new.qed create closed/new.qed 1M
denied closed/new.raw convert -f raw open/ro.qed closed/new.raw
expect_files closed old.raw
# The folder would let us replace the file, but the file does not want to be written to.
for command in "create open/old.raw 1M" "convert -f raw open/ro.qed open/old.raw" \
    "convert -n -f raw open/ro.qed open/old.raw"; do
    # shellcheck disable=SC2086 # a command line
    unchanged open/old.raw denied open/old.raw $command
    expect_files open old.raw ro.qed secret.qed
done
