/*
 * One pass over the unreferenced space that the file stores tells clusters that could be parts of
 * tables (pieces) from zeroes and from anything else. Pieces and the zeroes between them make up
 * runs, and those are cut into tables.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include "base/le.h"
#include "format/qed_rebuild_orphans_state.h"

#define READ_BYTES ((size_t)1 << 20)

/* A cluster with so few words that are no entries, and no entry, is as good as empty. */
#define FEW_WORDS 2

/* A cluster that could be part of a table. */
struct piece {
    uint64_t cluster;
    uint64_t good, bad;
};

struct finder {
    struct adoption *adoption;
    const struct qed_walk *walk;
    uint8_t *buffer; /* READ_BYTES */
    struct piece *pieces; /* in file order */
    size_t count, room;
    struct bitmap *other; /* unreferenced clusters that are no part of a table */
    struct bitmap *named; /* clusters that pieces name as data */
    struct piece now;     /* the cluster under way */
};

/* More bad words than a cluster full of good ones may have. */
static bool is_other(const struct finder *finder, const struct piece *piece)
{
    return piece->bad > finder->walk->image.geometry.cluster_size / sizeof(uint64_t) / 9;
}

/* The cluster under way was seen whole. */
static int end_cluster(struct finder *finder, struct qed_error *error)
{
    const struct piece *piece = &finder->now;
    uint64_t ignored;

    if (is_other(finder, piece) || (piece->good == 0 && piece->bad > FEW_WORDS)) {
        if (bitmap_set_range(finder->other, piece->cluster, 1, &ignored) < 0)
            return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
        return QED_OK;
    }
    if (piece->good == 0)
        return QED_OK;
    if (finder->count == QED_ADOPTION_PIECES_MAX)
        return qed_fail(error, QED_ERR_UNSUPPORTED,
                        "more than %zu unreferenced clusters look like tables",
                        QED_ADOPTION_PIECES_MAX);
    if (finder->count == finder->room) {
        size_t room = finder->room ? finder->room * 2 : 64;
        struct piece *grown = realloc(finder->pieces, room * sizeof(*grown));

        if (!grown)
            return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
        finder->pieces = grown;
        finder->room = room;
    }
    finder->pieces[finder->count++] = *piece;
    return QED_OK;
}

static void look_at_words(struct finder *finder, const uint8_t *bytes, size_t len)
{
    struct piece *piece = &finder->now;

    for (size_t i = 0; i + sizeof(uint64_t) <= len && !is_other(finder, piece);
         i += sizeof(uint64_t)) {
        uint64_t word = le64_load(bytes + i);

        if (word <= QED_ENTRY_ZERO)
            continue;
        if (adoption_is_free(finder->walk, word))
            piece->good++;
        else
            piece->bad++;
    }
}

/* Look at what was read of [file_off, file_off + len), a cluster at a time. */
static int look_at(struct finder *finder, uint64_t file_off, size_t len, struct qed_error *error)
{
    const struct qed_geometry *g = &finder->walk->image.geometry;
    int ret = QED_OK;

    for (size_t at = 0, step; ret == QED_OK && at < len; at += step) {
        uint64_t cluster = (file_off + at) >> g->cluster_shift;

        step = (size_t)min_u64(len - at,
                               g->cluster_size - qed_offset_in_cluster(g, file_off + at));
        if (cluster != finder->now.cluster) {
            ret = end_cluster(finder, error);
            finder->now = (struct piece){.cluster = cluster};
        }
        look_at_words(finder, finder->buffer + at, step);
    }
    return ret;
}

static bool asked_to_stop(struct finder *finder, uint64_t file_off)
{
    const struct qed_scan_options *scan = &finder->adoption->options->scan;

    return scan->progress && scan->progress(scan->progress_context, file_off,
                                            finder->walk->image.geometry.file_end);
}

/* Where to read on after at: what is left of a cluster that is no part of a table is passed over. */
static uint64_t read_on_at(const struct finder *finder, uint64_t at)
{
    const struct qed_geometry *g = &finder->walk->image.geometry;

    if (is_other(finder, &finder->now) && at >> g->cluster_shift == finder->now.cluster)
        return (finder->now.cluster + 1) << g->cluster_shift;
    return at;
}

