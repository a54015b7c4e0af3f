/*
 * What the passes of a check share; for the qed_check files alone.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_QED_CHECK_STATE_H
#define FORMAT_QED_CHECK_STATE_H

#include "format/qed_check.h"

/* What the first pass learns of one L2 table. Numbers are entries. */
struct table_state {
    uint64_t entries;         /* that are neither 0 nor 1 */
    uint64_t fragmented;      /* of these, not next to the one before */
    uint64_t invalid;         /* of these */
    uint64_t misaligned;      /* of these: not merely past the end of the file */
    uint64_t past_size;       /* valid, but past the image size */
    uint64_t lowest, highest; /* host clusters that valid entries name; lowest > highest: none */
};

/* Counts of one thread, apart so that threads do not disturb each other's. */
struct thread_counts {
    uint64_t repeated;   /* references to clusters that had one */
    uint64_t mapped_end; /* one past the last guest cluster that a valid entry maps */
    uint64_t entry_bits; /* all valid entries, or-ed: how they are aligned */
    char apart[128];
};

struct check {
    struct qed_image *image;
    const struct qed_geometry *geometry;
    const struct qed_scan_options *options;
    struct qed_check_result *result;
    struct bitmap *used;         /* host clusters that something refers to */
    struct bitmap *tables;       /* of these, the L1 and L2 tables' */
    struct bitmap *repeated;     /* of these, referred to more than once */
    struct qed_scan_list all;    /* every valid L1 entry, in L1 order */
    struct qed_scan_list list;   /* tables that overlap none before them, in file order */
    struct qed_scan_list others; /* tables that overlap one of those, but are not the same */
    struct table_state *states;  /* of list */
    struct thread_counts *counts;
    bool is_trusted;      /* geometry and L1 table are known to make sense */
    uint64_t file_length; /* bytes, when the check began; UINT64_MAX before that */
    /* Nonzero L1 entries; those not aligned; those past the image size; those that overlap. */
    uint64_t l1_entries, l1_misaligned, l1_past_size, l1_overlapping;
};

/* Count a finding, and keep it if it is among the first. */
void check_found(struct check *check, const struct problem *problem);

/* Mark clusters as used; those that were already are marked as repeated, *already of them. */
int check_mark(struct check *check, uint64_t file_off, uint64_t clusters, uint64_t *already);

/* First pass over the L2 tables: counts, and marks. */
int check_count_tables(struct check *check, struct qed_error *error);

/* Passes over the tables that the first one had something to say of: names what it counted. */
int check_name_problems(struct check *check, struct qed_error *error);

/* Leaked clusters and orphaned tables. */
int check_leaks(struct check *check, struct qed_error *error);

/* What a cluster's bytes look like: entries of a table, zeroes, or something else. */
enum check_look { CHECK_LOOK_ZERO, CHECK_LOOK_TABLE, CHECK_LOOK_OTHER };

int check_look_at_cluster(const struct check *check, uint64_t file_off, enum check_look *look,
                          struct qed_error *error);

/*
 * Whether most L1 entries lie past the image size, or name tables that overlap each other: an L2
 * table taken for the L1 looks like that. To be asked before the tables are read.
 */
bool check_l1_is_nonsense(const struct check *check);

/*
 * Whether the header's geometry makes sense of the file, after the first pass: if not, *nonsense is
 * the one problem that says so, else PROBLEM_COUNT.
 */
int check_sense(const struct check *check, enum problem_id *nonsense, struct qed_error *error);

#endif
