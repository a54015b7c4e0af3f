# The rows of bench/convert, read into cases (an image, a direction, the cache, durable or not) and
# the ways of each; runs before convert-table.awk or convert-svg.awk.
# SPDX-License-Identifier: MIT

$1 == "run" {
    row = $2 SUBSEP $3 SUBSEP $4 SUBSEP $5
    if (!(row in way_count)) {
        rows[++row_count] = row
        way_count[row] = 0
    }
    if (!((row, $6) in run_count))
        ways[row, ++way_count[row]] = $6
    times[row, $6, ++run_count[row, $6]] = $7
}

$1 == "memory" && $2 > most_kib { most_kib = $2 }
$1 == "check" { checks[$2, ++check_count[$2]] = $3 }
$1 == "left out" { missing[++missing_count] = $2 }

# Of values key SUBSEP 1 to count.
function median_of(values, key, count,    sorted, i, j, value)
{
    for (i = 1; i <= count; i++) {
        value = values[key, i]
        for (j = i - 1; j > 0 && sorted[j] > value; j--)
            sorted[j + 1] = sorted[j]
        sorted[j + 1] = value
    }
    return count ? sorted[int((count + 1) / 2)] : 0
}

function median(row, way)
{
    return median_of(times, row SUBSEP way, run_count[row, way])
}

# The fastest of the others; fio copies nothing and is none of them.
function best_peer(row,    i, way, best)
{
    for (i = 1; i <= way_count[row]; i++) {
        way = ways[row, i]
        if (way != "qedtool" && way != "fio" && (!best || median(row, way) < median(row, best)))
            best = way
    }
    return best
}

# Times as fast as another way.
function ratio(row, way)
{
    return median(row, way) / (median(row, "qedtool") ? median(row, "qedtool") : 1)
}
