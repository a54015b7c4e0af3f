#!/usr/bin/env bash
# convert -o preallocation: the guest reads the same, every cluster has its place, and the space is
# there or not, as the mode says.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"

# taken FILE: KiB
taken()
{
    sync -d "$1"
    du -k "$1" | cut -f1
}

craft a.qed 'new size=64M' 'data 0 5M seed=1' 'data 9M+512 70K seed=2' 'data 30M 1M byte=0' \
    'data 67108352 512 seed=3'
"$QEDCRAFT" a.qed --read 0 64M >a.raw

for geometry in 4k:2:16384 64k:4:1024 2M:1:32; do
    IFS=: read -r cluster table clusters <<<"$geometry"
    for mode in metadata falloc full; do
        for how in "" "-W -t none -T none" "-m 1 -t unsafe"; do
            # shellcheck disable=SC2086 # words
            expect_status 0 "$QEDTOOL" convert $how -O qed \
                -o "preallocation=$mode,cluster_size=$cluster,table_size=$table" a.qed b.qed
            expect_stderr ""
            "$QEDCRAFT" b.qed --read 0 64M | cmp - a.raw || fail "$mode $geometry: other bytes"
            expect_status 0 "$QEDTOOL" check b.qed
            expect_stdout_has "$clusters/$clusters = 100.00% allocated, 0.00% fragmented"
            if [[ $mode == metadata ]]; then
                [[ $(taken b.qed) -lt 8192 ]] || fail "$mode $geometry: $(taken b.qed) KiB"
            else
                [[ $(taken b.qed) -ge $(($(stat -c %s b.qed) / 1024 - 4096)) ]] ||
                    fail "$mode $geometry: $(taken b.qed) KiB"
                [[ $(taken b.qed) -ge 65536 ]] || fail "$mode $geometry: $(taken b.qed) KiB"
            fi
        done
        [[ $table == 1 ]] || ! command -v qemu-img >/dev/null || {
            qemu-img compare -f raw -F qed a.raw b.qed >qemu.out || fail "$(cat qemu.out)"
            length=$(stat -c %s b.qed)
            qemu-io -f qed -c 'write -P 7 20M 12M' b.qed >qemu.out || fail "$(cat qemu.out)"
            [[ $(stat -c %s b.qed) -eq $length ]] || fail "b.qed grew"
        }
    done
done

for mode in falloc full; do
    expect_status 0 "$QEDTOOL" convert -O raw -o preallocation=$mode a.qed b.raw
    same_file a.raw b.raw
    [[ $(taken b.raw) -ge 65536 ]] || fail "$mode: $(taken b.raw) KiB"
done
# Full is written: no holes to be seen by who looks for them. (Reserved space may look like one.)
expect_status 0 "$QEDTOOL" map -f raw --output=json b.raw
[[ $(wc -l <out) -eq 1 ]] || fail "full has holes: $(cat out)"
expect_stdout_has '"zero": false'

rm -f b.qed
expect_status 1 "$QEDTOOL" convert -O raw -o preallocation=metadata a.qed c.raw
expect_stderr "qedtool: c.raw: error while converting raw: Unsupported preallocation mode: metadata"
truncate -s 64M base.raw
expect_status 1 "$QEDTOOL" convert -O qed -B base.raw -F raw -o preallocation=falloc a.qed b.qed
expect_stderr "qedtool: b.qed: error while converting qed: \
Backing file and preallocation cannot be used at the same time"
for mode in falloc full; do
    expect_status 1 "$QEDTOOL" convert -C -O qed -o preallocation=$mode a.qed b.qed
    expect_stderr_has "-C cannot be used with preallocation=$mode"
done
[[ ! -e b.qed && ! -e c.raw ]] || fail "something was made"
expect_status 0 "$QEDTOOL" convert -C -O qed -o preallocation=metadata a.qed b.qed
"$QEDCRAFT" b.qed --read 0 64M | cmp - a.raw || fail "-C: other bytes"
# A target that is there has its space.
expect_status 0 "$QEDTOOL" convert -n -O raw -o preallocation=falloc a.qed base.raw
expect_stderr "qedtool: -o has no effect when skipping image creation"
[[ $(taken base.raw) -lt 8192 ]] || fail "-n preallocates"
