/*
 * What the two files of a conversion share: convert.c leads, convert_buffer.c copies one buffer
 * after the other.
 * SPDX-License-Identifier: MIT
 */
#ifndef CORE_CONVERT_STATE_H
#define CORE_CONVERT_STATE_H

#include "core/convert.h"

struct convert {
    const struct convert_options *given, *options; /* the caller's, and what they come to */
    struct convert_options settled;                /* that */
    uint64_t done;                                 /* guest bytes, as last reported */
    bool can_place;                                /* data is written where the target says */
    const char *source_path;
    struct image *source;
    struct extent run; /* of the source, as last looked up */
    struct target *target;
    struct mapfile *mapfile;  /* NULL when none is asked for */
    struct image *base;       /* the target's backing chain; NULL when there is none */
    unsigned int common_from; /* source layers from this depth on are the base's own chain */
    uint64_t block;           /* bytes in which data is found zero or unlike the base */
    size_t buffer_bytes;
    uint8_t *buffer, *base_buffer;
    struct qed_error *error;
};

/* Tell the caller how far the conversion is; whether it is to stop. A copy_progress_fn. */
bool convert_progress(void *context, uint64_t done, uint64_t total);

/* Copy all of the source, for targets that have something of their own below. */
int convert_by_buffer(struct convert *convert);

#endif
