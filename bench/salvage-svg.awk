# The figures of bench/salvage as a picture (SVG); runs after salvage-data.awk. On the left a pair
# of bars for each kind of damage, on the right how much is lost in how many cases.
# SPDX-License-Identifier: MIT

BEGIN {
    color["qemu"] = "#d9822b"
    color["qedtool"] = "#1f6f9f"
    ink_of["qemu"] = "#a85a10"
    ink_of["qedtool"] = color["qedtool"]
    stroke_width["qemu"] = 5
    stroke_width["qedtool"] = 2.5
    name["qemu"] = "qemu-img check -r all"
    name["qedtool"] = "qedtool check"
    ink = "#222222"
    pale = "#d8d8d8"
    best_color = "#ececec"
    # The panels: left edge, width; both have the same top.
    bars_left = 150
    bars_width = 400
    curve_left = 690
    curve_width = 430
    top = 150
    row_height = 34
    # The curve's axis goes from what counts as nothing to everything, in powers of ten.
    decades = 4
}

function text(x, y, anchor, size, fill, what)
{
    printf "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" font-size=\"%d\" fill=\"%s\">%s</text>\n",
        x, y, anchor, size, fill, what
}

function line(x1, y1, x2, y2, stroke)
{
    printf "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>\n", x1, y1, x2, y2,
        stroke
}

function rect(x, y, width, height, fill)
{
    printf "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"/>\n", x, y, width,
        height, fill
}

function draw_head(height)
{
    printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1180\" height=\"%d\" " \
        "viewBox=\"0 0 1180 %d\" font-family=\"DejaVu Sans, Verdana, sans-serif\">\n", height, height
    print "<title>Guest data that reads right after a repair</title>"
    rect(0, 0, 1180, height, "#ffffff")
    text(24, 38, "start", 22, ink, "Guest data that reads right after a repair")
    text(24, 62, "start", 13, "#555555", sprintf("%d damaged images (seed %d) that both can open " \
        "when undamaged. Over these, QEMU saves %.1f %% and qedtool %.1f %% of the best possible.",
        cases["both"], seed, of_best("qemu", "both"), of_best("qedtool", "both")))
}

function draw_legend(y)
{
    rect(24, y - 11, 14, 14, color["qemu"])
    text(44, y, "start", 13, ink, name["qemu"])
    rect(224, y - 11, 14, 14, color["qedtool"])
    text(244, y, "start", 13, ink, name["qedtool"])
    rect(370, y - 11, 14, 14, best_color)
    rect(383, y - 11, 2, 14, ink)
    text(392, y, "start", 13, ink, "the best possible")
}

function draw_bar(y, what, row)
{
    rect(bars_left, y, bars_width * mean(what, row) / 100, 11, color[what])
    text(bars_left + bars_width + 44, y + 10, "end", 11, ink_of[what],
        sprintf("%.1f", mean(what, row)))
}

function draw_bars(    i, x, y, best)
{
    text(bars_left, top - 24, "start", 14, ink, "By kind of damage: mean share, %")
    for (i = 0; i <= 100; i += 25) {
        x = bars_left + bars_width * i / 100
        line(x, top - 4, x, top + row_height * kind_count, pale)
        text(x, top + row_height * kind_count + 18, "middle", 12, ink, i)
    }
    for (i = 1; i <= kind_count; i++) {
        y = top + row_height * (i - 1) + 4
        best = bars_width * mean("best", kinds[i]) / 100
        rect(bars_left, y - 2, best, 27, best_color)
        draw_bar(y, "qemu", kinds[i])
        draw_bar(y + 12, "qedtool", kinds[i])
        rect(bars_left + best - 1, y - 2, 2, 27, ink)
        text(bars_left - 10, y + 16, "end", 13, ink, kinds[i])
    }
}

# A part lost, from 0 to 1, on the axis: what is less than its begin counts as nothing.
function curve_x(part)
{
    part = part > 0 ? 1 + log(part) / log(10) / decades : 0
    return curve_left + curve_width * (part > 0 ? part : 0)
}

function curve_y(share)
{
    return top + row_height * kind_count * (1 - share)
}

function sort_lost(what, sorted,    i, j, value)
{
    for (i = 1; i <= cases["both"]; i++) {
        value = lost[what, i]
        for (j = i - 1; j > 0 && sorted[j] > value; j--)
            sorted[j + 1] = sorted[j]
        sorted[j + 1] = value
    }
}

function draw_curve(what,    sorted, i, count, path)
{
    sort_lost(what, sorted)
    count = cases["both"]
    path = sprintf("M%.1f %.1f", curve_left, curve_y(0))
    for (i = 1; i <= count; i++)
        path = path sprintf("H%.1fV%.1f", curve_x(sorted[i]), curve_y(i / count))
    printf "<path d=\"%sH%.1f\" fill=\"none\" stroke=\"%s\" stroke-width=\"%s\"/>\n", path,
        curve_left + curve_width, color[what], stroke_width[what]
}

function draw_curves(    i, x, labels)
{
    split("nothing|0.1 %|1 %|10 %|all", labels, "|")
    text(curve_left, top - 24, "start", 14, ink,
        "Cases (%) that lose no more than this, of the best possible")
    for (i = 0; i <= 100; i += 25) {
        line(curve_left, curve_y(i / 100), curve_left + curve_width, curve_y(i / 100), pale)
        text(curve_left - 8, curve_y(i / 100) + 4, "end", 12, ink, i)
    }
    for (i = 0; i <= decades; i++) {
        x = curve_left + curve_width * i / decades
        line(x, curve_y(1) - 4, x, curve_y(0), pale)
        text(x, curve_y(0) + 18, "middle", 12, ink, labels[i + 1])
    }
    rect(curve_left - 1, curve_y(1), 2, curve_y(0) - curve_y(1), ink)
    rect(curve_left, curve_y(1) - 1, curve_width, 2, ink)
    draw_curve("qemu")
    draw_curve("qedtool")
    text(curve_left + curve_width / 2, curve_y(0) + 40, "middle", 12, "#555555",
        "lost, of what the best could save (logarithmic; \"nothing\" is up to 0.01 %)")
}

END {
    if (!cases["both"])
        exit 1
    draw_head(top + row_height * kind_count + 60)
    draw_legend(90)
    draw_bars()
    draw_curves()
    text(bars_left + bars_width / 2, curve_y(0) + 40, "middle", 12, "#555555",
        "share: data that reads right, of the data and what was made up")
    print "</svg>"
}
