/*
 * Which L1 entry named an orphan: a damaged entry may still tell. What is left goes by order.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include "format/qed_rebuild_orphans_state.h"

/* Tables that the L1 names. Copies that the plan has appended tell nothing of order. */
static int find_known(struct placing *placing, struct qed_error *error)
{
    const struct qed_scan_list *list = &placing->adoption->walk->list;
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < list->count; i++) {
        if (list->tables[i].l1_index < placing->entries &&
            list->tables[i].file_off < placing->adoption->old_length)
            ret = qed_scan_list_add(&placing->known, list->tables[i].l1_index,
                                    list->tables[i].file_off, error);
    }
    placing->falls = adoption_count_falls(&placing->known);
    return ret;
}

/* The number of orphans before file_off. */
static size_t orphan_before(const struct adoption *adoption, uint64_t file_off)
{
    size_t low = 0, high = adoption->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (adoption->orphans[middle].file_off < file_off)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The one orphan, not yet placed, that is one bit from a value; NULL when it is none or several. */
static struct orphan *one_bit_from(const struct placing *placing, uint64_t value)
{
    struct adoption *adoption = placing->adoption;
    struct orphan *found = NULL;

    for (unsigned int bit = 0; bit < 64; bit++) {
        uint64_t file_off = value ^ UINT64_C(1) << bit;
        size_t at = orphan_before(adoption, file_off);

        if (at == adoption->count || adoption->orphans[at].file_off != file_off)
            continue;
        if (found)
            return NULL;
        found = &adoption->orphans[at];
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
    size_t before = adoption_known_before(placing, file_off), after = before;

    while (before > 0 && known->tables[before - 1].l1_index == except_l1)
        before--;
    while (after < known->count && (known->tables[after].l1_index == except_l1 ||
                                    known->tables[after].file_off == file_off))
        after++;
    return (before == 0 || known->tables[before - 1].l1_index < l1_index) &&
           (after == known->count || known->tables[after].l1_index > l1_index);
}

/* The number of the known table at file_off; the count of them when there is none. */
static size_t known_at(const struct placing *placing, uint64_t file_off)
{
    size_t at = adoption_known_before(placing, file_off);
    bool is_there = at < placing->known.count && placing->known.tables[at].file_off == file_off;

    return is_there ? at : placing->known.count;
}

/* Whether an orphan lies in the file in [from, to). */
static bool has_orphan(const struct placing *placing, uint64_t from, uint64_t to)
{
    const struct adoption *adoption = placing->adoption;
    size_t at = orphan_before(adoption, from);

    return at < adoption->count && adoption->orphans[at].file_off < to;
}

/*
 * Two entries name known table number at: the first of them, and a later one. Where the other known
 * tables lie in order, they tell whose it is, or, where both can be, what is lost between them
 * does.
 */
static void resolve_double(struct placing *placing, size_t at, struct qed_scan_table *later)
{
    struct qed_scan_table *tables = placing->known.tables, *table = &tables[at];
    uint64_t first = table->l1_index;
    uint64_t from = at > 0 ? tables[at - 1].file_off : 0;
    uint64_t to = at + 1 < placing->known.count ? tables[at + 1].file_off : UINT64_MAX;
    bool fits_first, fits_later;

    if (!is_ordered_without(placing, at))
        return;
    fits_first = is_between(placing, table->file_off, first, first);
    fits_later = is_between(placing, table->file_off, later->l1_index, first);
    if (fits_first && has_orphan(placing, from, table->file_off) &&
        !has_orphan(placing, table->file_off, to))
        fits_first = false;
    if (!fits_later || fits_first)
        return;
    table->l1_index = later->l1_index;
    later->l1_index = first;
    placing->falls = 0; /* it is between its neighbours now */
}

/* Take the L1 entries that name no table, or name one that another does, for places. */
static int find_strays(struct placing *placing, struct qed_error *error)
{
    const struct qed_scan_list *strays = &placing->adoption->walk->strays;
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < strays->count; i++) {
        struct qed_scan_table *stray;
        uint64_t ignored;
        size_t at = known_at(placing, strays->tables[i].file_off);

        ret = qed_scan_list_add(&placing->strays, strays->tables[i].l1_index,
                                strays->tables[i].file_off, error);
        if (ret < 0 || at == placing->known.count)
            continue;
        stray = &placing->strays.tables[placing->strays.count - 1];
        if (stray->l1_index >= placing->entries)
            continue;
        resolve_double(placing, at, stray);
        /* Without order both stay as they are: a guess would cost what can be read. */
        if (!is_ordered_without(placing, at) &&
            bitmap_set_range(placing->taken, stray->l1_index, 1, &ignored) < 0)
            return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    }
    return ret;
}

static int take(struct placing *placing, const struct qed_scan_list *list, uint64_t from,
                struct qed_error *error)
{
    for (size_t i = 0; i < list->count; i++) {
        uint64_t ignored;

        if (list->tables[i].l1_index < placing->entries && list->tables[i].file_off >= from &&
            bitmap_set_range(placing->taken, list->tables[i].l1_index, 1, &ignored) < 0)
            return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    }
    return QED_OK;
}

/*
 * Entries with one flipped bit: those that the L1 holds now, or those that were cleared. One that
 * doubles another is worth nothing without order.
 */
static int place_by_bits(struct placing *placing, const struct qed_scan_list *damaged,
                         struct qed_error *error)
{
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && damaged && i < damaged->count; i++) {
        const struct qed_scan_table *entry = &damaged->tables[i];
        struct orphan *orphan = one_bit_from(placing, entry->file_off);
        size_t at = known_at(placing, entry->file_off);
        enum qed_adoption_ground ground = QED_ADOPTION_ONE_BIT;

        if (!orphan || entry->l1_index >= placing->entries ||
            bitmap_test(placing->taken, entry->l1_index) ||
            !adoption_fits_size(placing, orphan, entry->l1_index))
            continue;
        if (at < placing->known.count && !is_ordered_without(placing, at))
            ground = QED_ADOPTION_BY_ORDER;
        else if (at < placing->known.count &&
                 !is_between(placing, orphan->file_off, entry->l1_index, entry->l1_index))
            continue;
        ret = adoption_give(placing, orphan, entry->l1_index, ground, error);
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
        ret = find_strays(&placing, error);
    if (ret == QED_OK)
        ret = take(&placing, &placing.known, 0, error);
    if (ret == QED_OK) /* the copies */
        ret = take(&placing, &adoption->walk->list, adoption->old_length, error);
    if (ret == QED_OK)
        ret = place_by_bits(&placing, &placing.strays, error);
    if (ret == QED_OK)
        ret = place_by_bits(&placing, adoption->options->lost, error);
    if (ret == QED_OK)
        ret = adoption_place_by_order(&placing, error);
    bitmap_free(placing.taken);
    qed_scan_list_free(&placing.known);
    qed_scan_list_free(&placing.strays);
    return ret;
}
