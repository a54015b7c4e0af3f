/*
 * What two entries refer to: the first in the order of the tables keeps it, each later one gets a
 * copy of what it reads today. Data first: a table that is read as data, too, is not touched
 * before. SPDX-License-Identifier: MIT
 */
#include "format/qed_repair_state.h"

#include <stddef.h>

enum mode {
    FIND,  /* the entries that need copies */
    COUNT, /* the bytes that copies need */
    COPY,
    LEAVE, /* say that they stay as they are */
};

struct sharing {
    struct repair *repair;
    enum mode mode;
    bool only_on_l1;     /* data entries that name anything else are passed over */
    struct bitmap *seen; /* shared clusters that an entry before has named */
    uint64_t bytes;      /* that copies need */
    uint64_t new_table;  /* file offset of the table that gets copies of a table's clusters */
};

static int copy_cluster(struct sharing *sharing, struct problem *problem, uint64_t table_off,
                        struct qed_error *error)
{
    struct repair *repair = sharing->repair;
    uint64_t cluster_size = repair->geometry->cluster_size, to;
    uint64_t word_off = table_off + problem->l2_index * sizeof(uint64_t);
    int ret;

    if (sharing->mode == FIND)
        return repair_add_move(repair, word_off, problem->value, error);
    if (sharing->mode != LEAVE && !repair_can_move(repair, word_off))
        return QED_OK;
    sharing->bytes += cluster_size;
    if (sharing->mode == LEAVE) {
        repair->l1_is_read = repair->l1_is_read || problem->id == PROBLEM_L2_ON_L1;
        return repair_report(repair, problem, ACTION_LEAVE, error);
    }
    if (sharing->mode == COUNT)
        return QED_OK;
    repair_lose_cut(repair, problem);
    ret = repair_pass_named(repair, cluster_size, error);
    if (ret == QED_OK)
        ret = qed_plan_copy(repair->plan, problem->value, cluster_size, cluster_size, &to, error);
    if (ret == QED_OK)
        ret = repair_fill(repair, problem, to, error);
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
        if (ret < 0 || id == PROBLEM_COUNT || (sharing->only_on_l1 && id != PROBLEM_L2_ON_L1))
            continue;
        problem =
            qed_check_l2_problem(g, id, piece->table->l1_index, piece->first_index + i, entry);
        ret = copy_cluster(sharing, &problem, piece->table->file_off, error);
    }
    return ret;
}

/* An entry of a table that is copied for another L1 entry: it gets a copy of its cluster, too. */
static int copy_entry(struct sharing *sharing, struct problem *problem, uint64_t word_off,
                      struct qed_error *error)
{
    struct repair *repair = sharing->repair;
    uint64_t cluster_size = repair->geometry->cluster_size, to = problem->value;
    int ret = QED_OK;

    if (to != QED_ENTRY_ZERO)
        ret = repair_pass_named(repair, cluster_size, error);
    if (ret == QED_OK && to != QED_ENTRY_ZERO)
        ret = qed_plan_copy(repair->plan, problem->value, cluster_size, cluster_size, &to, error);
    if (ret == QED_OK && to != QED_ENTRY_ZERO)
        ret = repair_fill(repair, problem, to, error);
    repair_lose_cut(repair, problem);
    if (ret == QED_OK && to != QED_ENTRY_ZERO)
        ret = qed_repair_account_add(&repair->account, problem->lost_off, problem->lost_len, true,
                                     error);
    return ret < 0 ? ret : qed_plan_set(repair->plan, word_off, to, QED_PLAN_MOVE, error);
}

