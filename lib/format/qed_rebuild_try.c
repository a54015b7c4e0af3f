/*
 * What a candidate makes of the file: its tables are walked, and what they hold, what they leave
 * over, and what patterns that has is summed up.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_rebuild_state.h"

/* Images have headers of one cluster, crafted ones of a few. */
#define HEADER_SIZE_USUAL 16

/* Which clusters come first is known only once the tables were read. */
static void settle_header_size(const struct rebuild *rebuild, struct rebuild_candidate *candidate,
                               const struct qed_walk *walk)
{
    uint64_t own = rebuild->old.header_size;
    uint64_t lowest = bitmap_next_set(walk->used, 0);

    if (candidate->header_size == own || lowest > UINT32_MAX)
        return;
    if (lowest <= HEADER_SIZE_USUAL || is_power_of_two(lowest ^ own))
        candidate->header_size = (uint32_t)lowest;
}

static void add_table(struct rebuild_candidate *candidate, const struct qed_walk *walk, size_t i)
{
    const struct qed_walk_table *state = &walk->states[i];
    uint64_t entries = state->good + state->zeroes + state->past_end + state->bad;
    uint64_t first = walk->list.tables[i].l1_index << walk->image.geometry.entries_shift;
    struct qed_walk_table *sum = &candidate->sum;

    sum->repeated += state->repeated;
    candidate->empty += entries == 0;
    if (entries == 0)
        return;
    if (state->bad > entries / 2) {
        candidate->none++;
        return;
    }
    candidate->tables++;
    sum->good += state->good;
    sum->zeroes += state->zeroes;
    sum->past_end += state->past_end;
    sum->bad += state->bad;
    sum->odd += state->odd;
    if (state->index_end > 0)
        candidate->mapped = max_u64(candidate->mapped, first + state->index_end);
}

/* Whether nothing names the clusters where the other half of a table would be. */
static bool has_free_tail(const struct qed_walk *walk, uint64_t table_off)
{
    const struct qed_geometry *g = &walk->image.geometry;
    uint64_t end = (table_off >> g->cluster_shift) + g->table_size;

    return end + g->table_size <= bitmap_bit_count(walk->used) &&
           !bitmap_any_set(walk->used, end, end + g->table_size);
}

/* Whether something else names a cluster in the second half of a table. */
static bool has_used_tail(const struct qed_walk *walk, uint64_t table_off)
{
    const struct qed_geometry *g = &walk->image.geometry;
    uint64_t first = table_off >> g->cluster_shift;

    return bitmap_any_set(walk->repeated, first + g->table_size / 2, first + g->table_size) &&
           g->table_size > 1;
}

/* What a wrong geometry leaves behind that is right in all else: the same thing at every table. */
static void look_for_patterns(struct rebuild_candidate *candidate, const struct qed_walk *walk)
{
    uint64_t l1 = walk->image.geometry.l1_table_offset;
    uint64_t l1_cluster = l1 >> walk->image.geometry.cluster_shift;
    uint64_t free_tails = has_free_tail(walk, l1), used_tails = has_used_tail(walk, l1);
    uint64_t all = candidate->tables + 1, first = UINT64_MAX;

    for (size_t i = 0; i < walk->list.count; i++) {
        const struct qed_walk_table *state = &walk->states[i];
        uint64_t entries = state->good + state->zeroes + state->past_end + state->bad;

        first = min_u64(first, walk->list.tables[i].l1_index);
        if (entries == 0 || state->bad > entries / 2)
            continue;
        free_tails += has_free_tail(walk, walk->list.tables[i].file_off);
        used_tails += has_used_tail(walk, walk->list.tables[i].file_off);
    }
    candidate->l1_is_data =
        bitmap_any_set(walk->repeated, l1_cluster, l1_cluster + candidate->table_size);
    candidate->l1_starts_empty =
        first < UINT64_MAX && first >= candidate->cluster_size / sizeof(uint64_t);
    candidate->table_size_too_small =
        all >= 2 && free_tails == all && candidate->table_size < QED_TABLE_SIZE_MAX;
    candidate->table_size_too_large = all >= 2 && used_tails == all;
    candidate->cluster_size_too_small = candidate->sum.good >= 8 &&
                                        candidate->sum.odd <= candidate->sum.good / 8 &&
                                        candidate->cluster_size < QED_CLUSTER_SIZE_MAX;
}

static uint64_t count_set(const struct bitmap *bitmap)
{
    uint64_t end = bitmap_bit_count(bitmap), count = 0;
    uint64_t at = bitmap_next_set(bitmap, 0);

    while (at < end) {
        uint64_t next = bitmap_next_clear(bitmap, at);

        count += next - at;
        at = bitmap_next_set(bitmap, next);
    }
    return count;
}

