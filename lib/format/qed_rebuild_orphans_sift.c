/*
 * Which pieces are parts of tables. No table names another as data: a piece that a table names is
 * data that looks like a table, such as one of an image that the guest keeps. So what nothing names
 * is a table, what that names is not, and so on. Where pieces name each other in a circle, one that
 * lies beside what it names goes first, then the one with most entries.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include "base/array.h"
#include "format/qed_rebuild_orphans_state.h"

/* Entries of pieces that name other pieces, at most: 32 MiB. */
#define EDGES_MAX ((size_t)1 << 22)

/* An entry of one piece names another. */
struct edge {
    uint32_t from, to;
};

struct sifting {
    struct adoption *adoption;
    struct adoption_piece *now; /* the one that is read */
    struct bitmap *clusters;    /* of all pieces */
    struct edge *edges;         /* in the order of from */
    size_t count, room;
    size_t *first_edge; /* of each piece, and one more */
    uint32_t *queue;    /* pieces that nothing names any more */
    size_t queued;
};

int adoption_scan_piece(const struct adoption *adoption, const struct adoption_piece *piece,
                        qed_scan_fn *fn, void *context, struct qed_error *error)
{
    struct qed_image clusters = adoption->walk->image;
    struct qed_scan_table table = {.file_off = piece->cluster << clusters.geometry.cluster_shift};

    clusters.geometry.table_bytes = clusters.geometry.cluster_size;
    return qed_scan_table(&clusters, &table, fn, context, error);
}

/* The number of the piece at a cluster where one is. */
static size_t piece_at(const struct adoption *adoption, uint64_t cluster)
{
    size_t low = 0, high = adoption->piece_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (adoption->pieces[middle].cluster < cluster)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int add_edge(struct sifting *sifting, size_t to, struct qed_error *error)
{
    struct adoption_piece *pieces = sifting->adoption->pieces;
    struct edge *grown;

    if (&pieces[to] == sifting->now)
        return QED_OK;
    if (sifting->count == EDGES_MAX)
        return qed_fail(error, QED_ERR_UNSUPPORTED,
                        "too much unreferenced data looks like tables of tables");
    grown = array_with_room(sifting->edges, sifting->count, &sifting->room, sizeof(*grown));
    if (!grown)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    sifting->edges = grown;
    sifting->edges[sifting->count++] =
        (struct edge){.from = (uint32_t)(sifting->now - pieces), .to = (uint32_t)to};
    pieces[to].attackers++;
    return QED_OK;
}

static int find_edges(void *context, const struct qed_scan_piece *piece, struct qed_error *error)
{
    struct sifting *sifting = context;
    const struct qed_walk *walk = sifting->adoption->walk;
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < piece->count; i++) {
        uint64_t cluster = piece->entries[i] >> walk->image.geometry.cluster_shift;

        if (adoption_is_free(walk, piece->entries[i]) && bitmap_test(sifting->clusters, cluster))
            ret = add_edge(sifting, piece_at(sifting->adoption, cluster), error);
    }
    return ret;
}

static int find_all_edges(struct sifting *sifting, struct qed_error *error)
{
    struct adoption *adoption = sifting->adoption;
    int ret = QED_OK;

    for (size_t i = 0; i < adoption->piece_count; i++) {
        uint64_t ignored;

        if (bitmap_set_range(sifting->clusters, adoption->pieces[i].cluster, 1, &ignored) < 0)
            return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    }
    for (size_t i = 0; ret == QED_OK && i < adoption->piece_count; i++) {
        sifting->first_edge[i] = sifting->count;
        sifting->now = &adoption->pieces[i];
        ret = adoption_scan_piece(adoption, sifting->now, find_edges, sifting, error);
    }
    sifting->first_edge[adoption->piece_count] = sifting->count;
    return ret;
}

static void enqueue_if_free(struct sifting *sifting, size_t i)
{
    const struct adoption_piece *piece = &sifting->adoption->pieces[i];

    if (piece->state == PIECE_OPEN && piece->attackers == 0)
        sifting->queue[sifting->queued++] = (uint32_t)i;
}