static int table_piece(void *context, const struct qed_scan_piece *piece, struct qed_error *error)
{
    struct sharing *sharing = context;
    const struct qed_geometry *g = sharing->repair->geometry;
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < piece->count; i++) {
        uint64_t entry = piece->entries[i], index = piece->first_index + i;
        struct problem problem;

        if (entry == QED_ENTRY_UNALLOCATED)
            continue;
        sharing->bytes += entry == QED_ENTRY_ZERO ? 0 : g->cluster_size;
        if (sharing->mode == COUNT)
            continue;
        problem = qed_check_l2_problem(g, PROBLEM_L2_SHARED, piece->table->l1_index, index, entry);
        ret = copy_entry(sharing, &problem, sharing->new_table + index * sizeof(uint64_t), error);
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

    if (sharing->mode == LEAVE)
        return repair_report(repair, &problem, ACTION_LEAVE, error);
    /* Its entries may be put right once nothing reads it as data. */
    if (qed_scan_list_find(&repair->found->damaged, table_off))
        return QED_OK;
    sharing->bytes += g->table_bytes;
    if (sharing->mode == COPY)
        ret = repair_pass_named(repair, g->table_bytes, error);
    if (ret == QED_OK && sharing->mode == COPY)
        ret = qed_plan_allocate(repair->plan, g->table_bytes, g->cluster_size, &sharing->new_table,
                                error);
    repair->move_level = repair->level;
    if (ret == QED_OK && sharing->mode == COPY)
        ret = repair_set_entry(repair, &problem, g->l1_table_offset, sharing->new_table,
                               ACTION_COPY_TABLE, error);
    if (ret == QED_OK)
        ret = qed_scan_table(repair->image, &table, table_piece, sharing, error);
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

/* Go through the data entries that name shared clusters. */
static int walk_data(struct sharing *sharing, struct qed_error *error)
{
    const struct repair *repair = sharing->repair;
    const struct qed_scan_list *touching = &repair->found->touching;
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < touching->count; i++)
        ret = qed_scan_table(repair->image, &touching->tables[i], shared_piece, sharing, error);
    return ret;
}

/* Go through the L1 entries that share tables. */
static int walk_tables(struct sharing *sharing, struct qed_error *error)
{
    return qed_scan_l1(sharing->repair->image, l1_piece, sharing, error);
}

typedef int walk_fn(struct sharing *sharing, struct qed_error *error);

static int run_walk(struct sharing *sharing, walk_fn *fn, struct qed_error *error)
{
    int ret = QED_ERR_NO_MEMORY;

    sharing->seen = bitmap_new(bitmap_bit_count(sharing->repair->found->used));
    if (sharing->seen)
        ret = fn(sharing, error);
    else
        qed_fail(error, ret, "out of memory");
    bitmap_free(sharing->seen);
    return ret;
}

static int walk(struct repair *repair, walk_fn *fn, enum mode mode, uint64_t *bytes,
                struct qed_error *error)
{
    struct sharing sharing = {.repair = repair, .mode = mode};
    int ret = run_walk(&sharing, fn, error);

    *bytes = sharing.bytes;
    return ret;
}

int repair_leave_l1_readers(struct repair *repair, struct qed_error *error)
{
    struct sharing sharing = {.repair = repair, .mode = LEAVE, .only_on_l1 = true};
    int ret = run_walk(&sharing, walk_data, error);

    repair->report->l1_waits = true;
    repair->report->space_missing = sharing.bytes;
    return ret;
}

bool repair_fits(const struct repair *repair, uint64_t bytes)
{
    uint64_t free_bytes = repair->options->free_bytes, copied = repair->report->copied;

    return !repair->options->fixed_length && copied <= free_bytes && bytes <= free_bytes - copied;
}

/* Plan the copies that a walk finds a need for, where there is room for all of them. */
static int copy_all(struct repair *repair, walk_fn *fn, struct qed_error *error)
{
    uint64_t bytes;
    int ret = walk(repair, fn, COUNT, &bytes, error);

    if (ret < 0 || bytes == 0)
        return ret;
    if (!repair_fits(repair, bytes)) {
        repair->report->space_missing += bytes;
        return QED_OK;
    }
    ret = walk(repair, fn, COPY, &bytes, error);
    repair->report->copied += bytes;
    return ret;
}

