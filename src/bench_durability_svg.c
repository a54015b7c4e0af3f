/*
 * Two panels with a row for each policy. On the left what writing costs, relative to no protection;
 * on the right the seconds after a crash, from a millisecond to a day and more on a logarithmic
 * scale, a pair of bars: this image, and one with all its L2 tables.
 * SPDX-License-Identifier: MIT
 */
#include <math.h>

#include "bench_durability.h"

#define LEFT 150.0 /* edges and widths of the panels; both have the same top */
#define LEFT_WIDTH 330.0
#define RIGHT 620.0
#define RIGHT_WIDTH 430.0
#define TOP 160.0
#define ROW 56.0
#define WIDTH 1180
#define INK "#222222"
#define GREY "#555555"
#define PALE "#d8d8d8"
#define COST "#1f6f9f"
#define IMAGE "#e0a84e"
#define LOADED "#b3541e"
#define FIRST_DECADE (-3) /* the scale begins at a millisecond */

static void text(struct out *out, double x, double y, const char *anchor, int size,
                 const char *fill, const char *what)
{
    out_printf(out,
               "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" font-size=\"%d\" "
               "fill=\"%s\">%s</text>\n",
               x, y, anchor, size, fill, what);
}

static void rect(struct out *out, double x, double y, double width, double height, const char *fill)
{
    out_printf(out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"/>\n", x,
               y, width, height, fill);
}

static double bottom(void)
{
    return TOP + ROW * BENCH_POLICY_COUNT;
}

static void grid_line(struct out *out, double x, const char *label)
{
    rect(out, x - 0.5, TOP - 6, 1, bottom() - TOP + 6, PALE);
    text(out, x, bottom() + 18, "middle", 12, INK, label);
}

static void draw_head(struct out *out, const struct bench_durability_args *args,
                      const struct bench_durability_report *found)
{
    char line[256];

    out_printf(out,
               "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%.0f\" "
               "viewBox=\"0 0 %d %.0f\" font-family=\"DejaVu Sans, Verdana, sans-serif\">\n",
               WIDTH, bottom() + 50, WIDTH, bottom() + 50);
    out_printf(out, "<title>What it costs to survive a crash</title>\n");
    rect(out, 0, 0, WIDTH, bottom() + 50, "#ffffff");
    text(out, 24, 38, "start", 22, INK, "What it costs to survive a crash");
    snprintf(line, sizeof(line),
             "%llu allocating writes of %zu bytes, %s, a flush every %llu; the median of %u. "
             "Crash: modelled, %u %s on a disk of %s.",
             (unsigned long long)found->requests, args->options.request_bytes,
             args->options.random ? "random" : "sequential",
             (unsigned long long)args->options.flush_interval, args->options.rounds, args->guests,
             args->guests == 1 ? "guest" : "guests", args->disk.text);
    text(out, 24, 62, "start", 13, GREY, line);
}

static void draw_legend(struct out *out)
{
    text(out, LEFT, TOP - 34, "start", 14, INK, "Time of the writes, relative to no protection");
    text(out, RIGHT, TOP - 54, "start", 14, INK, "Seconds until the guest may go on after a crash");
    rect(out, RIGHT, TOP - 41, 14, 14, IMAGE);
    text(out, RIGHT + 20, TOP - 29, "start", 13, INK, "this image");
    rect(out, RIGHT + 120, TOP - 41, 14, 14, LOADED);
    text(out, RIGHT + 140, TOP - 29, "start", 13, INK, "with all its L2 tables");
}

/* The left scale: from 0 to a round number not below the largest. */
static double cost_scale(const struct bench_durability_report *found)
{
    double most = 1;

    for (size_t i = 0; i < BENCH_POLICY_COUNT; i++)
        most = fmax(most, found->policies[i].cost.relative);
    return most <= 1.5 ? 1.5 : ceil(most);
}

