/*
 * Which L1 entry named an orphan. A damaged entry may still tell; else the tables that are there
 * part the L1 and the file alike, if they lie in order, and what lies between two of them in the
 * one belongs between them in the other.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include "format/qed_rebuild_orphans_state.h"

struct placing {
    struct adoption *adoption;
    const struct qed_geometry *geometry;
    uint64_t entries;           /* of the L1, that the image's size reaches */
    struct bitmap *taken;       /* of these: those that name a table, or have been given one */
    struct qed_scan_list known; /* tables that are there, in file order */
    size_t falls;               /* in the order of their L1 indices */
    bool is_ordered;            /* there are two or more, and their L1 indices rise, too */
};

/* A gap between known tables: orphans [first, end) and L1 entries [low, high). */
struct gap {
    size_t first, end;
    uint64_t low, high;
};

/* Whether all that an orphan maps lies inside the image when entry l1_index names it. */
static bool fits_size(const struct placing *placing, const struct orphan *orphan, uint64_t l1_index)
{
    const struct qed_geometry *g = placing->geometry;
    uint64_t clusters = blocks_for(g->image_size, g->cluster_shift);

    return l1_index < placing->entries &&
           orphan->index_end <= clusters - (l1_index << g->entries_shift);
}

/* The number of known tables before file_off. */
static size_t known_before(const struct placing *placing, uint64_t file_off)
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

/* The L1 entries that the order of the known tables leaves for a place in the file. */
static void range_for(const struct placing *placing, uint64_t file_off, uint64_t *low,
                      uint64_t *high)
{
    size_t before = known_before(placing, file_off);
    const struct qed_scan_table *tables = placing->known.tables;

    *low = placing->is_ordered && before > 0 ? tables[before - 1].l1_index + 1 : 0;
    *high = placing->is_ordered && before < placing->known.count ? tables[before].l1_index
                                                                 : placing->entries;
}

static int give(struct placing *placing, struct orphan *orphan, uint64_t l1_index,
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

/* How often the L1 index falls from one table in the file to the next. */
static size_t count_falls(const struct qed_scan_list *known)
{
    size_t falls = 0;

    for (size_t i = 1; i < known->count; i++)
        falls += known->tables[i].l1_index < known->tables[i - 1].l1_index;
    return falls;
}

/* Tables that are there: those that the L1 names, and those that were given back to it. */
static int find_known(struct placing *placing, struct qed_error *error)
{
    const struct qed_scan_list *list = &placing->adoption->walk->list;
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < list->count; i++) {
        uint64_t l1_index = list->tables[i].l1_index, ignored;

        if (l1_index >= placing->entries)
            continue;
        ret = qed_scan_list_add(&placing->known, l1_index, list->tables[i].file_off, error);
        if (ret == QED_OK && bitmap_set_range(placing->taken, l1_index, 1, &ignored) < 0)
            ret = qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    }
    placing->falls = count_falls(&placing->known);
    return ret;
}

static int add_placed(struct placing *placing, struct qed_error *error)
{
    const struct adoption *adoption = placing->adoption;
    struct qed_scan_list *known = &placing->known;
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < adoption->count; i++) {
        const struct orphan *orphan = &adoption->orphans[i];

        if (orphan->ground != QED_ADOPTION_NONE)
            ret = qed_scan_list_add(known, orphan->l1_index, orphan->file_off, error);
    }
    if (known->count > 0)
        qsort(known->tables, known->count, sizeof(*known->tables), by_place);
    placing->is_ordered = known->count >= 2 && count_falls(known) == 0;
    return ret;
}

/* The one orphan, not yet placed, that is one bit from a value; NULL when it is none or several. */
static struct orphan *one_bit_from(const struct placing *placing, uint64_t value)
{
    struct adoption *adoption = placing->adoption;
    struct orphan *found = NULL;

    for (unsigned int bit = 0; bit < 64; bit++) {
        uint64_t file_off = value ^ UINT64_C(1) << bit;
        size_t low = 0, high = adoption->count;

        while (low < high) {
            size_t middle = low + (high - low) / 2;

            if (adoption->orphans[middle].file_off < file_off)
                low = middle + 1;
            else
                high = middle;
        }
        if (low == adoption->count || adoption->orphans[low].file_off != file_off)
            continue;
        if (found)
            return NULL;
        found = &adoption->orphans[low];
    }
    return found && found->ground == QED_ADOPTION_NONE ? found : NULL;
}

