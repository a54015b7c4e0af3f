#!/usr/bin/env bash
# -W loses nothing, also where what comes first in the guest is read last: parts of the source are in
# memory, others not.
. "$srcdir/tests/lib.sh"
. "$srcdir/tests/cli/lib.sh"

head -c 96M /dev/urandom >a.raw
for options in "-O qed -o cluster_size=4k,table_size=1" "-O raw" \
    "-O qed -o preallocation=metadata,cluster_size=4k"; do
    for round in 1 2 3 4; do
        sync -d a.raw
        cat a.raw >/dev/null
        # Every third MiB is dropped from the page cache.
        for ((mib = round % 3; mib < 96; mib += 3)); do
            dd if=a.raw iflag=nocache bs=1M skip=$mib count=1 of=/dev/null status=none
        done
        # shellcheck disable=SC2086 # words
        expect_status 0 "$QEDTOOL" convert -W -T writeback -f raw $options a.raw b
        format=${options#-O }
        expect_status 0 "$QEDTOOL" convert -f "${format%% *}" b back.raw
        same_file a.raw back.raw
        [[ ${format%% *} == raw ]] || expect_status 0 "$QEDTOOL" check b
    done
done
