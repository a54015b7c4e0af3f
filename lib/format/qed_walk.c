/*
 * Tables are marked before any data, in L1 order; data in whatever order the threads come by, so
 * that only sums and sets are kept.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_walk.h"

#include <stdlib.h>

/* Entries past the end of a file are those of one that was cut when they are below so much more. */
#define CUT_FILE_FACTOR 4

/* A smaller list is read in the calling thread: to start others takes longer than that. */
#define FEW_TABLES 4

/* What a table costs of the budget beside its bytes: to find that it is a hole takes time, too. */
#define TABLE_COST (UINT64_C(64) << 10)

#define SAMPLE_TABLES 16
#define SAMPLE_ENTRIES 512

/* How many runs of the file are asked for to tell holes from data. */
#define RUNS_MAX (1U << 16)
#define RUN_COST UINT64_C(4096) /* of the budget */

int qed_walk_new(struct qed_walk **out, struct io *io, const struct qed_geometry *geometry,
                 struct qed_error *error)
{
    uint64_t clusters = geometry->file_end >> geometry->cluster_shift;
    struct qed_walk *walk;

    if (clusters > QED_WALK_CLUSTERS_MAX)
        return qed_fail(error, QED_ERR_UNSUPPORTED, "the file has more than 2^32 clusters");
    walk = calloc(1, sizeof(*walk));
    if (walk) {
        walk->image = (struct qed_image){.io = io, .geometry = *geometry};
        walk->used = bitmap_new(clusters);
        walk->tables = bitmap_new(clusters);
        walk->repeated = bitmap_new(clusters);
    }
    if (!walk || !walk->used || !walk->tables || !walk->repeated) {
        qed_walk_free(walk);
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    }
    *out = walk;
    return QED_OK;
}

void qed_walk_free(struct qed_walk *walk)
{
    if (!walk)
        return;
    bitmap_free(walk->used);
    bitmap_free(walk->tables);
    bitmap_free(walk->repeated);
    qed_scan_list_free(&walk->list);
    qed_scan_list_free(&walk->strays);
    free(walk->states);
    free(walk);
}

enum qed_walk_kind qed_walk_kind(const struct qed_geometry *g, uint64_t entry, uint64_t len)
{
    if (entry == QED_ENTRY_UNALLOCATED)
        return QED_WALK_UNALLOCATED;
    if (entry == QED_ENTRY_ZERO)
        return QED_WALK_ZERO;
    if (qed_range_valid(g, entry, len))
        return QED_WALK_GOOD;
    if (qed_cluster_aligned(g, entry) && entry >= g->header_bytes &&
        entry / CUT_FILE_FACTOR < g->file_end)
        return QED_WALK_PAST_END;
    return QED_WALK_BAD;
}

/* Take what a look costs from the budget; QED_ERR_STOPPED when there is none left. */
static int spend(struct qed_walk *walk, uint64_t cost, struct qed_error *error)
{
    uint64_t left;

    if (!walk->budget)
        return QED_OK;
    left = __atomic_load_n(walk->budget, __ATOMIC_RELAXED);
    while (left >= cost) {
        if (__atomic_compare_exchange_n(walk->budget, &left, left - cost, false, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED))
            return QED_OK;
    }
    __atomic_store_n(&walk->exhausted, true, __ATOMIC_RELAXED);
    return qed_fail(error, QED_ERR_STOPPED, "it takes too long");
}

/* The L1 under way: what it named so far, in L1 order. */
struct l1 {
    struct qed_walk *walk;
    struct qed_scan_list named;
};

static int by_l1_index(const void *a, const void *b)
{
    const struct qed_scan_table *x = a, *y = b;

    return (x->l1_index > y->l1_index) - (x->l1_index < y->l1_index);
}

static bool is_excepted(const struct qed_walk *walk, uint64_t l1_index)
{
    const struct qed_scan_list *except = walk->except;
    struct qed_scan_table key = {.l1_index = l1_index};

    return except && except->count > 0 &&
           bsearch(&key, except->tables, except->count, sizeof(key), by_l1_index);
}

