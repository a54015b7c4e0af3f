/*
 * Reads and writes with many requests in flight: io_uring where the kernel allows it, else one at a
 * time (the caller then runs more threads). A queue may serve several files, so that one thread can
 * wait for a source and a target at once. A queue belongs to one thread.
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

/* How a file of a queue is used. */
enum io_queue_access {
    IO_QUEUE_BUFFERED,     /* through the page cache */
    IO_QUEUE_DIRECT_READ,  /* past it; writes go through it */
    IO_QUEUE_DIRECT_WRITE, /* past it, reads and writes */
};

struct io_request {
    union {
        void *buffer;      /* of a read */
        const void *bytes; /* of a write */
    };
    size_t len;
    uint64_t file_off;
    unsigned int file;      /* which of the queue's files; 0 is the one it was made with */
    bool is_write;          /* else a read */
    void *context;          /* the caller's */
    int status;             /* once finished: QED_OK or a negative code */
    int sys_errno;          /* with QED_ERR_IO and QED_ERR_NO_SPACE */
    size_t done;            /* the queue's: bytes read or written so far */
    struct io_request *next; /* the queue's */
};

struct io_queue;

/*
 * A queue on io for at most depth requests at once. Direct is IO_QUEUE_DIRECT_READ, else buffered.
 * io stays the caller's and must outlive the queue. QED_ERR_UNSUPPORTED when that very kind cannot
 * be had.
 */
int io_queue_new(struct io_queue **queue, struct io *io, enum io_queue_kind kind,
                 unsigned int depth, bool direct, struct qed_error *error);

/*
 * Have the queue serve one more file; *file is its number. Direct access is given up silently
 * where the file system has none. io stays the caller's and must outlive the queue. A file that is
 * none of the host's is served at once, in the caller's thread, whatever the kind of queue.
 */
int io_queue_add(struct io_queue *queue, struct io *io, enum io_queue_access access,
                 unsigned int *file, struct qed_error *error);

/* No request may be in flight. NULL-safe. */
void io_queue_free(struct io_queue *queue);

/* IO_QUEUE_URING or IO_QUEUE_SYNC. */
enum io_queue_kind io_queue_kind(const struct io_queue *queue);

/*
 * Start reading or writing; request stays the caller's and must stay where it is, with its buffer,
 * until it is finished. What is not aligned, or is refused or cut short past the page cache, goes
 * through the cache. Reads as io_read_sectors, writes as io_write. Writes are on stable storage
 * after an io_flush of their file that is called once they are finished, direct ones too.
 */
void io_queue_submit(struct io_queue *queue, struct io_request *request);

/* Wait for the next finished request, in any order; NULL when none is in flight. */
struct io_request *io_queue_wait(struct io_queue *queue);

/* Memory for requests, aligned for direct ones; NULL when there is none left. free(3) releases. */
void *io_queue_buffer(size_t len);

#endif
