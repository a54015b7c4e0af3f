/*
 * Each run has a scratch image of its own, made beside the image and never published. The crash is
 * a writer that is not closed: what it holds in memory is lost, what it wrote is in the file.
 * SPDX-License-Identifier: MIT
 */
#include "core/bench_durability.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/checked.h"
#include "core/bench_load.h"
#include "core/create.h"
#include "format/qed_check.h"
#include "format/qed_intent.h"
#include "io/io_file.h"
#include "io/io_replace.h"

static const struct policy {
    const char *name;
    enum qed_durability durability;
    unsigned int without;
} policies[BENCH_POLICY_COUNT] = {
    {"none", QED_DURABILITY_NEED_CHECK, QED_WITHOUT_MARK},
    {"need-check", QED_DURABILITY_NEED_CHECK, 0},
    {"preallocate", QED_DURABILITY_PREALLOCATE, 0},
    {"intent", QED_DURABILITY_INTENT, 0},
    {"ordered", QED_DURABILITY_ORDERED, 0},
};

struct durability {
    const struct bench_durability_options *options;
    struct create_options create;
    char *scratch_path; /* no file ever has this name: what is beside it is never published */
    uint64_t count, step, places;
    struct bench_durability_report *report;
};

/* A scratch image, open for writing. */
struct scratch {
    struct io_replace *replace;
    struct io *io; /* owned by replace */
    struct qed_image *qed;
};

static void scratch_free(struct scratch *scratch)
{
    qed_close(scratch->qed);
    io_replace_end(scratch->replace);
}

static int scratch_make(struct scratch *scratch, const struct durability *all,
                        struct qed_error *error)
{
    int ret = create_begin(&scratch->replace, &scratch->io, all->scratch_path, &all->create, error);

    if (ret == QED_OK)
        ret = io_flush(scratch->io, error);
    return ret < 0 ? ret : qed_open(&scratch->qed, scratch->io, true, error);
}

