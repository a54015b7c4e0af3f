/*
 * The check: reads every table and accounts for every cluster of the file. Never needs the
 * backing file, never writes.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_QED_CHECK_H
#define FORMAT_QED_CHECK_H

#include "base/bitmap.h"
#include "format/problem.h"
#include "format/qed.h"

/* Totals, counted as qemu-img counts them (less its false leaks). All in clusters. */
struct qed_check_totals {
    uint64_t total_clusters;      /* of the guest */
    uint64_t allocated_clusters;  /* L2 entries that name a cluster */
    uint64_t fragmented_clusters; /* of these, not next to the one before in the same table */
    uint64_t corruptions; /* invalid entries, and every reference to a cluster past the first */
    uint64_t leaks;       /* clusters that nothing refers to */
};

/*
 * Check image; every finding goes to report (may be NULL), with context. Where shared is not NULL,
 * the clusters of the file that are used more than once are set in it (qed_check_bitmap makes it).
 * Negative when the check could not be completed; finding problems is success.
 */
int qed_check(struct qed_image *image, struct qed_check_totals *totals, problem_fn *report,
              void *context, struct bitmap *shared, struct qed_error *error);

/* A clear bitmap with a bit for each whole cluster of the file; NULL when out of memory. */
struct bitmap *qed_check_bitmap(const struct qed_image *image);

/* What an L1 or L2 entry that is neither 0 nor (L2) 1 is; PROBLEM_COUNT when it is valid. */
enum problem_id qed_check_l1_entry(const struct qed_geometry *geometry, uint64_t entry);
enum problem_id qed_check_l2_entry(const struct qed_geometry *geometry, uint64_t entry);

#endif
