/*
 * How fast an image is: guest requests on it, and what a check of it takes, here and on a disk that
 * is not here.
 * SPDX-License-Identifier: MIT
 */
#ifndef CORE_BENCH_H
#define CORE_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/histogram.h"
#include "core/diskmodel.h"
#include "core/image.h"
#include "format/qed_commit.h"
#include "format/qed_recover.h"

/* How the host's files are used; qemu-img's cache modes. */
struct bench_cache {
    bool direct;        /* past the page cache, where the file system can */
    bool write_through; /* each write is flushed before it is done */
    bool no_flush;      /* the guest's flushes are not carried out */
};

/* As qemu-img bench has them. */
struct bench_io_options {
    const char *format; /* "qed", "raw", NULL to probe */
    enum image_backing backing;
    bool share;
    bool write;
    uint64_t count;     /* requests */
    unsigned int depth; /* in flight, not 0 */
    size_t request_bytes;
    uint64_t step, offset;   /* guest bytes: from request to request, and where the first one is */
    uint64_t flush_interval; /* requests; 0: no flushes */
    bool no_drain;           /* flush while requests are in flight */
    uint8_t pattern;         /* that is written */
    struct bench_cache cache;
    enum qed_durability durability; /* of writes into QED */
    uint64_t preallocate;           /* bytes; 0: as it is done by default */
};

struct bench_io_report {
    double seconds;       /* of the requests */
    double close_seconds; /* until all of it was written out and the image marked as closed */
    uint64_t requests, guest_bytes, flushes;
    uint64_t host_bytes_written; /* into the image's file, with the tables */
    uint64_t host_flushes;
    struct histogram latency; /* of a request, nanoseconds */
};

struct bench_io;

/*
 * Open the image at path and prepare all that is not to be timed. Options are copied; the caller
 * owns *bench. QED_ERR_INVALID: the buffers would take more than BENCH_BUFFERS_MAX. An image that
 * is to be written and was not cleanly closed is recovered.
 */
#define BENCH_BUFFERS_MAX ((uint64_t)2 << 30)
int bench_io_open(struct bench_io **bench, const char *path, const struct bench_io_options *options,
                  struct qed_error *error);

/* The format of the image; static. */
const char *bench_io_format(const struct bench_io *bench);

/* What opening it for writing had to do first. */
const struct qed_recovery *bench_io_recovery(const struct bench_io *bench);

/* Send the requests; once. Errors read as qemu-img's: "Failed request: …". */
int bench_io_run(struct bench_io *bench, struct bench_io_report *report, struct qed_error *error);

/* NULL-safe. */
void bench_io_close(struct bench_io *bench);

struct bench_check_options {
    const char *format; /* "qed", "raw", NULL to probe */
    bool share;
};

/* A check that was done here. */
struct bench_check_pass {
    double seconds;
    uint64_t requests;     /* that went to the disk */
    uint64_t bytes_read;   /* by these */
    uint64_t bytes_cached; /* of tables that were in memory */
};

struct bench_check_report {
    const char *format; /* static */
    uint64_t tables;
    bool
        knows_left; /* left_cached counts what of the file the kernel kept in memory all the same */
    uint64_t left_cached; /* bytes */
    struct bench_check_pass cold, warm;
    struct qed_scan_plan plan, qemu_plan; /* what a check reads, and what QEMU's does */
    enum qed_recovery_kind recovery;      /* what opening it for writing does first; */
    bool recovery_refused;    /* it would end with an error: damage that is no crash's */
    uint64_t recovery_tables; /* how many it reads, */
    struct bench_check_pass recovery_cold, recovery_warm; /* what that took here, */
    struct qed_scan_plan recovery_plan;                   /* and what it asks a disk for */
    uint64_t file_bytes;
};

/*
 * Check the image at path twice: once it is out of the page cache, as far as it goes, and once its
 * tables are in it. The same with what a recovery would read, if one is due; nothing is written.
 * QED_ERR_UNSUPPORTED for a format that has no check. The caller calls bench_check_release in any
 * case.
 */
int bench_check(const char *path, const struct bench_check_options *options,
                struct bench_check_report *report, struct qed_error *error);

/* What a plan of the report takes guests on a disk that they share. */
int bench_check_model(const struct bench_check_report *report, const struct qed_scan_plan *plan,
                      const struct diskmodel *disk, unsigned int guests,
                      struct diskmodel_times *times, struct qed_error *error);

void bench_check_release(struct bench_check_report *report);

#endif
