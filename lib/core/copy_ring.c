/*
 * A ring of jobs, each a stretch of the guest and a buffer for it. The runs of a job are read at
 * once; jobs whose reads are done are taken in the order of the guest: what is not zero is placed
 * and written, here and now or, past the page cache, in flight like the reads; when that is done
 * the job is free again.
 * SPDX-License-Identifier: MIT
 */
#include "core/copy_state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/zero.h"

#define OFFLOAD_BYTES (UINT64_C(1) << 30)   /* at a time, so that a signal is heard */
#define ZERO_JOB_BYTES (UINT64_C(64) << 20) /* the same */

static int fail(struct copy *copy, int ret)
{
    if (copy->status == QED_OK)
        copy->status = ret;
    return ret;
}

int copy_say_unread(int ret, const char *source_name, uint64_t virt_off, uint64_t len,
                    struct qed_error *error)
{
    if (len == 0)
        return qed_fail_prefix(error, ret, "%s", source_name);
    return qed_fail_prefix(
        error, ret, "%s: error while reading at byte %" PRIu64 ", %" PRIu64 " bytes of the guest",
        source_name, virt_off, len);
}

static int read_failed(struct copy *copy, int ret, uint64_t virt_off, uint64_t len)
{
    if (ret == QED_ERR_STOPPED)
        return qed_fail_prefix(copy->error, ret, "%s", target_path(copy->target));
    return copy_say_unread(ret, copy->source_name, virt_off, len, copy->error);
}

static int write_failed(struct copy *copy, int ret, uint64_t virt_off)
{
    return qed_fail_prefix(copy->error, ret, "%s: error while writing at byte %" PRIu64,
                           target_path(copy->target), virt_off);
}

/* The run at virt_off; a long one is looked up once, not for every job. */
static int find_run(struct copy *copy, uint64_t virt_off, struct extent *run)
{
    struct salvage *salvage = copy->options->salvage;
    struct extent *known = &copy->run;
    uint64_t left = copy->size - virt_off;
    int ret = QED_OK;

    if (virt_off < known->virt_off || virt_off - known->virt_off >= known->length)
        ret = salvage ? salvage_next_run(salvage, virt_off, left, known, copy->error)
                      : image_next_run(copy->source, virt_off, left, known, copy->error);
    if (ret < 0)
        return read_failed(copy, ret, virt_off, known->length);
    *run = *known;
    if (run->has_file_off)
        run->file_off += virt_off - run->virt_off;
    run->length -= virt_off - run->virt_off;
    run->virt_off = virt_off;
    return QED_OK;
}

static int read_here(struct copy *copy, uint64_t virt_off, void *buffer, size_t len)
{
    struct salvage *salvage = copy->options->salvage;
    int ret = salvage ? salvage_read(salvage, virt_off, buffer, len, copy->error)
                      : image_read(copy->source, virt_off, buffer, len, copy->error);

    return ret < 0 ? read_failed(copy, ret, virt_off, len) : QED_OK;
}

static int stop_if_asked(struct copy *copy)
{
    const struct copy_options *options = copy->options;

    if (!options->progress ||
        !options->progress(options->progress_context, copy->done, copy->total))
        return QED_OK;
    return qed_fail(copy->error, QED_ERR_STOPPED, "%s: interrupted", target_path(copy->target));
}

static void submit(struct copy *copy, struct job *job, const struct io_request *request)
{
    struct io_request *own = &job->requests[job->in_flight++];

    *own = *request;
    own->context = job;
    io_queue_submit(copy->queue, own);
}

static int put_zero(struct copy *copy, uint64_t virt_off, uint64_t len)
{
    int ret = target_zero(copy->target, virt_off, len, false, copy->error);

    return ret < 0 ? write_failed(copy, ret, virt_off) : QED_OK;
}

/* Whether nothing of a stretch has to be read: it is zero, and zeroes are not stored. */
static bool can_skip(const struct copy *copy, const struct extent *run)
{
    return run->kind != EXTENT_DATA && !copy->options->store_zeroes;
}

/* A job for len bytes from copy->next on; len may still become less. */
static struct job *begin_job(struct copy *copy, size_t len)
{
    struct job *job = &copy->jobs[(copy->head + copy->used++) % copy->job_count];

