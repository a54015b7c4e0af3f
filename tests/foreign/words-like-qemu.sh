#!/usr/bin/env bash
# Where a script would read the answer, or an admin the error, qedtool's words are qemu-img's: same
# exit status, same stdout, same stderr but for the program's name.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/foreign/lib.sh"
requires qemu-img qemu-io

# make_files: what the commands below work on
make_files()
{
    qemu-img create -q -f qed a.qed 64M
    qemu-io -f qed -c 'write -P 1 0 256k' -c 'write -z 1M 64k' a.qed >/dev/null
    qemu-img create -q -f qed -b a.qed -F qed over.qed
    qemu-img create -q -f qed -u -b gone.qed -F qed orphan.qed 1M
    qemu-img create -q -f qed -u -b ring2.qed -F qed ring1.qed 1M
    qemu-img create -q -f qed -u -b ring1.qed -F qed ring2.qed 1M
    truncate -s 1M a.raw
    truncate -s 3M small.raw
    cp a.qed leaks.qed
    printf '%s\n' 'leak 5' | "$QEDCRAFT" leaks.qed
    cp a.qed bad.qed
    # The last one: one between others would be named again, which QEMU does not do.
    printf '%s\n' 'poke-l2 0 3 eof' | "$QEDCRAFT" bad.qed
    cp a.qed shared.qed
    printf '%s\n' 'poke-l2 0 1 data:0:0' | "$QEDCRAFT" shared.qed
    for field in cluster_size table_size image_size l1_table_offset features header_size; do
        cp a.qed "$field.qed"
        printf '%s\n' "poke-header $field 0x1234568" | "$QEDCRAFT" "$field.qed"
    done
}

# same_words ARG...
same_words()
{
    local theirs=0 ours=0

    cp -r files work
    (cd work && exec qemu-img "$@") >theirs.out 2>theirs.err || theirs=$?
    rm -r work
    cp -r files work
    (cd work && exec "$QEDTOOL" "$@") >ours.out 2>ours.err || ours=$?
    rm -r work
    sed -i 's/qemu-img/qedtool/g' theirs.err
    # One of QEMU's second lines ends without a newline.
    [[ -z $(tail -c 1 theirs.err) ]] || echo >>theirs.err
    # Findings, what is wrong with a header's field, and what to do are what qedtool tells besides.
    sed -i -e '/^qedtool: QED-/d' -e "/^qedtool: 'qedtool check /d" \
        -e '/^qedtool: [0-9]* guest bytes are lost/d' -e '/^qedtool: Leaked clusters are kept/d' -e 's/\(QED [a-z ]* is invalid\) (.*)$/\1/' ours.err
    diff -u theirs.out ours.out >&2 || fail "other words on stdout: $*"
    diff -u theirs.err ours.err >&2 || fail "other words on stderr: $*"
    [[ $theirs -eq $ours ]] || fail "exit status $ours, not $theirs: $*"
}

mkdir files
(cd files && make_files)

same_words
same_words frobnicate
for command in check info map; do
    same_words "$command"
    same_words "$command" a.qed a.qed
    same_words "$command" --frobnicate a.qed
    same_words "$command" a.qed -f
    same_words "$command" none.qed
    same_words "$command" -f qed a.raw
    same_words "$command" -f frob a.qed
    for field in cluster_size table_size image_size l1_table_offset features; do
        same_words "$command" "$field.qed"
    done
done
same_words check a.qed
same_words check -q a.qed
same_words check leaks.qed
same_words check bad.qed
same_words check shared.qed
same_words check -q shared.qed
same_words check -f raw a.qed
same_words check -r frob a.qed
same_words check -r all a.qed
same_words check -r all bad.qed
# Leaks and shared clusters are mended here, and not by QEMU.

same_words map a.qed
same_words map --output=json a.qed
same_words map a.raw
same_words map over.qed
same_words map orphan.qed
same_words map a.qed -s 64k -l 128k
same_words map a.qed -s 128M
same_words info orphan.qed
same_words info --backing-chain over.qed
same_words info --backing-chain ring1.qed
same_words info --backing-chain --output=json ring1.qed

same_words create -f qed new.qed 1M
same_words create -f qed new.qed 1234
same_words create -f qed -o cluster_size=4k,table_size=2 new.qed 1M
same_words create -f qed -b a.qed -F qed new.qed
same_words create -f qed new.qed 6G -b a.qed -F qed
same_words create -f qed -o backing_file=a.raw -F raw new.qed
same_words create -f qed -q new.qed 1M
same_words create -f raw new.raw 1M
same_words create -f qed -o preallocation=off new.qed 1M
same_words create -f qed -o table_size=2,preallocation=off -b a.qed -F qed new.qed
for mode in off falloc full metadata frob; do
    same_words create -f raw -o preallocation=$mode new.raw 1M
done
same_words create -f qed
same_words create -f qed new.qed
same_words create -f qed new.qed 1M 2M
same_words create -f qed new.qed frob
same_words create -f frob new.qed 1M
same_words create -f qed -o frob=1 new.qed 1M
same_words create -f qed -o cluster_size=3k new.qed 1M
same_words create -f qed -o table_size=5 new.qed 1M
same_words create -f qed new.qed 65T
same_words create -f qed none/new.qed 1M
same_words create -f qed -b none.qed -F qed new.qed
same_words create -f qed -b a.qed new.qed
same_words create -f qed -b a.raw new.qed
same_words create -f qed -u -b none.qed -F qed new.qed
same_words create -f qed -u -b none.qed -F qed new.qed 1M

same_words convert -O qed a.qed new.qed
same_words convert -p -O raw orphan.qed new.raw
same_words convert -O raw a.qed new.raw
same_words convert a.qed
same_words convert -O frob a.qed new
same_words convert -f frob a.qed new
same_words convert -c -O qed a.qed new.qed
same_words convert -O qed -o frob=1 a.qed new.qed
same_words convert -O qed -o cluster_size=3k a.qed new.qed
same_words convert -O raw -S 1 a.qed new.raw
same_words convert -O raw none.qed new.raw
same_words convert -O raw a.qed none/new.raw
same_words convert -n -O raw a.qed small.raw
same_words convert -n -O raw a.qed new.raw
same_words convert -n -O qed a.qed small.raw
same_words convert --target-is-zero -O raw a.qed new.raw
same_words convert -n --target-is-zero -O raw a.qed small.raw
same_words convert -O raw -o preallocation=metadata a.qed new.raw
same_words convert -O raw -o preallocation=falloc a.qed new.raw
same_words convert -B a.qed -O qed over.qed new.qed
same_words convert -B a.qed -F qed -O qed over.qed new.qed
