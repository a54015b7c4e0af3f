/*
 * Plausibility. A geometry that is within bounds but not this file's makes thousands of findings,
 * each of them misleading; better to say the one thing that is wrong.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_check_state.h"
#include "format/qed_rebuild.h"

/* With fewer entries than this, alignment is chance. */
#define ENTRIES_ENOUGH 16

/* Most of the tables that have anything in them are none. */
static bool most_tables_are_nonsense(const struct check *check)
{
    uint64_t tables = 0, nonsense = 0;

    for (size_t i = 0; i < check->list.count; i++) {
        const struct table_state *state = &check->states[i];

        tables += state->entries > 0;
        nonsense += qed_check_is_nonsense(state->entries, state->misaligned);
    }
    return nonsense >= 2 && nonsense > tables / 2;
}

bool check_l1_is_nonsense(const struct check *check)
{
    return qed_check_is_nonsense(check->l1_entries, check->l1_past_size) ||
           qed_check_is_nonsense(check->l1_entries, check->l1_overlapping);
}

static uint64_t clusters_leaked(const struct check *check, uint64_t first, uint64_t count)
{
    uint64_t end = min_u64(first + count, bitmap_bit_count(check->used));
    uint64_t leaked = 0;

    for (; first < end; first++)
        leaked += !bitmap_test(check->used, first);
    return leaked;
}

static bool has_repeated(const struct check *check, uint64_t first, uint64_t count)
{
    return bitmap_any_set(check->repeated, first, first + count);
}

/* Whether the clusters from first on can be the other half of the table that ends there. */
static int is_other_half(const struct check *check, uint64_t first, bool *is,
                         struct qed_error *error)
{
    const struct qed_geometry *g = check->geometry;
    int ret = QED_OK;

    *is = clusters_leaked(check, first, g->table_size) == g->table_size;
    for (uint64_t i = 0; ret == QED_OK && *is && i < g->table_size; i++) {
        enum check_look look;

        ret = check_look_at_cluster(check, (first + i) << g->cluster_shift, &look, error);
        *is = ret == QED_OK && look != CHECK_LOOK_OTHER;
    }
    return ret;
}

/*
 * table_size is half of what it should be, or less: behind every table, the L1 table among them,
 * lies its other half, which nothing refers to.
 */
static int table_size_is_too_small(const struct check *check, bool *is, struct qed_error *error)
{
    const struct qed_geometry *g = check->geometry;
    uint64_t l1 = g->l1_table_offset >> g->cluster_shift;
    int ret = QED_OK;

    /* A crash can leave a leaked cluster behind every table. */
    *is = check->list.count >= 2 && !qed_needs_check(check->image);
    for (size_t i = 0; *is && i < check->list.count; i++)
        *is = check->states[i].entries > 0;
    if (*is)
        ret = is_other_half(check, l1 + g->table_size, is, error);
    for (size_t i = 0; ret == QED_OK && *is && i < check->list.count; i++) {
        uint64_t at = check->list.tables[i].file_off >> g->cluster_shift;

        ret = is_other_half(check, at + g->table_size, is, error);
    }
    return ret;
}

/* Twice what it should be, or more: what follows a table lies in its second half. */
static bool table_size_is_too_large(const struct check *check)
{
    const struct qed_geometry *g = check->geometry;
    uint64_t half = g->table_size / 2;

    if (check->list.count < 2 || half == 0 ||
        !has_repeated(check, (g->l1_table_offset >> g->cluster_shift) + half, half))
        return false;
    for (size_t i = 0; i < check->list.count; i++) {
        if (!has_repeated(check, (check->list.tables[i].file_off >> g->cluster_shift) + half, half))
            return false;
    }
    return true;
}

/* Every offset is a multiple of a larger cluster, and the rest of each of these is leaked. */
static bool cluster_size_is_wrong(const struct check *check)
{
    const struct qed_geometry *g = check->geometry;
    uint64_t bits = g->l1_table_offset;
    uint64_t entries = check->result->totals.allocated_clusters, leaked = 0;
    uint64_t end = bitmap_bit_count(check->used);
    uint64_t at = bitmap_next_clear(check->used, g->header_bytes >> g->cluster_shift);

    for (unsigned int i = 0; i < QED_SCAN_THREADS_MAX; i++)
        bits |= check->counts[i].entry_bits;
    for (size_t i = 0; i < check->all.count; i++)
        bits |= check->all.tables[i].file_off;
    if (entries < ENTRIES_ENOUGH || bits & g->cluster_size)
        return false;
    while (at < end && leaked < entries) {
        uint64_t next = bitmap_next_set(check->used, at);

        leaked += next - at;
        at = bitmap_next_clear(check->used, next);
    }
    return leaked >= entries;
}

/*
 * The header names an L1 that passes for one: an L2 table with few entries, or the L1 of an image
 * that the guest keeps. Only an offset that no writer gives is doubted, and only where something is
 * wrong: that the true L1 table is leaked is the least.
 */
static int l1_is_elsewhere(const struct check *check, bool *is, struct qed_error *error)
{
    const struct qed_geometry *g = check->geometry;
    uint64_t leaked = bitmap_next_clear(check->used, g->header_bytes >> g->cluster_shift);

    *is = false;
    if (g->l1_table_offset == g->header_bytes ||
        (leaked >= bitmap_bit_count(check->used) && check->result->totals.corruptions == 0))
        return QED_OK;
    return qed_rebuild_l1_is_elsewhere(check->image->io, &check->image->header, check->options, is,
                                       error);
}

int check_sense(const struct check *check, enum problem_id *nonsense, struct qed_error *error)
{
    bool is_too_small, is_elsewhere = false;
    int ret;

    *nonsense = PROBLEM_TABLES_NONSENSE;
    if (most_tables_are_nonsense(check))
        return QED_OK;
    if (cluster_size_is_wrong(check)) {
        *nonsense = PROBLEM_CLUSTERS_NONSENSE;
        return QED_OK;
    }
    ret = table_size_is_too_small(check, &is_too_small, error);
    if (ret < 0 || is_too_small || table_size_is_too_large(check))
        return ret;
    ret = l1_is_elsewhere(check, &is_elsewhere, error);
    *nonsense = is_elsewhere ? PROBLEM_L1_NONSENSE : PROBLEM_COUNT;
    return ret;
}
