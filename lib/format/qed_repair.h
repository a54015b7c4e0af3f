/*
 * The format's own repair: entries that point outside the file, into the header, or are not
 * aligned are cleared.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_QED_REPAIR_H
#define FORMAT_QED_REPAIR_H

#include "format/qed_check.h"

/*
 * Clear the invalid entries that a check has found in image, opened for writing, and flush;
 * *cleared is how many. Unknown autoclear bits are cleared, too. Left alone is a table that is no
 * table, or that lies on clusters used more than once: what looks like an invalid entry there may
 * be somebody else's data. Nothing is done when the check could make no sense of the image.
 *
 * Sets NEED_CHECK first and leaves it set: the caller checks again, and calls qed_repair_finish
 * when that finds no corruption. Writes nothing when there is nothing to clear.
 */
int qed_repair(struct qed_image *image, const struct qed_check_result *found, uint64_t *cleared,
               struct qed_error *error);

/* Clear NEED_CHECK, durably. Only after a check that found no corruption. */
int qed_repair_finish(struct qed_image *image, struct qed_error *error);

#endif
