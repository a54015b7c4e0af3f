/*
 * Repair an image that was checked: plan, save for an undo, carry out, check again.
 * SPDX-License-Identifier: MIT
 */
#ifndef CORE_REPAIR_H
#define CORE_REPAIR_H

#include "core/check.h"

/*
 * Repair the image in io as options say, and fill in the rest of report. report->first is its
 * check; or, where is_open is false because the header cannot be made sense of, holds findings of
 * the header, and options ask for a rebuild or give an image size. The mark of an unclean shutdown
 * goes only when the last check found no corruption. With options->dry_run io is only read.
 */
int repair_image(struct io *io, bool is_open, const struct check_options *options,
                 struct check_report *report, struct qed_error *error);

#endif
