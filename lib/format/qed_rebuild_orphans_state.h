/*
 * What the parts of an adoption share; for the qed_rebuild_orphans files alone.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_QED_REBUILD_ORPHANS_STATE_H
#define FORMAT_QED_REBUILD_ORPHANS_STATE_H

#include "format/qed_rebuild_orphans.h"
#include "format/qed_walk.h"

enum orphan_state { ORPHAN_OPEN, ORPHAN_TABLE, ORPHAN_REJECTED };

/* A place in unreferenced space where a table may be. */
struct orphan {
    uint64_t file_off;
    uint64_t good, zeroes, bad; /* entries, as in struct qed_adoption */
    uint64_t index_end;         /* one past the last entry that is good or reads as zeroes */
    bool is_exact; /* false: it may as well start a few clusters earlier or later */
    enum orphan_state state;
    size_t attackers; /* entries of others, not rejected, that name its clusters as data */
    size_t hits;      /* of these, entries of such as are tables */
    uint64_t l1_index;
    enum qed_adoption_ground ground;
};

struct adoption {
    const struct qed_adoption_options *options;
    struct qed_walk *walk; /* what the L1 still names */
    struct orphan *orphans; /* in file order */
    size_t count, room;
};

/* Find where tables may be, in unreferenced space. */
int adoption_find(struct adoption *adoption, struct qed_error *error);

/* Add a place; 0 or QED_ERR_NO_MEMORY. */
int adoption_add(struct adoption *adoption, const struct orphan *orphan, struct qed_error *error);

/* Read them, and drop those that are no tables, that others name, or that claim what others do. */
int adoption_sift(struct adoption *adoption, struct qed_error *error);

/* Find the L1 entry of each. */
int adoption_place(struct adoption *adoption, struct qed_error *error);

/* Whether so many bad entries among so many good ones may be damage. */
static inline bool adoption_tolerates(uint64_t good, uint64_t bad)
{
    return bad <= good / 8;
}

/* Whether an entry names a cluster that nothing is known to use. */
static inline bool adoption_is_free(const struct qed_walk *walk, uint64_t entry)
{
    return qed_data_offset_valid(&walk->image.geometry, entry) &&
           !bitmap_test(walk->used, entry >> walk->image.geometry.cluster_shift);
}

#endif