    job->state = JOB_READING;
    job->virt_off = copy->next;
    job->len = len;
    job->skipped = false;
    job->in_flight = 0;
    return job;
}

/* Zeroes at copy->next that nobody reads; *len is cut to what is taken. */
static int take_zeroes(struct copy *copy, uint64_t *len)
{
    if (!copy->options->unplaced)
        return put_zero(copy, copy->next, *len);
    *len = min_u64(*len, ZERO_JOB_BYTES);
    begin_job(copy, (size_t)*len)->skipped = true;
    return QED_OK;
}

/* Take zeroes that need no buffer, up to a whole block. */
static int skip_zeroes(struct copy *copy)
{
    while (copy->next < copy->size && copy->used < copy->job_count) {
        struct extent run;
        uint64_t len;
        int ret = find_run(copy, copy->next, &run);

        if (ret < 0)
            return ret;
        len = run.length == copy->size - copy->next ? run.length
                                                    : round_down(run.length, copy->options->block);
        if (!can_skip(copy, &run) || len == 0)
            return QED_OK;
        ret = take_zeroes(copy, &len);
        if (ret < 0)
            return ret;
        copy->next += len;
        if (copy->options->salvage) /* what is lost comes in small pieces */
            ret = stop_if_asked(copy);
        if (ret < 0)
            return ret;
    }
    return QED_OK;
}

static int write_here(struct copy *copy, uint64_t virt_off, const uint8_t *bytes, size_t len,
                      uint64_t file_off)
{
    int ret = io_window_write(&copy->window, bytes, len, file_off, copy->error);

    return ret < 0 ? write_failed(copy, ret, virt_off) : QED_OK;
}

/* Where the kernel could not do it after all: the place is taken, so it is filled here and now. */
static int copy_range_here(struct copy *copy, uint64_t virt_off, uint64_t len, uint64_t file_off)
{
    uint8_t *buffer = io_queue_buffer(copy->job_bytes);
    int ret = buffer ? QED_OK : qed_fail(copy->error, QED_ERR_NO_MEMORY, "out of memory");

    while (ret == QED_OK && len > 0) {
        size_t step = (size_t)min_u64(len, copy->job_bytes);

        ret = read_here(copy, virt_off, buffer, step);
        if (ret == QED_OK)
            ret = write_here(copy, virt_off, buffer, step, file_off);
        virt_off += step;
        file_off += step;
        len -= step;
    }
    free(buffer);
    return ret;
}

/* Whether it may be the source that failed, or the way: reading tells, and names what is bad. */
static bool may_be_read(int ret)
{
    return ret == QED_ERR_UNSUPPORTED || ret == QED_ERR_IO || ret == QED_ERR_SHORT_READ;
}

/* Have the kernel share or copy len bytes of a run at copy->next. */
static int offload_run(struct copy *copy, const struct extent *run, uint64_t len)
{
    uint64_t file_off;
    int ret = target_place(copy->target, copy->next, len, &file_off, copy->error);

    if (ret < 0)
        return write_failed(copy, ret, copy->next);
    ret = copy_offload(&copy->offload, target_io(copy->target), file_off,
                       image_io(copy->source, run->depth), run->file_off, len, copy->error);
    if (ret < 0 && !may_be_read(ret))
        return write_failed(copy, ret, copy->next);
    return ret < 0 ? copy_range_here(copy, copy->next, len, file_off) : QED_OK;
}

/*
 * Have the kernel share or copy data from copy->next on, whole blocks of runs. *wait: not before
 * what was begun has been placed, because the target needs the order of the guest.
 */
static int offload(struct copy *copy, bool *wait)
{
    while (copy->next < copy->size && copy_offload_may_work(&copy->offload)) {
        struct extent run;
        uint64_t len;
        int ret = find_run(copy, copy->next, &run);

        if (ret < 0)
            return ret;
        len = min_u64(round_down(run.length, copy->options->block), OFFLOAD_BYTES);
        if (run.kind != EXTENT_DATA || len == 0 || run.file_off % COPY_OFFLOAD_ALIGN != 0)
            return QED_OK;
        *wait = copy->used > 0 && target_needs_order(copy->target);
        if (*wait)
            return QED_OK;
        ret = offload_run(copy, &run, len);
        if (ret < 0)
            return ret;
        copy->next += len;
        copy->done = copy->used ? copy->done : copy->next;
        ret = stop_if_asked(copy);
        if (ret < 0)
            return ret;
    }
    return QED_OK;
}