static int l1_piece(void *context, const struct qed_scan_piece *piece, struct qed_error *error)
{
    struct l1 *l1 = context;
    struct qed_walk *walk = l1->walk;
    const struct qed_geometry *g = &walk->image.geometry;
    int ret = spend(walk, piece->count * sizeof(*piece->entries), error);

    for (size_t i = 0; ret == QED_OK && i < piece->count; i++) {
        uint64_t entry = piece->entries[i];
        enum qed_walk_kind kind = qed_walk_kind(g, entry, g->table_bytes);

        if (kind == QED_WALK_UNALLOCATED)
            continue;
        walk->l1_past_end += kind == QED_WALK_PAST_END;
        if (kind == QED_WALK_GOOD && !is_excepted(walk, piece->first_index + i))
            ret = qed_scan_list_add(&l1->named, piece->first_index + i, entry, error);
        else
            ret = qed_scan_list_add(&walk->strays, piece->first_index + i, entry, error);
        if (ret == QED_OK && l1->named.count + walk->strays.count > QED_WALK_TABLES_MAX)
            ret = qed_fail(error, QED_ERR_UNSUPPORTED, "the L1 table has more than %zu entries",
                           QED_WALK_TABLES_MAX);
        walk->hopeless = !walk->to_the_end && walk->strays.count >= 1024 &&
                         walk->strays.count / 4 > l1->named.count;
        if (walk->hopeless)
            ret = QED_ERR_STOPPED;
    }
    return ret;
}

/* Mark what the L1 names; what lies on tables before it is a stray. */
static int mark_tables(struct qed_walk *walk, const struct qed_scan_list *named,
                       struct qed_error *error)
{
    const struct qed_geometry *g = &walk->image.geometry;
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < named->count; i++) {
        const struct qed_scan_table *table = &named->tables[i];
        uint64_t first = table->file_off >> g->cluster_shift, ignored;

        if (bitmap_any_set(walk->tables, first, first + g->table_size)) {
            walk->l1_overlaps++;
            ret = qed_scan_list_add(&walk->strays, table->l1_index, table->file_off, error);
        } else if (bitmap_set_range(walk->tables, first, g->table_size, &ignored) < 0 ||
                   bitmap_set_range(walk->used, first, g->table_size, &ignored) < 0) {
            ret = qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
        } else {
            ret = qed_scan_list_add(&walk->list, table->l1_index, table->file_off, error);
        }
    }
    qed_scan_list_sort(&walk->list);
    if (walk->l1_overlaps > 0)
        qsort(walk->strays.tables, walk->strays.count, sizeof(*walk->strays.tables), by_l1_index);
    return ret;
}

int qed_walk_l1(struct qed_walk *walk, struct qed_error *error)
{
    const struct qed_geometry *g = &walk->image.geometry;
    uint64_t first = g->l1_table_offset >> g->cluster_shift, ignored;
    struct l1 l1 = {.walk = walk};
    int ret;

    if (bitmap_set_range(walk->tables, first, g->table_size, &ignored) < 0 ||
        bitmap_set_range(walk->used, first, g->table_size, &ignored) < 0)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    ret = qed_scan_l1(&walk->image, l1_piece, &l1, error);
    if (walk->hopeless)
        ret = QED_OK;
    else if (ret == QED_OK)
        ret = mark_tables(walk, &l1.named, error);
    qed_scan_list_free(&l1.named);
    return ret;
}

struct sample {
    struct qed_walk *walk;
    uint64_t seen, bad; /* of all tables: entries neither 0 nor 1 */
    uint64_t limit;     /* of seen, for the table under way */
};

static int sample_piece(void *context, const struct qed_scan_piece *piece, struct qed_error *error)
{
    struct sample *sample = context;
    const struct qed_geometry *g = &sample->walk->image.geometry;
    int ret = spend(sample->walk, piece->count * sizeof(*piece->entries), error);

    for (size_t i = 0; ret == QED_OK && i < piece->count; i++) {
        uint64_t entry = piece->entries[i];
        enum qed_walk_kind kind = qed_walk_kind(g, entry, g->cluster_size);

        if (entry <= QED_ENTRY_ZERO)
            continue;
        sample->bad +=
            kind == QED_WALK_BAD ||
            (kind == QED_WALK_GOOD && bitmap_test(sample->walk->tables, entry >> g->cluster_shift));
        if (++sample->seen == sample->limit)
            ret = QED_ERR_STOPPED;
    }
    return ret;
}

int qed_walk_sample(struct qed_walk *walk, bool *promising, struct qed_error *error)
{
    struct sample sample = {.walk = walk};
    size_t count = walk->list.count < SAMPLE_TABLES ? walk->list.count : SAMPLE_TABLES;
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < count; i++) {
        sample.limit = sample.seen + SAMPLE_ENTRIES;
        ret = qed_scan_table(&walk->image, &walk->list.tables[i * walk->list.count / count],
                             sample_piece, &sample, error);
        if (ret == QED_ERR_STOPPED && !walk->exhausted)
            ret = QED_OK;
    }
    *promising = sample.seen < 8 || sample.bad <= sample.seen / 2;
    return ret;
}

