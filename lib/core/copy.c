/*
 * A ring of jobs, each a stretch of the guest and a buffer for it. The runs of a job are read at
 * once; jobs whose reads are done are taken in the order of the guest: what is not zero is placed
 * and written, here and now or, past the page cache, in flight like the reads; when that is done
 * the job is free again.
 * SPDX-License-Identifier: MIT
 */
#include "core/copy.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/zero.h"
#include "io/io_transfer.h"
#include "io/io_window.h"

#define JOB_BYTES ((uint64_t)1 << 20)
#define DEPTH_DEFAULT 16
#define DEPTH_MAX 64
#define OFFLOAD_BYTES (UINT64_C(1) << 30) /* at a time, so that a signal is heard */
#define OFFLOAD_ALIGN 4096
#define REQUESTS_MAX 64 /* of a job at a time */
#define MEMORY_MAX ((uint64_t)48 << 20)

enum job_state { JOB_FREE, JOB_READING, JOB_WRITING };

struct job {
    enum job_state state;
    uint64_t virt_off;
    size_t len;
    uint8_t *buffer;
    unsigned int in_flight;
    struct io_request requests[REQUESTS_MAX];
};

struct copy {
    struct image *source;
    const char *source_name;
    struct target *target;
    const struct copy_options *options;
    struct io_queue *queue;
    unsigned int source_files[IMAGE_CHAIN_MAX]; /* numbers in the queue, by depth */
    unsigned int target_file;
    struct io_window window;  /* of writes that are not direct */
    struct extent run;        /* of the source, as last looked up */
    uint64_t size, next;      /* guest bytes: in all, and where the next job begins */
    uint64_t done;            /* guest bytes that need no more work */
    bool can_clone, can_copy; /* ranges, as far as is known */
    size_t job_bytes;
    struct job *jobs;
    unsigned int job_count, head, used; /* the oldest job that is not free, and how many are not */
    int status;
    struct qed_error *error;
};

static int fail(struct copy *copy, int ret)
{
    if (copy->status == QED_OK)
        copy->status = ret;
    return ret;
}

static int read_failed(struct copy *copy, int ret, uint64_t virt_off)
{
    return qed_fail_prefix(copy->error, ret, "%s: error while reading at byte %" PRIu64,
                           copy->source_name, virt_off);
}

static int write_failed(struct copy *copy, int ret, uint64_t virt_off)
{
    return qed_fail_prefix(copy->error, ret, "%s: error while writing at byte %" PRIu64,
                           target_path(copy->target), virt_off);
}

/* The run at virt_off; a long one is looked up once, not for every job. */
static int find_run(struct copy *copy, uint64_t virt_off, struct extent *run)
{
    struct extent *known = &copy->run;
    int ret = QED_OK;

    if (virt_off < known->virt_off || virt_off - known->virt_off >= known->length)
        ret = image_next_run(copy->source, virt_off, copy->size - virt_off, known, copy->error);
    if (ret < 0)
        return qed_fail_prefix(copy->error, ret, "%s", copy->source_name);
    *run = *known;
    if (run->has_file_off)
        run->file_off += virt_off - run->virt_off;
    run->length -= virt_off - run->virt_off;
    run->virt_off = virt_off;
    return QED_OK;
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

/* Take zeroes that need no buffer, up to a whole block. */
static int skip_zeroes(struct copy *copy)
{
    while (copy->next < copy->size) {
        struct extent run;
        uint64_t len;
        int ret = find_run(copy, copy->next, &run);

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
    }
    return QED_OK;
}

/* How runs are had from the kernel; each is given up where it turns out not to work. */
static int offload_range(struct copy *copy, const struct extent *run, uint64_t len,
                         uint64_t file_off)
{
    struct io *to = target_io(copy->target), *from = image_io(copy->source, run->depth);
    uint64_t done;
    int ret = QED_ERR_UNSUPPORTED;

    if (copy->can_clone)
        ret = io_clone_range(to, file_off, from, run->file_off, len, copy->error);
    copy->can_clone = copy->can_clone && ret != QED_ERR_UNSUPPORTED;
    if (ret != QED_ERR_UNSUPPORTED || !copy->can_copy)
        return ret;
    ret = io_copy_range(to, file_off, from, run->file_off, len, &done, copy->error);
    copy->can_copy = ret != QED_ERR_UNSUPPORTED;
    return ret;
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

        ret = image_read(copy->source, virt_off, buffer, step, copy->error);
        if (ret < 0)
            read_failed(copy, ret, virt_off);
        else
            ret = write_here(copy, virt_off, buffer, step, file_off);
        virt_off += step;
        file_off += step;
        len -= step;
    }
    free(buffer);
    return ret;
}

/*
 * Whether blocks of the source's file can be shared with the target's, tried behind its end: a
 * place that was given out could not be given back.
 */
static int try_clone(struct copy *copy)
{
    struct io *to = target_io(copy->target);
    uint64_t length, beyond;
    int ret = io_get_length(to, &length, copy->error);

    if (ret < 0 || !checked_round_up(length, JOB_BYTES, &beyond))
        return ret;
    ret = io_clone_range(to, beyond, image_io(copy->source, 0), 0, OFFLOAD_ALIGN, NULL);
    copy->can_clone = ret == QED_OK;
    return copy->can_clone ? io_set_length(to, length, copy->error) : QED_OK;
}

