#!/usr/bin/env bash
# -B makes a target on top of a backing file, with only what differs from it.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"

craft base.qed 'new size=4M' 'data 0 1M seed=1' 'zero 2M 64K' 'data 3M 64K seed=4'
cp base.qed copy.qed
# The copy: a cluster changed, one added, one become zeroes.
craft copy.qed 'data 128K 64K seed=2' 'data 2M+128K 64K seed=3' 'zero 512K 64K'
"$QEDCRAFT" copy.qed --read 0 4M >copy.raw
"$QEDTOOL" convert base.qed base.raw

# clusters FILE: entries in use, as INDEX:data or INDEX:zero
clusters()
{
    "$QEDCRAFT" "$1" --dump | awk '$1 == "l2" { printf "%s%s:%s", s, $3, $4 == "zero" ? "zero" : "data"; s = " " }'
}

# differs_in CLUSTERS SOURCE OPTION...
differs_in()
{
    expect_status 0 "$QEDTOOL" convert -O qed "${@:3}" "$2" over.qed
    expect_stdout ""
    expect_stderr ""
    [[ $(clusters over.qed) == "$1" ]] || fail "written: $(clusters over.qed)"
    expect_status 0 "$QEDTOOL" check over.qed
    expect_status 0 "$QEDTOOL" convert over.qed over.raw
    same_file copy.raw over.raw
}

differs_in "2:data 8:zero 34:data" copy.qed -B base.qed -F qed
expect_status 0 "$QEDTOOL" info over.qed
expect_stdout_has "backing file: base.qed"
differs_in "2:data 8:zero 34:data" copy.raw -o backing_file=base.qed,backing_fmt=qed
differs_in "2:data 8:zero 34:data" copy.raw -B base.qed -o backing_fmt=qed
differs_in "2:data 8:zero 34:data" copy.qed -B base.raw -F raw
expect_status 0 "$QEDTOOL" info over.qed
expect_stdout_has "backing file format: raw"

# An image on the very same backing file: what is common to both is not even compared.
"$QEDTOOL" create -q -b base.qed -F qed child.qed
craft child.qed 'data 128K 64K seed=2' 'data 2M+128K 64K seed=3' 'zero 512K 64K'
differs_in "2:data 8:zero 34:data" child.qed -B base.qed -F qed

# The name is taken from the target's folder.
mkdir sub
expect_status 1 "$QEDTOOL" convert -O qed -B base.qed -F qed copy.qed sub/over.qed
expect_stderr_has "Could not open 'sub/base.qed': No such file or directory"
[[ ! -e sub/over.qed ]] || fail "a target was made"
expect_status 0 "$QEDTOOL" convert -O qed -B ../base.qed -F qed copy.qed sub/over.qed
expect_status 0 "$QEDTOOL" convert sub/over.qed over.raw
same_file copy.raw over.raw

# A shorter backing file, and a longer one.
for size in 1000448 6M; do
    cp base.raw other.raw
    truncate -s "$size" other.raw
    expect_status 0 "$QEDTOOL" convert -O qed -B other.raw -F raw copy.raw over.qed
    expect_status 0 "$QEDTOOL" convert over.qed over.raw
    same_file copy.raw over.raw
done

rm over.qed
expect_status 1 "$QEDTOOL" convert -O qed -B base.qed copy.qed over.qed
expect_stderr "qedtool: Use of backing file requires explicit backing format"
expect_status 1 "$QEDTOOL" convert -O raw -B base.qed -F qed copy.qed over.qed
expect_stderr_has "Backing file not supported for file format 'raw'"
expect_status 1 "$QEDTOOL" convert -O qed -B none.qed -F qed copy.qed over.qed
expect_stderr_has "No such file or directory"
unchanged base.qed expect_status 1 "$QEDTOOL" convert -O qed -B base.qed -F qed copy.qed base.qed
[[ ! -e over.qed ]] || fail "a target was made"
