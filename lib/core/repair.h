/*
 * Repair an image that was checked: plan, save for an undo, carry out, check again.
 * SPDX-License-Identifier: MIT
 */
#ifndef CORE_REPAIR_H
#define CORE_REPAIR_H

#include "core/check.h"

/*
 * Repair the image in io, whose check is report->first, as options say, and fill in the rest of
 * report. The mark of an unclean shutdown goes only when the last check found no corruption. With
 * options->dry_run io is only read.
 */
int repair_image(struct io *io, const struct check_options *options, struct check_report *report,
                 struct qed_error *error);

#endif
