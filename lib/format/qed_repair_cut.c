/*
 * What the end of the file has cut short: tables, and the last data cluster.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include "base/le.h"
#include "format/qed_repair_state.h"

#define FILL_BYTES ((size_t)64 << 10)

/* Let the file reach to the end of what a finding is about. */
static int extend(struct repair *repair, const struct problem *problem, struct qed_error *error)
{
    int ret;

    if (repair->options->fixed_length)
        return repair_report(repair, problem, ACTION_LEAVE, error);
    ret = repair_report(repair, problem, ACTION_EXTEND, error);
    if (ret < 0)
        return ret;
    return qed_plan_extend(repair->plan, problem->value + problem->file_len, error);
}

/* Plan the words of a range; zeroes are there already. */
static int plan_words(struct repair *repair, uint64_t file_off, const uint8_t *bytes, size_t len,
                      struct qed_error *error)
{
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < len; i += sizeof(uint64_t)) {
        uint64_t word = le64_load(bytes + i);

        if (word)
            ret = qed_plan_set(repair->plan, file_off + i, word, QED_PLAN_MOVE, error);
    }
    return ret;
}

/* The bytes [at, at + len) of a cluster whose first kept bytes are those of the file at source. */
static int read_filling(struct repair *repair, const struct problem *problem, uint64_t source,
                        uint64_t kept, uint64_t at, uint8_t *bytes, size_t len,
                        struct qed_error *error)
{
    const struct qed_repair_options *options = repair->options;
    int ret =
        options->read_below(options->below_context, problem->virt_off + at, bytes, len, error);

    if (ret == QED_OK && at < kept)
        ret = io_read(repair->image->io, bytes, (size_t)(kept - at), source + at, error);
    return ret;
}

/* How much of the cluster at source is in the file that the repair began with. */
static uint64_t kept_bytes(const struct repair *repair, uint64_t source)
{
    uint64_t length = qed_plan_old_length(repair->plan);
    uint32_t cluster_size = repair->geometry->cluster_size;

    if (source >= length || qed_file_end(length, cluster_size) > source)
        return cluster_size;
    return length - source;
}

/* Guest bytes from at on of what a finding is about are lost. */
static void lose_from(struct problem *problem, uint64_t at)
{
    if (at >= problem->virt_len)
        return;
    problem->lost_off = problem->virt_off + at;
    problem->lost_len = problem->virt_len - at;
}

void repair_lose_cut(const struct repair *repair, struct problem *problem)
{
    uint64_t cluster_size = repair->geometry->cluster_size;

    lose_from(problem,
              kept_bytes(repair, qed_plan_source(repair->plan, problem->value, cluster_size)));
}

int repair_fill(struct repair *repair, const struct problem *problem, uint64_t to,
                struct qed_error *error)
{
    uint64_t cluster_size = repair->geometry->cluster_size;
    uint64_t source = qed_plan_source(repair->plan, problem->value, cluster_size);
    uint64_t kept = kept_bytes(repair, source), at = round_down(kept, sizeof(uint64_t));
    uint8_t *bytes;
    int ret = QED_OK;

    if (!repair->options->read_below || kept == cluster_size)
        return QED_OK;
    bytes = malloc(FILL_BYTES);
    if (!bytes)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    while (ret == QED_OK && at < problem->virt_len) {
        size_t len = (size_t)min_u64(FILL_BYTES, problem->virt_len - at);

        ret = read_filling(repair, problem, source, kept, at, bytes, len, error);
        if (ret == QED_OK)
            ret = plan_words(repair, to + at, bytes, len, error);
        at += len;
    }
    free(bytes);
    return ret;
}

/* The entries that name the cluster that is cut short; one of a file is, at most. */
struct cutting {
    struct repair *repair;
    bool has_owner;
    struct problem owner; /* the first of them: it keeps the cluster */
};

static int cut_data_piece(void *context, const struct qed_scan_piece *piece,
                          struct qed_error *error)
{
    struct cutting *cutting = context;
    struct repair *repair = cutting->repair;
    const struct qed_geometry *g = repair->geometry;
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < piece->count; i++) {
        uint64_t entry = piece->entries[i];
        struct problem problem;

        if (entry <= QED_ENTRY_ZERO || qed_check_l2_entry(g, entry) != PROBLEM_L2_CUT_SHORT)
            continue;
        problem = qed_check_l2_problem(g, PROBLEM_L2_CUT_SHORT, piece->table->l1_index,
                                       piece->first_index + i, entry);
        repair_lose_cut(repair, &problem);
        ret = extend(repair, &problem, error);
        if (!cutting->has_owner || problem_compare(&problem, &cutting->owner) < 0)
            cutting->owner = problem;
        cutting->has_owner = true;
    }
    return ret;
}

/* How many whole entries of a table that is cut short are in the file. */
static uint64_t entries_kept(const struct repair *repair, uint64_t table_off)
{
    uint64_t length = repair->geometry->file_length;

    return length > table_off ? (length - table_off) / sizeof(uint64_t) : 0;
}

static int cut_table_piece(void *context, const struct qed_scan_piece *piece,
                           struct qed_error *error)
{
    struct repair *repair = context;
    const struct qed_geometry *g = repair->geometry;
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < piece->count; i++) {
        uint64_t entry = piece->entries[i];
        struct qed_scan_table table = {.l1_index = piece->first_index + i, .file_off = entry};
        struct problem problem;

        if (entry == QED_ENTRY_UNALLOCATED || qed_check_l1_entry(g, entry) != PROBLEM_L1_CUT_SHORT)
            continue;
        problem = qed_check_l1_problem(g, PROBLEM_L1_CUT_SHORT, table.l1_index, entry);
        lose_from(&problem, entries_kept(repair, entry) << g->cluster_shift);
        ret = extend(repair, &problem, error);
        if (ret == QED_OK && !repair->options->fixed_length)
            ret = repair_past_end(repair, &table, error);
    }
    return ret;
}

int repair_cut_short(struct repair *repair, struct qed_error *error)
{
    const struct qed_scan_list *damaged = &repair->found->damaged;
    struct cutting cutting = {.repair = repair};
    int ret = qed_scan_l1(repair->image, cut_table_piece, repair, error);

    for (size_t i = 0; ret == QED_OK && i < damaged->count; i++)
        ret = qed_scan_table(repair->image, &damaged->tables[i], cut_data_piece, &cutting, error);
    if (ret == QED_OK && cutting.has_owner && !repair->options->fixed_length)
        ret = repair_fill(repair, &cutting.owner, cutting.owner.value, error);
    return ret;
}
