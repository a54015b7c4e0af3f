/*
 * The ring of a copy, for the two files that share it: copy.c makes it, copy_ring.c runs it.
 * SPDX-License-Identifier: MIT
 */
#ifndef CORE_COPY_STATE_H
#define CORE_COPY_STATE_H

#include "core/copy.h"
#include "core/copy_offload.h"
#include "io/io_window.h"

#define COPY_REQUESTS_MAX 64 /* of a job at a time */

enum job_state { JOB_FREE, JOB_READING, JOB_WRITING };

struct job {
    enum job_state state;
    uint64_t virt_off;
    size_t len;
    bool skipped; /* zeroes that nobody read; buffer is not used */
    uint8_t *buffer;
    unsigned int in_flight;
    struct io_request requests[COPY_REQUESTS_MAX];
};

struct copy {
    struct image *source;
    struct stream_source *stream; /* instead of source */
    const char *source_name;
    struct target *target;
    const struct copy_options *options;
    struct io_queue *queue;
    unsigned int source_files[IMAGE_CHAIN_MAX]; /* numbers in the queue, by depth */
    unsigned int target_file;
    struct io_window window; /* of placed writes that are not direct */
    struct extent run;       /* of the source, as last looked up */
    uint64_t size;           /* guest bytes; of a stream UINT64_MAX until its end is seen */
    uint64_t total;          /* the same for the progress; 0: not known */
    uint64_t next;           /* where the next job begins */
    uint64_t done;           /* guest bytes that need no more work */
    struct copy_offload offload;
    size_t job_bytes;
    struct job *jobs;
    unsigned int job_count, head, used; /* the oldest job that is not free, and how many are not */
    bool abandoned; /* the queue no longer says what is finished: buffers may be the kernel's */
    int status;
    struct qed_error *error;
};

/* Go through all of it; nothing is in flight any more when this returns. */
int copy_run(struct copy *copy);

#endif
