/*
 * Source by source: once every entry that reads a cluster is placed, those that lie in it are. One
 * that lies in the cluster that it reads itself waits for all others alone.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_moves.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/checked.h"

/* A cluster that entries read, and in which entries lie. */
struct source {
    uint64_t from;
    size_t first, end; /* the moves in it */
    uint64_t waiting;  /* entries that read it and are not placed yet */
    size_t self;       /* of these one that lies in it; SIZE_MAX: none */
    uint32_t level;    /* the least for moves in it */
};

struct ordering {
    struct qed_move *moves;
    size_t count;
    struct source *sources; /* by from */
    size_t source_count;
    size_t *queue; /* moves that are placed, in that order */
    size_t queued;
    uint32_t cluster_size;
};

static int by_word(const void *a, const void *b)
{
    const struct qed_move *x = a, *y = b;

    return (x->word_off > y->word_off) - (x->word_off < y->word_off);
}

static int by_from(const void *a, const void *b)
{
    const struct source *x = a, *y = b;

    return (x->from > y->from) - (x->from < y->from);
}

static struct source *find_source(const struct ordering *ordering, uint64_t from)
{
    struct source key = {.from = from};

    return bsearch(&key, ordering->sources, ordering->source_count, sizeof(key), by_from);
}

size_t qed_moves_first(const struct qed_move *moves, size_t count, uint64_t file_off)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (moves[middle].word_off < file_off)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static size_t first_move(const struct ordering *ordering, uint64_t file_off)
{
    return qed_moves_first(ordering->moves, ordering->count, file_off);
}

static void list_sources(struct ordering *ordering)
{
    size_t kept = 0;

    for (size_t i = 0; i < ordering->count; i++) {
        if (ordering->moves[i].from != QED_MOVE_READS_NOTHING)
            ordering->sources[ordering->source_count++] =
                (struct source){.from = ordering->moves[i].from, .self = SIZE_MAX, .waiting = 1};
    }
    qsort(ordering->sources, ordering->source_count, sizeof(*ordering->sources), by_from);
    for (size_t i = 0; i < ordering->source_count; i++) {
        if (kept > 0 && ordering->sources[kept - 1].from == ordering->sources[i].from)
            ordering->sources[kept - 1].waiting++;
        else
            ordering->sources[kept++] = ordering->sources[i];
    }
    ordering->source_count = kept;
}

static void place(struct ordering *ordering, size_t move, uint32_t level)
{
    if (ordering->moves[move].level != QED_MOVE_NO_ORDER)
        return;
    ordering->moves[move].level = level;
    ordering->queue[ordering->queued++] = move;
}

/* Where each source's moves are; what lies in no source is placed. */
static void begin(struct ordering *ordering)
{
    size_t at = 0;

    for (size_t i = 0; i < ordering->source_count; i++) {
        struct source *source = &ordering->sources[i];

        source->first = first_move(ordering, source->from);
        source->end = first_move(ordering, source->from + ordering->cluster_size);
        for (; at < source->first; at++)
            place(ordering, at, 0);
        at = source->end;
        for (size_t j = source->first; j < source->end; j++) {
            if (ordering->moves[j].from == source->from)
                source->self = j;
        }
    }
    for (; at < ordering->count; at++)
        place(ordering, at, 0);
}

/* An entry that reads the source has its copy. */
static void advance(struct ordering *ordering, struct source *source, uint32_t level)
{
    source->waiting -= source->waiting > 0;
    source->level = source->level > level ? source->level : level + 1;
    if (source->waiting == 0) {
        for (size_t i = source->first; i < source->end; i++)
            place(ordering, i, source->level);
    } else if (source->waiting == 1 && source->self != SIZE_MAX) {
        place(ordering, source->self, source->level);
    }
}

int qed_moves_order(struct qed_move *moves, size_t count, uint32_t cluster_size, uint32_t *highest,
                    struct qed_error *error)
{
    struct ordering ordering = {.moves = moves, .count = count, .cluster_size = cluster_size};
    int ret = QED_OK;

    *highest = 0;
    if (count == 0)
        return QED_OK;
    ordering.sources = calloc(count, sizeof(*ordering.sources));
    ordering.queue = calloc(count, sizeof(*ordering.queue));
    if (!ordering.sources || !ordering.queue) {
        ret = qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
        goto out;
    }
    qsort(moves, count, sizeof(*moves), by_word);
    for (size_t i = 0; i < count; i++)
        moves[i].level = QED_MOVE_NO_ORDER;
    list_sources(&ordering);
    begin(&ordering);
    for (size_t i = 0; i < ordering.source_count; i++) {
        if (ordering.sources[i].waiting == 1 && ordering.sources[i].self != SIZE_MAX)
            place(&ordering, ordering.sources[i].self, 1);
    }
    for (size_t i = 0; i < ordering.queued; i++) {
        const struct qed_move *move = &moves[ordering.queue[i]];
        struct source *source =
            move->from == QED_MOVE_READS_NOTHING ? NULL : find_source(&ordering, move->from);

        *highest = *highest > move->level ? *highest : move->level;
        if (source)
            advance(&ordering, source, move->level);
    }
out:
    free(ordering.sources);
    free(ordering.queue);
    return ret;
}