static void draw_costs(struct out *out, const struct bench_durability_report *found)
{
    double scale = cost_scale(found);
    double step = scale <= 2 ? 0.5 : ceil(scale / 4);
    char label[32];

    for (double at = 0; at <= scale; at += step) {
        snprintf(label, sizeof(label), "%.1f", at);
        grid_line(out, LEFT + LEFT_WIDTH * at / scale, label);
    }
    for (size_t i = 0; i < BENCH_POLICY_COUNT; i++) {
        double y = TOP + ROW * (double)i,
               width = LEFT_WIDTH * found->policies[i].cost.relative / scale;

        text(out, LEFT - 12, y + 28, "end", 14, INK, found->policies[i].name);
        rect(out, LEFT, y + 10, width, 28, i == 0 ? "#9a9a9a" : COST);
        snprintf(label, sizeof(label), "%.2f", found->policies[i].cost.relative);
        text(out, LEFT + LEFT_WIDTH + 16, y + 29, "start", 13, INK, label);
    }
    rect(out, LEFT + LEFT_WIDTH / scale - 1, TOP - 6, 2, bottom() - TOP + 6, INK);
}

/* Powers of ten on the right scale, enough for the largest price, and for a thousand seconds. */
static int decades(const struct bench_durability_price *prices)
{
    int last = 3;

    for (size_t i = 0; i < BENCH_POLICY_COUNT; i++) {
        while (last < 9 && fmax(prices[i].image, prices[i].loaded) > pow(10, last))
            last++;
    }
    return last - FIRST_DECADE;
}

static void draw_price(struct out *out, double y, double seconds, int scale, const char *fill)
{
    double share = seconds > 0 ? fmax(log10(seconds) - FIRST_DECADE, 0.05) / scale : 0;
    char label[64];

    snprintf(label, sizeof(label),
             seconds >= 100 ? "%.0f s"
             : seconds >= 1 ? "%.1f s"
                            : "%.3f s",
             seconds);
    rect(out, RIGHT, y, RIGHT_WIDTH * share, 17, fill);
    text(out, RIGHT + RIGHT_WIDTH * share + 8, y + 13, "start", 12, INK,
         seconds > 0 ? label : "0: nothing to read");
}

static void draw_prices(struct out *out, const struct bench_durability_report *found,
                        const struct bench_durability_price *prices)
{
    int scale = decades(prices);
    char label[32];

    for (int i = 0; i <= scale; i++) {
        snprintf(label, sizeof(label), "%g", pow(10, FIRST_DECADE + i));
        grid_line(out, RIGHT + RIGHT_WIDTH * i / scale, label);
    }
    for (size_t i = 0; i < BENCH_POLICY_COUNT; i++) {
        double y = TOP + ROW * (double)i;

        if (!found->policies[i].is_safe) {
            text(out, RIGHT + 8, y + 29, "start", 13, LOADED,
                 "not safe: nothing tells that there was a crash");
            continue;
        }
        draw_price(out, y + 6, prices[i].image, scale, IMAGE);
        draw_price(out, y + 25, prices[i].loaded, scale, LOADED);
    }
}

void bench_durability_svg(struct out *out, const struct bench_durability_args *args,
                          const struct bench_durability_report *found,
                          const struct bench_durability_price prices[BENCH_POLICY_COUNT])
{
    draw_head(out, args, found);
    out_printf(out, "<desc>\n");
    bench_durability_human(out, args, found, prices);
    out_printf(out, "</desc>\n");
    draw_legend(out);
    draw_costs(out, found);
    draw_prices(out, found, prices);
    text(out, LEFT + LEFT_WIDTH / 2, bottom() + 38, "middle", 12, GREY,
         "measured here; less is better");
    text(out, RIGHT + RIGHT_WIDTH / 2, bottom() + 38, "middle", 12, GREY,
         "modelled; seconds, logarithmic");
    out_printf(out, "</svg>\n");
}
