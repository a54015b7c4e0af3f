/*
 * What check says: findings, totals, and what a repair did.
 * SPDX-License-Identifier: MIT
 */
#ifndef SRC_CHECK_REPORT_H
#define SRC_CHECK_REPORT_H

#include "core/check.h"
#include "out.h"

/* For people and for scripts that know qemu-img; failed: no totals are known. */
void check_report_human(struct out *out, const struct check_report *found, bool failed);

/* qemu-img's keys in its order, then ours. */
void check_report_json(struct out *out, const char *path, const struct check_report *found,
                       bool failed);

#endif