/* How many entries at the start of a piece name clusters that follow each other. */
static size_t adjoining_run(const struct qed_geometry *g, const uint64_t *entries, size_t count)
{
    uint64_t most = (g->file_end - entries[0]) >> g->cluster_shift;
    size_t n = 1;

    while (n < count && n < most && entries[n] == entries[0] + n * g->cluster_size)
        n++;
    return n;
}

static int mark_run(struct qed_walk *walk, struct qed_walk_table *state, uint64_t cluster,
                    size_t count)
{
    uint64_t already, ignored;
    int ret = bitmap_set_range(walk->used, cluster, count, &already);

    state->good += count;
    state->repeated += already;
    state->odd += (count + (cluster & 1)) / 2;
    if (ret == QED_OK && already)
        ret = bitmap_set_range(walk->repeated, cluster, count, &ignored);
    return ret;
}

static int table_piece(void *context, const struct qed_scan_piece *piece, struct qed_error *error)
{
    struct qed_walk *walk = context;
    const struct qed_geometry *g = &walk->image.geometry;
    struct qed_walk_table *state = &walk->states[piece->table - walk->list.tables];
    int ret = spend(walk, piece->count * sizeof(*piece->entries), error);
    size_t run;

    for (size_t i = 0; ret == QED_OK && i < piece->count; i += run) {
        uint64_t entry = piece->entries[i];
        enum qed_walk_kind kind = qed_walk_kind(g, entry, g->cluster_size);

        run = 1;
        if (kind == QED_WALK_UNALLOCATED)
            continue;
        state->zeroes += kind == QED_WALK_ZERO;
        state->past_end += kind == QED_WALK_PAST_END;
        state->bad += kind == QED_WALK_BAD;
        if (kind == QED_WALK_GOOD) {
            run = adjoining_run(g, piece->entries + i, piece->count - i);
            if (mark_run(walk, state, entry >> g->cluster_shift, run) < 0)
                ret = qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
        }
        if (kind == QED_WALK_GOOD || kind == QED_WALK_ZERO)
            state->index_end = piece->first_index + i + run;
    }
    return ret;
}

int qed_walk_tables(struct qed_walk *walk, const struct qed_scan_options *options,
                    struct qed_error *error)
{
    size_t count = walk->list.count;
    int ret = spend(walk, count * TABLE_COST, error);

    if (ret < 0)
        return ret;
    walk->states = calloc(count ? count : 1, sizeof(*walk->states));
    if (!walk->states)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    if (count > FEW_TABLES)
        return qed_scan_l2(&walk->image, &walk->list, options, table_piece, walk, NULL, error);
    for (size_t i = 0; ret == QED_OK && i < count; i++)
        ret = qed_scan_table(&walk->image, &walk->list.tables[i], table_piece, walk, error);
    return ret;
}

int qed_walk_free_space(struct qed_walk *walk, uint64_t first, struct qed_walk_free *free_space,
                        struct qed_error *error)
{
    unsigned int shift = walk->image.geometry.cluster_shift;
    uint64_t end = bitmap_bit_count(walk->used);
    uint64_t at = bitmap_next_clear(walk->used, first);
    unsigned int runs = 0;

    *free_space = (struct qed_walk_free){0};
    while (at < end) {
        uint64_t next = bitmap_next_set(walk->used, at);
        struct io_run run = {.is_data = true, .length = UINT64_MAX};
        int ret = spend(walk, RUN_COST, error);

        if (ret == QED_OK && runs < RUNS_MAX)
            ret = io_next_run(walk->image.io, at << shift, &run, error);
        if (ret < 0)
            return ret;
        runs++;
        if (run.length == 0)
            break; /* the last cluster's last bytes, or the file was cut while we read */
        /* A cluster counts as stored when any of it is. */
        if (run.is_data)
            next = min_u64(next, at + blocks_for(run.length, shift));
        else
            next = min_u64(next, max_u64(at + (run.length >> shift), at + 1));
        if (run.is_data || run.length < walk->image.geometry.cluster_size)
            free_space->stored += next - at;
        else
            free_space->holes += next - at;
        at = bitmap_next_clear(walk->used, next);
    }
    return QED_OK;
}
