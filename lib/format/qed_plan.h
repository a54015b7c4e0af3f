/*
 * What a repair is going to change, before anything is changed: 64-bit words (table entries and
 * header fields), copies of clusters to the end of the file, the file's length, and leaked space to
 * give back. A plan is made in rounds: within one, planners read the image as the rounds before
 * left it, through a view of the file that shows their changes; so what a plan leads to can be
 * checked before it is carried out (qed_apply.h), shown, and recorded for an undo (qed_undo.h).
 *
 * Memory: 24 bytes a word, 24 a run of clusters copied or given back.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_QED_PLAN_H
#define FORMAT_QED_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/qed_header.h"
#include "io/io.h"

/*
 * When a word is written. The steps are carried out in this order with a flush after each, so that
 * a second repair, after a cut in between, finds what the first one went by. Two kinds of words
 * have no choice: those past the old length are written with the copies, and those in the source
 * of a copy not before the copy is in use (qed_apply.c).
 */
enum qed_plan_step {
    QED_PLAN_L1,     /* which tables there are: L1 entries, put right or cleared */
    QED_PLAN_MEND,   /* L2 entries that are put right */
    QED_PLAN_EARLY,  /* those that are cleared: the file may grow to where they point */
    QED_PLAN_MOVE,   /* after the copies: entries that name a copy from now on */
    QED_PLAN_SETTLE, /* all the rest */
    QED_PLAN_STEPS
};

/* A 64-bit little-endian word of the file. */
struct qed_plan_word {
    uint64_t file_off; /* bytes, a multiple of 8 */
    uint64_t value;    /* that it will have */
    uint16_t step;     /* enum qed_plan_step */
    uint16_t level;    /* of QED_PLAN_MOVE in the source of a copy: after all lower ones */
    uint32_t order;    /* the plan's own */
};

/* A run of bytes of the file. For a copy: where it goes; to is at or past the old length. */
struct qed_plan_run {
    uint64_t from, to, len; /* bytes; to is unused for space that is given back */
};

struct qed_plan;

/* An empty plan for the file in io, which must outlive it. The caller owns *plan. */
int qed_plan_new(struct qed_plan **plan, struct io *io, struct qed_error *error);

/* NULL-safe. */
void qed_plan_free(struct qed_plan *plan);

/* Change a word. A later change of the same word replaces the earlier one, its step included. */
int qed_plan_set(struct qed_plan *plan, uint64_t file_off, uint64_t value, enum qed_plan_step step,
                 struct qed_error *error);

/* Let an entry name a copy, QED_PLAN_MOVE; where it is one that others read, after lower levels. */
int qed_plan_move(struct qed_plan *plan, uint64_t file_off, uint64_t value, uint16_t level,
                  struct qed_error *error);

/* Change the words of the header by which what the file has today is not this one. */
int qed_plan_set_header(struct qed_plan *plan, const struct qed_header *header,
                        struct qed_error *error);

/* Let the file grow by len bytes at a multiple of align, a power of two; they read as zeroes. */
int qed_plan_allocate(struct qed_plan *plan, uint64_t len, uint64_t align, uint64_t *to,
                      struct qed_error *error);

/*
 * Copy len bytes at from, as they stand in the file today, zeroes past its end, to its end, at a
 * multiple of align (a power of two); *to is where. The length grows by it. Words that change the
 * source do not change the copy. A copy that an earlier round has planned can be copied, whole
 * parts of it at a time.
 */
int qed_plan_copy(struct qed_plan *plan, uint64_t from, uint64_t len, uint64_t align, uint64_t *to,
                  struct qed_error *error);

/* Where what is at from, len bytes, stands in the file today: a planned copy's source, or from. */
uint64_t qed_plan_source(const struct qed_plan *plan, uint64_t from, uint64_t len);

/* Make the file at least so many bytes long; what is new reads as zeroes. */
int qed_plan_extend(struct qed_plan *plan, uint64_t length, struct qed_error *error);

/*
 * Give leaked space back: punch a hole, or cut the file to a length. Not seen in the view: nothing
 * refers to it. Runs come in file order.
 */
int qed_plan_punch(struct qed_plan *plan, uint64_t file_off, uint64_t len, struct qed_error *error);
void qed_plan_cut(struct qed_plan *plan, uint64_t length);

/*
 * Keep what is planned so far, and go back to it: *saved is used up and NULL then. The view stays
 * the plan's. qed_plan_free releases what was saved and not gone back to.
 */
int qed_plan_save(const struct qed_plan *plan, struct qed_plan **saved, struct qed_error *error);
void qed_plan_go_back(struct qed_plan *plan, struct qed_plan **saved);

/* End a round: the view shows what was planned so far. */
void qed_plan_settle(struct qed_plan *plan);

/*
 * The file as the rounds that have ended leave it; owned by the plan. Only for reading, in any
 * number of threads; must not be read during qed_plan_settle.
 */
struct io *qed_plan_view(struct qed_plan *plan);

/* Whether anything is planned; whether more than the giving back of leaked space is. */
bool qed_plan_is_empty(const struct qed_plan *plan);
bool qed_plan_changes_anything(const struct qed_plan *plan);

/* What is planned, once a round has ended: words in file order, copies in the order of to. */
const struct qed_plan_word *qed_plan_words(const struct qed_plan *plan, size_t *count);
const struct qed_plan_run *qed_plan_copies(const struct qed_plan *plan, size_t *count);
const struct qed_plan_run *qed_plan_punches(const struct qed_plan *plan, size_t *count);

/* The first word, or run by its place in the file (from), that ends after file_off; count for none.
 */
size_t qed_plan_find_word(const struct qed_plan_word *words, size_t count, uint64_t file_off);
size_t qed_plan_find_run(const struct qed_plan_run *runs, size_t count, uint64_t file_off);

/* The file's length: when the plan was made, with copies and extensions, and after a cut. */
uint64_t qed_plan_old_length(const struct qed_plan *plan);
uint64_t qed_plan_full_length(const struct qed_plan *plan);
uint64_t qed_plan_cut_length(const struct qed_plan *plan); /* full length when nothing is cut */

#endif
