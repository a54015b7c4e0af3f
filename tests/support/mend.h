/*
 * Repairs of images in tests, as the check command does them, and what may not come of one.
 * SPDX-License-Identifier: MIT
 */
#ifndef SUPPORT_MEND_H
#define SUPPORT_MEND_H

#include "core/check.h"
#include "io/io.h"
#include "support/guest.h"

/* How many findings and fixes are kept: more than any image of a test has. */
#define MEND_LIMIT 5000

/*
 * Check the image in io and repair it. The caller calls check_release in any case; error may be
 * NULL. Returns what went wrong: finding problems is none.
 */
int mend(struct io *io, enum check_repair what, struct check_report *report,
         struct qed_error *error);

/*
 * The same with a plan made by other options, without what core adds: of the report, first, repair
 * and totals are filled in. Ends the test where the file is not what the plan has shown.
 */
int mend_as(struct io *io, const struct qed_repair_options *options, struct check_report *report,
            struct qed_error *error);

/* The options that mend repairs with. */
extern const struct qed_repair_options mend_all;

/*
 * Of a guest before a repair, take for not readable what the report lists as given up on purpose
 * though it could be read: the ranges of L1 entries whose tables were none, or lay on others.
 */
void mend_forget_given_up(struct guest *before, const struct check_report *report);

#endif
