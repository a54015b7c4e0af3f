/*
 * Ranges that the kernel moves from one file to another: shared, or copied there. Each way is given
 * up where it turns out not to work.
 * SPDX-License-Identifier: MIT
 */
#ifndef CORE_COPY_OFFLOAD_H
#define CORE_COPY_OFFLOAD_H

#include <stdbool.h>

#include "io/io_transfer.h"

/* Offsets and lengths that are not multiples of this need not be tried. */
#define COPY_OFFLOAD_ALIGN 4096

struct copy_offload {
    bool can_clone, can_copy; /* as far as is known */
};

static inline bool copy_offload_may_work(const struct copy_offload *offload)
{
    return offload->can_clone || offload->can_copy;
}

/*
 * Find out whether blocks can be shared, by a try behind the end of to: a place in it that was
 * given out could not be given back.
 */
int copy_offload_try_clone(struct copy_offload *offload, struct io *to, struct io *from,
                           struct qed_error *error);

/* Move a range; QED_ERR_UNSUPPORTED when it has to be read and written. */
int copy_offload(struct copy_offload *offload, struct io *to, uint64_t to_off, struct io *from,
                 uint64_t from_off, uint64_t len, struct qed_error *error);

#endif
