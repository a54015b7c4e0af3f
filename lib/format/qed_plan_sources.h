/*
 * What the copies of a plan are made of: bytes that must stay as they are until the copies are in
 * use.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_QED_PLAN_SOURCES_H
#define FORMAT_QED_PLAN_SOURCES_H

#include "format/qed_plan.h"

struct qed_plan_sources {
    struct qed_plan_run *runs; /* in file order, none touching another */
    size_t count;
};

/* The caller calls qed_plan_sources_release in any case. */
int qed_plan_sources_list(struct qed_plan_sources *sources, const struct qed_plan *plan,
                          struct qed_error *error);

/* Whether the byte at file_off is copied. */
bool qed_plan_sources_have(const struct qed_plan_sources *sources, uint64_t file_off);

void qed_plan_sources_release(struct qed_plan_sources *sources);

#endif