/* Bits that are mixed well; not for secrets. */
static uint64_t mix(uint64_t bits)
{
    bits = (bits ^ bits >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    bits = (bits ^ bits >> 27) * UINT64_C(0x94d049bb133111eb);
    return bits ^ bits >> 31;
}

/*
 * A Feistel network permutes the numbers of an even number of bits; those that fall outside are
 * sent through again, which keeps it a permutation.
 */
uint64_t bench_durability_place(uint64_t number, uint64_t places, uint64_t seed)
{
    unsigned int half = 1;
    uint64_t mask;

    while (half < 32 && (places - 1) >> (2 * half) != 0)
        half++;
    mask = (UINT64_C(1) << half) - 1;
    do {
        for (unsigned int round = 0; round < 4; round++) {
            uint64_t right = number & mask;
            uint64_t left = number >> half ^ (mix(right + seed * 4 + round) & mask);

            number = right << half | left;
        }
    } while (number >= places);
    return number;
}

static int place_request(void *context, uint64_t number, uint64_t *virt_off,
                         struct qed_error *error)
{
    const struct durability *all = context;

    (void)error;
    if (all->options->random)
        number = bench_durability_place(number, all->places, all->options->seed);
    *virt_off = number * all->step;
    return QED_OK;
}

static struct bench_load_options load_options(struct durability *all)
{
    const struct bench_durability_options *options = all->options;

    return (struct bench_load_options){.write = true,
                                       .count = all->count,
                                       .depth = options->depth,
                                       .request_bytes = options->request_bytes,
                                       .flush_interval = options->flush_interval,
                                       .no_flush = options->cache.no_flush,
                                       .pattern = options->pattern,
                                       .place = place_request,
                                       .place_context = all,
                                       .stop = options->stop,
                                       .stop_context = options->stop_context};
}

/* Write to scratch under a policy, and close it unless the load stops half-way. */
static int write_scratch(struct durability *all, struct scratch *scratch,
                         const struct policy *policy, uint64_t stop_after,
                         struct bench_io_report *found, struct qed_error *error)
{
    const struct bench_durability_options *options = all->options;
    struct qed_writer_options writer = {.commit = {.durability = policy->durability,
                                                   .preallocate = options->preallocate,
                                                   .without = policy->without},
                                        .depth = options->depth,
                                        .direct = options->cache.direct};
    struct bench_load_options load = load_options(all);
    struct bench_target *target = NULL;
    struct bench_load *sender = NULL;
    struct io_file_counts before;
    uint64_t ended;
    int ret = bench_target_qed(&target, scratch->qed, &writer, options->cache.write_through, error);

    load.stop_after = stop_after;
    if (ret == QED_OK)
        ret = bench_load_new(&sender, target, &load, error);
    before = io_file_counts(scratch->io);
    if (ret == QED_OK)
        ret = bench_load_run(sender, found, error);
    found->host_flushes = io_file_counts(scratch->io).flushes - before.flushes;
    ended = bench_now();
    if (ret == QED_OK && !stop_after)
        ret = bench_target_finish(target, error);
    found->close_seconds = bench_seconds(bench_now() - ended);
    found->host_bytes_written = io_file_counts(scratch->io).bytes_written - before.bytes_written;
    bench_load_free(sender);
    bench_target_free(target);
    return ret;
}

static void join_histograms(struct histogram *all, const struct histogram *more)
{
    for (size_t i = 0; i < HISTOGRAM_COUNTERS; i++)
        all->counters[i] += more->counters[i];
    all->count += more->count;
    all->max = max_u64(all->max, more->max);
}

static int run_policy(struct durability *all, size_t which, unsigned int round,
                      struct qed_error *error)
{
    struct bench_policy_report *report = &all->report->policies[which];
    struct bench_io_report found = {0};
    struct scratch scratch = {0};
    int ret = scratch_make(&scratch, all, error);

    if (ret == QED_OK)
        ret = write_scratch(all, &scratch, &policies[which], 0, &found, error);
    scratch_free(&scratch);
    report->round_seconds[round] = found.seconds;
    report->round_close[round] = found.close_seconds;
    report->cost.host_flushes = found.host_flushes; /* alike in all rounds */
    report->cost.host_bytes_written = found.host_bytes_written;
    all->report->requests = found.requests;
    all->report->guest_bytes = found.guest_bytes;
    join_histograms(&report->cost.latency, &found.latency);
    return ret;
}

/* A run that is not counted: the first one pays for what the others find ready. */
static int warm_up(struct durability *all, struct qed_error *error)
{
    struct bench_io_report found = {0};
    struct scratch scratch = {0};
    int ret = scratch_make(&scratch, all, error);

    if (ret == QED_OK)
        ret = write_scratch(all, &scratch, &policies[0], 0, &found, error);
    scratch_free(&scratch);
    return ret;
}

/* Each round has an order of its own: what a run leaves behind for the next one is nobody's lot. */
static int run_rounds(struct durability *all, struct qed_error *error)
{
    int ret = warm_up(all, error);

    for (unsigned int round = 0; ret == QED_OK && round < all->options->rounds; round++) {
        for (size_t i = 0; ret == QED_OK && i < BENCH_POLICY_COUNT; i++)
            ret =
                run_policy(all, bench_durability_place(i, BENCH_POLICY_COUNT, round), round, error);
    }
    return ret;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(const double *values, unsigned int count)
{
    double sorted[BENCH_ROUNDS_MAX];

    for (unsigned int i = 0; i < count; i++)
        sorted[i] = values[i];
    qsort(sorted, count, sizeof(*sorted), compare_doubles);
    return (sorted[(count - 1) / 2] + sorted[count / 2]) / 2;
}

static void take_medians(struct durability *all)
{
    const struct bench_policy_report *none = &all->report->policies[0];
    unsigned int rounds = all->options->rounds;

    for (size_t i = 0; i < BENCH_POLICY_COUNT; i++) {
        struct bench_policy_report *report = &all->report->policies[i];
        double ratios[BENCH_ROUNDS_MAX];

        for (unsigned int round = 0; round < rounds; round++)
            ratios[round] = none->round_seconds[round] > 0
                                ? report->round_seconds[round] / none->round_seconds[round]
                                : 1;
        report->cost.relative = median(ratios, rounds);
        report->cost.seconds = median(report->round_seconds, rounds);
        report->cost.close_seconds = median(report->round_close, rounds);
    }
}

static int add_loaded(struct bench_crash *crash, const struct qed_image *qed,
                      struct qed_error *error)
{
    static const struct qed_scan_options defaults;
    const struct qed_geometry *g = &qed->geometry;
    uint64_t apart = (uint64_t)g->table_bytes + g->cluster_size;
    struct qed_scan_list tables = {0};
    int ret = QED_OK;

    for (uint64_t i = 0; ret == QED_OK && i < crash->loaded_tables; i++)
        ret = qed_scan_list_add(&tables, i, (i + 1) * apart, error);
    if (ret == QED_OK)
        ret = qed_scan_plan_qemu(qed, &tables, &crash->loaded_plan, error);
    if (ret == QED_OK && tables.count > 0) {
        struct qed_scan_sizes sizes = qed_scan_choose_sizes(&defaults, tables.count);

        crash->loaded_plan.depth = sizes.threads * sizes.slots;
    }
    qed_scan_list_free(&tables);
    return ret;
}

/* If every L1 entry had a table: all of them, or all that the marks stand for. */
static int plan_loaded(struct bench_crash *crash, struct qed_image *qed, struct qed_error *error)
{
    uint64_t entries = qed_entries(&qed->geometry);
    struct qed_intent intent;
    bool valid;
    int ret = QED_OK;

    if (crash->recovery == QED_RECOVERY_FULL) {
        crash->loaded_tables = entries;
    } else if (crash->recovery == QED_RECOVERY_MARKED) {
        ret = qed_intent_read(&intent, &valid, qed->io, &qed->header, &qed->geometry, error);
        if (ret == QED_OK && valid)
            crash->loaded_tables =
                min_u64((uint64_t)qed_intent_count(&intent) << intent.shift, entries);
    }
    return ret < 0 ? ret : add_loaded(crash, qed, error);
}

/* What opening the image again would read, what it finds, and what is leaked then. */
static int look_after_crash(struct bench_crash *crash, struct qed_image *qed,
                            struct qed_error *error)
{
    struct qed_scan_list tables = {0};
    struct qed_check_result checked = {0};
    struct qed_recovery recovery;
    uint64_t begun;
    int ret = io_get_length(qed->io, &crash->file_bytes, error);

    if (ret == QED_OK)
        ret = qed_recover_plan(qed, &crash->recovery, &tables, error);
    crash->tables = tables.count;
    if (ret == QED_OK && tables.count > 0)
        ret = qed_scan_plan(qed, &tables, NULL, &crash->plan, error);
    if (ret == QED_OK)
        ret = plan_loaded(crash, qed, error);
    begun = bench_now();
    if (ret == QED_OK)
        ret = qed_recover(qed, NULL, &recovery, error);
    crash->seconds = bench_seconds(bench_now() - begun);
    if (ret == QED_OK) {
        static const struct qed_scan_options scan;

        ret = qed_check(qed, &scan, 0, &checked, error);
        crash->leaked_bytes = checked.totals.leaks * checked.totals.cluster_size;
        crash->corruptions = checked.totals.corruptions;
        qed_check_release(&checked);
    }
    qed_scan_list_free(&tables);
    return ret;
}

/* Half-way between the last two flushes of the load. */
static uint64_t crash_after(const struct durability *all)
{
    uint64_t back = min_u64(max_u64(all->options->flush_interval / 2, 1), all->count - 1);

    return all->count - back;
}

static int crash_policy(struct durability *all, size_t which, struct qed_error *error)
{
    struct bench_crash *crash = &all->report->policies[which].crash;
    struct bench_io_report found = {0};
    struct scratch scratch = {0};
    int ret = scratch_make(&scratch, all, error);

    if (ret == QED_OK)
        ret = write_scratch(all, &scratch, &policies[which], crash_after(all), &found, error);
    /* Opened anew: what only the writer's memory knew is gone. */
    qed_close(scratch.qed);
    scratch.qed = NULL;
    if (ret == QED_OK)
        ret = qed_open(&scratch.qed, scratch.io, true, error);
    if (ret == QED_OK)
        ret = look_after_crash(crash, scratch.qed, error);
    scratch_free(&scratch);
    return ret;
}

/* What of the image at path the scratch images are to be like. */
static int look_at_image(struct durability *all, const char *path, struct qed_error *error)
{
    const struct bench_durability_options *options = all->options;
    struct image_options open_options = {
        .format = options->format, .share = options->share, .backing = IMAGE_BACKING_IGNORE};
    struct image *image = NULL;
    const struct qed_image *qed;
    int ret = image_open(&image, path, &open_options, error);

    if (ret < 0)
        return ret;
    qed = image_qed(image, 0);
    if (qed) {
        create_options_init(&all->create);
        all->create.has_size = true;
        all->create.size = all->report->virtual_bytes = qed->geometry.image_size;
        all->create.cluster_size = all->report->cluster_size = qed->geometry.cluster_size;
        all->create.table_size = all->report->table_size = qed->geometry.table_size;
        all->create.intent = true;
    } else {
        ret = qed_fail(error, QED_ERR_UNSUPPORTED,
                       "--mode=durability is for QED images, which "
                       "'%s' is not",
                       path);
    }
    image_close(image);
    return ret;
}

/* How many requests there are, and where they may go: each to clusters of its own. */
static int settle_load(struct durability *all, struct qed_error *error)
{
    const struct bench_durability_options *options = all->options;
    uint64_t size = all->create.size, most;

    if (!checked_round_up(max_u64(options->request_bytes, 1), all->create.cluster_size, &all->step))
        return qed_fail(error, QED_ERR_INVALID, "request too large");
    all->places = size / all->step;
    if (size % all->step >= max_u64(options->request_bytes, 1))
        all->places++;
    most = options->count ? options->count : BENCH_DURABILITY_COUNT;
    all->count = options->count ? most : min_u64(most, all->places);
    if (all->count < 2 || all->count > all->places)
        return qed_fail(error, QED_ERR_INVALID,
                        "the guest has room for %llu allocating requests of %zu bytes; 2 or more, "
                        "and no more than that, can be sent",
                        (unsigned long long)all->places, options->request_bytes);
    return QED_OK;
}

int bench_durability(const char *path, const struct bench_durability_options *options,
                     struct bench_durability_report *report, struct qed_error *error)
{
    struct durability all = {.options = options, .report = report};
    int ret;

    *report = (struct bench_durability_report){0};
    for (size_t i = 0; i < BENCH_POLICY_COUNT; i++) {
        report->policies[i].name = policies[i].name;
        report->policies[i].is_safe = policies[i].without == 0;
    }
    ret = look_at_image(&all, path, error);
    if (ret == QED_OK)
        ret = settle_load(&all, error);
    if (ret == QED_OK && asprintf(&all.scratch_path, "%s.bench", path) < 0) {
        all.scratch_path = NULL;
        ret = qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    }
    if (ret == QED_OK)
        ret = run_rounds(&all, error);
    if (ret == QED_OK)
        take_medians(&all);
    for (size_t i = 0; ret == QED_OK && i < BENCH_POLICY_COUNT; i++)
        ret = crash_policy(&all, i, error);
    free(all.scratch_path);
    return ret;
}

void bench_durability_release(struct bench_durability_report *report)
{
    for (size_t i = 0; i < BENCH_POLICY_COUNT; i++) {
        qed_scan_plan_free(&report->policies[i].crash.plan);
        qed_scan_plan_free(&report->policies[i].crash.loaded_plan);
    }
}

int bench_crash_model(const struct bench_crash *crash, const struct qed_scan_plan *plan,
                      const struct diskmodel *disk, unsigned int guests,
                      struct diskmodel_times *times, struct qed_error *error)
{
    struct diskmodel_load load = {.requests = plan->requests,
                                  .count = plan->count,
                                  .depth = plan->depth ? plan->depth : 1,
                                  .guests = guests,
                                  .file_bytes = crash->file_bytes};

    return diskmodel_run(disk, &load, times, error);
}
