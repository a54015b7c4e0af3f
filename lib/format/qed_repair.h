/*
 * The format's own repair: entries that point outside the file, into the header, or are not
 * aligned are cleared.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_QED_REPAIR_H
#define FORMAT_QED_REPAIR_H

#include "base/bitmap.h"
#include "format/qed.h"

/*
 * Clear every invalid entry of image, opened for writing, and flush; *cleared is how many. Tables
 * that lie on clusters set in shared (from qed_check) are left alone: what looks like an invalid
 * entry there may be somebody else's data.
 *
 * Sets NEED_CHECK first and leaves it set: the caller checks again, and calls qed_repair_finish
 * when that finds no corruption. Writes nothing when there is nothing to clear.
 */
int qed_repair(struct qed_image *image, const struct bitmap *shared, uint64_t *cleared,
               struct qed_error *error);

/* Clear NEED_CHECK, durably. Only after a check that found no corruption. */
int qed_repair_finish(struct qed_image *image, struct qed_error *error);

#endif
