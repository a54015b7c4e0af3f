/*
 * What nothing refers to. A leaked cluster may be an L2 table whose L1 entry was lost, with it the
 * only map of up to 2 GiB of guest data; so leaked space is looked at before it is called harmless.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include "base/le.h"
#include "format/qed_check_state.h"

/* How many leaked clusters are looked at, at most; a first look costs one small read. */
#define LOOKS_MAX (UINT64_C(1) << 16)
#define LOOK_BYTES ((size_t)4096)
#define REST_BYTES ((size_t)64 << 10)

struct leaks {
    const struct check *check;
    struct io_run run; /* of the file, that was looked up last */
    uint64_t looks;
    uint8_t *buffer; /* REST_BYTES */
};

/* What is left, from file_off on, of the run that file_off lies in; looked up once for each run. */
static int run_at(struct leaks *leaks, uint64_t file_off, struct io_run *run,
                  struct qed_error *error)
{
    const struct io_run *known = &leaks->run;
    int ret = QED_OK;

    if (!range_inside(file_off, 1, known->file_off, known->file_off + known->length))
        ret = io_next_run(leaks->check->image->io, file_off, &leaks->run, error);
    *run = leaks->run;
    run->file_off = file_off;
    run->length -= file_off - known->file_off;
    return ret;
}

static enum check_look look_at_bytes(const struct qed_geometry *g, const uint8_t *bytes, size_t len)
{
    enum check_look look = CHECK_LOOK_ZERO;

    for (size_t i = 0; i < len; i += sizeof(uint64_t)) {
        uint64_t entry = le64_load(bytes + i);

        if (entry <= QED_ENTRY_ZERO)
            continue;
        if (!qed_data_offset_valid(g, entry))
            return CHECK_LOOK_OTHER;
        look = CHECK_LOOK_TABLE;
    }
    return look;
}

/* Look at one cluster: a little first, which tells in nearly every case, then all of it. */
static int look_at_cluster(struct leaks *leaks, uint64_t file_off, enum check_look *look,
                           struct qed_error *error)
{
    const struct qed_geometry *g = leaks->check->geometry;
    uint64_t end = file_off + g->cluster_size;
    size_t step = LOOK_BYTES;

    *look = CHECK_LOOK_ZERO;
    while (file_off < end) {
        struct io_run run;
        enum check_look found;
        int ret = run_at(leaks, file_off, &run, error);

        if (ret < 0)
            return ret;
        if (!run.is_data && run.length >= step) {
            file_off += round_down(run.length, sizeof(uint64_t));
            continue;
        }
        step = (size_t)min_u64(step, end - file_off);
        ret = io_read_sectors(leaks->check->image->io, leaks->buffer, step, file_off, error);
        if (ret < 0)
            return ret;
        found = look_at_bytes(g, leaks->buffer, step);
        if (found == CHECK_LOOK_OTHER) {
            *look = CHECK_LOOK_OTHER;
            return QED_OK;
        }
        if (found == CHECK_LOOK_TABLE)
            *look = CHECK_LOOK_TABLE;
        file_off += step;
        step = REST_BYTES;
    }
    return QED_OK;
}

int check_look_at_cluster(const struct check *check, uint64_t file_off, enum check_look *look,
                          struct qed_error *error)
{
    struct leaks leaks = {.check = check, .buffer = malloc(REST_BYTES)};
    int ret = QED_ERR_NO_MEMORY;

    if (leaks.buffer)
        ret = look_at_cluster(&leaks, file_off, look, error);
    else
        qed_fail(error, ret, "out of memory");
    free(leaks.buffer);
    return ret;
}

static int look_at_leak(struct leaks *leaks, uint64_t file_off, enum check_look *look,
                        struct qed_error *error)
{
    leaks->looks++;
    return look_at_cluster(leaks, file_off, look, error);
}

