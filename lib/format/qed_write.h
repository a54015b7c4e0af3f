/*
 * Guest writes into a QED image: at any offset, of any length, many at once.
 *
 * Requests are submitted and waited for in one thread. What they need of the disk is in flight
 * together; what they change in tables is done in memory, one after the other, as the data of each
 * arrives, and reaches the disk at a flush (qed_commit.h). A request that touches clusters which
 * another one is allocating waits for that one. Requests that overlap in other ways may be done in
 * any order, like those of a disk.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_QED_WRITE_H
#define FORMAT_QED_WRITE_H

#include <stddef.h>
#include <stdint.h>

#include "format/qed_commit.h"
#include "io/io_queue.h"

struct qed_writer;

struct qed_writer_options {
    struct qed_commit_options commit; /* its over_backing is set here */
    unsigned int depth;               /* requests in flight at most; 0: one */
    bool direct;                      /* data goes past the page cache, where it is aligned */
    qed_read_below_fn *read_below;    /* NULL when there is no backing file */
    void *below_context;
};

enum qed_write_op {
    QED_WRITE_DATA,
    /*
     * Read as zeroes from now on: nothing is done where they do already, zero clusters hide a
     * backing file, allocated clusters are zeroed in place and stay allocated.
     */
    QED_WRITE_ZEROES,
    /* What has finished before this is submitted survives a crash once this is finished. */
    QED_WRITE_FLUSH,
};

/* What a request is doing. */
enum qed_write_state { QED_WRITE_IDLE, QED_WRITE_WAITING, QED_WRITE_IN_PLACE, QED_WRITE_NEW };

struct qed_write_request {
    enum qed_write_op op;
    uint64_t virt_off, len;  /* guest bytes, inside the image */
    const void *buffer;      /* len bytes; data */
    void *context;           /* the caller's */
    struct qed_error *error; /* filled in when it fails; may be NULL */
    int status;              /* once finished: QED_OK or a negative code */

    /* The writer's. */
    uint64_t done;
    enum qed_write_state state;
    uint64_t step;                /* bytes that are being written */
    uint64_t cluster_off;         /* of new ones: the first one's place in the guest, */
    uint64_t cluster_count;       /* how many, */
    uint64_t file_off;            /* and the first one's in the file */
    struct io_request io;
    struct qed_write_request *next;
};

/*
 * A writer on image, opened for writing, without NEED_CHECK (else QED_ERR_CORRUPT: recover it
 * first). options may be NULL. The image stays the caller's.
 */
int qed_writer_new(struct qed_writer **writer, struct qed_image *image,
                   const struct qed_writer_options *options, struct qed_error *error);

/* No request may be unfinished. What was not flushed is dropped. NULL-safe. */
void qed_writer_free(struct qed_writer *writer);

/*
 * Begin a request, which stays the caller's and must stay where it is until qed_writer_wait gives
 * it back; at most depth at once.
 */
void qed_writer_submit(struct qed_writer *writer, struct qed_write_request *request);

/* The next request that is finished, in any order; NULL when there is none. */
struct qed_write_request *qed_writer_wait(struct qed_writer *writer);

/* One request, from begin to end; none may be unfinished. */
int qed_writer_write(struct qed_writer *writer, uint64_t virt_off, const void *buffer, size_t len,
                     struct qed_error *error);
int qed_writer_zero(struct qed_writer *writer, uint64_t virt_off, uint64_t len,
                    struct qed_error *error);
int qed_writer_flush(struct qed_writer *writer, struct qed_error *error);

/* Flush and mark the image as cleanly closed; no request may be unfinished. Free it after that. */
int qed_writer_finish(struct qed_writer *writer, struct qed_error *error);

#endif
