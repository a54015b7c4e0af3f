/*
 * Carries a plan out. Cut off at any write, it leaves an image that is no worse than before and
 * that a second repair finishes: the image is marked first, whatever is new is durable before an
 * entry names it, and the mark goes last. A write-intent bitmap is dropped by the write that sets
 * the mark and comes back with the one that clears it, if the plan has a word for its bit: what is
 * not finished, or not all mended, is not for a recovery of marked tables alone.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_QED_APPLY_H
#define FORMAT_QED_APPLY_H

#include "format/qed_plan.h"

/*
 * Mark the image in io, the file that the plan was made for, with NEED_CHECK, and do all that is
 * planned but the giving back of space; flush. The mark stays: the caller checks the image, then
 * calls qed_apply_finish. Nothing is written where space is all that is given back. Where it fails
 * before an entry was changed, for want of space for the copies above all, the file is as before,
 * if it can still be written to.
 */
int qed_apply(const struct qed_plan *plan, struct io *io, struct qed_error *error);

/*
 * Give back the space that is planned to be, and flush; then, with clear_mark, clear NEED_CHECK,
 * durably. Only after a check of io that found no corruption.
 */
int qed_apply_finish(const struct qed_plan *plan, struct io *io, bool clear_mark,
                     struct qed_error *error);

#endif
