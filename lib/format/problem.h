/*
 * The table of problems: everything a check can find, one row each. The texts, the JSON, the
 * totals and the exit code all come from it.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_PROBLEM_H
#define FORMAT_PROBLEM_H

#include <stdbool.h>
#include <stdint.h>

enum problem_id {
    PROBLEM_DIRTY,
    PROBLEM_FILE_LENGTH,
    PROBLEM_AUTOCLEAR,
    PROBLEM_L1_UNALIGNED,
    PROBLEM_L1_IN_HEADER,
    PROBLEM_L1_PAST_END,
    PROBLEM_L1_ON_L1,
    PROBLEM_L1_SHARED,
    PROBLEM_L2_UNALIGNED,
    PROBLEM_L2_IN_HEADER,
    PROBLEM_L2_PAST_END,
    PROBLEM_L2_ON_TABLE,
    PROBLEM_L2_SHARED,
    PROBLEM_LEAK,
    PROBLEM_COUNT
};

enum problem_severity {
    SEVERITY_NOTE,       /* no harm: the exit code stays 0 */
    SEVERITY_LEAK,       /* wasted space */
    SEVERITY_CORRUPTION, /* guest data is wrong, or the next write makes it so */
};

struct problem_kind {
    const char *name; /* permanent, for scripts: "QED-…" */
    enum problem_severity severity;
    bool repairable;
    const char *sentence; /* what is wrong, without the place */
    const char *action;   /* what repair does; NULL when nothing */
};

/* One finding. Ranges are bytes; a length of 0 means that there is no such range. */
struct problem {
    enum problem_id id;
    bool has_l1_index, has_l2_index;
    uint64_t l1_index, l2_index;
    uint64_t entry; /* the table entry's value as stored, where has_l1_index */
    uint64_t virt_off, virt_len;
    uint64_t file_off, file_len;
    uint64_t clusters; /* corruptions or leaks that this finding counts for */
};

/* The row of an id. */
const struct problem_kind *problem_kind(enum problem_id id);

/* Where a check puts its findings, in any order. */
typedef void problem_fn(void *context, const struct problem *problem);

/* Order of findings in reports: the image as a whole, then by (L1, L2), leaks last. */
int problem_compare(const struct problem *a, const struct problem *b);

#endif
