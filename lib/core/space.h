/*
 * How much space an image needs that is a copy of another one: for measure, and for a warning
 * before a conversion begins.
 * SPDX-License-Identifier: MIT
 */
#ifndef CORE_SPACE_H
#define CORE_SPACE_H

#include "core/create.h"
#include "core/image.h"
#include "core/target.h"

/* Bytes; upper bounds: data that is all zero counts as data. UINT64_MAX: more than any file has. */
struct space {
    uint64_t required;        /* length of the file */
    uint64_t fully_allocated; /* its length with every guest cluster stored */
    uint64_t stored;          /* of the file, what is no hole, in blocks of 4096 */
};

struct space_options {
    const struct create_options *target; /* valid; its size is taken for the source's */
    unsigned int common_from; /* source layers from this depth on take no space; UINT_MAX: none */
    bool store_zeroes;        /* everything is stored */
    /*
     * Once more than this is stored, only some more of the source is looked at, and the rest taken
     * for data. UINT64_MAX to look at all of it.
     */
    uint64_t enough;
    bool (*stop)(void *context); /* asked now and then; may be NULL */
    void *stop_context;
};

/* The length of an image of options with every guest cluster stored. Opens nothing. */
uint64_t space_fully_allocated(const struct create_options *options);

/* Walk the runs of source. QED_ERR_STOPPED when stop says so. */
int space_measure(struct image *source, const struct space_options *options, struct space *space,
                  struct qed_error *error);

/*
 * Whether the copy may need more space than the file system of target has left: *needed more bytes,
 * *left. False as well where that is not known, and where the copy can share the source's space.
 * Looks no closer at the source than it has to; QED_ERR_STOPPED as above, nothing else is an error.
 */
int space_check(struct image *source, struct target *target, const struct space_options *options,
                bool *is_short, uint64_t *needed, uint64_t *left);

#endif
