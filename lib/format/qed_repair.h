/*
 * Plans a repair: what of an image can be kept is kept, what is gone is cleared. A guest byte that
 * could be read before reads the same afterwards; nothing is written here.
 *
 * Rounds, a check of the plan's view before each: first L1 entries, then L2 entries, then what the
 * end of the file cut short, then copies of what two entries share. Each round does the first of
 * these that finds something to do, so that later ones see an image that earlier ones have settled.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_QED_REPAIR_H
#define FORMAT_QED_REPAIR_H

#include "format/qed_check.h"
#include "format/qed_plan.h"

enum qed_repair_scope {
    QED_REPAIR_ALL,
    QED_REPAIR_LEAKS, /* change no mapping */
};

struct qed_repair_options {
    enum qed_repair_scope scope;
    bool adopt;        /* put lost L2 tables back into the L1 */
    bool fixed_length; /* the file cannot grow or be cut: it is a block device */
    /*
     * Where there is a backing file: to fill a data cluster that the end of the file cuts short
     * with what it most likely held. NULL: with zeroes.
     */
    qed_read_below_fn *read_below;
    void *below_context;
    uint64_t free_bytes; /* that copies may take; UINT64_MAX when that is not known */
    size_t problem_limit;
    struct qed_scan_options scan;
};

/* What becomes of leaked clusters. */
enum qed_leaks_fate {
    QED_LEAKS_NONE, /* there are none */
    QED_LEAKS_GIVEN_BACK,
    QED_LEAKS_KEPT_ORPHANS, /* some may be lost L2 tables */
    QED_LEAKS_KEPT_LOST,    /* entries lost what they named to damage: these may be it */
    QED_LEAKS_KEPT_PLACES,  /* some are what neighbouring entries leave out: a rebuild's work */
    QED_LEAKS_KEPT_CORRUPT, /* corruption is left */
    QED_LEAKS_KEPT_DEVICE,  /* the file is a device */
};

struct qed_repair_report {
    struct problem_list fixes;   /* in order, each with its action; the first problem_limit */
    uint64_t done[ACTION_COUNT]; /* how often each action is taken */
    uint64_t guest_lost;         /* bytes that read as unallocated from now on */
    uint64_t guest_kept;         /* bytes that are saved; each byte counts once */
    uint64_t copied;             /* bytes of the file */
    uint64_t space_missing;      /* bytes that copies would need, where there is no room; else 0 */
    bool l1_waits;               /* entries that read it could not be copied: it is left as it is */
    bool tables_wait;            /* shared tables are left: orphans may belong in their place */
    enum qed_leaks_fate leaks;
    uint64_t punched, cut;         /* bytes of the file that are given back */
    struct qed_check_totals after; /* of the image as the plan leaves it */
};

/*
 * Add to plan what mends what first, a check of the image in the plan's view, has found. With
 * !first->makes_sense nothing is planned. Uses up what first has for repairs. The caller calls
 * qed_repair_release in any case.
 */
int qed_repair_plan(struct qed_plan *plan, struct qed_check_result *first,
                    const struct qed_repair_options *options, struct qed_repair_report *report,
                    struct qed_error *error);

void qed_repair_release(struct qed_repair_report *report);

#endif
