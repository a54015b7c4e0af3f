/*
 * The check itself, timed; and the lists of requests that it and QEMU's make.
 * SPDX-License-Identifier: MIT
 */
#include "core/bench.h"

#include "core/bench_target.h"
#include "format/qed_check.h"
#include "io/io_cache.h"

struct lists {
    const struct qed_geometry *geometry;
    struct qed_scan_list tables;
};

static int add_tables(void *context, const struct qed_scan_piece *piece, struct qed_error *error)
{
    struct lists *lists = context;
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < piece->count; i++) {
        uint64_t entry = piece->entries[i];

        if (entry != QED_ENTRY_UNALLOCATED && qed_table_offset_valid(lists->geometry, entry))
            ret = qed_scan_list_add(&lists->tables, piece->first_index + i, entry, error);
    }
    return ret;
}

static int ignore_piece(void *context, const struct qed_scan_piece *piece, struct qed_error *error)
{
    (void)context;
    (void)piece;
    (void)error;
    return QED_OK;
}

static int time_check(struct qed_image *qed, struct bench_check_pass *pass, struct qed_error *error)
{
    static const struct qed_scan_options options;
    struct qed_check_result result;
    uint64_t begun = bench_now();
    int ret = qed_check(qed, &options, 0, &result, error);

    *pass = (struct bench_check_pass){.seconds = bench_seconds(bench_now() - begun),
                                      .requests = result.scan.requests,
                                      .bytes_read = result.scan.bytes_read,
                                      .bytes_cached = result.scan.bytes_cached};
    qed_check_release(&result);
    return ret;
}

/* What was written and is not on the disk yet cannot be dropped. */
static void drop_from_memory(struct io *io, struct bench_check_report *report)
{
    io_flush(io, NULL);
    io_drop_cached(io, 0, 0);
    report->knows_left = io_cached_bytes(io, 0, report->file_bytes, &report->left_cached);
}

static int measure(struct qed_image *qed, const struct qed_scan_list *tables,
                   struct bench_check_report *report, struct qed_error *error)
{
    int ret;

    drop_from_memory(qed->io, report);
    ret = time_check(qed, &report->cold, error);
    if (ret == QED_OK)
        ret = qed_scan_in_turn(qed, tables->tables, tables->count, ignore_piece, NULL, error);
    if (ret == QED_OK)
        ret = time_check(qed, &report->warm, error);
    return ret;
}

static int time_recovery(struct qed_image *qed, const struct qed_scan_list *tables,
                         struct bench_check_pass *pass, struct qed_error *error)
{
    struct qed_scan_stats stats = {0};
    uint64_t begun = bench_now();
    int ret = qed_scan_l2(qed, tables, NULL, ignore_piece, NULL, &stats, error);

    *pass = (struct bench_check_pass){.seconds = bench_seconds(bench_now() - begun),
                                      .requests = stats.requests,
                                      .bytes_read = stats.bytes_read,
                                      .bytes_cached = stats.bytes_cached};
    return ret;
}

/* What a recovery would read, and how long that takes here. */
static int measure_recovery(struct qed_image *qed, struct bench_check_report *report,
                            struct qed_error *error)
{
    struct qed_scan_list tables = {0};
    int ret = qed_recover_plan(qed, &report->recovery, &tables, error);

    if (ret == QED_ERR_CORRUPT) {
        report->recovery_refused = true;
        return QED_OK;
    }
    if (ret < 0 || report->recovery == QED_RECOVERY_NONE)
        return ret;
    report->recovery_tables = tables.count;
    ret = qed_scan_plan(qed, &tables, NULL, &report->recovery_plan, error);
    if (ret == QED_OK)
        io_drop_cached(qed->io, 0, 0);
    if (ret == QED_OK)
        ret = time_recovery(qed, &tables, &report->recovery_cold, error);
    if (ret == QED_OK)
        ret = qed_scan_in_turn(qed, tables.tables, tables.count, ignore_piece, NULL, error);
    if (ret == QED_OK)
        ret = time_recovery(qed, &tables, &report->recovery_warm, error);
    qed_scan_list_free(&tables);
    return ret;
}

static int bench_qed(struct qed_image *qed, struct bench_check_report *report,
                     struct qed_error *error)
{
    struct lists lists = {.geometry = &qed->geometry};
    int ret = io_get_length(qed->io, &report->file_bytes, error);

    if (ret == QED_OK)
        ret = qed_scan_l1(qed, add_tables, &lists, error);
    report->tables = lists.tables.count;
    if (ret == QED_OK)
        ret = qed_scan_plan_qemu(qed, &lists.tables, &report->qemu_plan, error);
    qed_scan_list_sort(&lists.tables);
    if (ret == QED_OK)
        ret = qed_scan_plan(qed, &lists.tables, NULL, &report->plan, error);
    if (ret == QED_OK)
        ret = measure(qed, &lists.tables, report, error);
    if (ret == QED_OK)
        ret = measure_recovery(qed, report, error);
    qed_scan_list_free(&lists.tables);
    return ret;
}

int bench_check(const char *path, const struct bench_check_options *options,
                struct bench_check_report *report, struct qed_error *error)
{
    struct image_options open_options = {
        .format = options->format, .share = options->share, .backing = IMAGE_BACKING_IGNORE};
    struct image *image = NULL;
    int ret;

    *report = (struct bench_check_report){0};
    ret = image_open(&image, path, &open_options, error);
    if (ret < 0)
        return ret;
    report->format = image_format(image, 0);
    if (image_qed(image, 0)) {
        ret = bench_qed(image_qed(image, 0), report, error);
        if (ret < 0)
            qed_fail_prefix(error, ret, "'%s'", path);
    } else {
        ret = qed_fail(error, QED_ERR_UNSUPPORTED, "This image format does not support checks");
    }
    image_close(image);
    return ret;
}

int bench_check_model(const struct bench_check_report *report, const struct qed_scan_plan *plan,
                      const struct diskmodel *disk, unsigned int guests,
                      struct diskmodel_times *times, struct qed_error *error)
{
    struct diskmodel_load load = {.requests = plan->requests,
                                  .count = plan->count,
                                  .depth = plan->depth,
                                  .guests = guests,
                                  .file_bytes = report->file_bytes};

    return diskmodel_run(disk, &load, times, error);
}

void bench_check_release(struct bench_check_report *report)
{
    qed_scan_plan_free(&report->plan);
    qed_scan_plan_free(&report->qemu_plan);
    qed_scan_plan_free(&report->recovery_plan);
}
