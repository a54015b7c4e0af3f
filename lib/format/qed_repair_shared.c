/*
 * What two entries refer to: the first in the order of the tables keeps it, each later one gets a
 * copy of what it reads today.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_repair_state.h"

#include <stddef.h>

struct sharing {
    struct repair *repair;
    struct bitmap *seen; /* shared clusters that an entry before has named */
    uint64_t bytes;      /* that copies need, or would need */
    bool count_only;
    uint64_t new_table; /* file offset of the table that gets copies of a table's clusters */
};

static int copy_cluster(struct sharing *sharing, const struct problem *problem, uint64_t table_off,
                        struct qed_error *error)
{
    struct repair *repair = sharing->repair;
    uint64_t cluster_size = repair->geometry->cluster_size, to;
    int ret;

    sharing->bytes += cluster_size;
    if (sharing->count_only)
        return QED_OK;
    ret = qed_plan_copy(repair->plan, problem->value, cluster_size, cluster_size, &to, error);
    return ret < 0 ? ret : repair_set_entry(repair, problem, table_off, to, ACTION_COPY, error);
}

/* What is wrong with an entry that names a shared cluster; PROBLEM_COUNT when it is the owner. */
static int judge_entry(struct sharing *sharing, uint64_t entry, enum problem_id *id,
                       struct qed_error *error)
{
    const struct repair *repair = sharing->repair;
    const struct qed_geometry *g = repair->geometry;
    uint64_t cluster = entry >> g->cluster_shift, already;

    *id = PROBLEM_COUNT;
    if (bitmap_test(repair->found->tables, cluster)) {
        *id = range_inside(entry, g->cluster_size, g->l1_table_offset,
                           g->l1_table_offset + g->table_bytes)
                  ? PROBLEM_L2_ON_L1
                  : PROBLEM_L2_ON_TABLE;
        return QED_OK;
    }
    if (bitmap_set_range(sharing->seen, cluster, 1, &already) < 0)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    if (already)
        *id = PROBLEM_L2_SHARED;
    return QED_OK;
}

static int shared_piece(void *context, const struct qed_scan_piece *piece, struct qed_error *error)
{
    struct sharing *sharing = context;
    const struct repair *repair = sharing->repair;
    const struct qed_geometry *g = repair->geometry;
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < piece->count; i++) {
        uint64_t entry = piece->entries[i];
        enum problem_id id;
        struct problem problem;

        if (entry <= QED_ENTRY_ZERO || !qed_data_offset_valid(g, entry) ||
            !bitmap_test(repair->found->shared, entry >> g->cluster_shift))
            continue;
        ret = judge_entry(sharing, entry, &id, error);
        if (ret < 0 || id == PROBLEM_COUNT)
            continue;
        problem =
            qed_check_l2_problem(g, id, piece->table->l1_index, piece->first_index + i, entry);
        ret = copy_cluster(sharing, &problem, piece->table->file_off, error);
    }
    return ret;
}

/* An entry of a table that is copied for another L1 entry: it gets a copy of its cluster, too. */
static int table_piece(void *context, const struct qed_scan_piece *piece, struct qed_error *error)
{
    struct sharing *sharing = context;
    struct repair *repair = sharing->repair;
    uint64_t cluster_size = repair->geometry->cluster_size;
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < piece->count; i++) {
        uint64_t entry = piece->entries[i];
        uint64_t word_off = sharing->new_table + (piece->first_index + i) * sizeof(uint64_t);

        if (entry == QED_ENTRY_UNALLOCATED)
            continue;
        sharing->bytes += entry == QED_ENTRY_ZERO ? 0 : cluster_size;
        if (sharing->count_only)
            continue;
        if (entry != QED_ENTRY_ZERO)
            ret = qed_plan_copy(repair->plan, entry, cluster_size, cluster_size, &entry, error);
        if (ret == QED_OK)
            ret = qed_plan_set(repair->plan, word_off, entry, QED_PLAN_MOVE, error);
    }
    return ret;
}

static int copy_table(struct sharing *sharing, uint64_t l1_index, uint64_t table_off,
                      struct qed_error *error)
{
    struct repair *repair = sharing->repair;
    const struct qed_geometry *g = repair->geometry;
    struct qed_scan_table table = {.l1_index = l1_index, .file_off = table_off};
    struct problem problem = qed_check_l1_problem(g, PROBLEM_L1_SAME_TABLE, l1_index, table_off);
    int ret = QED_OK;

    sharing->bytes += g->table_bytes;
    if (!sharing->count_only)
        ret = qed_plan_allocate(repair->plan, g->table_bytes, g->cluster_size, &sharing->new_table,
                                error);
    if (ret == QED_OK)
        ret = qed_scan_table(repair->image, &table, table_piece, sharing, error);
    if (ret == QED_OK && !sharing->count_only)
        ret = repair_set_entry(repair, &problem, g->l1_table_offset, sharing->new_table,
                               ACTION_COPY_TABLE, error);
    return ret;
}

static int l1_piece(void *context, const struct qed_scan_piece *piece, struct qed_error *error)
{
    struct sharing *sharing = context;
    const struct qed_geometry *g = sharing->repair->geometry;
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < piece->count; i++) {
        uint64_t entry = piece->entries[i], already;

        if (entry == QED_ENTRY_UNALLOCATED || qed_check_l1_entry(g, entry) != PROBLEM_COUNT)
            continue;
        if (bitmap_set_range(sharing->seen, entry >> g->cluster_shift, 1, &already) < 0)
            return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
        if (already)
            ret = copy_table(sharing, piece->first_index + i, entry, error);
    }
    return ret;
}

/* Plan the copies of clusters, and of tables too, or count what they need. */
static int walk(struct repair *repair, bool with_tables, bool count_only, uint64_t *bytes,
                struct qed_error *error)
{
    const struct qed_scan_list *touching = &repair->found->touching;
    struct sharing sharing = {.repair = repair,
                              .seen = bitmap_new(bitmap_bit_count(repair->found->used)),
                              .count_only = count_only};
    int ret = QED_OK;

    if (!sharing.seen)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    for (size_t i = 0; ret == QED_OK && i < touching->count; i++)
        ret = qed_scan_table(repair->image, &touching->tables[i], shared_piece, &sharing, error);
    if (ret == QED_OK && with_tables)
        ret = qed_scan_l1(repair->image, l1_piece, &sharing, error);
    bitmap_free(sharing.seen);
    *bytes = sharing.bytes;
    return ret;
}

static bool fits(const struct repair *repair, uint64_t bytes)
{
    return bytes <= repair->options->free_bytes && (bytes == 0 || !repair->options->fixed_length);
}

int repair_shared(struct repair *repair, struct qed_error *error)
{
    /* Where tables are lost, an entry that names another's table may be the place of one of them.
     */
    bool with_tables = !repair->found->totals.orphans;
    uint64_t bytes;
    int ret;

    if (bitmap_next_set(repair->found->shared, 0) == bitmap_bit_count(repair->found->shared))
        return QED_OK;
    ret = walk(repair, with_tables, true, &bytes, error);
    if (ret == QED_OK && !fits(repair, bytes)) {
        repair->report->space_missing = bytes;
        with_tables = false;
        ret = walk(repair, with_tables, true, &bytes, error);
    }
    if (ret < 0 || bytes == 0 || !fits(repair, bytes))
        return ret;
    ret = walk(repair, with_tables, false, &bytes, error);
    repair->report->copied += bytes;
    return ret;
}
