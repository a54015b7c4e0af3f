/*
 * Space for a new image before there is data for it, in qemu-img's modes.
 * SPDX-License-Identifier: MIT
 */
#ifndef CORE_PREALLOCATE_H
#define CORE_PREALLOCATE_H

#include "core/create.h"
#include "format/qed_places.h"

enum preallocation {
    PREALLOCATION_OFF,
    PREALLOCATION_METADATA, /* QED: every cluster has its place; no space is taken but for tables */
    PREALLOCATION_FALLOC,   /* that, and the file's space is reserved */
    PREALLOCATION_FULL,     /* that, and the guest's bytes are written */
};

/*
 * The mode that options name. QED_ERR_INVALID, in qemu-img's words, for one that the format does
 * not have, and over a backing file, which the places would hide.
 */
int preallocation_mode(const struct create_options *options, enum preallocation *mode,
                       struct qed_error *error);

/* Where everything is in a QED image of these options; QED_ERR_INVALID when no file is that long.
 */
int preallocation_places(const struct create_options *options, struct qed_places *places,
                         struct qed_error *error);

/*
 * Prepare io, an image just made of these options: its full length, its space, its tables. The
 * guest's bytes are zeroes, in every mode, that are not written yet: preallocation_fill does that.
 * QED_ERR_NO_SPACE when it cannot be reserved, QED_ERR_STOPPED when options->stop says so.
 */
int preallocation_prepare(struct io *io, const struct create_options *options,
                          struct qed_error *error);

/* With PREALLOCATION_FULL write the zeroes, else do nothing. */
int preallocation_fill(struct io *io, const struct create_options *options,
                       struct qed_error *error);

#endif
