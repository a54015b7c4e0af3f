/*
 * What a scan of L2 tables asks the disk for: the scan goes by these functions, and so a plan says
 * what a scan of a file that is not in memory would read, without reading it.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_QED_SCAN_PLAN_H
#define FORMAT_QED_SCAN_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/qed_scan.h"

#define QED_SCAN_RUNS_MAX 16     /* requests of a window */
#define QED_SCAN_SLOTS_MAX 16    /* of a thread, with a ring */
#define QED_SCAN_SYNC_THREADS 16 /* without one, threads are what keeps requests in flight */

/* What a scan in the calling thread reads at once at most, bytes. */
#define QED_SCAN_STEP_BYTES ((size_t)64 << 10)

/* The read buffer of each thread for what is in memory, bytes. */
#define QED_SCAN_WARM_BYTES ((size_t)256 << 10)

/* Bytes of the file that are read at once. */
struct qed_scan_request {
    uint64_t file_off, len;
};

/* All requests of a scan in the order they are sent, and how many are in flight. */
struct qed_scan_plan {
    struct qed_scan_request *requests;
    size_t count, room;
    uint64_t bytes; /* of all requests */
    unsigned int depth;
};

/*
 * The requests of qed_scan_l2 with the same list and options, of a file none of which is in memory.
 * Only the file's holes are looked at. A slot of the scan has one window in flight, which counts
 * as one request. The caller frees the plan, failed or not; it must be all zero.
 */
int qed_scan_plan(struct qed_image *image, const struct qed_scan_list *list,
                  const struct qed_scan_options *options, struct qed_scan_plan *plan,
                  struct qed_error *error);

/*
 * The requests of QEMU 7.2's check: each table as a whole, in L1 order, one at a time, holes or
 * not. list is in L1 order; plan as above.
 */
int qed_scan_plan_qemu(const struct qed_image *image, const struct qed_scan_list *list,
                       struct qed_scan_plan *plan, struct qed_error *error);

void qed_scan_plan_free(struct qed_scan_plan *plan);

/* The rest is how a scan goes about it. */

/* Tables [first, first + count) of the list, adjoining in the file: read one behind the other. */
struct qed_scan_unit {
    size_t first, count;
};

/* The units of a list in file order, which the caller frees; QED_ERR_NO_MEMORY. */
int qed_scan_make_units(const struct qed_scan_list *list, uint64_t table_bytes,
                        struct qed_scan_unit **units, size_t *count);

/* How many threads with how many slots of which window fit the memory and the work. */
struct qed_scan_sizes {
    size_t window; /* bytes */
    unsigned int threads, slots;
};
struct qed_scan_sizes qed_scan_choose_sizes(const struct qed_scan_options *options, size_t units);

/* Whether a list is so short that the calling thread reads it, without queue. */
bool qed_scan_is_short(const struct qed_scan_list *list, const struct qed_scan_options *options,
                       uint64_t table_bytes);

/* The runs of a file, the last one of which is remembered. */
struct qed_scan_runs {
    struct io *io;
    struct io_run known;
};

/* The run that file_off is in, from there on. */
int qed_scan_find_run(struct qed_scan_runs *runs, uint64_t file_off, struct io_run *run,
                      struct qed_error *error);

/*
 * The last place in or behind a hole that is aligned, and at least a sector on: a hole that ends
 * inside a sector ends with the file.
 */
uint64_t qed_scan_end_of_hole(const struct io_run *run, uint64_t align);

/* A stretch of the file, and its data, aligned for direct reads: maybe none. */
struct qed_scan_window {
    uint64_t start, end; /* bytes of the file */
    struct qed_scan_request requests[QED_SCAN_RUNS_MAX];
    unsigned int count;
};

int qed_scan_plan_window(struct qed_scan_runs *runs, uint64_t start, uint64_t end,
                         struct qed_scan_window *window, struct qed_error *error);

/*
 * The next read of a scan of one table by the calling thread, from *in_table bytes into it on, at
 * most most bytes long; *len is 0 at the end of the table or of the file.
 */
int qed_scan_next_step(struct qed_image *image, const struct qed_scan_table *table,
                       uint64_t *in_table, size_t most, size_t *len, struct qed_error *error);

#endif
