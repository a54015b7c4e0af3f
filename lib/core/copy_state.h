/*
 * What the files of core/copy.h share: the state of a copy, and its steps that both use.
 * SPDX-License-Identifier: MIT
 */
#ifndef CORE_COPY_STATE_H
#define CORE_COPY_STATE_H

#include "core/copy.h"

#define COPY_JOB_BYTES ((uint64_t)1 << 20)
#define COPY_REQUESTS_MAX 64 /* of a job at a time */

enum job_state { JOB_FREE, JOB_READING, JOB_WRITING };

struct job {
    enum job_state state;
    uint64_t virt_off;
    size_t len;
    uint8_t *buffer;
    unsigned int in_flight;
    struct io_request requests[COPY_REQUESTS_MAX];
};

struct copy {
    struct image *source;
    const char *source_name;
    struct target *target;
    const struct copy_options *options;
    struct io_queue *queue;
    unsigned int source_files[IMAGE_CHAIN_MAX]; /* numbers in the queue, by depth */
    unsigned int target_file;
    struct extent run;        /* of the source, as last looked up */
    uint64_t size, next;      /* guest bytes: in all, and where the next job begins */
    uint64_t done;            /* guest bytes that need no more work */
    bool can_clone, can_copy; /* ranges, as far as is known */
    size_t job_bytes;
    struct job *jobs;
    unsigned int job_count, head, used; /* the oldest job that is not free, and how many are not */
    bool abandoned; /* the queue no longer says what is finished: buffers may be the kernel's */
    int status;
    struct qed_error *error;
};

/* Put what failed and where before the error; return ret. len: guest bytes, 0 if that is not known.
 */
int copy_read_failed(struct copy *copy, int ret, uint64_t virt_off, uint64_t len);
int copy_write_failed(struct copy *copy, int ret, uint64_t virt_off);

/* The run at virt_off up to the end of the source. */
int copy_find_run(struct copy *copy, uint64_t virt_off, struct extent *run);

/* Read guest bytes here and now. */
int copy_read(struct copy *copy, uint64_t virt_off, void *buffer, size_t len);

/* Write bytes, which are the guest's at virt_off, to the target's file here and now. */
int copy_write(struct copy *copy, uint64_t virt_off, const uint8_t *bytes, size_t len,
               uint64_t file_off);

/* Report progress; QED_ERR_STOPPED when that is the answer. */
int copy_stop_if_asked(struct copy *copy);

/* copy_offload.c: find out whether blocks can be shared, for a new target. */
int copy_try_clone(struct copy *copy);

/*
 * Have the kernel share or copy data from copy->next on, as far as that can be; where it turns out
 * that it cannot, the way is given up. *wait: not before what was begun has been placed, because the
 * target needs the order of the guest.
 */
int copy_offload(struct copy *copy, bool *wait);

#endif
