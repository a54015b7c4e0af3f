/*
 * What qed_commit.c and qed_commit_ahead.c share.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_QED_COMMIT_STATE_H
#define FORMAT_QED_COMMIT_STATE_H

#include "format/qed_commit.h"
#include "format/qed_intent.h"
#include "format/qed_space.h"

struct qed_commit {
    struct qed_image *image;
    struct qed_commit_options options;
    struct qed_space space;
    uint64_t durable_length;      /* of the file; 0: not known */
    uint64_t pending_from;        /* the first cluster taken whose entry is to be set yet */
    uint64_t settled_end;         /* clusters before it have durable entries, but for free tables */
    bool marked;                  /* NEED_CHECK is durable */
    bool has_tables;              /* the L1 table has durable entries */
    bool unflushed;               /* entries were written since the last flush */
    unsigned int quiet, patience; /* flushes */
    struct qed_intent intent;     /* as it is durable */
    struct qed_intent gathered;   /* bits of the entries that are still to be written */
    struct qed_intent recent;     /* and of those that were written since the last flush */
    int failed;                   /* a flush did; enum qed_code */
};

static inline bool commit_preallocates(const struct qed_commit *commit)
{
    return commit->options.durability == QED_DURABILITY_PREALLOCATE;
}

/* Fails when a flush did before. */
int commit_check_alive(const struct qed_commit *commit, struct qed_error *error);

/*
 * Let the file's new length ride on the flush that is about to come, if little is left. Where
 * there is no space for it, that is said when it is needed.
 */
void commit_extend_ahead(struct qed_commit *commit);

/* Find out whether the L1 table has an entry. */
int commit_look_for_tables(struct qed_commit *commit, struct qed_error *error);

/* A table for an L1 entry that has none; reads as zeroes. May flush. */
int commit_take_table(struct qed_commit *commit, uint64_t *table_off, struct qed_error *error);

/* Give the tables that were taken and not used to L1 entries that have none: empty, not leaked. */
int commit_use_up_tables(struct qed_commit *commit, struct qed_error *error);

#endif