/* Read the run at virt_off of a job, as far as it goes; *len is how far. */
static int read_run(struct copy *copy, struct job *job, uint64_t virt_off, size_t left, size_t *len)
{
    uint8_t *buffer = job->buffer + (virt_off - job->virt_off);
    struct extent run;
    int ret = find_run(copy, virt_off, &run);

    if (ret < 0)
        return ret;
    *len = (size_t)min_u64(run.length, left);
    if (run.kind == EXTENT_DATA)
        submit(copy, job,
               &(struct io_request){.buffer = buffer,
                                    .len = *len,
                                    .file_off = run.file_off,
                                    .file = copy->source_files[run.depth]});
    else
        memset(buffer, 0, *len);
    return QED_OK;
}

/*
 * Begin a job at copy->next: whole blocks, as many as there are requests for. Where the kernel can
 * share or copy, only the one that it cannot.
 */
static int start_job(struct copy *copy)
{
    uint64_t block = copy->options->block;
    uint64_t wanted = copy_offload_may_work(&copy->offload) ? block : copy->job_bytes;
    size_t most = (size_t)min_u64(wanted, copy->size - copy->next), at = 0;
    struct job *job = begin_job(copy, most);
    int ret = QED_OK;

    while (ret == QED_OK && at < most) {
        size_t len = 0;
        /* Keep room for the rest of a block. */
        bool is_full = job->in_flight >= COPY_REQUESTS_MAX / 2 && at % block == 0;
        size_t left = job->in_flight >= COPY_REQUESTS_MAX - 1 ? 0 : most - at;

        if (is_full || left == 0)
            break;
        ret = read_run(copy, job, copy->next + at, left, &len);
        at += len;
    }
    if (ret == QED_OK && at < most && at % block != 0) {
        /* A block of more runs than there are requests: the plain way. */
        size_t rest = (size_t)min_u64(block - at % block, most - at);

        ret = read_here(copy, copy->next + at, job->buffer + at, rest);
        at += rest;
    }
    job->len = at;
    copy->next += at;
    return ret;
}

/* The next bytes of a stream, as many as a job has room for: no fewer but at the end. */
static int start_stream_job(struct copy *copy)
{
    struct job *job = begin_job(copy, 0);
    int ret =
        stream_source_read(copy->stream, job->buffer, copy->job_bytes, &job->len, copy->error);

    copy->next += job->len;
    if (job->len < copy->job_bytes)
        copy->size = copy->next;
    return ret;
}

/* Write a stretch of a job that is not zero. */
static int write_stretch(struct copy *copy, struct job *job, size_t at, size_t len)
{
    uint64_t file_off;
    int ret;

    if (copy->options->unplaced) {
        ret = target_write(copy->target, job->virt_off + at, job->buffer + at, len, copy->error);
        return ret < 0 ? write_failed(copy, ret, job->virt_off + at) : QED_OK;
    }
    ret = target_place(copy->target, job->virt_off + at, len, &file_off, copy->error);

    if (ret < 0)
        return write_failed(copy, ret, job->virt_off + at);
    if (copy->options->writes != COPY_WRITES_DIRECT || job->in_flight == COPY_REQUESTS_MAX)
        return write_here(copy, job->virt_off + at, job->buffer + at, len, file_off);
    submit(copy, job,
           &(struct io_request){.buffer = job->buffer + at,
                                .len = len,
                                .file_off = file_off,
                                .file = copy->target_file,
                                .is_write = true});
    return QED_OK;
}

/* All of a job has been read: write what is not zero. */
static int write_job(struct copy *copy, struct job *job)
{
    size_t at = 0;
    int ret = QED_OK;

    job->state = JOB_WRITING;
    if (job->skipped)
        return put_zero(copy, job->virt_off, job->len);
    while (ret == QED_OK && at < job->len) {
        bool is_zero = false;
        size_t len = job->len - at;

        if (!copy->options->store_zeroes)
            len = zero_run(job->buffer + at, len, (size_t)copy->options->block, &is_zero);
        if (!is_zero)
            ret = write_stretch(copy, job, at, len);
        else
            ret = put_zero(copy, job->virt_off + at, len);
        at += len;
    }
    return ret;
}

