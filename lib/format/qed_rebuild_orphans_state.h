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
    uint64_t old_length; /* of the file: behind it are copies that the plan has made */
};

/* Finding places for orphans. */
struct placing {
    struct adoption *adoption;
    const struct qed_geometry *geometry;
    uint64_t entries;            /* of the L1, that the image's size reaches */
    struct bitmap *taken;        /* of these: those that name a table, or have been given one */
    struct qed_scan_list known;  /* tables that are there, in file order */
    struct qed_scan_list strays; /* L1 entries that name none, or one that another names */
    size_t falls;                /* how often, in that order, the L1 index falls */
    bool is_strict;              /* it never does, and there are two or more */
    bool is_ordered;             /* known are two or more for which it does not, most of all */
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

/* Of those that have none yet. */
int adoption_place_by_order(struct placing *placing, struct qed_error *error);

/* Give a place to an orphan. */
int adoption_give(struct placing *placing, struct orphan *orphan, uint64_t l1_index,
                  enum qed_adoption_ground ground, struct qed_error *error);

/* Whether all that an orphan maps lies inside the image when entry l1_index names it. */
bool adoption_fits_size(const struct placing *placing, const struct orphan *orphan,
                        uint64_t l1_index);

/* The number of known tables before file_off. */
size_t adoption_known_before(const struct placing *placing, uint64_t file_off);

/* How often the L1 index falls from one table to the next. */
size_t adoption_count_falls(const struct qed_scan_list *known);

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