/* The data entries, as far as there is an order in which they can be changed; then the others. */
static int copy_data(struct repair *repair, struct qed_error *error)
{
    uint64_t bytes;
    int ret;

    repair_forget_moves(repair);
    ret = walk(repair, walk_data, FIND, &bytes, error);
    if (ret == QED_OK)
        ret = repair_order_moves(repair, error);
    if (ret == QED_OK)
        ret = copy_all(repair, walk_data, error);
    if (ret == QED_OK && !repair->planned)
        ret = repair_move_stuck_tables(repair, error);
    repair->level = repair->level_used;
    return ret;
}

/* Say of what was found and not repaired that it stays. */
static int leave_rest(struct repair *repair, bool wait, struct qed_error *error)
{
    struct qed_repair_report *report = repair->report;
    uint64_t bytes, left;
    int ret = repair_leave_read_tables(repair, error);

    if (ret == QED_OK)
        ret = walk(repair, walk_data, LEAVE, &bytes, error);
    left = report->done[ACTION_LEAVE];
    if (ret == QED_OK)
        ret = walk(repair, walk_tables, LEAVE, &bytes, error);
    report->tables_wait = wait && report->done[ACTION_LEAVE] > left;
    report->l1_waits = repair->l1_waits && !wait && report->done[ACTION_LEAVE] > left;
    return ret;
}

int repair_shared(struct repair *repair, struct qed_error *error)
{
    /*
     * Where tables are lost, an entry that names another's table may be the place of one of them; a
     * rebuild has looked at that before.
     * In a marked image what looks lost may be a copy that a repair, cut off, was about to use.
     */
    bool wait =
        repair->found->totals.orphans && !qed_needs_check(repair->image) && !repair->options->adopt;
    int ret;

    repair->report->space_missing = 0;
    if (bitmap_next_set(repair->found->shared, 0) == bitmap_bit_count(repair->found->shared))
        return QED_OK;
    ret = copy_data(repair, error);
    if (ret == QED_OK && repair->planned)
        return repair_past_end_of_read_tables(repair, error);
    if (ret == QED_OK && !wait && !repair->l1_waits)
        ret = copy_all(repair, walk_tables, error);
    return ret < 0 || repair->planned ? ret : leave_rest(repair, wait, error);
}

/* Find the clusters of tables that data entries name. */
static int read_piece(void *context, const struct qed_scan_piece *piece, struct qed_error *error)
{
    struct repair *repair = context;
    const struct qed_geometry *g = repair->geometry;
    uint64_t ignored;

    for (size_t i = 0; i < piece->count; i++) {
        uint64_t entry = piece->entries[i];

        if (entry > QED_ENTRY_ZERO && qed_data_offset_valid(g, entry) &&
            bitmap_test(repair->found->tables, entry >> g->cluster_shift) &&
            bitmap_set_range(repair->read_tables, entry >> g->cluster_shift, 1, &ignored) < 0)
            return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    }
    return QED_OK;
}

int repair_is_read(struct repair *repair, const struct qed_scan_table *table, bool *is,
                   struct qed_error *error)
{
    const struct qed_geometry *g = repair->geometry;
    const struct qed_scan_list *touching = &repair->found->touching;
    uint64_t first = table->file_off >> g->cluster_shift;
    int ret = QED_OK;

    *is = bitmap_any_set(repair->found->shared, first, first + g->table_size);
    if (!*is)
        return QED_OK;
    if (!repair->read_tables) {
        repair->read_tables = bitmap_new(bitmap_bit_count(repair->found->used));
        if (!repair->read_tables)
            return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
        for (size_t i = 0; ret == QED_OK && i < touching->count; i++)
            ret = qed_scan_table(repair->image, &touching->tables[i], read_piece, repair, error);
    }
    *is = ret == QED_OK && bitmap_any_set(repair->read_tables, first, first + g->table_size);
    return ret;
}
