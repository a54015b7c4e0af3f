/*
 * A ring of jobs, each a stretch of the guest and a buffer for it. The runs of a job are read at
 * once; jobs whose reads are done are taken in the order of the guest: what is not zero is placed
 * and written, and when that is done the job is free again.
 * SPDX-License-Identifier: MIT
 */
#include "core/copy_state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/zero.h"

#define DEPTH_DEFAULT 16
#define DEPTH_MAX 64
#define MEMORY_MAX ((uint64_t)48 << 20)

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
    return qed_fail_prefix(error, ret,
                           "%s: error while reading at byte %" PRIu64 ", %" PRIu64
                           " bytes of the guest",
                           source_name, virt_off, len);
}

int copy_read_failed(struct copy *copy, int ret, uint64_t virt_off, uint64_t len)
{
    if (ret == QED_ERR_STOPPED)
        return qed_fail_prefix(copy->error, ret, "%s", target_path(copy->target));
    return copy_say_unread(ret, copy->source_name, virt_off, len, copy->error);
}

int copy_write_failed(struct copy *copy, int ret, uint64_t virt_off)
{
    return qed_fail_prefix(copy->error, ret, "%s: error while writing at byte %" PRIu64,
                           target_path(copy->target), virt_off);
}

/* A long run is looked up once, not for every job. */
int copy_find_run(struct copy *copy, uint64_t virt_off, struct extent *run)
{
    struct salvage *salvage = copy->options->salvage;
    struct extent *known = &copy->run;
    uint64_t left = copy->size - virt_off;
    int ret = QED_OK;

    if (virt_off < known->virt_off || virt_off - known->virt_off >= known->length)
        ret = salvage ? salvage_next_run(salvage, virt_off, left, known, copy->error)
                      : image_next_run(copy->source, virt_off, left, known, copy->error);
    if (ret < 0)
        return copy_read_failed(copy, ret, virt_off, known->length);
    *run = *known;
    if (run->has_file_off)
        run->file_off += virt_off - run->virt_off;
    run->length -= virt_off - run->virt_off;
    run->virt_off = virt_off;
    return QED_OK;
}

int copy_read(struct copy *copy, uint64_t virt_off, void *buffer, size_t len)
{
    struct salvage *salvage = copy->options->salvage;
    int ret = salvage ? salvage_read(salvage, virt_off, buffer, len, copy->error)
                      : image_read(copy->source, virt_off, buffer, len, copy->error);

    return ret < 0 ? copy_read_failed(copy, ret, virt_off, len) : QED_OK;
}

int copy_write(struct copy *copy, uint64_t virt_off, const uint8_t *bytes, size_t len,
               uint64_t file_off)
{
    int ret = io_write(target_io(copy->target), bytes, len, file_off, copy->error);

    return ret < 0 ? copy_write_failed(copy, ret, virt_off) : QED_OK;
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

    return ret < 0 ? copy_write_failed(copy, ret, virt_off) : QED_OK;
}

/* Whether nothing of a stretch has to be read: it is zero, and zeroes are not stored. */
static bool can_skip(const struct copy *copy, const struct extent *run)
{
    return run->kind != EXTENT_DATA && !copy->options->store_zeroes;
}

