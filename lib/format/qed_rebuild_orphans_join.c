/*
 * Pieces and the zeroes between them make up runs, which end where something else is: data, be it
 * zeroes that a table names, or clusters in use. Runs are cut into tables.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include "base/array.h"
#include "format/qed_rebuild_orphans_state.h"

struct joining {
    struct adoption *adoption;
    const struct qed_walk *walk;
    struct bitmap *pieces; /* their clusters */
    struct bitmap *named;  /* clusters that they name */
};

/* Pieces [first, end), with nothing but zeroes between them, and how far those reach on either
 * side. */
struct run {
    size_t first, end;
    uint64_t from, to;             /* clusters; no further than is of use */
    bool from_is_edge, to_is_edge; /* something else is there */
};

static int mark_named(void *context, const struct qed_scan_piece *piece, struct qed_error *error)
{
    const struct joining *joining = context;

    for (size_t i = 0; i < piece->count; i++) {
        uint64_t cluster = piece->entries[i] >> joining->walk->image.geometry.cluster_shift;
        uint64_t ignored;

        if (adoption_is_free(joining->walk, piece->entries[i]) &&
            bitmap_set_range(joining->named, cluster, 1, &ignored) < 0)
            return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    }
    return QED_OK;
}

static int mark_all(struct joining *joining, struct qed_error *error)
{
    const struct adoption *adoption = joining->adoption;
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < adoption->piece_count; i++) {
        uint64_t ignored;

        if (bitmap_set_range(joining->pieces, adoption->pieces[i].cluster, 1, &ignored) < 0)
            return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
        ret = adoption_scan_piece(adoption, &adoption->pieces[i], mark_named, joining, error);
    }
    return ret;
}

/* Whether a cluster is no part of an orphaned table. */
static bool is_edge(const struct joining *joining, uint64_t cluster)
{
    const struct qed_geometry *g = &joining->walk->image.geometry;

    if (cluster < g->header_bytes >> g->cluster_shift ||
        cluster >= bitmap_bit_count(joining->walk->used) ||
        bitmap_test(joining->walk->used, cluster) || bitmap_test(joining->adoption->other, cluster))
        return true;
    return bitmap_test(joining->named, cluster) && !bitmap_test(joining->pieces, cluster);
}

/* The first edge at or after a cluster, or one table on. */
static uint64_t next_edge(const struct joining *joining, uint64_t cluster)
{
    uint64_t end = cluster + joining->walk->image.geometry.table_size;

    while (cluster < end && !is_edge(joining, cluster))
        cluster++;
    return cluster;
}

/* done: what runs before it reach to. */
static struct run next_run(const struct joining *joining, size_t first, uint64_t done)
{
    const struct adoption *adoption = joining->adoption;
    uint64_t piece = adoption->pieces[first].cluster;
    struct run run = {.first = first, .end = first + 1, .from = piece};

    while (run.from > done && piece - run.from < joining->walk->image.geometry.table_size &&
           !is_edge(joining, run.from - 1))
        run.from--;
    run.from_is_edge = is_edge(joining, run.from - 1);
    for (;;) {
        run.to = next_edge(joining, adoption->pieces[run.end - 1].cluster + 1);
        if (run.end == adoption->piece_count || adoption->pieces[run.end].cluster > run.to ||
            is_edge(joining, adoption->pieces[run.end].cluster))
            break;
        run.end++;
    }
    run.to_is_edge = is_edge(joining, run.to);
    return run;
}

/* Where the first table of a run starts; *is_exact is false when that is a guess. */
static uint64_t first_start(const struct joining *joining, const struct run *run, bool *is_exact)
{
    uint64_t size = joining->walk->image.geometry.table_size;
    uint64_t piece = joining->adoption->pieces[run->first].cluster;
    bool fills = run->from_is_edge && run->to_is_edge && (run->to - run->from) % size == 0;

    *is_exact = size == 1 || (run->from_is_edge && piece == run->from) ||
                (fills && run->to - run->from == size);
    if (fills || (run->from_is_edge && piece == run->from))
        return run->from + (piece - run->from) / size * size;
    /* Its first cluster may hold no entry, but where there are zeroes too many, it likely does. */
    return run->to_is_edge && run->to < piece + size && run->to >= run->from + size ? run->to - size
                                                                                    : piece;
}

static int add_orphan(struct adoption *adoption, const struct orphan *orphan,
                      struct qed_error *error)
{
    struct orphan *grown;

    grown = array_with_room(adoption->orphans, adoption->count, &adoption->room, sizeof(*grown));
    if (!grown)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    adoption->orphans = grown;
    adoption->orphans[adoption->count++] = *orphan;
    return QED_OK;
}

static int cut_run(struct joining *joining, const struct run *run, struct qed_error *error)
{
    const struct qed_geometry *g = &joining->walk->image.geometry;
    bool is_exact;
    uint64_t start = first_start(joining, run, &is_exact);
    int ret = QED_OK;

    for (size_t i = run->first; ret == QED_OK && i < run->end; i++) {
        uint64_t cluster = joining->adoption->pieces[i].cluster;
        struct orphan orphan = {0};

        if (cluster < start)
            continue; /* of the table before */
        start += (cluster - start) / g->table_size * g->table_size;
        if (start + g->table_size > run->to)
            break;
        orphan.file_off = start << g->cluster_shift;
        orphan.is_exact = is_exact && (start == run->from || start == cluster);
        ret = add_orphan(joining->adoption, &orphan, error);
        start += g->table_size;
    }
    return ret;
}

int adoption_join(struct adoption *adoption, struct qed_error *error)
{
    uint64_t clusters = bitmap_bit_count(adoption->walk->used), done = 0;
    struct joining joining = {.adoption = adoption,
                              .walk = adoption->walk,
                              .pieces = bitmap_new(clusters),
                              .named = bitmap_new(clusters)};
    int ret;

    if (joining.pieces && joining.named)
        ret = mark_all(&joining, error);
    else
        ret = qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    for (size_t i = 0; ret == QED_OK && i < adoption->piece_count;) {
        struct run run = next_run(&joining, i, done);

        ret = cut_run(&joining, &run, error);
        done = run.to;
        i = run.end;
    }
    bitmap_free(joining.pieces);
    bitmap_free(joining.named);
    return ret;
}
