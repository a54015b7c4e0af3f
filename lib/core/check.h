/*
 * Check an image and repair it, as a command asks for it.
 * SPDX-License-Identifier: MIT
 */
#ifndef CORE_CHECK_H
#define CORE_CHECK_H

#include <stddef.h>

#include "base/error.h"
#include "core/image.h"
#include "format/qed_check.h"
#include "format/qed_rebuild.h"
#include "format/qed_repair.h"

enum check_repair {
    CHECK_REPAIR_NONE,
    CHECK_REPAIR_LEAKS, /* give leaked space back, change no mapping */
    CHECK_REPAIR_ALL,
};

struct check_options {
    const char *format; /* "qed", "raw", NULL to probe */
    enum check_repair repair;
    bool rebuild;        /* with CHECK_REPAIR_ALL: work out header and L1 where they are lost */
    bool has_image_size; /* with CHECK_REPAIR_ALL: the header gets this one, guest bytes */
    uint64_t image_size;
    enum image_backing backing; /* to fill up what the end of the file cut off, if anything */
    bool dry_run;               /* plan the repair, write nothing */
    const char *undo_path;      /* where what is going to change is saved first; NULL: nowhere */
    bool share;                 /* take no locks; not together with writing */
    size_t problem_limit;       /* how many findings are kept; all are counted */
    struct qed_scan_options scan;
};

/* What scripts learn from the exit status. */
enum check_verdict {
    CHECK_CLEAN = 0,
    CHECK_FAILED = 1,
    CHECK_CORRUPT = 2,
    CHECK_LEAKS = 3,
    CHECK_NO_CHECK = 63, /* the format has none */
};

struct check_report {
    const char *format; /* static */
    const char *path;   /* of the image, the caller's; NULL: no backing file can be found */
    /* As found; where the header was mended first, as found with the mended one. */
    struct qed_check_result first;
    struct problem_list header_problems; /* found before the header was mended */
    enum problem_action header_action;   /* that mended it */
    bool rebuild_asked;                  /* so there is no use in advising it */
    bool rebuilt;                        /* rebuild says how the header was worked out */
    struct qed_rebuild rebuild;
    struct problem_list problems;   /* with planned: the findings with what is done about each */
    struct qed_check_totals totals; /* after the repair, if there was one, else as found */
    bool dry_run;
    bool planned; /* repair says what is done about it, or would be */
    struct qed_repair_report repair;
    bool mark_cleared; /* NEED_CHECK is, or would be */
    bool repaired;     /* something was changed, and checked again */
    uint64_t corruptions_fixed, leaks_fixed;
    bool
        backing_missing; /* what was cut off is filled with zeroes: the backing file is not there */
    bool repair_refused; /* no repair was tried: the tables make no sense */
};

/*
 * Check the image at path without its backing file; with repair, mend what can be mended and
 * check again. Returns a verdict; CHECK_FAILED has filled in error, and, where the header is to
 * blame, has findings. The caller calls check_release in any case.
 */
enum check_verdict check_image(const char *path, const struct check_options *options,
                               struct check_report *report, struct qed_error *error);

void check_release(struct check_report *report);

#endif
