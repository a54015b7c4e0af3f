/*
 * What an L1 table and the L2 tables that it names account for in a file, under a geometry that may
 * not be the file's: for rebuilding, where the geometry or the L1 is what is looked for. Judges
 * nothing and reports nothing; that is the check's work.
 *
 * Memory: two bits a cluster that is named, three where it is a table's or named twice, within
 * QED_WALK_CLUSTERS_MAX; 104 bytes a table, QED_WALK_TABLES_MAX of them.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_QED_WALK_H
#define FORMAT_QED_WALK_H

#include "base/bitmap.h"
#include "format/qed.h"
#include "format/qed_scan.h"

/* What is walked at most: L2 tables; clusters of the file, 512 MiB a bitmap when all are used. */
#define QED_WALK_TABLES_MAX ((size_t)1 << 18)
#define QED_WALK_CLUSTERS_MAX (UINT64_C(1) << 32)

/* What an entry is. Low bits and all: nothing is masked. */
enum qed_walk_kind {
    QED_WALK_UNALLOCATED,
    QED_WALK_ZERO,     /* reads as zeroes; for an L1 entry as bad as any small number */
    QED_WALK_GOOD,     /* names clusters inside the file */
    QED_WALK_PAST_END, /* aligned, and not far past the end: of a file that was cut */
    QED_WALK_BAD,
};

/* What one L2 table holds. Numbers are entries. */
struct qed_walk_table {
    uint64_t good, zeroes, past_end, bad;
    uint64_t repeated;  /* of the good: the cluster was named before, or is a table's */
    uint64_t odd;       /* of the good: not a multiple of twice the cluster size */
    uint64_t index_end; /* one past the last entry that is good or reads as zeroes */
};

struct qed_walk {
    struct qed_image image;        /* its io and its geometry; nothing else is set */
    struct bitmap *used;           /* clusters that the L1 is on or that something names */
    struct bitmap *tables;         /* of these, the tables' */
    struct bitmap *repeated;       /* of these, named more than once; may be a few more */
    struct qed_scan_list list;     /* L2 tables that overlap no table before them, in file order */
    struct qed_scan_list strays;   /* the other L1 entries that are not 0, in L1 order */
    struct qed_walk_table *states; /* of list */
    uint64_t l1_past_end;          /* of the strays: past the end of the file */
    uint64_t l1_overlaps;          /* of the strays: on tables before them */
    const struct qed_scan_list *except; /* L1 entries, in L1 order, that are strays; may be NULL */
    bool to_the_end;                    /* the L1 is read whole, however bad it is */
    bool hopeless;    /* so many L1 entries are bad that the rest of the L1 was not looked at */
    uint64_t *budget; /* bytes of tables that may yet be looked at; NULL: no limit */
    bool exhausted;   /* the budget was used up */
};

/*
 * A walk of io under geometry, which must be within the bounds of a valid header.
 * QED_ERR_UNSUPPORTED for a file of more than QED_WALK_CLUSTERS_MAX clusters. The caller owns
 * *walk.
 */
int qed_walk_new(struct qed_walk **walk, struct io *io, const struct qed_geometry *geometry,
                 struct qed_error *error);

/* NULL-safe. */
void qed_walk_free(struct qed_walk *walk);

/*
 * Read the L1 and mark the tables. When most of a great many entries are bad, it stops early and
 * sets hopeless. QED_ERR_UNSUPPORTED for more than QED_WALK_TABLES_MAX entries.
 */
int qed_walk_l1(struct qed_walk *walk, struct qed_error *error);

/*
 * Look at a few of the tables, after qed_walk_l1: *promising is false when most of what they hold
 * is bad. Marks nothing.
 */
int qed_walk_sample(struct qed_walk *walk, bool *promising, struct qed_error *error);

/*
 * Read every table of the list and mark what they name. QED_ERR_STOPPED when asked to stop, or,
 * with exhausted set, when the budget is used up. options may be NULL.
 */
int qed_walk_tables(struct qed_walk *walk, const struct qed_scan_options *options,
                    struct qed_error *error);

/* What an entry is under a geometry. len is what it names: a cluster's bytes or a table's. */
enum qed_walk_kind qed_walk_kind(const struct qed_geometry *geometry, uint64_t entry, uint64_t len);

/* Clusters that nothing names. */
struct qed_walk_free {
    uint64_t stored; /* clusters with data in the file */
    uint64_t holes;
};

/* Of the clusters from first on. May take holes for data where there are very many of both. */
int qed_walk_free_space(struct qed_walk *walk, uint64_t first, struct qed_walk_free *free_space,
                        struct qed_error *error);

#endif
