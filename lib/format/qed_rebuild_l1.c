/*
 * An l1_table_offset that is wrong and yet leads to something that passes for an L1 table: an L2
 * table with few entries, or the L1 of an image that the guest keeps, whose offsets name places in
 * this file, too. Such a place explains less than the true L1 does.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include "format/qed_rebuild_state.h"

/* Where no writer puts an L1, it must explain so much, and twice as much as the stored one. */
#define EXPLAINS_ENOUGH 0.8

/* A true L1 may be damaged, too, but not so much. */
#define SOUND_ENOUGH 0.5

static struct rebuild_candidate *find_stored(const struct rebuild *rebuild)
{
    for (size_t i = 0; i < rebuild->count; i++) {
        if (rebuild->candidates[i].tried && rebuild->candidates[i].fields == 0)
            return &rebuild->candidates[i];
    }
    return NULL;
}

/* Whether a candidate shows that the stored L1, which is where no writer puts one, is none. */
static bool refutes(const struct rebuild_candidate *candidate,
                    const struct rebuild_candidate *stored)
{
    if (!candidate->tried || candidate->cluster_size != stored->cluster_size ||
        candidate->table_size != stored->table_size || candidate->l1_is_data ||
        candidate->tables == 0 || candidate->sound < SOUND_ENOUGH)
        return false;
    /* That tables lie there, and lead to more, is no chance, however far the stored one leads. */
    if (rebuild_is_usual(candidate))
        return candidate->explained > stored->explained;
    return candidate->file >= EXPLAINS_ENOUGH && candidate->explained / 2 >= stored->explained;
}

bool rebuild_doubt_header(struct rebuild *rebuild)
{
    struct rebuild_candidate *stored = find_stored(rebuild);

    if (!stored || rebuild_is_usual(stored))
        return false;
    for (size_t i = 0; i < rebuild->count; i++) {
        const struct rebuild_candidate *candidate = &rebuild->candidates[i];
        double less = candidate->confidence < stored->file ? candidate->confidence : stored->file;

        if (refutes(candidate, stored)) {
            stored->confidence = less / 2;
            return true;
        }
    }
    return false;
}

/* Whether so much of the file is left over that it is worth a pass over it. */
static bool leaves_most(const struct rebuild *rebuild)
{
    const struct rebuild_candidate *stored = find_stored(rebuild);

    return stored && !rebuild_is_usual(stored) && stored->share < 0.5;
}

static int search_all(struct rebuild *rebuild, struct qed_error *error)
{
    int ret = rebuild_scan_file(rebuild, error);

    if (ret == QED_OK)
        ret = rebuild_add_places(rebuild, error);
    return ret < 0 ? ret : rebuild_try_all(rebuild, error);
}

int qed_rebuild_l1_is_elsewhere(struct io *io, const struct qed_header *header,
                                const struct qed_scan_options *scan, bool *is_elsewhere,
                                struct qed_error *error)
{
    struct qed_rebuild_options options = {.scan = scan ? *scan : (struct qed_scan_options){0}};
    struct rebuild rebuild = {.io = io,
                              .options = &options,
                              .old = *header,
                              .budget = REBUILD_BUDGET,
                              .keeps_geometry = true};
    int ret = io_get_length(io, &rebuild.length, error);

    *is_elsewhere = false;
    rebuild.bytes_done = rebuild.length; /* progress tells of a check that is nearly done */
    if (ret == QED_OK)
        ret = rebuild_add_near(&rebuild, error);
    if (ret == QED_OK)
        ret = rebuild_try_all(&rebuild, error);
    if (ret == QED_OK)
        *is_elsewhere = rebuild_doubt_header(&rebuild);
    if (ret == QED_OK && !*is_elsewhere && leaves_most(&rebuild)) {
        ret = search_all(&rebuild, error);
        *is_elsewhere = ret == QED_OK && rebuild_doubt_header(&rebuild);
    }
    free(rebuild.candidates);
    return ret;
}