/* Have the kernel share or copy data at copy->next, whole blocks of a run. */
static int offload(struct copy *copy)
{
    while (copy->next < copy->size && (copy->can_clone || copy->can_copy)) {
        struct extent run;
        uint64_t len, file_off;
        int ret = find_run(copy, copy->next, &run);

        if (ret < 0)
            return ret;
        len = min_u64(round_down(run.length, copy->options->block), OFFLOAD_BYTES);
        if (run.kind != EXTENT_DATA || len == 0 || run.file_off % OFFLOAD_ALIGN != 0)
            return QED_OK;
        ret = target_place(copy->target, copy->next, len, &file_off, copy->error);
        if (ret == QED_OK)
            ret = offload_range(copy, &run, len, file_off);
        if (ret < 0 && ret != QED_ERR_UNSUPPORTED)
            return write_failed(copy, ret, copy->next);
        if (ret < 0)
            ret = copy_range_here(copy, copy->next, len, file_off);
        if (ret < 0)
            return ret;
        copy->next += len;
        copy->done = copy->used ? copy->done : copy->next;
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
        bool is_full = job->in_flight >= REQUESTS_MAX / 2 && at % block == 0;
        size_t left = job->in_flight >= REQUESTS_MAX - 1 ? 0 : most - at;

        if (is_full || left == 0)
            break;
        ret = read_run(copy, job, copy->next + at, left, &len);
        at += len;
    }
    if (ret == QED_OK && at < most && at % block != 0) {
        /* A block of more runs than there are requests: the plain way. */
        size_t rest = (size_t)min_u64(block - at % block, most - at);

        ret = image_read(copy->source, copy->next + at, job->buffer + at, rest, copy->error);
        if (ret < 0)
            read_failed(copy, ret, copy->next + at);
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
        return write_failed(copy, ret, job->virt_off + at);
    if (copy->options->writes != COPY_WRITES_DIRECT || job->in_flight == REQUESTS_MAX)
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
    qed_fail_errno(copy->error, request->status, request->sys_errno, "%zu bytes at offset %" PRIu64,
                   request->len, request->file_off);
    if (request->is_write)
        write_failed(copy, request->status, virt_off);
    else
        read_failed(copy, request->status, virt_off);
    fail(copy, request->status);
}

/* Wait until nothing of a job is in flight. */
static void wait_for(struct copy *copy, const struct job *job)
{
    while (job->in_flight > 0) {
        struct io_request *request = io_queue_wait(copy->queue);

        if (request)
            finish_request(copy, request);
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

static int stop_if_asked(struct copy *copy)
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
    int ret = QED_OK;

    while (ret == QED_OK && copy->used < copy->job_count && copy->next < copy->size) {
        ret = skip_zeroes(copy);
        if (ret == QED_OK)
            ret = offload(copy);
        if (ret == QED_OK && copy->next < copy->size)
            ret = start_job(copy);
    }
    job = next_to_write(copy);
    if (ret == QED_OK && job) {
        wait_for(copy, job);
        if (copy->status == QED_OK)
            ret = write_job(copy, job);
    } else if (ret == QED_OK && copy->used > 0) {
        wait_for(copy, &copy->jobs[copy->head]);
    }
    retire(copy);
    return ret < 0 || copy->status < 0 ? ret : stop_if_asked(copy);
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

    copy->job_bytes = (size_t)max_u64(JOB_BYTES, copy->options->block);
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
    int ret = io_queue_new(&copy->queue, image_io(copy->source, 0), IO_QUEUE_AUTO,
                           copy->job_count * REQUESTS_MAX, options->direct_reads, copy->error);

    for (unsigned int i = 1; ret == QED_OK && i < image_depth(copy->source); i++)
        ret = io_queue_add(copy->queue, image_io(copy->source, i), reads, &copy->source_files[i],
                           copy->error);
    if (ret == QED_OK && options->writes == COPY_WRITES_DIRECT)
        ret = io_queue_add(copy->queue, target_io(copy->target), IO_QUEUE_DIRECT_WRITE,
                           &copy->target_file, copy->error);
    return ret;
}

int copy_image(struct image *source, const char *source_name, struct target *target,
               const struct copy_options *options, struct qed_error *error)
{
    struct copy copy = {
        .source = source,
        .source_name = source_name,
        .target = target,
        .options = options,
        .size = image_size(source),
        .window = {.io = target_io(target), .keeps = options->writes != COPY_WRITES_WINDOWED},
        .can_copy = options->offload,
        .error = error};
    int ret = make_jobs(&copy);

    if (ret == QED_OK)
        ret = make_queue(&copy);
    if (ret == QED_OK && !options->store_zeroes && target_is_new(target))
        ret = try_clone(&copy);
    if (ret == QED_OK)
        ret = copy_all(&copy);
    io_queue_free(copy.queue);
    for (unsigned int i = 0; i < copy.job_count; i++)
        free(copy.jobs[i].buffer);
    free(copy.jobs);
    return ret;
}
