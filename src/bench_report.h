/*
 * What a bench found, as text and as JSON.
 * SPDX-License-Identifier: MIT
 */
#ifndef SRC_BENCH_REPORT_H
#define SRC_BENCH_REPORT_H

#include "core/bench.h"
#include "out.h"

/* qemu-img's line, and on stderr, unless quiet, what it does not tell. */
void bench_report_io_human(struct out *out, const struct bench_io_report *found, bool write,
                           bool quiet);

void bench_report_io_json(struct out *out, const char *path, const char *format,
                          const struct bench_io_options *options,
                          const struct bench_io_report *found);

/* Members of JSON that the modes share: seconds (or another fraction), and a latency's percentiles.
 */
void bench_report_add_seconds(struct json_object *object, const char *key, double value);
struct json_object *bench_report_latency_object(const struct histogram *latency);

/* A disk that is not here, as it was asked for, and what it would take. */
struct bench_disk {
    const char *text;
    struct diskmodel disk;
    struct diskmodel_times ours, qemu, recovery;
};

void bench_report_check_human(struct out *out, const struct bench_check_report *found,
                              const struct bench_disk *disks, size_t count, unsigned int guests);

void bench_report_check_json(struct out *out, const char *path,
                             const struct bench_check_report *found, const struct bench_disk *disks,
                             size_t count, unsigned int guests);

#endif
