/*
 * Every table of an image, once each, for check and repair: what the file holds, in pieces of a
 * bounded size, holes skipped. The L2 tables are read in file order by several threads with many
 * requests in flight.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_QED_SCAN_H
#define FORMAT_QED_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/qed.h"
#include "io/io_queue.h"

/* What all buffers of a scan take together unless asked for otherwise, and at the least, bytes. */
#define QED_SCAN_MEMORY_DEFAULT ((size_t)64 << 20)
#define QED_SCAN_MEMORY_MIN ((size_t)1 << 20)

#define QED_SCAN_THREADS_MAX 32

/* A table to scan: where it is and which L1 entry names it. */
struct qed_scan_table {
    uint64_t l1_index; /* unused for the L1 table itself */
    uint64_t file_off; /* bytes */
};

/* Tables to scan, growing; all zero when empty. */
struct qed_scan_list {
    struct qed_scan_table *tables;
    size_t count, room;
};

/* Append a table; 0 or QED_ERR_NO_MEMORY. */
int qed_scan_list_add(struct qed_scan_list *list, uint64_t l1_index, uint64_t file_off,
                      struct qed_error *error);

/* Put the tables in file order, those at one place in L1 order. */
void qed_scan_list_sort(struct qed_scan_list *list);

/* The first table of a list in file order that is at file_off; NULL when there is none. */
const struct qed_scan_table *qed_scan_list_find(const struct qed_scan_list *list,
                                                uint64_t file_off);

void qed_scan_list_free(struct qed_scan_list *list);

/* Neighbouring entries of one table. */
struct qed_scan_piece {
    const struct qed_scan_table *table;
    size_t table_number;     /* its place in the list */
    uint64_t first_index;    /* of entries[0] in its table */
    const uint64_t *entries; /* host byte order */
    size_t count;
    unsigned int thread; /* which of the scan's threads calls, from 0 */
    uint64_t *carry;     /* a number kept from piece to piece of one table; 0 at its first */
};

/*
 * Called with each piece that is not a hole. The pieces of one table come in order and one at a
 * time; those of other tables may come between them and, from other threads, at the same time.
 */
typedef int qed_scan_fn(void *context, const struct qed_scan_piece *piece,
                        struct qed_error *error);

/* Called now and then with bytes of tables done and in all; return true to stop. */
typedef bool qed_scan_progress_fn(void *context, uint64_t done, uint64_t total);

/* All zero: the defaults. */
struct qed_scan_options {
    enum io_queue_kind queue;
    unsigned int threads; /* at most QED_SCAN_THREADS_MAX; 0: as many as measured best */
    size_t memory;        /* bytes for buffers; 0: QED_SCAN_MEMORY_DEFAULT */
    qed_scan_progress_fn *progress;
    void *progress_context;
};

/* What a scan has done. */
struct qed_scan_stats {
    uint64_t tables;
    uint64_t requests;     /* that went to the disk, or might have */
    uint64_t bytes_read;   /* by these */
    uint64_t bytes_cached; /* that were in memory already */
    enum io_queue_kind queue; /* IO_QUEUE_AUTO when everything was in memory */
    unsigned int threads;
};

/*
 * Scan the L1 table, in order, in the calling thread. Stops with the first negative return of fn
 * or failure to read.
 */
int qed_scan_l1(struct qed_image *image, qed_scan_fn *fn, void *context, struct qed_error *error);

/*
 * Scan the tables of a list that is in file order, each inside the file. Stops soon after the
 * first negative return of fn, failure to read, or order to stop (QED_ERR_STOPPED). options and
 * stats may be NULL.
 */
int qed_scan_l2(struct qed_image *image, const struct qed_scan_list *list,
                const struct qed_scan_options *options, qed_scan_fn *fn, void *context,
                struct qed_scan_stats *stats, struct qed_error *error);

/*
 * Scan some tables, one after the other, or one, in the calling thread: for few of them. carry is
 * not kept between calls.
 */
int qed_scan_in_turn(struct qed_image *image, const struct qed_scan_table *tables, size_t count,
                     qed_scan_fn *fn, void *context, struct qed_error *error);
int qed_scan_table(struct qed_image *image, const struct qed_scan_table *table, qed_scan_fn *fn,
                   void *context, struct qed_error *error);

#endif
