/*
 * Which of the places are tables. No table names another as data: a place that a table names is
 * data that looks like a table, such as one of an image that the guest keeps. So what nothing names
 * is a table, what those name is not, and so on; where places name each other in a circle, the one
 * with most entries goes first. Then, of two tables that claim the same clusters (an old copy of
 * one, say), the one with more entries keeps them.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include "format/qed_rebuild_orphans_state.h"

/* Entries of places that name other places, at most: 16 MiB. */
#define EDGES_MAX ((size_t)1 << 20)

/* An entry of one place names a cluster of another. */
struct edge {
    uint32_t from, to;
};

struct sifting {
    struct adoption *adoption;
    struct orphan *now; /* the one that is read */
    struct edge *edges; /* in the order of from */
    size_t count, room;
    size_t *first_edge; /* of each place, and one more */
    uint32_t *queue;    /* places that nothing names any more */
    size_t queued;
    struct bitmap *places;  /* clusters of all places */
    struct bitmap *claimed; /* clusters that tables name */
    uint64_t already;       /* entries of the one that is read that name such */
    bool is_marking;
};

static uint64_t table_bytes(const struct adoption *adoption)
{
    return adoption->walk->image.geometry.table_bytes;
}

/* The place that an offset lies in, which lies in one. */
static size_t place_at(const struct adoption *adoption, uint64_t file_off)
{
    size_t low = 0, high = adoption->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (adoption->orphans[middle].file_off + table_bytes(adoption) <= file_off)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int add_edge(struct sifting *sifting, size_t to, struct qed_error *error)
{
    if (sifting->count == EDGES_MAX)
        return qed_fail(error, QED_ERR_UNSUPPORTED,
                        "too much unreferenced data looks like tables of tables");
    if (sifting->count == sifting->room) {
        size_t room = sifting->room ? sifting->room * 2 : 64;
        struct edge *grown = realloc(sifting->edges, room * sizeof(*grown));

        if (!grown)
            return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
        sifting->edges = grown;
        sifting->room = room;
    }
    sifting->edges[sifting->count++] = (struct edge){
        .from = (uint32_t)(sifting->now - sifting->adoption->orphans), .to = (uint32_t)to};
    sifting->adoption->orphans[to].attackers++;
    return QED_OK;
}

/* A good entry of the place that is read lies in a place: in itself, it is none. */
static int name_place(struct sifting *sifting, uint64_t entry, struct qed_error *error)
{
    size_t place = place_at(sifting->adoption, entry);

    if (&sifting->adoption->orphans[place] != sifting->now)
        return add_edge(sifting, place, error);
    sifting->now->good--;
    sifting->now->bad++;
    return QED_OK;
}

/* Count what a place holds. */
static int count_piece(void *context, const struct qed_scan_piece *piece, struct qed_error *error)
{
    struct sifting *sifting = context;
    const struct qed_geometry *g = &sifting->adoption->walk->image.geometry;
    struct orphan *orphan = sifting->now;
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < piece->count; i++) {
        uint64_t entry = piece->entries[i];

        if (entry == QED_ENTRY_UNALLOCATED)
            continue;
        if (entry > QED_ENTRY_ZERO && !adoption_is_free(sifting->adoption->walk, entry)) {
            orphan->bad++;
            continue;
        }
        orphan->index_end = piece->first_index + i + 1;
        if (entry == QED_ENTRY_ZERO) {
            orphan->zeroes++;
            continue;
        }
        orphan->good++;
        if (bitmap_test(sifting->places, entry >> g->cluster_shift))
            ret = name_place(sifting, entry, error);
    }
    return ret;
}

static int read_place(struct sifting *sifting, size_t i, qed_scan_fn *fn, struct qed_error *error)
{
    struct qed_scan_table table = {.file_off = sifting->adoption->orphans[i].file_off};

    sifting->now = &sifting->adoption->orphans[i];
    return qed_scan_table(&sifting->adoption->walk->image, &table, fn, sifting, error);
}

static int mark_places(struct sifting *sifting, struct qed_error *error)
{
    const struct adoption *adoption = sifting->adoption;
    const struct qed_geometry *g = &adoption->walk->image.geometry;
    uint64_t ignored;

    for (size_t i = 0; i < adoption->count; i++) {
        if (bitmap_set_range(sifting->places, adoption->orphans[i].file_off >> g->cluster_shift,
                             g->table_size, &ignored) < 0)
            return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    }
    return QED_OK;
}

/* Count what all places hold; what does not hold enough is rejected. */
static int count_all(struct sifting *sifting, struct qed_error *error)
{
    struct adoption *adoption = sifting->adoption;
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < adoption->count; i++) {
        struct orphan *orphan = &adoption->orphans[i];

        sifting->first_edge[i] = sifting->count;
        ret = read_place(sifting, i, count_piece, error);
        if (orphan->good == 0 || !adoption_tolerates(orphan->good, orphan->bad))
            orphan->state = ORPHAN_REJECTED;
    }
    sifting->first_edge[adoption->count] = sifting->count;
    return ret;
}

static void enqueue_if_free(struct sifting *sifting, size_t i)
{
    const struct orphan *orphan = &sifting->adoption->orphans[i];

    if (orphan->state == ORPHAN_OPEN && orphan->attackers == 0)
        sifting->queue[sifting->queued++] = (uint32_t)i;
}

/* What a rejected place names is not named by it any more. */
static void withdraw(struct sifting *sifting, size_t i)
{
    for (size_t e = sifting->first_edge[i]; e < sifting->first_edge[i + 1]; e++) {
        uint32_t to = sifting->edges[e].to;

        sifting->adoption->orphans[to].attackers--;
        enqueue_if_free(sifting, to);
    }
}

