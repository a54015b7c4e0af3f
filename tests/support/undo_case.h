/*
 * Repairs to undo: an image in memory, a plan for it of the kinds of changes that are asked for,
 * and its record. Everything here ends the test where it fails.
 * SPDX-License-Identifier: MIT
 */
#ifndef SUPPORT_UNDO_CASE_H
#define SUPPORT_UNDO_CASE_H

#include "format/qed_undo.h"

#define UNDO_CASE_CLUSTER UINT64_C(4096)

/* Kinds of changes; any of them together. */
enum undo_case_change {
    UNDO_CASE_EARLY = 1, /* words of each step, in sectors of their own */
    UNDO_CASE_MOVE = 2,
    UNDO_CASE_SETTLE = 4,
    UNDO_CASE_MIXED = 8,      /* sectors with words of all steps, next to each other */
    UNDO_CASE_HEADER = 16,    /* header fields, the features among them */
    UNDO_CASE_COPIES = 32,    /* copies, and words on them */
    UNDO_CASE_EXTEND = 64,    /* a longer file */
    UNDO_CASE_PUNCH = 128,    /* stored bytes and holes, and words there */
    UNDO_CASE_CUT = 256,      /* the same; copies and what else is appended are cut off with it */
    UNDO_CASE_TRIM = 512,     /* some of what is appended */
    UNDO_CASE_ODD = 1024,     /* the file ends inside of a sector and of a word, which is changed */
    UNDO_CASE_DIRTY = 2048,   /* NEED_CHECK is set from the start */
    UNDO_CASE_GARBAGE = 4096, /* the header is no header */
};
#define UNDO_CASE_ALL 8191

struct undo_case {
    struct io *original; /* before the repair */
    struct io *image;    /* the same at first; what the plan is of */
    struct io *record;
    struct qed_plan *plan;
};

/* Up to where the record has been saved and nothing is repaired. */
struct undo_case undo_case_new(unsigned int changes);
void undo_case_free(struct undo_case *c);

/*
 * Carry out a plan, up to its end, on io, which has the bytes of the file that it was made for.
 */
int undo_case_apply(struct qed_plan *plan, struct io *io, struct qed_error *error);

/* Repair the image. */
void undo_case_repair(struct undo_case *c);

/* Undo with any record. */
int undo_case_undo(struct io *image, struct io *record, bool *changed, struct qed_error *error);

/* Undo, which succeeds, and leaves the original. */
void undo_case_check_undone(const struct undo_case *c, struct io *image);

/* Undo, which fails with that code, and changes nothing. */
void undo_case_check_refused(struct io *image, struct io *record, int code);

#endif
