#!/usr/bin/env bash
# Where one buffer is copied after the other, over a backing file and into a QED image that is there,
# -t and -T have the effect that they have elsewhere, and -C is refused.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"
requires strace

craft base.qed 'new size=8M' 'data 0 4M seed=1'
craft a.qed 'new size=8M' 'data 1M 4M seed=2'
"$QEDCRAFT" a.qed --read 0 8M >a.raw

ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=0" # that does not work under a tracer

# traced ARG...: convert; what it asks the kernel for is then in the file trace.
traced()
{
    expect_status 0 strace -f -qq -o trace -y -e trace=openat,pread64,pwrite64,fdatasync,fsync \
        "$QEDTOOL" convert "$@"
    expect_stderr ""
}

# count PATTERN
count()
{
    grep -cE -e "$1" trace || true
}

strace -qq -o trace true 2>/dev/null || skip "strace cannot trace here"
for target in "-B base.qed -F qed" "-n"; do
    # shellcheck disable=SC2086 # words
    for options in "" "-t none" "-T none" "-t unsafe" "-t none -T none -m 4 -W"; do
        rm -f b.qed
        [[ $target != -n ]] || "$QEDTOOL" create -q b.qed 8M
        traced -O qed $target $options a.qed b.qed
        "$QEDTOOL" convert b.qed b.raw
        same_file a.raw b.raw
        expect_status 0 "$QEDTOOL" check b.qed
        case $options in
        *"-t none"*) [[ $(count 'O_RDWR.*O_DIRECT[^O]') -ge 1 ]] || fail "$target $options: not direct" ;;
        *) [[ $(count 'O_RDWR.*O_DIRECT[^O]') -eq 0 ]] || fail "$target $options: written direct" ;;
        esac
        case $options in
        *"-T none"*) [[ $(count 'O_RDONLY.*O_DIRECT[^O]') -ge 1 ]] || fail "$target $options: not direct" ;;
        *) [[ $(count 'O_RDONLY.*O_DIRECT[^O]') -eq 0 ]] || fail "$target $options: read direct" ;;
        esac
        case $options in
        *unsafe*) [[ $(count '(fdatasync|fsync)\(') -eq 0 ]] || fail "$target $options: flushed" ;;
        *) [[ $(count '(fdatasync|fsync)\(') -ge 1 ]] || fail "$target $options: not flushed" ;;
        esac
    done
done

# Not only is the file open: the data goes that way.
rm b.qed
traced -O qed -B base.qed -F qed -t none -T none a.qed b.qed
direct=$(sed -nE 's/.*openat\(.*O_RDWR\|O_DIRECT.* = ([0-9]+)<.*/\1/p' trace | tail -n 1)
[[ -n $direct ]] || fail "no descriptor: $(cat trace)"
written=$(sed -nE "s/.*pwrite64\($direct<.* = ([0-9]+)\$/\1/p" trace | awk '{ sum += $1 } END { print sum + 0 }')
[[ $written -ge $((4 << 20)) ]] || fail "$written bytes went past the page cache"

for target in "-B base.qed -F qed b.qed" "-n b.qed" "-o cluster_size=2M c.qed"; do
    before=$(sha256sum b.qed)
    # shellcheck disable=SC2086
    expect_status 1 "$QEDTOOL" convert -O qed -C ${target% *} a.qed "${target##* }"
    expect_stderr_has "-C cannot be used here"
    [[ $(sha256sum b.qed) == "$before" ]] || fail "b.qed was changed: $target"
done
[[ ! -e c.qed ]] || fail "something was made"
