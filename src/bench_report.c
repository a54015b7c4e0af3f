/*
 * Two tables for a check: what it took here, and what it would take elsewhere beside QEMU's order.
 * SPDX-License-Identifier: MIT
 */
#include "bench_report.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/units.h"
#include "report.h"

static const struct {
    const char *key;
    unsigned int per_100000;
} percentiles[] = {{"p50", 50000}, {"p99", 99000}, {"p99.9", 99900}};

#define PERCENTILE_COUNT (sizeof(percentiles) / sizeof(percentiles[0]))

static double per_second(double amount, double seconds)
{
    return seconds > 0 ? amount / seconds : 0;
}

static double ratio(uint64_t a, uint64_t b)
{
    return b ? (double)a / (double)b : 0;
}

void bench_report_add_seconds(struct json_object *object, const char *key, double value)
{
    char text[64];

    snprintf(text, sizeof(text), "%.6f", value);
    json_object_object_add(object, key, json_object_new_double_s(value, text));
}

void bench_report_io_human(struct out *out, const struct bench_io_report *found, bool write,
                           bool quiet)
{
    const struct histogram *latency = &found->latency;

    out_printf(out, "Run completed in %3.3f seconds.\n", found->seconds);
    if (quiet)
        return;
    report_warning("%.0f requests a second, %.1f MB/s",
                   per_second((double)found->requests, found->seconds),
                   per_second((double)found->guest_bytes, found->seconds) / 1e6);
    report_warning("latency in microseconds: p50 %.1f, p99 %.1f, p99.9 %.1f, max %.1f",
                   (double)histogram_percentile(latency, percentiles[0].per_100000) / 1e3,
                   (double)histogram_percentile(latency, percentiles[1].per_100000) / 1e3,
                   (double)histogram_percentile(latency, percentiles[2].per_100000) / 1e3,
                   (double)latency->max / 1e3);
    if (write)
        report_warning("%" PRIu64 " flushes, %.3f bytes written for each of the guest, closed in "
                       "%.3f seconds",
                       found->flushes, ratio(found->host_bytes_written, found->guest_bytes),
                       found->close_seconds);
}

struct json_object *bench_report_latency_object(const struct histogram *latency)
{
    struct json_object *object = json_object_new_object();

    for (size_t i = 0; i < PERCENTILE_COUNT; i++)
        out_add_number(object, percentiles[i].key,
                       histogram_percentile(latency, percentiles[i].per_100000));
    out_add_number(object, "max", latency->max);
    return object;
}

void bench_report_io_json(struct out *out, const char *path, const char *format,
                          const struct bench_io_options *options,
                          const struct bench_io_report *found)
{
    struct json_object *object = json_object_new_object();

    json_object_object_add(object, "filename", json_object_new_string(path));
    json_object_object_add(object, "format", json_object_new_string(format));
    json_object_object_add(object, "mode", json_object_new_string("io"));
    json_object_object_add(object, "operation",
                           json_object_new_string(options->write ? "write" : "read"));
    out_add_number(object, "requests", found->requests);
    out_add_number(object, "request-bytes", options->request_bytes);
    out_add_number(object, "depth", options->depth);
    out_add_number(object, "offset", options->offset);
    out_add_number(object, "step", options->step);
    bench_report_add_seconds(object, "seconds", found->seconds);
    bench_report_add_seconds(object, "requests-per-second",
                             per_second((double)found->requests, found->seconds));
    json_object_object_add(object, "latency-nanoseconds",
                           bench_report_latency_object(&found->latency));
    if (options->write) {
        out_add_number(object, "flushes", found->flushes);
        out_add_number(object, "host-flushes", found->host_flushes);
        out_add_number(object, "host-bytes-written", found->host_bytes_written);
        bench_report_add_seconds(object, "host-bytes-per-guest-byte",
                                 ratio(found->host_bytes_written, found->guest_bytes));
        bench_report_add_seconds(object, "close-seconds", found->close_seconds);
    }
    out_json(out, object);
    json_object_put(object);
}

static uint64_t pass_bytes(const struct bench_check_pass *pass)
{
    return pass->bytes_read + pass->bytes_cached;
}

static void print_pass_heading(struct out *out)
{
    out_printf(out, "%-6s %10s %12s %12s %10s\n", "cache", "requests", "bytes", "seconds", "MB/s");
}

static void print_pass(struct out *out, const char *name, const struct bench_check_pass *pass)
{
    char text[UNITS_TEXT_MAX];

    out_printf(out, "%-6s %10" PRIu64 " %12s %12.3f %10.1f\n", name, pass->requests,
               units_format_size(pass_bytes(pass), text), pass->seconds,
               per_second((double)pass_bytes(pass), pass->seconds) / 1e6);
}

static void print_model(struct out *out, const char *disk, const char *order,
                        const struct qed_scan_plan *plan, const struct diskmodel_times *times)
{
    char text[UNITS_TEXT_MAX];

    out_printf(out, "%-20s %-8s %10zu %12s %6u %12.3f %12.3f\n", disk, order, plan->count,
               units_format_size(plan->bytes, text), plan->depth, times->first, times->last);
}

