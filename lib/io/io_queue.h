/*
 * Reads with many requests in flight: io_uring where the kernel allows it, else one at a time (the
 * caller then runs more threads). A queue belongs to one thread.
 * SPDX-License-Identifier: MIT
 */
#ifndef IO_IO_QUEUE_H
#define IO_IO_QUEUE_H

#include "io/io.h"

/* Direct requests must have buffer, length and offset aligned to this. */
#define IO_DIRECT_ALIGN 4096

enum io_queue_kind {
    IO_QUEUE_AUTO,  /* the best that works here */
    IO_QUEUE_URING, /* io_uring(7) */
    IO_QUEUE_SYNC,  /* each request is done when it is submitted */
};

struct io_request {
    void *buffer;
    size_t len;
    uint64_t file_off;
    void *context;          /* the caller's */
    int status;             /* once finished: QED_OK or a negative code */
    int sys_errno;          /* with QED_ERR_IO */
    size_t done;            /* the queue's: bytes read so far */
    struct io_request *next; /* the queue's */
};

struct io_queue;

/*
 * A queue on io for at most depth requests at once. Direct asks for reads past the page cache,
 * which are given up silently where the file system has none. io stays the caller's and must
 * outlive the queue. QED_ERR_UNSUPPORTED when that very kind cannot be had.
 */
int io_queue_new(struct io_queue **queue, struct io *io, enum io_queue_kind kind,
                 unsigned int depth, bool direct, struct qed_error *error);

/* No request may be in flight. NULL-safe. */
void io_queue_free(struct io_queue *queue);

/* IO_QUEUE_URING or IO_QUEUE_SYNC. */
enum io_queue_kind io_queue_kind(const struct io_queue *queue);

/* Start reading; request stays the caller's and must stay where it is until it is finished. */
void io_queue_submit(struct io_queue *queue, struct io_request *request);

/* Wait for the next finished request, in any order; NULL when none is in flight. */
struct io_request *io_queue_wait(struct io_queue *queue);

#endif
