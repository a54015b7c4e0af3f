/*
 * Units of adjoining tables, windows of a unit, requests of a window.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_scan_plan.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/array.h"

#define FEW_BYTES ((uint64_t)1 << 20) /* of tables: threads would take longer to start */
#define UNIT_BYTES ((uint64_t)4 << 20)
#define WINDOW_MAX ((size_t)4 << 20)
#define WINDOW_MIN ((size_t)64 << 10)
#define GAP_BYTES (32 << 10) /* holes shorter than this are read through */

int qed_scan_make_units(const struct qed_scan_list *list, uint64_t table_bytes,
                        struct qed_scan_unit **out, size_t *out_count)
{
    size_t per_unit = (size_t)max_u64(UNIT_BYTES / table_bytes, 1);
    const struct qed_scan_table *tables = list->tables;
    struct qed_scan_unit *units = malloc((list->count ? list->count : 1) * sizeof(*units));
    size_t count = 0;

    if (!units)
        return QED_ERR_NO_MEMORY;
    for (size_t i = 0; i < list->count; i++) {
        struct qed_scan_unit *last = count ? &units[count - 1] : NULL;

        if (last && last->count < per_unit &&
            tables[i].file_off == tables[i - 1].file_off + table_bytes)
            last->count++;
        else
            units[count++] = (struct qed_scan_unit){.first = i, .count = 1};
    }
    *out = units;
    *out_count = count;
    return QED_OK;
}

static unsigned int clamp_count(uint64_t count, unsigned int most)
{
    return count < 1 ? 1 : count > most ? most : (unsigned int)count;
}

struct qed_scan_sizes qed_scan_choose_sizes(const struct qed_scan_options *options, size_t units)
{
    struct qed_scan_sizes sizes = {.window = WINDOW_MAX};
    bool sync = options->queue == IO_QUEUE_SYNC;
    uint64_t memory = options->memory ? options->memory : QED_SCAN_MEMORY_DEFAULT;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    sizes.threads = sync ? QED_SCAN_SYNC_THREADS
                         : clamp_count(cores > 0 ? (uint64_t)cores : 1, QED_SCAN_SYNC_THREADS);
    if (options->threads)
        sizes.threads = clamp_count(options->threads, QED_SCAN_THREADS_MAX);
    memory = max_u64(memory, QED_SCAN_MEMORY_MIN);
    while (sizes.window > WINDOW_MIN && sizes.window + QED_SCAN_WARM_BYTES > memory)
        sizes.window /= 2;
    sizes.threads =
        clamp_count(min_u64(memory / (QED_SCAN_WARM_BYTES + sizes.window), units), sizes.threads);
    sizes.slots = sync ? 1
                       : clamp_count((memory / sizes.threads - QED_SCAN_WARM_BYTES) / sizes.window,
                                     QED_SCAN_SLOTS_MAX);
    return sizes;
}

bool qed_scan_is_short(const struct qed_scan_list *list, const struct qed_scan_options *options,
                       uint64_t table_bytes)
{
    bool asks_for_threads = options && (options->threads || options->queue != IO_QUEUE_AUTO);

    return !asks_for_threads && list->count <= FEW_BYTES / table_bytes;
}

int qed_scan_find_run(struct qed_scan_runs *runs, uint64_t file_off, struct io_run *run,
                      struct qed_error *error)
{
    struct io_run *known = &runs->known;
    int ret = QED_OK;

    if (file_off < known->file_off || file_off - known->file_off >= known->length)
        ret = io_next_run(runs->io, file_off, known, error);
    *run = *known;
    run->length -= file_off - run->file_off;
    run->file_off = file_off;
    return ret;
}

uint64_t qed_scan_end_of_hole(const struct io_run *run, uint64_t align)
{
    return max_u64(round_down(run->file_off + run->length, align), run->file_off + QED_SECTOR);
}

static void add_data(struct qed_scan_window *window, uint64_t file_off, uint64_t end)
{
    struct qed_scan_request *last = window->count ? &window->requests[window->count - 1] : NULL;

    if (last &&
        (window->count == QED_SCAN_RUNS_MAX || file_off - (last->file_off + last->len) < GAP_BYTES))
        last->len = end - last->file_off;
    else
        window->requests[window->count++] =
            (struct qed_scan_request){.file_off = file_off, .len = end - file_off};
}

int qed_scan_plan_window(struct qed_scan_runs *runs, uint64_t start, uint64_t window_end,
                         struct qed_scan_window *window, struct qed_error *error)
{
    uint64_t at = start;

    window->start = start;
    window->end = window_end;
    window->count = 0;
    while (at < window_end) {
        struct io_run run;
        uint64_t end;
        int ret = qed_scan_find_run(runs, at, &run, error);

        if (ret < 0)
            return ret;
        if (run.length == 0)
            return qed_fail(error, QED_ERR_SHORT_READ, "the file was cut short while it was read");
        if (!run.is_data) {
            at = min_u64(window_end, qed_scan_end_of_hole(&run, IO_DIRECT_ALIGN));
            continue;
        }
        end = min_u64(run.file_off + run.length, window_end);
        at = max_u64(round_down(at, IO_DIRECT_ALIGN), start);
        checked_round_up(end, IO_DIRECT_ALIGN, &end);
        end = min_u64(end, window_end);
        add_data(window, at, end);
        at = end;
    }
    return QED_OK;
}

