/*
 * One small image, and every kind of damage that a repair knows done to it: the rows of the table
 * of repairs, with what a repair does about each.
 * SPDX-License-Identifier: MIT
 */
#ifndef SUPPORT_ROWS_H
#define SUPPORT_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "core/check.h"
#include "format/qed_repair.h"
#include "io/io.h"

#define ROWS_CLUSTER UINT64_C(4096)
#define ROWS_HEADER (2 * ROWS_CLUSTER)

/*
 * The sound image. File offsets; L1[0], L1[1] and L1[3] are the tables t[0] to t[2].
 * t[0]: entries 0 to 5 are data[0] to data[5]. t[1]: 0, 1, 5 are data[6] to data[8], 6 is zeroes.
 * t[2], the last table of the file: 0 is data[9], 100 is data[10], the last cluster.
 * The clusters are filled with 'a', 'b', …; data[5] has three words of text and zeroes.
 */
struct rows_image {
    uint64_t table_bytes, span; /* span: guest bytes of a table */
    uint64_t l1, t[3], data[11], end;
    struct io *io; /* an io_mem */
};

/* What a repair is expected to do about the finding that a row is about. */
struct row {
    const char *name;
    void (*damage)(const struct rows_image *image);
    enum problem_id id; /* PROBLEM_COUNT: nothing is done */
    enum problem_action action;
    unsigned int times; /* this action is taken */
    struct {
        int64_t spans, clusters, bytes; /* of the guest: what tables map, clusters, bytes */
    } lost, kept;
    enum qed_leaks_fate fate; /* of leaks */
    uint64_t left;            /* tables that stay shared */
};

/* The sound image with tables of table_size clusters, 1 or 2; the caller closes io. */
struct rows_image rows_image_new(uint32_t table_size);

/* Entries of it; table is an index of t. */
void rows_put_l1(const struct rows_image *image, uint64_t index, uint64_t value);
void rows_put_l2(const struct rows_image *image, unsigned int table, uint64_t index,
                 uint64_t value);
uint64_t rows_get_l1(const struct rows_image *image, uint64_t index);
uint64_t rows_get_l2(const struct rows_image *image, unsigned int table, uint64_t index);

/* Repair it by mend_as, which must not fail; the caller releases the report. */
struct check_report rows_repair(const struct rows_image *image,
                                const struct qed_repair_options *options);

extern const struct row rows[];
extern const size_t rows_count;

#endif
