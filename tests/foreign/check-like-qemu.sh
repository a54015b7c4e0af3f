#!/usr/bin/env bash
# Of damaged images check reports the numbers and lines of qemu-img and exits like it, where QEMU
# counts right.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/foreign/lib.sh"
requires qemu-img jq

# damaged LINE...: a sound image, and what qedcraft does to it
damaged()
{
    printf '%s\n' 'new size=4G' 'data 0 256K' 'zero 1M 128K' 'data 2G 100K' "$@" |
        "$QEDCRAFT" a.qed
    same_check a.qed
}

damaged
damaged 'leak 1'
damaged 'leak 17'
damaged 'poke-l2 0 1 0'
damaged 'poke-l2 0 1 eof'
damaged 'poke-l2 0 1 eof+1G' 'poke-l2 0 3 eof-cluster'
damaged 'poke-l2 0 2 data:0:1'
damaged 'poke-l2 1 0 data:0:1' 'poke-l2 0 17 data:0:1'
damaged 'poke-l2 0 1 data:0:1|512'
damaged 'poke-l2 0 1 data:0:1+4096' 'poke-l2 1 1 7'
damaged 'poke-l2 0 1 2'
damaged 'poke-l1 1 eof'
damaged 'poke-l1 1 0x7777'
damaged 'poke-l1 1 l2:0'
damaged 'l2 100'
damaged 'poke-l1 200 eof+2M'
damaged 'truncate -64K'
damaged 'truncate -512'
damaged 'extend eof+100'
damaged 'extend eof+64K'
damaged 'swap-l2 0 0 0 2' 'swap-l2 0 1 0 3'
damaged 'set features need_check' 'poke-l2 0 1 eof'
truncate -s 1M base.raw
damaged 'backing base.raw raw' 'leak 2'

# In smaller clusters.
printf '%s\n' 'new size=8M cluster=4K table=2' 'data 0 1M' 'zero 2M 64K' 'data 5M 300K' \
    'poke-l2 0 7 eof' 'poke-l2 0 8 data:0:9' 'poke-l2 1 300 5000' 'leak 3' | "$QEDCRAFT" a.qed
same_check a.qed
