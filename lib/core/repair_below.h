/*
 * The backing file of an image that is being repaired, opened only if it is read: most repairs need
 * none, and it need not be there.
 * SPDX-License-Identifier: MIT
 */
#ifndef CORE_REPAIR_BELOW_H
#define CORE_REPAIR_BELOW_H

#include "core/image.h"

struct repair_below;

/*
 * For the image in io at path, which must outlive it; *below is NULL where it has no backing file
 * or path is NULL.
 */
int repair_below_new(struct repair_below **below, const char *path, enum image_backing policy,
                     struct io *io, struct qed_error *error);

/* Read guest bytes of the backing file, a qed_read_below_fn; zeroes where it cannot be opened. */
int repair_below_read(void *below, uint64_t virt_off, void *buffer, size_t len,
                      struct qed_error *error);

/* Whether it was asked for and could not be opened; NULL-safe. */
bool repair_below_is_missing(const struct repair_below *below);

/* NULL-safe. */
void repair_below_free(struct repair_below *below);

#endif
