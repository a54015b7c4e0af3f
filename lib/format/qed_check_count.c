/*
 * The first pass over the L2 tables, on all cores: entries that continue a run are handled as a
 * run, and marked a word of the bitmap at a time. Only numbers are kept, so that nothing depends
 * on the order in which threads come by.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include "format/qed_check_state.h"

#define BLOCK 8

/* How many entries at the start are 0 or 1. */
static size_t unallocated_run(const uint64_t *entries, size_t count)
{
    size_t n = 0;

    while (count - n >= BLOCK) {
        uint64_t bits = 0;

        for (size_t i = 0; i < BLOCK; i++)
            bits |= entries[n + i];
        if (bits > QED_ENTRY_ZERO)
            break;
        n += BLOCK;
    }
    while (n < count && entries[n] <= QED_ENTRY_ZERO)
        n++;
    return n;
}

/* How many entries at the start follow the first one, each a cluster on. */
static size_t adjoining_run(const uint64_t *entries, size_t count, uint64_t cluster_size)
{
    uint64_t first = entries[0];
    size_t n = 1;

    while (count - n >= BLOCK) {
        uint64_t unlike = 0;

        for (size_t i = 0; i < BLOCK; i++)
            unlike |= entries[n + i] ^ (first + (n + i) * cluster_size);
        if (unlike)
            break;
        n += BLOCK;
    }
    while (n < count && entries[n] == first + n * cluster_size)
        n++;
    return n;
}

/* Of a run of entries that adjoin in the file, the guest clusters past the image's size. */
static uint64_t count_past_size(const struct qed_geometry *g, uint64_t l1_index, uint64_t l2_index,
                                uint64_t count)
{
    uint64_t used = blocks_for(g->image_size, g->cluster_shift);
    uint64_t first = l1_index << g->entries_shift | l2_index;

    /* Where the whole table lies past the size, the L1 entry is the finding. */
    if (l1_index >= qed_l1_entries_used(g) || first + count <= used)
        return 0;
    return first >= used ? count : first + count - used;
}

static int count_valid_run(struct check *check, const struct qed_scan_piece *piece, size_t at,
                           size_t count)
{
    const struct qed_geometry *g = check->geometry;
    struct table_state *state = &check->states[piece->table_number];
    struct thread_counts *counts = &check->counts[piece->thread];
    uint64_t entry = piece->entries[at];
    uint64_t cluster = entry >> g->cluster_shift;
    uint64_t already;
    int ret = check_mark(check, entry, count, &already);

    counts->repeated += already;
    counts->entry_bits |= entry | (count > 1 ? entry + g->cluster_size : 0);
    counts->mapped_end = max_u64(counts->mapped_end, (piece->table->l1_index << g->entries_shift) +
                                                         piece->first_index + at + count);
    state->past_size += count_past_size(g, piece->table->l1_index, piece->first_index + at, count);
    state->lowest = min_u64(state->lowest, cluster);
    state->highest = max_u64(state->highest, cluster + count - 1);
    return ret;
}

static void count_invalid(struct check *check, const struct qed_scan_piece *piece, uint64_t entry)
{
    struct table_state *state = &check->states[piece->table_number];

    state->invalid++;
    state->misaligned += !qed_cluster_aligned(check->geometry, entry);
}

/* One entry that is neither 0 nor 1, and those that continue it; returns how many, or an error. */
static int count_run(struct check *check, const struct qed_scan_piece *piece, size_t at,
                     size_t *count)
{
    const struct qed_geometry *g = check->geometry;
    struct table_state *state = &check->states[piece->table_number];
    uint64_t entry = piece->entries[at];
    bool valid = qed_data_offset_valid(g, entry);
    size_t run = 1;

    if (valid) {
        run = adjoining_run(piece->entries + at, piece->count - at, g->cluster_size);
        run = (size_t)min_u64(run, (g->file_end - entry) >> g->cluster_shift);
    }
    state->entries += run;
    state->fragmented += *piece->carry && *piece->carry + g->cluster_size != entry;
    *piece->carry = entry + (run - 1) * g->cluster_size;
    *count = run;
    if (valid)
        return count_valid_run(check, piece, at, run);
    count_invalid(check, piece, entry);
    return QED_OK;
}

static int count_piece(void *context, const struct qed_scan_piece *piece, struct qed_error *error)
{
    struct check *check = context;
    size_t at = 0;

    for (;;) {
        size_t run;

        at += unallocated_run(piece->entries + at, piece->count - at);
        if (at == piece->count)
            return QED_OK;
        if (count_run(check, piece, at, &run) < 0)
            return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
        at += run;
    }
}

/* What tables that overlap others name is in use, too, but is not held against anything. */
static int mark_piece(void *context, const struct qed_scan_piece *piece, struct qed_error *error)
{
    struct check *check = context;
    uint64_t ignored;

    for (size_t i = 0; i < piece->count; i++) {
        uint64_t entry = piece->entries[i];

        if (entry > QED_ENTRY_ZERO && qed_data_offset_valid(check->geometry, entry) &&
            bitmap_set_range(check->used, entry >> check->geometry->cluster_shift, 1, &ignored) < 0)
            return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    }
    return QED_OK;
}

static void add_up(struct check *check)
{
    struct qed_check_result *result = check->result;
    struct qed_check_totals *totals = &result->totals;

    for (unsigned int i = 0; i < QED_SCAN_THREADS_MAX; i++) {
        totals->corruptions += check->counts[i].repeated;
        totals->mapped_end = max_u64(totals->mapped_end, check->counts[i].mapped_end);
        result->problems.found += check->counts[i].repeated;
    }
    for (size_t i = 0; i < check->list.count; i++) {
        const struct table_state *state = &check->states[i];
        bool nonsense = qed_check_is_nonsense(state->entries, state->misaligned);

        totals->corruptions += nonsense ? 1 : state->invalid;
        result->problems.found += nonsense ? 1 : state->invalid + state->past_size;
        if (nonsense)
            continue;
        totals->allocated_clusters += state->entries;
        totals->fragmented_clusters += state->fragmented;
    }
}

int check_count_tables(struct check *check, struct qed_error *error)
{
    size_t count = check->list.count;
    int ret;

    check->states = calloc(count ? count : 1, sizeof(*check->states));
    check->counts = calloc(QED_SCAN_THREADS_MAX, sizeof(*check->counts));
    if (!check->states || !check->counts)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < count; i++)
        check->states[i].lowest = UINT64_MAX;
    ret = qed_scan_l2(check->image, &check->list, check->options, count_piece, check,
                      &check->result->scan, error);
    if (ret == QED_OK)
        ret = qed_scan_l2(check->image, &check->others, check->options, mark_piece, check, NULL,
                          error);
    add_up(check);
    return ret;
}