/* Take zeroes that need no buffer, up to a whole block. */
static int skip_zeroes(struct copy *copy)
{
    while (copy->next < copy->size) {
        struct extent run;
        uint64_t len;
        int ret = copy_find_run(copy, copy->next, &run);

        if (ret < 0)
            return ret;
        len = run.length == copy->size - copy->next ? run.length
                                                    : round_down(run.length, copy->options->block);
        if (!can_skip(copy, &run) || len == 0)
            return QED_OK;
        ret = put_zero(copy, copy->next, len);
        if (ret < 0)
            return ret;
        copy->next += len;
        if (copy->options->salvage) /* what is lost comes in small pieces */
            ret = copy_stop_if_asked(copy);
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
    int ret = copy_find_run(copy, virt_off, &run);

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

/* Begin a job at copy->next: whole blocks, as many as there are requests for. */
static int start_job(struct copy *copy)
{
    struct job *job = &copy->jobs[(copy->head + copy->used) % copy->job_count];
    uint64_t block = copy->options->block;
    size_t most = (size_t)min_u64(copy->job_bytes, copy->size - copy->next), at = 0;
    int ret = QED_OK;

    job->state = JOB_READING;
    job->virt_off = copy->next;
    job->in_flight = 0;
    copy->used++;
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

        ret = copy_read(copy, copy->next + at, job->buffer + at, rest);
        at += rest;
    }
    job->len = at;
    copy->next += at;
    return ret;
}

/* Write a stretch of a job that is not zero. */
static int write_stretch(struct copy *copy, struct job *job, size_t at, size_t len)
{
    uint64_t file_off;
    int ret = target_place(copy->target, job->virt_off + at, len, &file_off, copy->error);

    if (ret < 0)
        return copy_write_failed(copy, ret, job->virt_off + at);
    if (job->in_flight == COPY_REQUESTS_MAX)
        return copy_write(copy, job->virt_off + at, job->buffer + at, len, file_off);
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
        fail(copy, copy_read(copy, virt_off, request->buffer, request->len));
        return;
    }
    qed_fail_errno(copy->error, request->status, request->sys_errno, "%zu bytes at offset %" PRIu64,
                   request->len, request->file_off);
    if (request->is_write)
        copy_write_failed(copy, request->status, virt_off);
    else
        copy_read_failed(copy, request->status, virt_off, request->len);
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

int copy_stop_if_asked(struct copy *copy)
{
    const struct copy_options *options = copy->options;

    if (!options->progress || !options->progress(options->progress_context, copy->done, copy->size))
        return QED_OK;
    return qed_fail(copy->error, QED_ERR_STOPPED, "%s: interrupted", target_path(copy->target));
}

/* Start what can be started, then take one step. */
static int step(struct copy *copy)
{
    struct job *job;
    bool wait = false;
    int ret = QED_OK;

    while (ret == QED_OK && !wait && copy->used < copy->job_count && copy->next < copy->size) {
        ret = skip_zeroes(copy);
        if (ret == QED_OK)
            ret = copy_offload(copy, &wait);
        if (ret == QED_OK && !wait && copy->next < copy->size)
            ret = start_job(copy);
    }
    job = next_to_write(copy);
    if (ret == QED_OK && job) {
        wait_for(copy, job);
        if (copy->status == QED_OK)
            ret = write_job(copy, job);
        /* Without a ring it is done already, and only has to be told. */
        if (ret == QED_OK && io_queue_kind(copy->queue) == IO_QUEUE_SYNC)
            wait_for(copy, job);
    } else if (ret == QED_OK && copy->used > 0) {
        wait_for(copy, &copy->jobs[copy->head]);
    }
    retire(copy);
    return ret < 0 || copy->status < 0 ? ret : copy_stop_if_asked(copy);
}

static int copy_all(struct copy *copy)
{
    while (copy->status == QED_OK && (copy->next < copy->size || copy->used > 0))
        fail(copy, step(copy));
    /* Buffers must not go while the kernel has them. */
    for (unsigned int i = 0; i < copy->job_count; i++)
        wait_for(copy, &copy->jobs[i]);
    return copy->status;
}

static int make_jobs(struct copy *copy)
{
    unsigned int depth = copy->options->depth ? copy->options->depth : DEPTH_DEFAULT;

    copy->job_bytes = (size_t)max_u64(COPY_JOB_BYTES, copy->options->block);
    depth = (unsigned int)min_u64(min_u64(depth, DEPTH_MAX), MEMORY_MAX / copy->job_bytes);
    copy->jobs = calloc(max_u64(depth, 1), sizeof(*copy->jobs));
    if (!copy->jobs)
        return qed_fail(copy->error, QED_ERR_NO_MEMORY, "out of memory");
    for (copy->job_count = 0; copy->job_count < max_u64(depth, 1); copy->job_count++) {
        copy->jobs[copy->job_count].buffer = io_queue_buffer(copy->job_bytes);
        if (!copy->jobs[copy->job_count].buffer)
            break;
    }
    return copy->job_count ? QED_OK : qed_fail(copy->error, QED_ERR_NO_MEMORY, "out of memory");
}

/* One queue for the target and every layer of the source. */
static int make_queue(struct copy *copy)
{
    const struct copy_options *options = copy->options;
    enum io_queue_access reads = options->direct_reads ? IO_QUEUE_DIRECT_READ : IO_QUEUE_BUFFERED;
    enum io_queue_access writes =
        options->direct_writes ? IO_QUEUE_DIRECT_WRITE : IO_QUEUE_BUFFERED;
    int ret = io_queue_new(&copy->queue, image_io(copy->source, 0), IO_QUEUE_AUTO,
                           copy->job_count * COPY_REQUESTS_MAX, options->direct_reads, copy->error);

    for (unsigned int i = 1; ret == QED_OK && i < image_depth(copy->source); i++)
        ret = io_queue_add(copy->queue, image_io(copy->source, i), reads, &copy->source_files[i],
                           copy->error);
    if (ret == QED_OK)
        ret = io_queue_add(copy->queue, target_io(copy->target), writes, &copy->target_file,
                           copy->error);
    return ret;
}

int copy_image(struct image *source, const char *source_name, struct target *target,
               const struct copy_options *options, struct qed_error *error)
{
    struct copy copy = {.source = source,
                        .source_name = source_name,
                        .target = target,
                        .options = options,
                        .size = image_size(source),
                        .can_copy = options->offload,
                        .error = error};
    int ret = make_jobs(&copy);

    if (ret == QED_OK)
        ret = make_queue(&copy);
    /* What is shared is not read, so what is bad would be found by nobody. */
    if (ret == QED_OK && !options->store_zeroes && !options->salvage && target_is_new(target))
        ret = copy_try_clone(&copy);
    if (ret == QED_OK)
        ret = copy_all(&copy);
    io_queue_free(copy.queue);
    /* Lost memory is better than memory that the kernel writes to when it is something else. */
    for (unsigned int i = 0; !copy.abandoned && i < copy.job_count; i++)
        free(copy.jobs[i].buffer);
    free(copy.jobs);
    return ret;
}
