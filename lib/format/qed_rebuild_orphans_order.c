/*
 * Where damaged entries do not tell: the tables that are there part the L1 and the file alike, as
 * far as they lie in order, and what lies between two of them in the one belongs between them in
 * the other.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include "format/qed_rebuild_orphans_state.h"

/* A gap between known tables: orphans [first, end) and L1 entries [low, high). */
struct gap {
    size_t first, end;
    uint64_t low, high;
};

/* Orphans of a gap that have no place yet, and the first places for them. */
struct matching {
    struct orphan **orphans;
    uint64_t *places;
    size_t orphan_count, place_count;
    bool is_only_place; /* there is one orphan, and one place that it fits */
};

bool adoption_fits_size(const struct placing *placing, const struct orphan *orphan,
                        uint64_t l1_index)
{
    const struct qed_geometry *g = placing->geometry;
    uint64_t clusters = blocks_for(g->image_size, g->cluster_shift);

    return l1_index < placing->entries &&
           orphan->index_end <= clusters - (l1_index << g->entries_shift);
}

size_t adoption_known_before(const struct placing *placing, uint64_t file_off)
{
    size_t low = 0, high = placing->known.count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (placing->known.tables[middle].file_off < file_off)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t adoption_count_falls(const struct qed_scan_list *known)
{
    size_t falls = 0;

    for (size_t i = 1; i < known->count; i++)
        falls += known->tables[i].l1_index < known->tables[i - 1].l1_index;
    return falls;
}

int adoption_give(struct placing *placing, struct orphan *orphan, uint64_t l1_index,
                  enum qed_adoption_ground ground, struct qed_error *error)
{
    uint64_t ignored;

    if (bitmap_set_range(placing->taken, l1_index, 1, &ignored) < 0)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    orphan->l1_index = l1_index;
    orphan->ground =
        orphan->is_exact || ground == QED_ADOPTION_ONE_BIT ? ground : QED_ADOPTION_BY_ORDER;
    return QED_OK;
}

static int by_place(const void *a, const void *b)
{
    const struct qed_scan_table *x = a, *y = b;

    return (x->file_off > y->file_off) - (x->file_off < y->file_off);
}

/* Series of tables whose L1 indices rise: of each length, that which ends lowest. */
struct series {
    size_t *last;   /* of the series of each length */
    size_t *before; /* the table before each table in its series */
    size_t length;
};

static void add_to_series(struct series *series, const struct qed_scan_table *tables, size_t i)
{
    size_t low = 0, high = series->length;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (tables[series->last[middle]].l1_index < tables[i].l1_index)
            low = middle + 1;
        else
            high = middle;
    }
    series->before[i] = low > 0 ? series->last[low - 1] : i;
    series->last[low] = i;
    if (low == series->length)
        series->length++;
}

/* Keep only the longest series of tables whose L1 indices rise with their place in the file. */
static int keep_rising(struct qed_scan_list *known, struct qed_error *error)
{
    struct series series = {.last = calloc(known->count + 1, sizeof(size_t)),
                            .before = calloc(known->count + 1, sizeof(size_t))};
    int ret = QED_OK;

    if (series.last && series.before) {
        for (size_t i = 0; i < known->count; i++)
            add_to_series(&series, known->tables, i);
        /* From the last to the first, each is put at or behind where it was. */
        for (size_t n = series.length, i = n ? series.last[n - 1] : 0; n > 0; n--) {
            size_t before = series.before[i];

            series.last[n - 1] = i;
            i = before;
        }
        for (size_t n = 0; n < series.length; n++)
            known->tables[n] = known->tables[series.last[n]];
        known->count = series.length;
    } else {
        ret = qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    }
    free(series.last);
    free(series.before);
    return ret;
}

/* What was given back to the L1 is known, too; of all, what lies in order, if that is most. */
static int find_order(struct placing *placing, struct qed_error *error)
{
    const struct adoption *adoption = placing->adoption;
    struct qed_scan_list *known = &placing->known;
    size_t all;
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < adoption->count; i++) {
        const struct orphan *orphan = &adoption->orphans[i];

        if (orphan->ground != QED_ADOPTION_NONE)
            ret = qed_scan_list_add(known, orphan->l1_index, orphan->file_off, error);
    }
    if (known->count > 0)
        qsort(known->tables, known->count, sizeof(*known->tables), by_place);
    placing->is_strict = known->count >= 2 && adoption_count_falls(known) == 0;
    all = known->count;
    if (ret == QED_OK && !placing->is_strict)
        ret = keep_rising(known, error);
    placing->is_ordered = known->count >= 2 && known->count >= all - all / 4;
    return ret;
}

/* The L1 entries that the order of the known tables leaves for a place in the file. */
static void range_for(const struct placing *placing, uint64_t file_off, uint64_t *low,
                      uint64_t *high)
{
    size_t before = adoption_known_before(placing, file_off);
    const struct qed_scan_table *tables = placing->known.tables;

    *low = placing->is_ordered && before > 0 ? tables[before - 1].l1_index + 1 : 0;
    *high = placing->is_ordered && before < placing->known.count ? tables[before].l1_index
                                                                 : placing->entries;
}

static void collect(const struct placing *placing, const struct gap *gap, struct matching *matching)
{
    uint64_t at = bitmap_next_clear(placing->taken, gap->low), fitting = 0;

    for (size_t i = gap->first; i < gap->end; i++) {
        struct orphan *orphan = &placing->adoption->orphans[i];

        if (orphan->ground == QED_ADOPTION_NONE)
            matching->orphans[matching->orphan_count++] = orphan;
    }
    /* One more place than there are orphans tells whether there is a choice. */
    while (matching->orphan_count && at < gap->high &&
           matching->place_count <= matching->orphan_count) {
        fitting += adoption_fits_size(placing, matching->orphans[0], at);
        matching->places[matching->place_count++] = at;
        at = bitmap_next_clear(placing->taken, at + 1);
    }
    matching->is_only_place = matching->orphan_count == 1 && fitting == 1;
}