/* How many clusters of a table could be at file_off: 0, or all of it. */
static int look_for_table(struct leaks *leaks, uint64_t file_off, uint64_t end, bool *is_table,
                          struct qed_error *error)
{
    const struct qed_geometry *g = leaks->check->geometry;
    enum check_look look = CHECK_LOOK_OTHER;
    int ret = look_at_leak(leaks, file_off, &look, error);

    *is_table = look == CHECK_LOOK_TABLE && end - file_off >= g->table_bytes;
    for (uint32_t i = 1; ret == QED_OK && *is_table && i < g->table_size; i++) {
        ret = look_at_leak(leaks, file_off + i * (uint64_t)g->cluster_size, &look, error);
        *is_table = look != CHECK_LOOK_OTHER;
    }
    return ret;
}

static void found_range(struct check *check, enum problem_id id, uint64_t file_off, uint64_t end)
{
    if (file_off < end)
        check_found(check, &(struct problem){.id = id,
                                             .file_off = file_off,
                                             .file_len = end - file_off,
                                             .clusters = (end - file_off) >>
                                                         check->geometry->cluster_shift});
}

/* Report a leaked range, the tables in it apart. */
static int report_range(struct check *check, struct leaks *leaks, uint64_t file_off, uint64_t end,
                        struct qed_error *error)
{
    const struct qed_geometry *g = check->geometry;
    enum problem_id id = end == g->file_end ? PROBLEM_LEAK_TAIL : PROBLEM_LEAK;
    uint64_t at = file_off;

    while (end - at >= g->table_bytes && leaks->looks < LOOKS_MAX) {
        struct io_run run;
        bool is_table = false;
        int ret = run_at(leaks, at, &run, error);

        if (ret == QED_OK && !run.is_data && run.length >= g->cluster_size) {
            at = min_u64(end, at + round_down(run.length, g->cluster_size));
            continue;
        }
        if (ret == QED_OK)
            ret = look_for_table(leaks, at, end, &is_table, error);
        if (ret < 0)
            return ret;
        if (!is_table) {
            at += g->cluster_size;
            continue;
        }
        found_range(check, PROBLEM_LEAK, file_off, at);
        found_range(check, PROBLEM_ORPHAN_TABLE, at, at + g->table_bytes);
        check->result->totals.orphans++;
        at += g->table_bytes;
        file_off = at;
    }
    found_range(check, id, file_off, end);
    return QED_OK;
}

/*
 * The L1 is empty and tables are there. A crash before the first L1 entry leaves that, too, but
 * then the image is marked, or, over a backing file, where QEMU does not mark it, it is one table.
 */
static bool lost_its_l1(const struct check *check)
{
    const struct qed_check_totals *totals = &check->result->totals;
    bool may_have_crashed =
        qed_needs_check(check->image) || (check->image->backing_name && totals->orphans == 1);

    return totals->l1_may_be_lost && !may_have_crashed;
}

int check_leaks(struct check *check, struct qed_error *error)
{
    const struct qed_geometry *g = check->geometry;
    struct leaks leaks = {.check = check, .buffer = malloc(REST_BYTES)};
    uint64_t end = bitmap_bit_count(check->used);
    uint64_t at = bitmap_next_clear(check->used, g->header_bytes >> g->cluster_shift);
    int ret = QED_OK;

    if (!leaks.buffer)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    while (ret == QED_OK && at < end) {
        uint64_t next = bitmap_next_set(check->used, at);

        ret = report_range(check, &leaks, at << g->cluster_shift, next << g->cluster_shift, error);
        at = bitmap_next_clear(check->used, next);
    }
    free(leaks.buffer);
    check->result->totals.l1_may_be_lost = !check->l1_entries && check->result->totals.orphans;
    check->result->l1_is_empty = ret == QED_OK && lost_its_l1(check);
    if (check->result->l1_is_empty)
        check_found(check, &(struct problem){.id = PROBLEM_L1_EMPTY,
                                             .file_off = g->l1_table_offset,
                                             .file_len = g->table_bytes,
                                             .clusters = 1});
    return ret;
}