/* Look at what is stored of [at, end), whole clusters that nothing names. */
static int look_at_range(struct finder *finder, uint64_t at, uint64_t end, struct qed_error *error)
{
    struct io *io = finder->walk->image.io;
    int ret = QED_OK;

    while (ret == QED_OK && at < end) {
        struct io_run run;
        uint64_t data_end;

        ret = io_next_run(io, at, &run, error);
        if (ret < 0 || run.length == 0)
            break;
        data_end = min_u64(end, at + run.length);
        if (!run.is_data) {
            at = max_u64(round_down(data_end, sizeof(uint64_t)), at + sizeof(uint64_t));
            continue;
        }
        while (ret == QED_OK && at < data_end) {
            size_t len = (size_t)min_u64(READ_BYTES, blocks_for(data_end - at, 3) << 3);

            ret = io_read_padded(io, finder->buffer, len, at, error);
            if (ret == QED_OK)
                ret = look_at(finder, at, len, error);
            if (ret == QED_OK && asked_to_stop(finder, at))
                ret = qed_fail(error, QED_ERR_STOPPED, "interrupted");
            at = read_on_at(finder, at + len);
        }
    }
    return ret;
}

static int find_pieces(struct finder *finder, struct qed_error *error)
{
    const struct qed_geometry *g = &finder->walk->image.geometry;
    uint64_t clusters = bitmap_bit_count(finder->walk->used);
    uint64_t at = bitmap_next_clear(finder->walk->used, g->header_bytes >> g->cluster_shift);
    int ret = QED_OK;

    finder->now.cluster = UINT64_MAX;
    while (ret == QED_OK && at < clusters) {
        uint64_t next = bitmap_next_set(finder->walk->used, at);

        ret = look_at_range(finder, at << g->cluster_shift, next << g->cluster_shift, error);
        at = bitmap_next_clear(finder->walk->used, next);
    }
    return ret < 0 ? ret : end_cluster(finder, error);
}

struct marking {
    const struct finder *finder;
    struct bitmap *named;
};

static int mark_named_piece(void *context, const struct qed_scan_piece *piece,
                            struct qed_error *error)
{
    const struct marking *marking = context;
    const struct qed_walk *walk = marking->finder->walk;
    uint64_t ignored;

    for (size_t i = 0; i < piece->count; i++) {
        uint64_t entry = piece->entries[i];

        if (entry > QED_ENTRY_ZERO && adoption_is_free(walk, entry) &&
            bitmap_set_range(marking->named, entry >> walk->image.geometry.cluster_shift, 1,
                             &ignored) < 0)
            return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    }
    return QED_OK;
}

/* Mark what the pieces name, but for those that are marked in except. */
static int mark_named(struct finder *finder, const struct bitmap *except, struct bitmap *named,
                      struct qed_error *error)
{
    struct marking marking = {.finder = finder, .named = named};
    struct qed_image clusters = finder->walk->image;
    int ret = QED_OK;

    clusters.geometry.table_bytes = clusters.geometry.cluster_size;
    for (size_t i = 0; ret == QED_OK && i < finder->count; i++) {
        uint64_t cluster = finder->pieces[i].cluster;
        struct qed_scan_table table = {.file_off = cluster << clusters.geometry.cluster_shift};

        if (!except || !bitmap_test(except, cluster))
            ret = qed_scan_table(&clusters, &table, mark_named_piece, &marking, error);
    }
    return ret;
}

/*
 * What pieces name is data, be it zeroes or look like a table; but what a piece names that is data
 * itself (a table of an image that the guest keeps) says nothing.
 */
static int find_data(struct finder *finder, struct qed_error *error)
{
    struct bitmap *claimed = bitmap_new(bitmap_bit_count(finder->walk->used));
    int ret = QED_OK;

    if (!claimed)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    ret = mark_named(finder, NULL, claimed, error);
    if (ret == QED_OK)
        ret = mark_named(finder, claimed, finder->named, error);
    bitmap_free(claimed);
    return ret;
}

/* Pieces [first, end), with nothing but zeroes between them, and how far those reach on either side. */
struct run {
    size_t first, end;
    bool is_named;
    uint64_t from, to; /* clusters; no further than is of use */
    bool from_is_edge, to_is_edge; /* something else is there */
};