/*
 * A place is a table: what it names is none. Where tables are of several clusters, half of these
 * must be named for that, so that one damaged entry does no harm.
 */
static void accept(struct sifting *sifting, size_t i)
{
    uint32_t table_size = sifting->adoption->walk->image.geometry.table_size;

    sifting->adoption->orphans[i].state = ORPHAN_TABLE;
    for (size_t e = sifting->first_edge[i]; e < sifting->first_edge[i + 1]; e++) {
        uint32_t to = sifting->edges[e].to;
        struct orphan *named = &sifting->adoption->orphans[to];

        if (named->state != ORPHAN_OPEN)
            continue;
        if (2 * ++named->hits >= table_size) {
            named->state = ORPHAN_REJECTED;
            withdraw(sifting, to);
        }
    }
}

static void drain(struct sifting *sifting)
{
    while (sifting->queued > 0) {
        uint32_t i = sifting->queue[--sifting->queued];

        if (sifting->adoption->orphans[i].state == ORPHAN_OPEN)
            accept(sifting, i);
    }
}

static int by_entries(const void *a, const void *b)
{
    const struct orphan *const *x = a, *const *y = b;

    if ((*x)->good != (*y)->good)
        return (*x)->good > (*y)->good ? -1 : 1;
    return ((*x)->file_off > (*y)->file_off) - ((*x)->file_off < (*y)->file_off);
}

/* Decide of each place whether it is a table or is named by one. order: by entries. */
static void decide(struct sifting *sifting, struct orphan *const *order)
{
    struct adoption *adoption = sifting->adoption;

    for (size_t i = 0; i < adoption->count; i++) {
        if (adoption->orphans[i].state == ORPHAN_REJECTED) {
            for (size_t e = sifting->first_edge[i]; e < sifting->first_edge[i + 1]; e++)
                adoption->orphans[sifting->edges[e].to].attackers--;
        }
    }
    for (size_t i = 0; i < adoption->count; i++)
        enqueue_if_free(sifting, i);
    drain(sifting);
    for (size_t i = 0; i < adoption->count; i++) {
        if (order[i]->state == ORPHAN_OPEN)
            accept(sifting, (size_t)(order[i] - adoption->orphans));
        drain(sifting);
    }
}

/* Count which of the clusters that a table names are claimed, or claim them. */
static int claim_piece(void *context, const struct qed_scan_piece *piece, struct qed_error *error)
{
    struct sifting *sifting = context;
    const struct qed_geometry *g = &sifting->adoption->walk->image.geometry;
    uint64_t ignored;

    for (size_t i = 0; i < piece->count; i++) {
        uint64_t entry = piece->entries[i];

        if (entry <= QED_ENTRY_ZERO || !adoption_is_free(sifting->adoption->walk, entry))
            continue;
        sifting->already += bitmap_test(sifting->claimed, entry >> g->cluster_shift);
        if (sifting->is_marking &&
            bitmap_set_range(sifting->claimed, entry >> g->cluster_shift, 1, &ignored) < 0)
            return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    }
    return QED_OK;
}

static int claim(struct sifting *sifting, struct orphan *orphan, struct qed_error *error)
{
    size_t i = (size_t)(orphan - sifting->adoption->orphans);
    int ret;

    sifting->already = 0;
    sifting->is_marking = false;
    ret = read_place(sifting, i, claim_piece, error);
    if (ret == QED_OK && !adoption_tolerates(orphan->good - sifting->already,
                                             orphan->bad + sifting->already)) {
        orphan->state = ORPHAN_REJECTED;
        return QED_OK;
    }
    sifting->is_marking = true;
    return ret < 0 ? ret : read_place(sifting, i, claim_piece, error);
}

static void drop_rejected(struct adoption *adoption)
{
    size_t kept = 0;

    for (size_t i = 0; i < adoption->count; i++) {
        if (adoption->orphans[i].state == ORPHAN_TABLE)
            adoption->orphans[kept++] = adoption->orphans[i];
    }
    adoption->count = kept;
}

static int sift(struct sifting *sifting, struct orphan **order, struct qed_error *error)
{
    struct adoption *adoption = sifting->adoption;
    int ret = mark_places(sifting, error);

    if (ret == QED_OK)
        ret = count_all(sifting, error);
    if (ret < 0)
        return ret;
    for (size_t i = 0; i < adoption->count; i++)
        order[i] = &adoption->orphans[i];
    qsort(order, adoption->count, sizeof(*order), by_entries);
    decide(sifting, order);
    for (size_t i = 0; ret == QED_OK && i < adoption->count; i++) {
        if (order[i]->state == ORPHAN_TABLE)
            ret = claim(sifting, order[i], error);
    }
    drop_rejected(adoption);
    return ret;
}

int adoption_sift(struct adoption *adoption, struct qed_error *error)
{
    struct sifting sifting = {
        .adoption = adoption,
        .first_edge = calloc(adoption->count + 1, sizeof(*sifting.first_edge)),
        .queue = calloc(adoption->count + 1, sizeof(*sifting.queue)),
        .places = bitmap_new(bitmap_bit_count(adoption->walk->used)),
        .claimed = bitmap_new(bitmap_bit_count(adoption->walk->used))};
    struct orphan **order = calloc(adoption->count + 1, sizeof(struct orphan *));
    int ret = QED_OK;

    if (!sifting.first_edge || !sifting.queue || !sifting.places || !sifting.claimed ||
        !order)
        ret = qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    else if (adoption->count > 0)
        ret = sift(&sifting, order, error);
    free(order);
    free(sifting.first_edge);
    free(sifting.queue);
    free(sifting.edges);
    bitmap_free(sifting.places);
    bitmap_free(sifting.claimed);
    return ret;
}
