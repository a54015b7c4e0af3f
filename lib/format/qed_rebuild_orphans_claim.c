/*
 * What the tables hold, and whose it is: of two that claim the same clusters (an old copy of one,
 * say) the one with more entries keeps them.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include "format/qed_rebuild_orphans_state.h"

struct claiming {
    struct adoption *adoption;
    struct orphan *now;     /* the one that is read */
    struct bitmap *claimed; /* clusters that tables name */
    uint64_t already;       /* entries read that name such a cluster */
    bool is_marking;        /* what is read claims */
};

/* Count an entry that names a claimed cluster, and, when marking, claim its cluster. */
static int claim_cluster(struct claiming *claiming, uint64_t entry, struct qed_error *error)
{
    uint64_t cluster = entry >> claiming->adoption->walk->image.geometry.cluster_shift, ignored;

    claiming->already += bitmap_test(claiming->claimed, cluster);
    if (claiming->is_marking && bitmap_set_range(claiming->claimed, cluster, 1, &ignored) < 0)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    return QED_OK;
}

static int claim_entries(void *context, const struct qed_scan_piece *piece, struct qed_error *error)
{
    struct claiming *claiming = context;
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < piece->count; i++) {
        if (adoption_is_free(claiming->adoption->walk, piece->entries[i]))
            ret = claim_cluster(claiming, piece->entries[i], error);
    }
    return ret;
}

/* Count what a table holds, and claim what it names. */
static int count_entries(void *context, const struct qed_scan_piece *piece, struct qed_error *error)
{
    struct claiming *claiming = context;
    const struct qed_walk *walk = claiming->adoption->walk;
    struct orphan *orphan = claiming->now;

    for (size_t i = 0; i < piece->count; i++) {
        uint64_t entry = piece->entries[i];
        bool is_good = adoption_is_free(walk, entry) &&
                       (entry < orphan->file_off ||
                        entry - orphan->file_off >= walk->image.geometry.table_bytes);

        orphan->good += is_good;
        orphan->zeroes += entry == QED_ENTRY_ZERO;
        orphan->bad += entry > QED_ENTRY_ZERO && !is_good;
        if (is_good || entry == QED_ENTRY_ZERO)
            orphan->index_end = piece->first_index + i + 1;
    }
    return claim_entries(context, piece, error);
}

static int read_table(struct claiming *claiming, struct orphan *orphan, qed_scan_fn *fn,
                      struct qed_error *error)
{
    struct qed_scan_table table = {.file_off = orphan->file_off};

    claiming->now = orphan;
    return qed_scan_table(&claiming->adoption->walk->image, &table, fn, claiming, error);
}

static int count_all(struct claiming *claiming, struct qed_error *error)
{
    struct adoption *adoption = claiming->adoption;
    int ret = QED_OK;

    claiming->is_marking = true;
    for (size_t i = 0; ret == QED_OK && i < adoption->count; i++) {
        struct orphan *orphan = &adoption->orphans[i];

        ret = read_table(claiming, orphan, count_entries, error);
        orphan->is_rejected = orphan->good == 0 || !adoption_tolerates(orphan->good, orphan->bad);
    }
    return ret;
}

static int by_entries(const void *a, const void *b)
{
    const struct orphan *const *x = a, *const *y = b;

    if ((*x)->good != (*y)->good)
        return (*x)->good > (*y)->good ? -1 : 1;
    return ((*x)->file_off > (*y)->file_off) - ((*x)->file_off < (*y)->file_off);
}

static int claim(struct claiming *claiming, struct orphan *orphan, struct qed_error *error)
{
    int ret;

    claiming->already = 0;
    claiming->is_marking = false;
    ret = read_table(claiming, orphan, claim_entries, error);
    orphan->is_rejected =
        !adoption_tolerates(orphan->good - claiming->already, orphan->bad + claiming->already);
    claiming->is_marking = true;
    if (ret == QED_OK && !orphan->is_rejected)
        ret = read_table(claiming, orphan, claim_entries, error);
    return ret;
}

/* Let the tables claim what they name anew, those with most entries first. */
static int claim_in_turn(struct claiming *claiming, struct qed_error *error)
{
    struct adoption *adoption = claiming->adoption;
    struct orphan **order = calloc(adoption->count + 1, sizeof(struct orphan *));
    int ret = QED_OK;

    bitmap_free(claiming->claimed);
    claiming->claimed = bitmap_new(bitmap_bit_count(adoption->walk->used));
    if (!order || !claiming->claimed)
        ret = qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    for (size_t i = 0; order && i < adoption->count; i++)
        order[i] = &adoption->orphans[i];
    if (ret == QED_OK)
        qsort(order, adoption->count, sizeof(*order), by_entries);
    for (size_t i = 0; ret == QED_OK && i < adoption->count; i++) {
        if (!order[i]->is_rejected)
            ret = claim(claiming, order[i], error);
    }
    free(order);
    return ret;
}

int adoption_claim(struct adoption *adoption, struct qed_error *error)
{
    struct claiming claiming = {.adoption = adoption,
                                .claimed = bitmap_new(bitmap_bit_count(adoption->walk->used))};
    size_t kept = 0;
    int ret;

    if (claiming.claimed)
        ret = count_all(&claiming, error);
    else
        ret = qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    if (ret == QED_OK && claiming.already > 0)
        ret = claim_in_turn(&claiming, error);
    for (size_t i = 0; i < adoption->count; i++) {
        if (!adoption->orphans[i].is_rejected)
            adoption->orphans[kept++] = adoption->orphans[i];
    }
    adoption->count = kept;
    bitmap_free(claiming.claimed);
    return ret;
}