/* One request is finished: remember what went wrong, if anything. */
static void finish_request(struct copy *copy, const struct io_request *request)
{
    struct job *job = request->context;
    uint64_t virt_off = job->virt_off + (uint64_t)((uint8_t *)request->buffer - job->buffer);

    job->in_flight--;
    if (request->status == QED_OK || copy->status < 0)
        return;
    if (!request->is_write && copy->options->salvage) {
        fail(copy, read_here(copy, virt_off, request->buffer, request->len));
        return;
    }
    qed_fail_errno(copy->error, request->status, request->sys_errno, "%zu bytes at offset %" PRIu64,
                   request->len, request->file_off);
    if (request->is_write)
        write_failed(copy, request->status, virt_off);
    else
        read_failed(copy, request->status, virt_off, request->len);
    fail(copy, request->status);
}

/*
 * Wait until nothing of a job is in flight. A queue that fails for good leaves requests of which
 * nobody knows whether they are still to be carried out.
 */
static void wait_for(struct copy *copy, const struct job *job)
{
    while (job->in_flight > 0 && !copy->abandoned) {
        struct io_request *request = io_queue_wait(copy->queue);

        if (request) {
            finish_request(copy, request);
            continue;
        }
        copy->abandoned = true;
        if (copy->status == QED_OK)
            fail(copy, qed_fail(copy->error, QED_ERR_IO,
                                "%s: the kernel's queue of reads and writes failed",
                                target_path(copy->target)));
    }
}

/* The oldest jobs that are done are free. */
static void retire(struct copy *copy)
{
    while (copy->used > 0) {
        struct job *job = &copy->jobs[copy->head];

        if (job->state != JOB_WRITING || job->in_flight > 0)
            return;
        job->state = JOB_FREE;
        copy->done = job->virt_off + job->len;
        copy->head = (copy->head + 1) % copy->job_count;
        copy->used--;
    }
}

/*
 * The job to write next: the first, in the order of the guest, that is still reading; out of order,
 * one that has been read, if there is one. NULL when none is reading.
 */
static struct job *next_to_write(struct copy *copy)
{
    struct job *first = NULL;

    for (unsigned int i = 0; i < copy->used; i++) {
        struct job *job = &copy->jobs[(copy->head + i) % copy->job_count];

        if (job->state != JOB_READING)
            continue;
        if (!copy->options->out_of_order || job->in_flight == 0)
            return job;
        first = first ? first : job;
    }
    return first;
}

static bool has_room(const struct copy *copy)
{
    return copy->used < copy->job_count && copy->next < copy->size;
}

/* Start what can be started; of a stream, which may make us wait, one job. */
static int start_jobs(struct copy *copy)
{
    bool wait = false;
    int ret = QED_OK;

    if (copy->stream)
        return has_room(copy) ? start_stream_job(copy) : QED_OK;
    while (ret == QED_OK && !wait && has_room(copy)) {
        ret = skip_zeroes(copy);
        if (ret == QED_OK)
            ret = offload(copy, &wait);
        if (ret == QED_OK && !wait && has_room(copy))
            ret = start_job(copy);
    }
    return ret;
}

static int step(struct copy *copy)
{
    struct job *job;
    int ret = start_jobs(copy);

    job = next_to_write(copy);
    if (ret == QED_OK && job) {
        wait_for(copy, job);
        if (copy->status == QED_OK)
            ret = write_job(copy, job);
        /* Without a ring it is done already, and only has to be told. */
        if (ret == QED_OK && copy->queue && io_queue_kind(copy->queue) == IO_QUEUE_SYNC)
            wait_for(copy, job);
    } else if (ret == QED_OK && copy->used > 0) {
        wait_for(copy, &copy->jobs[copy->head]);
    }
    retire(copy);
    return ret < 0 || copy->status < 0 ? ret : stop_if_asked(copy);
}

int copy_run(struct copy *copy)
{
    while (copy->status == QED_OK && (copy->next < copy->size || copy->used > 0))
        fail(copy, step(copy));
    /* Buffers must not go while the kernel has them. */
    for (unsigned int i = 0; i < copy->job_count; i++)
        wait_for(copy, &copy->jobs[i]);
    return copy->status;
}