/* Whether the L1 indices of all known tables but number at rise with their place in the file. */
static bool is_ordered_without(const struct placing *placing, size_t at)
{
    const struct qed_scan_table *tables = placing->known.tables;
    size_t count = placing->known.count, falls = placing->falls;

    if (count < 2)
        return false;
    falls -= at > 0 && tables[at].l1_index < tables[at - 1].l1_index;
    falls -= at + 1 < count && tables[at + 1].l1_index < tables[at].l1_index;
    falls += at > 0 && at + 1 < count && tables[at + 1].l1_index < tables[at - 1].l1_index;
    return falls == 0;
}

/* Whether the table at file_off may have that L1 index, as far as its neighbours tell. */
static bool is_between(const struct placing *placing, uint64_t file_off, uint64_t l1_index,
                       uint64_t except_l1)
{
    const struct qed_scan_list *known = &placing->known;
    size_t before = known_before(placing, file_off), after = before;

    while (before > 0 && known->tables[before - 1].l1_index == except_l1)
        before--;
    while (after < known->count && (known->tables[after].l1_index == except_l1 ||
                                    known->tables[after].file_off == file_off))
        after++;
    return (before == 0 || known->tables[before - 1].l1_index < l1_index) &&
           (after == known->count || known->tables[after].l1_index > l1_index);
}

/*
 * Two entries name one table, and one of them did name the orphan. Which of them, their neighbours
 * tell; else neither is touched: what they map can be read as it is.
 */
static int place_by_double(struct placing *placing, struct orphan *orphan, uint64_t first,
                           uint64_t second, uint64_t table_off, enum qed_adoption_ground ground,
                           struct qed_error *error)
{
    size_t at = known_before(placing, table_off);
    bool is_second = table_off < orphan->file_off &&
                     is_between(placing, orphan->file_off, second, first) &&
                     is_between(placing, table_off, first, first);
    bool is_first = orphan->file_off < table_off &&
                    is_between(placing, orphan->file_off, first, first) &&
                    is_between(placing, table_off, second, first);
    uint64_t ignored;

    if (bitmap_set_range(placing->taken, second, 1, &ignored) < 0)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    if (is_first == is_second || !is_ordered_without(placing, at))
        return QED_OK;
    if (is_second)
        return give(placing, orphan, second, ground, error);
    placing->known.tables[at].l1_index = second;
    placing->falls = 0; /* it is between its neighbours now */
    return give(placing, orphan, first, ground, error);
}

/* Entries with one flipped bit: those that the L1 holds now, or those that were cleared. */
static int place_by_bits(struct placing *placing, const struct qed_scan_list *damaged,
                         struct qed_error *error)
{
    const struct qed_scan_list *known = &placing->known;
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && damaged && i < damaged->count; i++) {
        const struct qed_scan_table *entry = &damaged->tables[i];
        struct orphan *orphan = one_bit_from(placing, entry->file_off);
        size_t at = known_before(placing, entry->file_off);

        if (!orphan || entry->l1_index >= placing->entries ||
            bitmap_test(placing->taken, entry->l1_index) ||
            !fits_size(placing, orphan, entry->l1_index))
            continue;
        if (at < known->count && known->tables[at].file_off == entry->file_off)
            ret = place_by_double(placing, orphan, known->tables[at].l1_index, entry->l1_index,
                                  entry->file_off, QED_ADOPTION_ONE_BIT, error);
        else
            ret = give(placing, orphan, entry->l1_index, QED_ADOPTION_ONE_BIT, error);
    }
    return ret;
}

/* The orphan that has no place yet; NULL when there is none or there are several. */
static struct orphan *only_unplaced(const struct placing *placing)
{
    const struct adoption *adoption = placing->adoption;
    struct orphan *found = NULL;

    for (size_t i = 0; i < adoption->count; i++) {
        if (adoption->orphans[i].ground != QED_ADOPTION_NONE)
            continue;
        if (found)
            return NULL;
        found = &adoption->orphans[i];
    }
    return found;
}

/* Whether an empty entry is left for a table at file_off, as far as its neighbours tell. */
static bool has_free_place(const struct placing *placing, uint64_t file_off, uint64_t except_l1)
{
    const struct qed_scan_list *known = &placing->known;
    size_t before = known_before(placing, file_off), after = before;
    uint64_t low, high;

    while (before > 0 && known->tables[before - 1].l1_index == except_l1)
        before--;
    while (after < known->count && known->tables[after].l1_index == except_l1)
        after++;
    low = before > 0 ? known->tables[before - 1].l1_index + 1 : 0;
    high = after < known->count ? known->tables[after].l1_index : placing->entries;
    return low < high && bitmap_next_clear(placing->taken, low) < high;
}

