/*
 * Every table of an image, once each, for check and repair: what the file holds, in pieces of a
 * bounded size, holes skipped.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_QED_SCAN_H
#define FORMAT_QED_SCAN_H

#include <stddef.h>
#include <stdint.h>

#include "format/qed.h"

/* A table to scan: where it is and which L1 entry names it. */
struct qed_scan_table {
    uint64_t l1_index; /* unused for the L1 table itself */
    uint64_t file_off; /* bytes */
};

/* Neighbouring entries of one table. */
struct qed_scan_piece {
    const struct qed_scan_table *table;
    uint64_t first_index;    /* of entries[0] in its table */
    const uint64_t *entries; /* host byte order */
    size_t count;
};

/* Tables to scan, growing; all zero when empty. */
struct qed_scan_list {
    struct qed_scan_table *tables;
    size_t count, room;
};

/* Append a table; 0 or QED_ERR_NO_MEMORY. */
int qed_scan_list_add(struct qed_scan_list *list, uint64_t l1_index, uint64_t file_off,
                      struct qed_error *error);

void qed_scan_list_free(struct qed_scan_list *list);

/* Called with each piece that is not a hole, in order of the tables given, then of the index. */
typedef int qed_scan_fn(void *context, const struct qed_scan_piece *piece,
                        struct qed_error *error);

/*
 * Scan the L1 table, or the tables of a list, each of which must lie inside the file. Stops with
 * the first negative return of fn or failure to read.
 */
int qed_scan_l1(struct qed_image *image, qed_scan_fn *fn, void *context, struct qed_error *error);
int qed_scan_l2(struct qed_image *image, const struct qed_scan_list *list, qed_scan_fn *fn,
                void *context, struct qed_error *error);

#endif