int qed_scan_next_step(struct qed_image *image, const struct qed_scan_table *table,
                       uint64_t *in_table, size_t most, size_t *len, struct qed_error *error)
{
    uint64_t table_bytes = image->geometry.table_bytes;

    *len = 0;
    while (*in_table < table_bytes) {
        struct io_run run;
        uint64_t end;
        int ret = io_next_run(image->io, table->file_off + *in_table, &run, error);

        if (ret < 0)
            return ret;
        if (run.length == 0)
            return QED_OK; /* the file was cut while we read */
        if (run.is_data) {
            end = min_u64(*in_table + blocks_for(run.length, 9) * QED_SECTOR, table_bytes);
            *len = (size_t)min_u64(end - *in_table, most);
            return QED_OK;
        }
        /* Whole entries, wherever the file system's blocks end. */
        *in_table = max_u64(round_down(*in_table + run.length, sizeof(uint64_t)),
                            *in_table + sizeof(uint64_t));
    }
    return QED_OK;
}

static int add_request(struct qed_scan_plan *plan, uint64_t file_off, uint64_t len,
                       struct qed_error *error)
{
    struct qed_scan_request *requests =
        array_with_room(plan->requests, plan->count, &plan->room, sizeof(*requests));

    if (!requests)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    plan->requests = requests;
    requests[plan->count++] = (struct qed_scan_request){.file_off = file_off, .len = len};
    plan->bytes += len;
    return QED_OK;
}

static int plan_unit(struct qed_scan_runs *runs, uint64_t at, uint64_t end, size_t window_bytes,
                     struct qed_scan_plan *plan, struct qed_error *error)
{
    int ret = QED_OK;

    while (ret == QED_OK && at < end) {
        struct qed_scan_window window;
        struct io_run run;

        ret = qed_scan_find_run(runs, at, &run, error);
        if (ret == QED_OK && !run.is_data) {
            at = min_u64(end, qed_scan_end_of_hole(&run, QED_SECTOR));
            continue;
        }
        if (ret == QED_OK)
            ret = qed_scan_plan_window(runs, at, min_u64(end, at + window_bytes), &window, error);
        for (unsigned int i = 0; ret == QED_OK && i < window.count; i++)
            ret = add_request(plan, window.requests[i].file_off, window.requests[i].len, error);
        if (ret == QED_OK)
            at = window.end;
    }
    return ret;
}

static int plan_short(struct qed_image *image, const struct qed_scan_list *list,
                      struct qed_scan_plan *plan, struct qed_error *error)
{
    int ret = QED_OK;

    plan->depth = 1;
    for (size_t i = 0; ret == QED_OK && i < list->count; i++) {
        uint64_t at = 0;
        size_t len = 1;

        while (ret == QED_OK && len > 0) {
            ret =
                qed_scan_next_step(image, &list->tables[i], &at, QED_SCAN_STEP_BYTES, &len, error);
            if (ret == QED_OK && len > 0)
                ret = add_request(plan, list->tables[i].file_off + at, len, error);
            at += len;
        }
    }
    return ret;
}

int qed_scan_plan(struct qed_image *image, const struct qed_scan_list *list,
                  const struct qed_scan_options *options, struct qed_scan_plan *plan,
                  struct qed_error *error)
{
    static const struct qed_scan_options defaults;
    uint64_t table_bytes = image->geometry.table_bytes;
    struct qed_scan_runs runs = {.io = image->io};
    struct qed_scan_unit *units;
    struct qed_scan_sizes sizes;
    size_t count;
    int ret = QED_OK;

    if (qed_scan_is_short(list, options, table_bytes))
        return plan_short(image, list, plan, error);
    if (qed_scan_make_units(list, table_bytes, &units, &count) < 0)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    sizes = qed_scan_choose_sizes(options ? options : &defaults, count);
    plan->depth = sizes.threads * sizes.slots;
    for (size_t i = 0; ret == QED_OK && i < count; i++) {
        uint64_t at = list->tables[units[i].first].file_off;

        ret = plan_unit(&runs, at, at + units[i].count * table_bytes, sizes.window, plan, error);
    }
    free(units);
    return ret;
}

int qed_scan_plan_qemu(const struct qed_image *image, const struct qed_scan_list *list,
                       struct qed_scan_plan *plan, struct qed_error *error)
{
    int ret = QED_OK;

    plan->depth = 1;
    for (size_t i = 0; ret == QED_OK && i < list->count; i++)
        ret = add_request(plan, list->tables[i].file_off, image->geometry.table_bytes, error);
    return ret;
}

void qed_scan_plan_free(struct qed_scan_plan *plan)
{
    free(plan->requests);
    *plan = (struct qed_scan_plan){0};
}
