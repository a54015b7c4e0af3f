/*
 * One pass over the unreferenced space that the file stores tells clusters that could be parts of
 * tables (pieces) from zeroes and from anything else.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include "base/array.h"
#include "base/le.h"
#include "format/qed_rebuild_orphans_state.h"

#define READ_BYTES ((size_t)1 << 20)

/* So few words that are no entries may be damage in a part of a table that holds few entries. */
#define FEW_WORDS 2

struct finder {
    struct adoption *adoption;
    const struct qed_walk *walk;
    uint8_t *buffer;           /* READ_BYTES */
    struct adoption_piece now; /* the cluster under way */
};

/* More bad words than a cluster full of good ones may have. */
static bool is_other(const struct finder *finder)
{
    return finder->now.bad > finder->walk->image.geometry.cluster_size / sizeof(uint64_t) / 9;
}

static int add_piece(struct adoption *adoption, const struct adoption_piece *piece,
                     struct qed_error *error)
{
    struct adoption_piece *grown;

    if (adoption->piece_count == QED_ADOPTION_PIECES_MAX)
        return qed_fail(error, QED_ERR_UNSUPPORTED,
                        "more than %zu unreferenced clusters look like tables",
                        QED_ADOPTION_PIECES_MAX);
    grown = array_with_room(adoption->pieces, adoption->piece_count, &adoption->piece_room,
                            sizeof(*grown));
    if (!grown)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    adoption->pieces = grown;
    adoption->pieces[adoption->piece_count++] = *piece;
    return QED_OK;
}

/* The cluster under way was seen whole. */
static int end_cluster(struct finder *finder, struct qed_error *error)
{
    const struct adoption_piece *piece = &finder->now;
    uint64_t ignored;

    if (is_other(finder) || piece->bad > piece->good / 8 + FEW_WORDS) {
        if (bitmap_set_range(finder->adoption->other, piece->cluster, 1, &ignored) < 0)
            return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
        return QED_OK;
    }
    return piece->good ? add_piece(finder->adoption, piece, error) : QED_OK;
}

static void look_at_words(struct finder *finder, const uint8_t *bytes, size_t len)
{
    struct adoption_piece *piece = &finder->now;
    const struct qed_geometry *g = &finder->walk->image.geometry;

    for (size_t i = 0; i + sizeof(uint64_t) <= len && !is_other(finder); i += sizeof(uint64_t)) {
        uint64_t word = le64_load(bytes + i), cluster = word >> g->cluster_shift;

        if (word <= QED_ENTRY_ZERO)
            continue;
        if (!adoption_is_free(finder->walk, word)) {
            piece->bad++;
            continue;
        }
        piece->good++;
        piece->adjoins = piece->adjoins ||
                         (cluster != piece->cluster && cluster + g->table_size >= piece->cluster &&
                          cluster <= piece->cluster + g->table_size);
    }
}

/* Look at what was read of [file_off, file_off + len), a cluster at a time. */
static int look_at(struct finder *finder, uint64_t file_off, size_t len, struct qed_error *error)
{
    const struct qed_geometry *g = &finder->walk->image.geometry;
    int ret = QED_OK;

    for (size_t at = 0, step; ret == QED_OK && at < len; at += step) {
        uint64_t cluster = (file_off + at) >> g->cluster_shift;

        step = (size_t)min_u64(len - at, g->cluster_size - qed_offset_in_cluster(g, file_off + at));
        if (cluster != finder->now.cluster) {
            ret = end_cluster(finder, error);
            finder->now = (struct adoption_piece){.cluster = cluster};
        }
        look_at_words(finder, finder->buffer + at, step);
    }
    return ret;
}

static bool asked_to_stop(struct finder *finder, uint64_t file_off)
{
    const struct qed_scan_options *scan = &finder->adoption->options->scan;

    return scan->progress &&
           scan->progress(scan->progress_context, file_off, finder->walk->image.geometry.file_end);
}

/* Where to read on: what is left of a cluster that is no part of a table is passed over. */
static uint64_t read_on_at(const struct finder *finder, uint64_t at)
{
    const struct qed_geometry *g = &finder->walk->image.geometry;

    if (is_other(finder) && at >> g->cluster_shift == finder->now.cluster)
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

int adoption_find(struct adoption *adoption, struct qed_error *error)
{
    struct finder finder = {
        .adoption = adoption, .walk = adoption->walk, .buffer = malloc(READ_BYTES)};
    int ret;

    adoption->other = bitmap_new(bitmap_bit_count(adoption->walk->used));
    if (finder.buffer && adoption->other)
        ret = find_pieces(&finder, error);
    else
        ret = qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    free(finder.buffer);
    return ret;
}
