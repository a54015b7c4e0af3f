/*
 * Plausibility. A geometry that is within bounds but not this file's makes thousands of findings,
 * each of them misleading; better to say the one thing that is wrong.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_check_state.h"

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

/*
 * table_size is half of what it should be, or less: behind every table lies its other half, which
 * nothing refers to. Twice what it should be, or more: what follows a table lies in its second
 * half. Tells tables (with the L1 table) of which it holds.
 */
static bool table_size_is_wrong(const struct check *check)
{
    const struct qed_geometry *g = check->geometry;
    uint64_t half = g->table_size / 2;
    uint64_t l1 = g->l1_table_offset >> g->cluster_shift;
    uint64_t too_small = clusters_leaked(check, l1 + g->table_size, g->table_size) == g->table_size;
    uint64_t too_large = half && has_repeated(check, l1 + half, half);

    if (check->list.count < 2)
        return false;
    for (size_t i = 0; i < check->list.count; i++) {
        uint64_t at = check->list.tables[i].file_off >> g->cluster_shift;

        too_small += check->states[i].entries > 0 &&
                     clusters_leaked(check, at + g->table_size, g->table_size) == g->table_size;
        too_large += half && has_repeated(check, at + half, half);
    }
    /* A crash can leave a leaked cluster behind every table. */
    if (qed_needs_check(check->image))
        too_small = 0;
    return too_small == check->list.count + 1 || too_large == check->list.count + 1;
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

enum problem_id check_sense(const struct check *check)
{
    if (most_tables_are_nonsense(check))
        return PROBLEM_TABLES_NONSENSE;
    if (cluster_size_is_wrong(check))
        return PROBLEM_CLUSTERS_NONSENSE;
    return table_size_is_wrong(check) ? PROBLEM_TABLES_NONSENSE : PROBLEM_COUNT;
}