/* Whether there is a recovery to tell of. */
static bool recovers(const struct bench_check_report *found)
{
    return !found->recovery_refused && found->recovery != QED_RECOVERY_NONE;
}

static void print_recovery(struct out *out, const struct bench_check_report *found)
{
    if (found->recovery_refused)
        out_printf(out, "\nRecovery (--recover): refused, the image is corrupt.\n");
    else if (!recovers(found))
        out_printf(out, "\nRecovery (--recover) reads nothing: the image was cleanly closed.\n");
    else
        out_printf(out, "\nRecovery (--recover) reads %" PRIu64 " tables, %s. Here:\n",
                   found->recovery_tables,
                   found->recovery == QED_RECOVERY_FULL ? "all" : "those marked");
    if (!recovers(found))
        return;
    print_pass_heading(out);
    print_pass(out, "cold", &found->recovery_cold);
    print_pass(out, "warm", &found->recovery_warm);
}

void bench_report_check_human(struct out *out, const struct bench_check_report *found,
                              const struct bench_disk *disks, size_t count, unsigned int guests)
{
    char text[UNITS_TEXT_MAX];

    out_printf(out, "%" PRIu64 " tables. Here:\n", found->tables);
    print_pass_heading(out);
    print_pass(out, "cold", &found->cold);
    print_pass(out, "warm", &found->warm);
    if (!found->knows_left)
        out_printf(out, "Cold: how much of the file stayed in memory cannot be told.\n");
    else if (found->left_cached)
        out_printf(out, "Cold: %s of the file stayed in memory.\n",
                   units_format_size(found->left_cached, text));
    print_recovery(out, found);
    out_printf(out, "\nModelled, %u %s on the disk:\n", guests, guests == 1 ? "guest" : "guests");
    out_printf(out, "%-20s %-8s %10s %12s %6s %12s %12s\n", "disk", "order", "requests", "bytes",
               "depth", "first done", "last done");
    for (size_t i = 0; i < count; i++) {
        if (recovers(found))
            print_model(out, disks[i].text, "recover", &found->recovery_plan, &disks[i].recovery);
        print_model(out, disks[i].text, "qedtool", &found->plan, &disks[i].ours);
        print_model(out, disks[i].text, "QEMU", &found->qemu_plan, &disks[i].qemu);
    }
}

static struct json_object *pass_object(const struct bench_check_pass *pass)
{
    struct json_object *object = json_object_new_object();

    out_add_number(object, "requests", pass->requests);
    out_add_number(object, "bytes-read", pass->bytes_read);
    out_add_number(object, "bytes-cached", pass->bytes_cached);
    bench_report_add_seconds(object, "seconds", pass->seconds);
    return object;
}

static struct json_object *model_object(const struct qed_scan_plan *plan,
                                        const struct diskmodel_times *times)
{
    struct json_object *object = json_object_new_object();

    out_add_number(object, "requests", plan->count);
    out_add_number(object, "bytes", plan->bytes);
    out_add_number(object, "depth", plan->depth);
    bench_report_add_seconds(object, "first-seconds", times->first);
    bench_report_add_seconds(object, "last-seconds", times->last);
    return object;
}

static struct json_object *recovery_object(const struct bench_check_report *found)
{
    struct json_object *object = json_object_new_object();
    const char *kind = found->recovery == QED_RECOVERY_FULL     ? "full"
                       : found->recovery == QED_RECOVERY_MARKED ? "marked"
                                                                : "none";

    json_object_object_add(object, "kind",
                           json_object_new_string(found->recovery_refused ? "refused" : kind));
    out_add_number(object, "tables", found->recovery_tables);
    if (recovers(found)) {
        json_object_object_add(object, "cold", pass_object(&found->recovery_cold));
        json_object_object_add(object, "warm", pass_object(&found->recovery_warm));
    }
    return object;
}

void bench_report_check_json(struct out *out, const char *path,
                             const struct bench_check_report *found, const struct bench_disk *disks,
                             size_t count, unsigned int guests)
{
    struct json_object *object = json_object_new_object();
    struct json_object *models = json_object_new_array();

    json_object_object_add(object, "filename", json_object_new_string(path));
    json_object_object_add(object, "format", json_object_new_string(found->format));
    json_object_object_add(object, "mode", json_object_new_string("check"));
    out_add_number(object, "tables", found->tables);
    json_object_object_add(object, "cold", pass_object(&found->cold));
    if (found->knows_left)
        out_add_number(object, "cold-bytes-left-cached", found->left_cached);
    json_object_object_add(object, "warm", pass_object(&found->warm));
    json_object_object_add(object, "recovery", recovery_object(found));
    out_add_number(object, "guests", guests);
    for (size_t i = 0; i < count; i++) {
        struct json_object *model = json_object_new_object();

        json_object_object_add(model, "disk", json_object_new_string(disks[i].text));
        json_object_object_add(model, "recover",
                               model_object(&found->recovery_plan, &disks[i].recovery));
        json_object_object_add(model, "qedtool", model_object(&found->plan, &disks[i].ours));
        json_object_object_add(model, "qemu", model_object(&found->qemu_plan, &disks[i].qemu));
        json_object_array_add(models, model);
    }
    json_object_object_add(object, "modelled", models);
    out_json(out, object);
    json_object_put(object);
}