static int more_entries(const void *a, const void *b)
{
    const struct orphan *const *x = a, *const *y = b;

    if ((*x)->good != (*y)->good)
        return (*x)->good > (*y)->good ? -1 : 1;
    return ((*x)->file_off > (*y)->file_off) - ((*x)->file_off < (*y)->file_off);
}

static int in_file_order(const void *a, const void *b)
{
    const struct orphan *const *x = a, *const *y = b;

    return ((*x)->file_off > (*y)->file_off) - ((*x)->file_off < (*y)->file_off);
}

/* The image's last entry may reach less far: see that one that fits comes last, if there is one. */
static void fit_last(const struct placing *placing, struct orphan **orphans, size_t *count,
                     uint64_t last_place)
{
    size_t i = *count;

    while (i > 0 && !adoption_fits_size(placing, orphans[i - 1], last_place))
        i--;
    if (i == 0) {
        --*count;
        return;
    }
    for (struct orphan *fitting = orphans[i - 1]; i < *count; i++) {
        orphans[i - 1] = orphans[i];
        orphans[i] = fitting;
    }
}

/*
 * Places in L1 order for orphans in file order; where there are too few, for the fullest ones.
 * is_certain: where there is no choice, there is no doubt.
 */
static int match(struct placing *placing, struct matching *matching, bool is_certain,
                 struct qed_error *error)
{
    size_t count = (size_t)min_u64(matching->orphan_count, matching->place_count);
    int ret = QED_OK;

    if (count == 0)
        return QED_OK;
    if (matching->is_only_place) {
        uint64_t place = matching->places[0];

        if (!adoption_fits_size(placing, matching->orphans[0], place))
            place = matching->places[1];
        return adoption_give(placing, matching->orphans[0], place,
                             is_certain ? QED_ADOPTION_ONLY_PLACE : QED_ADOPTION_BY_ORDER, error);
    }
    if (count < matching->orphan_count) {
        qsort(matching->orphans, matching->orphan_count, sizeof(*matching->orphans), more_entries);
        qsort(matching->orphans, count, sizeof(*matching->orphans), in_file_order);
    }
    fit_last(placing, matching->orphans, &count, matching->places[count - 1]);
    for (size_t i = 0; ret == QED_OK && i < count; i++)
        ret = adoption_give(placing, matching->orphans[i], matching->places[i],
                            QED_ADOPTION_BY_ORDER, error);
    return ret;
}

static int match_gap(struct placing *placing, const struct gap *gap, bool is_certain,
                     struct qed_error *error)
{
    size_t most = gap->end - gap->first;
    struct matching matching = {.orphans = calloc(most, sizeof(struct orphan *)),
                                .places = calloc(most + 1, sizeof(*matching.places))};
    int ret;

    if (matching.orphans && matching.places) {
        collect(placing, gap, &matching);
        ret = match(placing, &matching, is_certain, error);
    } else {
        ret = qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    }
    free(matching.orphans);
    free(matching.places);
    return ret;
}

/* How many orphans have no place yet. */
static size_t count_unplaced(const struct adoption *adoption)
{
    size_t count = 0;

    for (size_t i = 0; i < adoption->count; i++)
        count += adoption->orphans[i].ground == QED_ADOPTION_NONE;
    return count;
}

/* Whether there is one place left in all, and one orphan for it. */
static bool is_one_for_one(const struct placing *placing)
{
    uint64_t place = bitmap_next_clear(placing->taken, 0);

    return count_unplaced(placing->adoption) == 1 && place < placing->entries &&
           bitmap_next_clear(placing->taken, place + 1) >= placing->entries;
}

/* Orphans between the same known tables share a gap. */
static int match_gaps(struct placing *placing, struct qed_error *error)
{
    const struct adoption *adoption = placing->adoption;
    bool is_certain = placing->is_strict || !placing->is_ordered || is_one_for_one(placing);
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < adoption->count;) {
        struct gap gap = {.first = i};
        uint64_t low, high;

        range_for(placing, adoption->orphans[i].file_off, &gap.low, &gap.high);
        do {
            gap.end = ++i;
            if (i < adoption->count)
                range_for(placing, adoption->orphans[i].file_off, &low, &high);
        } while (i < adoption->count && low == gap.low && high == gap.high);
        ret = match_gap(placing, &gap, is_certain, error);
    }
    return ret;
}

/* Whether the orphans that are left are enough to fill all places that are left. */
static bool can_fill_all(const struct placing *placing)
{
    uint64_t place = bitmap_next_clear(placing->taken, 0);
    size_t orphans = count_unplaced(placing->adoption);

    for (; orphans > 0 && place < placing->entries; orphans--)
        place = bitmap_next_clear(placing->taken, place + 1);
    return place >= placing->entries;
}

int adoption_place_by_order(struct placing *placing, struct qed_error *error)
{
    struct gap all = {.end = placing->adoption->count, .high = placing->entries};
    int ret = find_order(placing, error);

    if (ret == QED_OK)
        ret = match_gaps(placing, error);
    /* What order has no place for lies out of order: where nothing else can be meant, it fits. */
    if (ret == QED_OK && placing->is_ordered && all.end > 0 && can_fill_all(placing))
        ret = match_gap(placing, &all, !placing->is_strict && is_one_for_one(placing), error);
    return ret;
}
