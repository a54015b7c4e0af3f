#!/usr/bin/env bash
# -q silences create's line, not its errors.
. "$srcdir/tests/lib.sh"

expect_status 0 "$QEDTOOL" create -q a.qed 1M
expect_stdout ""
expect_stderr ""
expect_status 0 "$QEDTOOL" create b.qed 1M --quiet
expect_stdout ""
same_file a.qed b.qed

expect_status 1 "$QEDTOOL" create -q -o cluster_size=5k a.qed 1M
expect_stdout ""
expect_stderr \
    "qedtool: a.qed: QED cluster size must be within range [4096, 67108864] and power of 2"
# Without -q the line is there before the image is refused.
expect_status 1 "$QEDTOOL" create -o cluster_size=5k a.qed 1M
expect_stdout "Formatting 'a.qed', fmt=qed size=1048576 cluster_size=5120"
