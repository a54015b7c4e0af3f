# Gathers the results of bench/salvage for salvage-table.awk and salvage-svg.awk, which run after it
# on the same lines: case, kind, image; right and all sectors found and at best; right, all and
# harmed sectors after QEMU and after qedtool; "agree".
#
# Kinds are figured over the images that QEMU can open, so that its figures and qedtool's are about
# the same cases; so is "both". "all" is what the reach is about. All means are means of shares:
# each case weighs the same.
#
# SPDX-License-Identifier: MIT

# The part of what could be saved that is not.
function lost_part(share, best)
{
    return best > 0 && share < best ? (best - share) / best : 0
}

function add(row)
{
    cases[row]++
    sum["found", row] += found
    sum["best", row] += best
    sum["qemu", row] += qemu
    sum["qedtool", row] += qedtool
}

function mean(what, row)
{
    return cases[row] ? 100 * sum[what, row] / cases[row] : 0
}

function of_best(what, row)
{
    return sum["best", row] > 0 ? 100 * sum[what, row] / sum["best", row] : 100
}

{
    found = $4 / $5
    best = $6 / $7
    qemu = $8 == "-" ? 0 : $8 / $9
    qedtool = $11 / $12
    add("all")
    if ($8 == "-") {
        add("table_size 1")
    } else {
        if (!($2 in cases))
            kinds[++kind_count] = $2
        add($2)
        add("both")
        lost["qemu", cases["both"]] = lost_part(qemu, best)
        lost["qedtool", cases["both"]] = lost_part(qedtool, best)
    }
    if (qedtool < qemu - 1e-9)
        below_qemu = below_qemu " " $1
    if ($13 > 0)
        harmed = harmed " " $1
    if ($10 != "-" && $10 > 0)
        harmed_by_qemu++
    if (qedtool > best + 1e-9 || qemu > best + 1e-9)
        above_best = above_best " " $1
    if ($14 != "agree")
        disagree = disagree " " $1
}
