#!/usr/bin/env bash
# create replaces a plain file whole, keeps its mode, follows a symbolic link to it, and honours the
# umask for a new one.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"

mkdir images elsewhere
cd images
"$QEDTOOL" create -q fresh.qed 64M

# A longer file of something else leaves no trace.
head -c 3000000 /dev/zero | tr '\0' x >a.qed
"$QEDTOOL" create -q a.qed 64M
same_file fresh.qed a.qed
craft a.qed 'data 5M 3M seed=3'
"$QEDTOOL" create -q a.qed 64M
same_file fresh.qed a.qed

chmod 640 a.qed
"$QEDTOOL" create -q a.qed 1M
[[ $(stat -c %a a.qed) == 640 ]] || fail "the mode became $(stat -c %a a.qed)"
(umask 027 && "$QEDTOOL" create -q b.qed 1M)
[[ $(stat -c %a b.qed) == 640 ]] || fail "the mode of a new file is $(stat -c %a b.qed)"

echo old >../elsewhere/target.qed
ln -s ../elsewhere/target.qed link.qed
"$QEDTOOL" create -q link.qed 64M
[[ -L link.qed ]] || fail "the link was replaced"
same_file fresh.qed ../elsewhere/target.qed
expect_files . a.qed b.qed fresh.qed link.qed
expect_files ../elsewhere target.qed
