/*
 * The first step of a repair: the header, where it needs one.
 * SPDX-License-Identifier: MIT
 */
#ifndef CORE_REPAIR_HEADER_H
#define CORE_REPAIR_HEADER_H

#include "core/check.h"

/*
 * Plan what options and the state of the image in io ask for: its header worked out anew, or with
 * another image size, or the file extended to the end of the L1 table. Where anything is planned,
 * report->first becomes the check of what that leads to, and what was found wrong with the header
 * goes to report->header_problems. With !is_open it fails where nothing can be done.
 */
int repair_header(struct qed_plan *plan, struct io *io, bool is_open,
                  const struct check_options *options, struct check_report *report,
                  struct qed_error *error);

#endif
