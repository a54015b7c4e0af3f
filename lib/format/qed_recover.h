/*
 * What is done to an image that was not cleanly closed before it may be written again: entries that
 * a crash left pointing past the end of the file are cleared (format specification: NEED_CHECK),
 * then the marks. Tables alone are read, in file order; with a write-intent bitmap that can be
 * trusted, only those that it marks.
 *
 * This proves nothing about leaks, nor about damage that is not a crash's: that is what a check is
 * for. Where such damage is met, nothing is changed.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_QED_RECOVER_H
#define FORMAT_QED_RECOVER_H

#include "format/qed_scan.h"

enum qed_recovery_kind {
    QED_RECOVERY_NONE,   /* NEED_CHECK is not set: nothing was read */
    QED_RECOVERY_MARKED, /* the tables that the write-intent bitmap marks */
    QED_RECOVERY_FULL,   /* all tables */
};

struct qed_recovery {
    enum qed_recovery_kind kind;
    uint64_t tables;            /* L2 tables that were read */
    uint64_t l1_cleared;        /* entries */
    uint64_t l2_cleared;        /* entries */
    uint64_t bytes_added;       /* to the file, whose last cluster was cut short */
    struct qed_scan_stats scan; /* of the L2 tables */
};

/*
 * Recover image, which is open for writing. QED_ERR_CORRUPT, with nothing changed, for an entry
 * that no crash leaves; QED_ERR_STOPPED when asked to stop. Interrupted at any point, it can be
 * done again. scan may be NULL.
 */
int qed_recover(struct qed_image *image, const struct qed_scan_options *scan,
                struct qed_recovery *recovery, struct qed_error *error);

/*
 * What qed_recover would do: the kind, and the tables that it would read, in file order; *tables is
 * the caller's to free. Writes nothing. QED_ERR_CORRUPT as above, as far as the L1 table tells.
 */
int qed_recover_plan(struct qed_image *image, enum qed_recovery_kind *kind,
                     struct qed_scan_list *tables, struct qed_error *error);

#endif
