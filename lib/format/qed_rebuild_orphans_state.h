/*
 * What the parts of an adoption share; for the qed_rebuild_orphans files alone.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_QED_REBUILD_ORPHANS_STATE_H
#define FORMAT_QED_REBUILD_ORPHANS_STATE_H

#include "format/qed_rebuild_orphans.h"
#include "format/qed_walk.h"

enum piece_state { PIECE_OPEN, PIECE_TABLE, PIECE_DATA };

/* An unreferenced cluster that could be part of a table. */
struct adoption_piece {
    uint64_t cluster;
    uint64_t good, bad; /* entries that name a cluster of which nothing is known; others */
    bool adjoins;       /* one names a cluster where a table's neighbours are */
    enum piece_state state;
    size_t attackers; /* entries of other pieces, that are not known for data, that name it */
};

/* An unreferenced table. */
struct orphan {
    uint64_t file_off;
    uint64_t good, zeroes, bad; /* entries, as in struct qed_adoption */
    uint64_t index_end;         /* one past the last entry that is good or reads as zeroes */
    bool is_exact;              /* false: it may as well start a few clusters earlier or later */
    bool is_rejected;
    uint64_t l1_index;
    enum qed_adoption_ground ground;
};

struct adoption {
    const struct qed_adoption_options *options;
    struct qed_walk *walk;         /* what the L1 still names */
    struct bitmap *other;          /* unreferenced clusters that are neither pieces nor zeroes */
    struct adoption_piece *pieces; /* in file order */
    size_t piece_count, piece_room;
    struct orphan *orphans; /* in file order */
    size_t count, room;
};

/* Find pieces in unreferenced space. */
int adoption_find(struct adoption *adoption, struct qed_error *error);

/* Tell pieces of tables from data that looks alike. */
int adoption_sift(struct adoption *adoption, struct qed_error *error);

/* Put pieces, and the zeroes between them, together to tables. */
int adoption_join(struct adoption *adoption, struct qed_error *error);

/* Read the tables; drop those that hold too little, or claim what others do. */
int adoption_claim(struct adoption *adoption, struct qed_error *error);

/* Find the L1 entry of each. */
int adoption_place(struct adoption *adoption, struct qed_error *error);

/* Hand a piece's entries to fn, as of a table of one cluster. */
int adoption_scan_piece(const struct adoption *adoption, const struct adoption_piece *piece,
                        qed_scan_fn *fn, void *context, struct qed_error *error);

/* Whether so many bad entries among so many good ones may be damage. */
static inline bool adoption_tolerates(uint64_t good, uint64_t bad)
{
    return bad <= good / 8;
}

/* Whether an entry names a cluster that nothing is known to use. */
static inline bool adoption_is_free(const struct qed_walk *walk, uint64_t entry)
{
    return entry > QED_ENTRY_ZERO && qed_data_offset_valid(&walk->image.geometry, entry) &&
           !bitmap_test(walk->used, entry >> walk->image.geometry.cluster_shift);
}

#endif
