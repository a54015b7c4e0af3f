# The figures of bench/convert as Markdown tables; runs after convert-data.awk.
# SPDX-License-Identifier: MIT

function round_ratio(value)
{
    return sprintf(value < 9.95 ? "%.1f" : "%.0f", value)
}

function print_row(row,    part, best)
{
    split(row, part, SUBSEP)
    best = best_peer(row)
    printf "| %s | %s | %s | %s | %d | %d | %s | %s | %s |\n", part[1], part[2], part[3], part[4],
        median(row, "qedtool"), median(row, best), best, round_ratio(ratio(row, best)),
        (row, "fio") in run_count ? sprintf("%.0f", 100 * ratio(row, "fio")) : ""
}

function print_all(row,    part, i)
{
    split(row, part, SUBSEP)
    for (i = 1; i <= way_count[row]; i++)
        printf "| %s | %s | %s | %s | %s | %d |\n", part[1], part[2], part[3], part[4], ways[row, i],
            median(row, ways[row, i])
}

END {
    print "Milliseconds, medians of each way's runs."
    print ""
    print "| image | direction | cache | target | qedtool | best other | which | ratio | % of fio |"
    print "|---|---|---|---|---:|---:|---|---:|---:|"
    for (i = 1; i <= row_count; i++)
        print_row(rows[i])
    print ""
    if (most_kib)
        printf "Peak memory of qedtool: %d MiB.\n", (most_kib + 1023) / 1024
    if (check_count["ours"])
        printf "qedtool check, cold, clusters of 4 KiB: %d ms of an image that qedtool wrote, " \
            "%d ms of one that qemu-img wrote.\n", median_of(checks, "ours", check_count["ours"]),
            median_of(checks, "theirs", check_count["theirs"])
    for (i = 1; i <= missing_count; i++)
        printf "Left out: %s.\n", missing[i]
    print ""
    print "| image | direction | cache | target | way | ms |"
    print "|---|---|---|---|---|---:|"
    for (i = 1; i <= row_count; i++)
        print_all(rows[i])
}
