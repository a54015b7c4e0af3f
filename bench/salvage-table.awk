# The figures of bench/salvage as a table; runs after salvage-data.awk.
# SPDX-License-Identifier: MIT

function print_row(row, name, has_qemu)
{
    printf "%-18s %5d %9.2f %9s %9.2f %9.2f   %9s %9.2f\n", name, cases[row], mean("found", row),
        has_qemu ? sprintf("%.2f", mean("qemu", row)) : "-", mean("qedtool", row),
        mean("best", row), has_qemu ? sprintf("%.2f", of_best("qemu", row)) : "-",
        of_best("qedtool", row)
}

function print_table(    i)
{
    print "Guest data that reads right, mean % of the cases"
    printf "%-18s %5s %9s %9s %9s %9s   %19s\n", "", "", "", "", "", "", "% of the best"
    printf "%-18s %5s %9s %9s %9s %9s   %9s %9s\n", "damage", "cases", "found", "QEMU", "qedtool",
        "best", "QEMU", "qedtool"
    for (i = 1; i <= kind_count; i++)
        print_row(kinds[i], kinds[i], 1)
    print_row("both", "these together", 1)
    if (cases["table_size 1"])
        print_row("table_size 1", "table_size 1", 0)
    print_row("all", "all", 0)
}

function print_histogram(    ends, names, bins, i, j, count)
{
    bins = split("0 0.0001 0.001 0.01 0.1 0.5 0.999999 1", ends, " ")
    split("nothing|up to 0.01 %|up to 0.1 %|up to 1 %|up to 10 %|up to 50 %|more than 50 %|all", names,
        "|")
    for (i = 1; i <= cases["both"]; i++) {
        for (j = 1; lost["qemu", i] > ends[j]; j++)
            ;
        count["qemu", j]++
        for (j = 1; lost["qedtool", i] > ends[j]; j++)
            ;
        count["qedtool", j]++
    }
    printf "\n%-18s %26s   %s\n", "Lost, of what the", "cases of QEMU", "cases of qedtool"
    print "best could save"
    for (j = 1; j <= bins; j++)
        printf "%-18s %20s %5d   %-5d %s\n", names[j], bar(count["qemu", j]), count["qemu", j],
            count["qedtool", j], bar(count["qedtool", j])
}

function bar(count,    text)
{
    text = sprintf("%40s", "")
    gsub(/ /, "#", text)
    return substr(text, 1, int(20 * count / cases["both"] + 0.999))
}

function print_list(what, list,    numbers)
{
    printf "%s: %d%s\n", what, split(list, numbers, " "), list ? ":" list : ""
}

END {
    if (!cases["all"])
        exit 1
    print_table()
    print_histogram()
    printf "\nqedtool over all: %.2f %% of the best possible (reach: 95)\n", of_best("qedtool", "all")
    print_list("Cases in which qedtool is below QEMU (reach: 0)", below_qemu)
    print_list("Cases in which qedtool made bytes unreadable or wrong that read right (reach: 0)",
        harmed)
    printf "The same of QEMU: %d\n", harmed_by_qemu
    if (above_best)
        print_list("Cases above the best possible (a fault of this bench)", above_best)
    if (disagree)
        print_list("Cases that the judge reads otherwise than the tool (a fault of either)", disagree)
}