/* Whether a cluster is no part of any table in a run. */
static bool is_edge(const struct finder *finder, const struct run *run, uint64_t cluster)
{
    const struct qed_geometry *g = &finder->walk->image.geometry;

    return cluster < g->header_bytes >> g->cluster_shift ||
           cluster >= bitmap_bit_count(finder->walk->used) ||
           bitmap_test(finder->walk->used, cluster) || bitmap_test(finder->other, cluster) ||
           bitmap_test(finder->named, cluster) != run->is_named;
}

/* The first edge at or after a cluster, or one table on. */
static uint64_t next_edge(const struct finder *finder, const struct run *run, uint64_t cluster)
{
    uint64_t end = cluster + finder->walk->image.geometry.table_size;

    while (cluster < end && !is_edge(finder, run, cluster))
        cluster++;
    return cluster;
}

/* done: what runs before it reach to. */
static struct run next_run(const struct finder *finder, size_t first, uint64_t done)
{
    const struct piece *pieces = finder->pieces;
    uint64_t reach = finder->walk->image.geometry.table_size;
    struct run run = {.first = first,
                      .end = first + 1,
                      .is_named = bitmap_test(finder->named, pieces[first].cluster),
                      .from = pieces[first].cluster};

    while (run.from > done && pieces[first].cluster - run.from < reach &&
           !is_edge(finder, &run, run.from - 1))
        run.from--;
    run.from_is_edge = is_edge(finder, &run, run.from - 1);
    for (;;) {
        run.to = next_edge(finder, &run, pieces[run.end - 1].cluster + 1);
        if (run.end == finder->count || pieces[run.end].cluster > run.to ||
            is_edge(finder, &run, pieces[run.end].cluster))
            break;
        run.end++;
    }
    run.to_is_edge = is_edge(finder, &run, run.to);
    return run;
}

/* Where the first table of a run starts; *is_exact is false when that is a guess. */
static uint64_t first_start(const struct finder *finder, const struct run *run, bool *is_exact)
{
    uint64_t size = finder->walk->image.geometry.table_size;
    uint64_t piece = finder->pieces[run->first].cluster;
    bool fills = run->from_is_edge && run->to_is_edge && (run->to - run->from) % size == 0;

    *is_exact = size == 1 || (run->from_is_edge && piece == run->from) ||
                (fills && run->to - run->from == size);
    if (fills || (run->from_is_edge && piece == run->from))
        return run->from + (piece - run->from) / size * size;
    /* Its first cluster may hold no entry, but where there are zeroes too many, it likely does. */
    return run->to_is_edge && run->to < piece + size && run->to >= run->from + size
               ? run->to - size
               : piece;
}

/* Cut a run into tables. */
static int cut_run(struct finder *finder, const struct run *run, struct qed_error *error)
{
    const struct qed_geometry *g = &finder->walk->image.geometry;
    bool is_exact;
    uint64_t start = first_start(finder, run, &is_exact);
    int ret = QED_OK;

    for (size_t i = run->first; ret == QED_OK && i < run->end; i++) {
        uint64_t cluster = finder->pieces[i].cluster;

        if (cluster < start)
            continue; /* of the table before */
        start += (cluster - start) / g->table_size * g->table_size;
        if (start + g->table_size > run->to)
            break;
        ret = adoption_add(finder->adoption,
                           &(struct orphan){.file_off = start << g->cluster_shift,
                                            .is_exact = is_exact && (start == run->from ||
                                                                     start == cluster)},
                           error);
        start += g->table_size;
    }
    return ret;
}

static int find_tables(struct finder *finder, struct qed_error *error)
{
    uint64_t done = 0;
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < finder->count;) {
        struct run run = next_run(finder, i, done);

        ret = cut_run(finder, &run, error);
        done = run.to;
        i = run.end;
    }
    return ret;
}

int adoption_find(struct adoption *adoption, struct qed_error *error)
{
    uint64_t clusters = bitmap_bit_count(adoption->walk->used);
    struct finder finder = {.adoption = adoption,
                            .walk = adoption->walk,
                            .buffer = malloc(READ_BYTES),
                            .other = bitmap_new(clusters),
                            .named = bitmap_new(clusters)};
    int ret;

    if (finder.buffer && finder.other && finder.named)
        ret = find_pieces(&finder, error);
    else
        ret = qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    if (ret == QED_OK)
        ret = find_data(&finder, error);
    if (ret == QED_OK)
        ret = find_tables(&finder, error);
    bitmap_free(finder.other);
    bitmap_free(finder.named);
    free(finder.pieces);
    free(finder.buffer);
    return ret;
}
