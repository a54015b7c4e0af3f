# The figures of bench/convert as a picture (SVG): how many times as fast as the best of the others,
# on a logarithmic axis; runs after convert-data.awk.
# SPDX-License-Identifier: MIT

BEGIN {
    ink = "#222222"
    grey = "#555555"
    pale = "#d8d8d8"
    color = "#1f6f9f"
    slower = "#d9822b"
    left = 330
    width = 560
    top = 110
    row_height = 22
    # The axis goes from a half to 512.
    least = log(0.5)
    most = log(512)
}

function text(x, y, anchor, size, fill, what)
{
    printf "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" font-size=\"%d\" fill=\"%s\">%s</text>\n",
        x, y, anchor, size, fill, what
}

function axis_x(value)
{
    value = log(value > 0.5 ? value : 0.5)
    return left + width * ((value < most ? value : most) - least) / (most - least)
}

function draw_head(height)
{
    printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1180\" height=\"%d\" " \
        "viewBox=\"0 0 1180 %d\" font-family=\"DejaVu Sans, Verdana, sans-serif\">\n", height, height
    print "<title>qedtool convert, times as fast as the best of the others</title>"
    printf "<rect width=\"1180\" height=\"%d\" fill=\"#ffffff\"/>\n", height
    text(24, 38, "start", 22, ink, "qedtool convert: times as fast as the best of the others")
    text(24, 62, "start", 13, grey, "Others: qemu-img with -C, -W -m 16, -t and -T; nbdcopy; cp. " \
        "Durable: on stable storage when the command ends.")
}

function draw_axis(    value, x)
{
    for (value = 0.5; value <= 512; value *= 2) {
        x = axis_x(value)
        printf "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" stroke=\"%s\"/>\n", x, top - 6, x,
            top + row_height * row_count, value == 1 ? ink : pale
        text(x, top - 12, "middle", 12, ink, value)
    }
}

function draw_row(row, y,    part, best, value, x)
{
    split(row, part, SUBSEP)
    best = best_peer(row)
    value = ratio(row, best)
    x = axis_x(value)
    text(left - 12, y + 14, "end", 12, ink,
        part[1] ", " part[2] ", " part[3] ", " part[4])
    printf "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"14\" fill=\"%s\"/>\n",
        value < 1 ? x : axis_x(1), y + 3, value < 1 ? axis_x(1) - x : x - axis_x(1),
        value < 1 ? slower : color
    text(left + width + 50, y + 14, "end", 12, ink, sprintf(value < 9.95 ? "%.1f" : "%.0f", value))
    text(left + width + 62, y + 14, "start", 12, grey, best)
}

END {
    if (!row_count)
        exit 1
    draw_head(top + row_height * row_count + 24)
    draw_axis()
    for (i = 1; i <= row_count; i++)
        draw_row(rows[i], top + row_height * (i - 1))
    print "</svg>"
}