/* A piece is data: what it names means nothing. */
static void reject(struct sifting *sifting, size_t i)
{
    sifting->adoption->pieces[i].state = PIECE_DATA;
    for (size_t e = sifting->first_edge[i]; e < sifting->first_edge[i + 1]; e++) {
        uint32_t to = sifting->edges[e].to;

        sifting->adoption->pieces[to].attackers--;
        enqueue_if_free(sifting, to);
    }
}

/* A piece is one of a table: what it names is data. */
static void accept(struct sifting *sifting, size_t i)
{
    sifting->adoption->pieces[i].state = PIECE_TABLE;
    for (size_t e = sifting->first_edge[i]; e < sifting->first_edge[i + 1]; e++) {
        if (sifting->adoption->pieces[sifting->edges[e].to].state == PIECE_OPEN)
            reject(sifting, sifting->edges[e].to);
    }
}

static void drain(struct sifting *sifting)
{
    while (sifting->queued > 0) {
        uint32_t i = sifting->queue[--sifting->queued];

        if (sifting->adoption->pieces[i].state == PIECE_OPEN)
            accept(sifting, i);
    }
}

static int likeliest_first(const void *a, const void *b)
{
    const struct adoption_piece *const *x = a, *const *y = b;

    if ((*x)->adjoins != (*y)->adjoins)
        return (*x)->adjoins ? -1 : 1;
    if ((*x)->good != (*y)->good)
        return (*x)->good > (*y)->good ? -1 : 1;
    return ((*x)->cluster > (*y)->cluster) - ((*x)->cluster < (*y)->cluster);
}

/* What is sure follows from what nothing names; then the circles. */
static void decide(struct sifting *sifting, struct adoption_piece **order)
{
    struct adoption *adoption = sifting->adoption;
    size_t open = 0;

    for (size_t i = 0; i < adoption->piece_count; i++)
        enqueue_if_free(sifting, i);
    drain(sifting);
    for (size_t i = 0; i < adoption->piece_count; i++) {
        if (adoption->pieces[i].state == PIECE_OPEN)
            order[open++] = &adoption->pieces[i];
    }
    qsort(order, open, sizeof(*order), likeliest_first);
    for (size_t i = 0; i < open; i++) {
        if (order[i]->state == PIECE_OPEN)
            accept(sifting, (size_t)(order[i] - adoption->pieces));
        drain(sifting);
    }
}

static int drop_data(struct adoption *adoption, struct qed_error *error)
{
    size_t kept = 0;

    for (size_t i = 0; i < adoption->piece_count; i++) {
        uint64_t ignored;

        if (adoption->pieces[i].state == PIECE_TABLE)
            adoption->pieces[kept++] = adoption->pieces[i];
        else if (bitmap_set_range(adoption->other, adoption->pieces[i].cluster, 1, &ignored) < 0)
            return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    }
    adoption->piece_count = kept;
    return QED_OK;
}

int adoption_sift(struct adoption *adoption, struct qed_error *error)
{
    size_t count = adoption->piece_count;
    struct sifting sifting = {.adoption = adoption,
                              .clusters = bitmap_new(bitmap_bit_count(adoption->walk->used)),
                              .first_edge = calloc(count + 1, sizeof(*sifting.first_edge)),
                              .queue = calloc(count + 1, sizeof(*sifting.queue))};
    struct adoption_piece **order = calloc(count + 1, sizeof(struct adoption_piece *));
    int ret;

    if (sifting.clusters && sifting.first_edge && sifting.queue && order)
        ret = find_all_edges(&sifting, error);
    else
        ret = qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    if (ret == QED_OK)
        decide(&sifting, order);
    if (ret == QED_OK)
        ret = drop_data(adoption, error);
    free(order);
    free(sifting.queue);
    free(sifting.first_edge);
    free(sifting.edges);
    bitmap_free(sifting.clusters);
    return ret;
}