/*
 * Entries that name the table of an entry before them are no places like those that are empty: a
 * guess there would cost what can be read. One is the place of an orphan that fits nowhere else.
 */
static int place_by_doubles(struct placing *placing, struct qed_error *error)
{
    const struct qed_scan_list *strays = &placing->adoption->walk->strays, *known = &placing->known;
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < strays->count; i++) {
        const struct qed_scan_table *entry = &strays->tables[i];
        struct orphan *orphan = only_unplaced(placing);
        size_t at = known_before(placing, entry->file_off);
        uint64_t ignored;

        if (entry->l1_index >= placing->entries || bitmap_test(placing->taken, entry->l1_index) ||
            at == known->count || known->tables[at].file_off != entry->file_off)
            continue;
        if (bitmap_set_range(placing->taken, entry->l1_index, 1, &ignored) < 0)
            return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
        if (orphan && fits_size(placing, orphan, entry->l1_index) &&
            !has_free_place(placing, orphan->file_off, known->tables[at].l1_index))
            ret = place_by_double(placing, orphan, known->tables[at].l1_index, entry->l1_index,
                                  entry->file_off, QED_ADOPTION_ONLY_PLACE, error);
    }
    return ret;
}

/* Orphans of a gap that have no place yet, and the first places for them. */
struct matching {
    struct orphan **orphans;
    uint64_t *places;
    size_t orphan_count, place_count;
    bool is_only_place; /* there is one orphan, and one place that it fits */
};

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
        fitting += fits_size(placing, matching->orphans[0], at);
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

    while (i > 0 && !fits_size(placing, orphans[i - 1], last_place))
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

/* Places in L1 order for orphans in file order; where there are too few, for the fullest ones. */
static int match(struct placing *placing, struct matching *matching, struct qed_error *error)
{
    size_t count = (size_t)min_u64(matching->orphan_count, matching->place_count);
    int ret = QED_OK;

    if (count == 0)
        return QED_OK;
    if (matching->is_only_place) {
        uint64_t place = matching->places[0];

        if (!fits_size(placing, matching->orphans[0], place))
            place = matching->places[1];
        return give(placing, matching->orphans[0], place, QED_ADOPTION_ONLY_PLACE, error);
    }
    if (count < matching->orphan_count) {
        qsort(matching->orphans, matching->orphan_count, sizeof(*matching->orphans), more_entries);
        qsort(matching->orphans, count, sizeof(*matching->orphans), in_file_order);
    }
    fit_last(placing, matching->orphans, &count, matching->places[count - 1]);
    for (size_t i = 0; ret == QED_OK && i < count; i++)
        ret =
            give(placing, matching->orphans[i], matching->places[i], QED_ADOPTION_BY_ORDER, error);
    return ret;
}

static int place_gap(struct placing *placing, const struct gap *gap, struct qed_error *error)
{
    size_t most = gap->end - gap->first;
    struct matching matching = {.orphans = calloc(most, sizeof(struct orphan *)),
                                .places = calloc(most + 1, sizeof(*matching.places))};
    int ret;

    if (matching.orphans && matching.places) {
        collect(placing, gap, &matching);
        ret = match(placing, &matching, error);
    } else {
        ret = qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    }
    free(matching.orphans);
    free(matching.places);
    return ret;
}

/* Orphans between the same known tables share a gap. */
static int place_by_order(struct placing *placing, struct qed_error *error)
{
    const struct adoption *adoption = placing->adoption;
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
        ret = place_gap(placing, &gap, error);
    }
    return ret;
}

int adoption_place(struct adoption *adoption, struct qed_error *error)
{
    const struct qed_geometry *g = &adoption->walk->image.geometry;
    struct placing placing = {
        .adoption = adoption, .geometry = g, .entries = qed_l1_entries_used(g)};
    int ret = QED_OK;

    placing.taken = bitmap_new(placing.entries);
    if (!placing.taken)
        ret = qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    if (ret == QED_OK)
        ret = find_known(&placing, error);
    if (ret == QED_OK)
        ret = place_by_bits(&placing, &adoption->walk->strays, error);
    if (ret == QED_OK)
        ret = place_by_bits(&placing, adoption->options->lost, error);
    if (ret == QED_OK)
        ret = place_by_doubles(&placing, error);
    if (ret == QED_OK)
        ret = add_placed(&placing, error);
    if (ret == QED_OK)
        ret = place_by_order(&placing, error);
    bitmap_free(placing.taken);
    qed_scan_list_free(&placing.known);
    return ret;
}
