/*
 * bench --mode=durability: what each policy costs, and what a crash costs then, as a table, as JSON
 * and as a chart.
 * SPDX-License-Identifier: MIT
 */
#ifndef SRC_BENCH_DURABILITY_H
#define SRC_BENCH_DURABILITY_H

#include "bench_report.h"
#include "core/bench_durability.h"
#include "opts.h"

struct bench_durability_args {
    const char *path;
    enum opts_output output;
    struct bench_durability_options options;
    struct bench_disk disk; /* where crashes are priced; its recovery alone is not used */
    unsigned int guests;
};

/* Modelled seconds until the last guest may go on: with this image, and with every table there. */
struct bench_durability_price {
    double image, loaded;
};

/* Options of this mode alone; ARGP_ERR_UNKNOWN for all others. */
error_t bench_durability_parse(int key, const char *arg, struct bench_durability_options *options);

/* Measure and print. Signals stop it; returns a CMD_ status. */
int bench_durability_command(struct bench_durability_args *args);

/* The tables. */
void bench_durability_human(struct out *out, const struct bench_durability_args *args,
                            const struct bench_durability_report *found,
                            const struct bench_durability_price prices[BENCH_POLICY_COUNT]);

/*
 * Draw a report: bars for writing and, on a logarithmic scale, for the crash. The tables are the
 * chart's description.
 */
void bench_durability_svg(struct out *out, const struct bench_durability_args *args,
                          const struct bench_durability_report *found,
                          const struct bench_durability_price prices[BENCH_POLICY_COUNT]);

#endif
