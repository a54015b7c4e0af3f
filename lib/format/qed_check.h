/*
 * The check: reads every table and accounts for every cluster of the file. Never needs the
 * backing file, never writes.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_QED_CHECK_H
#define FORMAT_QED_CHECK_H

#include "base/bitmap.h"
#include "format/problem_list.h"
#include "format/qed.h"
#include "format/qed_scan.h"

/* Totals, counted as qemu-img counts them (less its false leaks). All in clusters. */
struct qed_check_totals {
    uint32_t cluster_size;        /* bytes */
    uint64_t total_clusters;      /* of the guest */
    uint64_t allocated_clusters;  /* L2 entries that name a cluster */
    uint64_t fragmented_clusters; /* of these, not next to the one before in the same table */
    uint64_t corruptions; /* invalid entries, and every reference to a cluster past the first */
    uint64_t leaks;       /* clusters that nothing refers to */
    uint64_t mapped_end;  /* one past the last guest cluster that is mapped, past the size or not */
    uint64_t orphans;     /* of the leaks, what look like L2 tables; counted in tables */
    bool l1_may_be_lost;  /* the L1 table is empty, and there are orphans: damage, or a crash */
};

struct qed_check_result {
    struct qed_check_totals totals;
    struct problem_list problems; /* its limit is set before; found counts all */
    struct qed_scan_stats scan;   /* of the first pass over the L2 tables */
    bool is_marked;               /* NEED_CHECK is set */
    bool l1_is_empty;             /* but there are what look like L2 tables */
    bool makes_sense; /* false: the geometry or the L1 is wrong, and nothing else was reported */
    /* For repair, once the tables were read: */
    struct bitmap *used;           /* clusters of the file that something refers to */
    struct bitmap *tables;         /* of these, the L1 and L2 tables' */
    struct bitmap *shared;         /* those referred to more than once, and maybe others of them */
    struct qed_scan_list damaged;  /* tables with invalid entries, in file order */
    struct qed_scan_list touching; /* tables that name shared clusters, in L1 order */
};

/* Check image. Negative when the check could not be completed; finding problems is success. */
int qed_check(struct qed_image *image, const struct qed_scan_options *options, size_t limit,
              struct qed_check_result *result, struct qed_error *error);

/*
 * The same of an image whose geometry and L1 table have made sense before, in the middle of a
 * repair or after it: what is leaked by then must not make them look wrong.
 */
int qed_check_again(struct qed_image *image, const struct qed_scan_options *options, size_t limit,
                    struct qed_check_result *result, struct qed_error *error);

/* NULL-safe inside. */
void qed_check_release(struct qed_check_result *result);

/* What an L1 or L2 entry that is neither 0 nor (L2) 1 is; PROBLEM_COUNT when it is valid. */
enum problem_id qed_check_l1_entry(const struct qed_geometry *geometry, uint64_t entry);
enum problem_id qed_check_l2_entry(const struct qed_geometry *geometry, uint64_t entry);

/* A finding about an L1 entry, or about an L2 entry, with its ranges filled in. */
struct problem qed_check_l1_problem(const struct qed_geometry *geometry, enum problem_id id,
                                    uint64_t l1_index, uint64_t entry);
struct problem qed_check_l2_problem(const struct qed_geometry *geometry, enum problem_id id,
                                    uint64_t l1_index, uint64_t l2_index, uint64_t entry);

/*
 * Whether so many of a table's entries are wrong in a way that no crash leaves (not aligned, say)
 * that it is no table: most of them, and not just a few.
 */
static inline bool qed_check_is_nonsense(uint64_t entries, uint64_t wrong)
{
    return wrong >= 8 && wrong > entries / 2;
}

#endif
