/*
 * One line a policy: the cost while all is well, and the price of a crash.
 * SPDX-License-Identifier: MIT
 */
#include "bench_durability.h"

#include <inttypes.h>
#include <string.h>

#include "base/units.h"
#include "cmd.h"
#include "progress.h"
#include "report.h"

static int order_value(const char *text, bool *random)
{
    *random = strcmp(text, "random") == 0;
    if (*random || strcmp(text, "sequential") == 0)
        return 0;
    report_usage("--order must be sequential or random, not '%s'", text);
    return OPTS_REPORTED;
}

static int rounds_value(const char *text, unsigned int *rounds)
{
    size_t number;

    if (opts_count_value("--rounds", text, &number) != 0)
        return OPTS_REPORTED;
    *rounds = (unsigned int)(number <= BENCH_ROUNDS_MAX ? number : 0);
    if (*rounds >= 1)
        return 0;
    report_usage("--rounds must be from 1 to %d", BENCH_ROUNDS_MAX);
    return OPTS_REPORTED;
}

error_t bench_durability_parse(int key, const char *arg, struct bench_durability_options *options)
{
    size_t seed = 0;
    error_t ret;

    switch (key) {
    case OPTS_KEY_ORDER:
        return order_value(arg, &options->random);
    case OPTS_KEY_ROUNDS:
        return rounds_value(arg, &options->rounds);
    case OPTS_KEY_SEED:
        ret = opts_count_value("--seed", arg, &seed);
        options->seed = seed;
        return ret;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static double per_second(uint64_t amount, double seconds)
{
    return seconds > 0 ? (double)amount / seconds : 0;
}

static double ratio(double a, uint64_t b)
{
    return b ? a / (double)b : 0;
}

static const char *recovery_name(const struct bench_policy_report *policy)
{
    static const char *const names[] = {[QED_RECOVERY_NONE] = "none",
                                        [QED_RECOVERY_MARKED] = "marked",
                                        [QED_RECOVERY_FULL] = "full"};

    return policy->is_safe ? names[policy->crash.recovery] : "not safe";
}

static double microseconds(const struct histogram *latency, unsigned int per_100000)
{
    return (double)histogram_percentile(latency, per_100000) / 1e3;
}

static void print_cost(struct out *out, const struct bench_durability_report *found,
                       const struct bench_policy_report *policy)
{
    const struct bench_policy_cost *cost = &policy->cost;

    out_printf(out, "%-12s %10.0f %8.3f %9.1f %9.1f %10.1f %8.1f %8.3f\n", policy->name,
               per_second(found->requests, cost->seconds), cost->relative,
               microseconds(&cost->latency, 50000), microseconds(&cost->latency, 99000),
               (double)cost->latency.max / 1e3,
               ratio(1000 * (double)cost->host_flushes, found->requests),
               ratio((double)cost->host_bytes_written, found->guest_bytes));
}

static void print_crash(struct out *out, const struct bench_policy_report *policy,
                        const struct bench_durability_price *price)
{
    const struct bench_crash *crash = &policy->crash;
    char leaked[UNITS_TEXT_MAX];

    out_printf(out, "%-12s %-8s %8" PRIu64 " %8zu %10.3f %8" PRIu64 " %10.3f %12s\n", policy->name,
               recovery_name(policy), crash->tables, crash->plan.count, price->image,
               crash->loaded_tables, price->loaded, units_format_size(crash->leaked_bytes, leaked));
}

void bench_durability_human(struct out *out, const struct bench_durability_args *args,
                            const struct bench_durability_report *found,
                            const struct bench_durability_price prices[BENCH_POLICY_COUNT])
{
    const struct bench_durability_options *options = &args->options;
    char size[UNITS_TEXT_MAX];

    out_printf(out,
               "%" PRIu64 " allocating writes of %zu bytes, %s, a flush every %" PRIu64
               ", the median of %u\n\nWriting:\n",
               found->requests, options->request_bytes, options->random ? "random" : "sequential",
               options->flush_interval, options->rounds);
    out_printf(out, "%-12s %10s %8s %9s %9s %10s %8s %8s\n", "policy", "writes/s", "to none",
               "p50 us", "p99 us", "max us", "fl/1000", "B/B");
    for (size_t i = 0; i < BENCH_POLICY_COUNT; i++)
        print_cost(out, found, &found->policies[i]);
    out_printf(out, "\nA crash, %u %s on %s, %s image; loaded: with all L2 tables:\n", args->guests,
               args->guests == 1 ? "guest" : "guests", args->disk.text,
               units_format_size(found->virtual_bytes, size));
    out_printf(out, "%-12s %-8s %8s %8s %10s %8s %10s %12s\n", "policy", "recovery", "tables",
               "requests", "seconds", "loaded", "seconds", "leaked");
    for (size_t i = 0; i < BENCH_POLICY_COUNT; i++)
        print_crash(out, &found->policies[i], &prices[i]);
}

static struct json_object *cost_object(const struct bench_durability_report *found,
                                       const struct bench_policy_cost *cost)
{
    struct json_object *object = json_object_new_object();

    bench_report_add_seconds(object, "seconds", cost->seconds);
    bench_report_add_seconds(object, "close-seconds", cost->close_seconds);
    bench_report_add_seconds(object, "relative", cost->relative);
    bench_report_add_seconds(object, "requests-per-second",
                             per_second(found->requests, cost->seconds));
    json_object_object_add(object, "latency-nanoseconds",
                           bench_report_latency_object(&cost->latency));
    out_add_number(object, "host-flushes", cost->host_flushes);
    bench_report_add_seconds(object, "flushes-per-1000",
                             ratio(1000 * (double)cost->host_flushes, found->requests));
    out_add_number(object, "host-bytes-written", cost->host_bytes_written);
    bench_report_add_seconds(object, "host-bytes-per-guest-byte",
                             ratio((double)cost->host_bytes_written, found->guest_bytes));
    return object;
}

static struct json_object *crash_object(const struct bench_policy_report *policy,
                                        const struct bench_durability_price *price)
{
    const struct bench_crash *crash = &policy->crash;
    struct json_object *object = json_object_new_object();

    json_object_object_add(object, "recovery", json_object_new_string(recovery_name(policy)));
    out_add_number(object, "tables", crash->tables);
    out_add_number(object, "requests", crash->plan.count);
    out_add_number(object, "bytes", crash->plan.bytes);
    bench_report_add_seconds(object, "seconds-here", crash->seconds);
    bench_report_add_seconds(object, "modelled-seconds", price->image);
    out_add_number(object, "loaded-tables", crash->loaded_tables);
    out_add_number(object, "loaded-requests", crash->loaded_plan.count);
    bench_report_add_seconds(object, "loaded-modelled-seconds", price->loaded);
    out_add_number(object, "leaked-bytes", crash->leaked_bytes);
    out_add_number(object, "corruptions", crash->corruptions);
    return object;
}

static void print_json(struct out *out, const struct bench_durability_args *args,
                       const struct bench_durability_report *found,
                       const struct bench_durability_price *prices)
{
    const struct bench_durability_options *options = &args->options;
    struct json_object *object = json_object_new_object();
    struct json_object *list = json_object_new_array();

    json_object_object_add(object, "filename", json_object_new_string(args->path));
    json_object_object_add(object, "mode", json_object_new_string("durability"));
    out_add_number(object, "virtual-size", found->virtual_bytes);
    out_add_number(object, "cluster-size", found->cluster_size);
    out_add_number(object, "table-size", found->table_size);
    out_add_number(object, "requests", found->requests);
    out_add_number(object, "request-bytes", options->request_bytes);
    out_add_number(object, "depth", options->depth);
    out_add_number(object, "flush-interval", options->flush_interval);
    json_object_object_add(object, "order",
                           json_object_new_string(options->random ? "random" : "sequential"));
    out_add_number(object, "seed", options->seed);
    out_add_number(object, "rounds", options->rounds);
    json_object_object_add(object, "disk", json_object_new_string(args->disk.text));
    out_add_number(object, "guests", args->guests);
    for (size_t i = 0; i < BENCH_POLICY_COUNT; i++) {
        const struct bench_policy_report *policy = &found->policies[i];
        struct json_object *entry = json_object_new_object();

        json_object_object_add(entry, "policy", json_object_new_string(policy->name));
        json_object_object_add(entry, "write", cost_object(found, &policy->cost));
        json_object_object_add(entry, "crash", crash_object(policy, &prices[i]));
        json_object_array_add(list, entry);
    }
    json_object_object_add(object, "policies", list);
    out_json(out, object);
    json_object_put(object);
}

static int find_prices(const struct bench_durability_args *args,
                       const struct bench_durability_report *found,
                       struct bench_durability_price *prices, struct qed_error *error)
{
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < BENCH_POLICY_COUNT; i++) {
        const struct bench_crash *crash = &found->policies[i].crash;
        struct diskmodel_times image = {0}, loaded = {0};

        ret = bench_crash_model(crash, &crash->plan, &args->disk.disk, args->guests, &image, error);
        if (ret == QED_OK)
            ret = bench_crash_model(crash, &crash->loaded_plan, &args->disk.disk, args->guests,
                                    &loaded, error);
        prices[i] = (struct bench_durability_price){.image = image.last, .loaded = loaded.last};
    }
    return ret;
}

static int print(const struct bench_durability_args *args,
                 const struct bench_durability_report *found,
                 const struct bench_durability_price *prices)
{
    struct out *out = out_new(false);

    if (!out)
        return CMD_FAILED;
    if (args->output == OPTS_OUTPUT_JSON)
        print_json(out, args, found, prices);
    else if (args->output == OPTS_OUTPUT_SVG)
        bench_durability_svg(out, args, found, prices);
    else
        bench_durability_human(out, args, found, prices);
    return out_commit(out);
}

static bool is_stopped(void *context)
{
    (void)context;
    return progress_caught_signal() != 0;
}

int bench_durability_command(struct bench_durability_args *args)
{
    struct bench_durability_price prices[BENCH_POLICY_COUNT];
    struct qed_error error = QED_ERROR_INIT;
    struct bench_durability_report found;
    int ret, status = CMD_FAILED;

    args->options.stop = is_stopped;
    progress_catch_signals();
    ret = bench_durability(args->path, &args->options, &found, &error);
    if (ret == QED_OK)
        ret = find_prices(args, &found, prices, &error);
    if (ret == QED_OK)
        status = print(args, &found, prices);
    else
        report_error(&error);
    bench_durability_release(&found);
    if (ret == QED_ERR_STOPPED)
        progress_reraise();
    return status;
}