static int sum_up(struct rebuild *rebuild, struct rebuild_candidate *candidate,
                  struct qed_walk *walk, struct qed_error *error)
{
    struct qed_walk_free free_space;
    uint64_t used;
    int ret;

    for (size_t i = 0; i < walk->list.count; i++)
        add_table(candidate, walk, i);
    settle_header_size(rebuild, candidate, walk);
    look_for_patterns(candidate, walk);
    ret = qed_walk_free_space(walk, candidate->header_size, &free_space, error);
    if (ret < 0)
        return ret;
    used = count_set(walk->used);
    candidate->holes = free_space.holes;
    candidate->clusters = used + free_space.stored + free_space.holes;
    candidate->explained = used - (candidate->empty + candidate->none) * candidate->table_size;
    return QED_OK;
}

static int walk_candidate(struct rebuild *rebuild, struct rebuild_candidate *candidate,
                          struct qed_walk *walk, struct qed_error *error)
{
    struct qed_scan_options options = rebuild->options->scan;
    bool promising = true;
    int ret;

    options.progress = rebuild_progress;
    options.progress_context = rebuild;
    walk->budget = &rebuild->budget;
    ret = qed_walk_l1(walk, error);
    candidate->strays = walk->strays.count;
    candidate->l1_past_end = walk->l1_past_end;
    if (ret < 0 || walk->hopeless)
        return ret;
    ret = qed_walk_sample(walk, &promising, error);
    if (ret < 0)
        return ret;
    /* Of a table size too large, every other table overlaps one. */
    if (!promising || (walk->l1_overlaps >= 8 && walk->l1_overlaps > walk->list.count / 4)) {
        candidate->none = walk->list.count;
        return QED_OK;
    }
    ret = qed_walk_tables(walk, &options, error);
    return ret < 0 ? ret : sum_up(rebuild, candidate, walk, error);
}

static int try_one(struct rebuild *rebuild, struct rebuild_candidate *candidate,
                   struct qed_error *error)
{
    struct qed_header header = rebuild_bare_header(candidate);
    struct qed_walk *walk = NULL;
    struct qed_geometry geometry;
    int ret = qed_header_validate(&header, rebuild->length, &geometry, error);

    if (ret == QED_OK)
        ret = qed_walk_new(&walk, rebuild->io, &geometry, error);
    if (ret == QED_OK)
        ret = walk_candidate(rebuild, candidate, walk, error);
    if (walk && walk->exhausted) {
        rebuild->exhausted = true;
        ret = QED_OK;
    } else if (ret == QED_ERR_UNSUPPORTED) {
        rebuild->exhausted = true;
        ret = QED_OK;
    } else if (ret == QED_OK) {
        candidate->tried = true;
        rebuild_measure_distance(rebuild, candidate);
        rebuild_judge(rebuild, candidate);
    }
    qed_walk_free(walk);
    return ret;
}

/*
 * Whether a candidate settles the cluster size: it makes sense of entries half of which are
 * multiples of no larger one. A smaller cluster size then names half of each cluster.
 */
static bool settles(const struct rebuild_candidate *candidate)
{
    return candidate->file >= 0.9 && candidate->sum.good >= 16 &&
           candidate->sum.odd > candidate->sum.good / 8;
}

/* Whether a candidate need not be tried for what one before it has found. */
static bool is_settled(const struct rebuild_candidate *candidate,
                       const struct rebuild_candidate *settled)
{
    bool no_conflicts;

    if (!settled || candidate->fields == 0)
        return false;
    if (candidate->cluster_size < settled->cluster_size)
        return true;
    /* Smaller tables leave clusters over that these account for. */
    no_conflicts = settled->sum.repeated == 0 && settled->strays == 0;
    return no_conflicts && candidate->l1_table_offset == settled->l1_table_offset &&
           candidate->cluster_size == settled->cluster_size &&
           candidate->table_size < settled->table_size;
}

int rebuild_try_all(struct rebuild *rebuild, struct qed_error *error)
{
    const struct rebuild_candidate *settled = NULL;
    int ret = QED_OK;

    rebuild_sort(rebuild);
    for (size_t i = 0; ret == QED_OK && i < rebuild->count; i++) {
        struct rebuild_candidate *candidate = &rebuild->candidates[i];

        if (!candidate->tried && !is_settled(candidate, settled)) {
            if (rebuild_progress(rebuild, 0, 0))
                ret = qed_fail(error, QED_ERR_STOPPED, "interrupted");
            else
                ret = try_one(rebuild, candidate, error);
        }
        if (!settled && settles(candidate))
            settled = candidate;
    }
    return ret;
}
