/*
 * What is printed of a recovery: qedtool check --recover, and whoever opens an image for writing.
 * SPDX-License-Identifier: MIT
 */
#ifndef SRC_CHECK_RECOVER_H
#define SRC_CHECK_RECOVER_H

#include "core/recover.h"
#include "out.h"

void check_recover_human(struct out *out, const struct qed_recovery *recovery);
/* A warning, where an image that was opened for writing had to be recovered. */
void report_recovery(const char *path, const struct qed_recovery *recovery);

void check_recover_json(struct out *out, const char *path, const struct qed_recovery *recovery);

#endif
