/*
 * Requests as qemu-img bench sends them: from a start on in even steps, round and round, so many in
 * flight; flushes where the number of those not sent yet is a multiple of the interval.
 * SPDX-License-Identifier: MIT
 */
#include "core/bench.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "core/bench_target.h"
#include "io/io_file.h"

struct bench_io {
    struct bench_io_options options;
    struct image *image, *base; /* base: what shows through, for the writer */
    struct bench_target *target;
    unsigned int depth; /* really in flight */
    struct bench_request *requests, *idle;
    struct bench_request flush;
    bool flushing; /* flush is in flight */
    uint8_t *buffers;
    uint64_t offset, sent, done;
    unsigned int in_flight;
    struct bench_io_report *report;
};

static int request_failed(const struct bench_io *bench, int ret, struct qed_error *error)
{
    const struct qed_error *why = &bench->target->error;

    if (ret == QED_ERR_IO && why->sys_errno)
        return qed_fail(error, ret, "Failed request: %s", strerror(why->sys_errno));
    return qed_fail(error, ret, "Failed request: %s", why->text);
}

/* Start a request; QEMU's words where it would reach past the end of the image. */
static int send_one(struct bench_io *bench, struct qed_error *error)
{
    const struct bench_io_options *options = &bench->options;
    uint64_t size = image_size(bench->image);
    struct bench_request *request = bench->idle;

    if (!range_inside(bench->offset, options->request_bytes, 0, size))
        return qed_fail(error, QED_ERR_INVALID, "Failed request: %s", strerror(EIO));
    bench->idle = request->next;
    request->virt_off = bench->offset;
    request->begun = bench_now();
    bench->in_flight++;
    bench->sent++;
    bench->offset = size ? (bench->offset + options->step) % size : 0;
    bench_target_submit(bench->target, request);
    return QED_OK;
}

/* The next request that is not in flight any more; NULL when the queue failed. */
static struct bench_request *wait_for_one(struct bench_io *bench)
{
    struct bench_request *request = bench_target_wait(bench->target);

    if (request == &bench->flush)
        bench->flushing = false;
    else if (request)
        bench->in_flight--;
    return request;
}

/* Wait for a request, and have its place free again. */
static int finish_one(struct bench_io *bench, struct qed_error *error)
{
    struct bench_request *request = wait_for_one(bench);

    if (!request)
        return qed_fail(error, QED_ERR_IO, "the kernel's queue of requests failed");
    if (request->status < 0)
        return request_failed(bench, request->status, error);
    if (request == &bench->flush)
        return QED_OK;
    histogram_add(&bench->report->latency, bench_now() - request->begun);
    bench->report->guest_bytes += request->len;
    bench->done++;
    request->next = bench->idle;
    bench->idle = request;
    return QED_OK;
}

/* What else finishes meanwhile is counted, too. */
static int flush(struct bench_io *bench, struct qed_error *error)
{
    int ret = QED_OK;

    bench->report->flushes++;
    if (bench->options.cache.no_flush)
        return QED_OK;
    bench->flush.op = BENCH_FLUSH;
    bench->flushing = true;
    bench_target_submit(bench->target, &bench->flush);
    while (ret == QED_OK && bench->flushing)
        ret = finish_one(bench, error);
    return ret;
}

static bool is_flush_due(const struct bench_io *bench)
{
    const struct bench_io_options *options = &bench->options;

    return options->flush_interval && (options->count - bench->sent) % options->flush_interval == 0;
}

/* As many as may be in flight; none while one waits to be taken note of. */
static int fill(struct bench_io *bench, struct qed_error *error)
{
    int ret = QED_OK;

    while (ret == QED_OK && bench->sent < bench->options.count && bench->in_flight < bench->depth &&
           !bench->target->finished)
        ret = send_one(bench, error);
    return ret;
}

static int send_all(struct bench_io *bench, struct qed_error *error)
{
    bool draining = false;
    int ret = QED_OK;

    while (ret == QED_OK && bench->done < bench->options.count) {
        if (!draining)
            ret = fill(bench, error);
        if (ret == QED_OK)
            ret = finish_one(bench, error);
        draining = is_flush_due(bench) && !bench->options.no_drain && bench->in_flight > 0;
        if (ret == QED_OK && is_flush_due(bench) && !draining)
            ret = flush(bench, error);
    }
    return ret;
}

int bench_io_run(struct bench_io *bench, struct bench_io_report *report, struct qed_error *error)
{
    struct io *io = image_io(bench->image, 0);
    struct io_file_counts before = io_file_counts(io), after;
    uint64_t begun = bench_now(), ended;
    int ret;

    *report = (struct bench_io_report){0};
    bench->report = report;
    ret = send_all(bench, error);
    /* After a failure: what is in flight has buffers of ours. */
    while (bench->in_flight + bench->flushing > 0 && wait_for_one(bench))
        ;
    ended = bench_now();
    if (ret == QED_OK)
        ret = bench_target_finish(bench->target, error);
    report->seconds = bench_seconds(ended - begun);
    report->close_seconds = bench_seconds(bench_now() - ended);
    report->requests = bench->done;
    after = io_file_counts(io);
    report->host_bytes_written = after.bytes_written - before.bytes_written;
    report->host_flushes = after.flushes - before.flushes;
    return ret;
}

static int open_image(struct bench_io *bench, const char *path, struct qed_error *error)
{
    const struct bench_io_options *options = &bench->options;
    struct image_options open_options = {.format = options->format,
                                         .writable = options->write,
                                         .backing = options->write ? IMAGE_BACKING_IGNORE
                                                                   : options->backing,
                                         .share = options->share};
    int ret = image_open(&bench->image, path, &open_options, error);
    const char *name = ret == QED_OK && options->write ? image_backing_name(bench->image, 0) : NULL;

    if (!name)
        return ret;
    open_options =
        (struct image_options){.format = image_backing_is_raw(bench->image, 0) ? "raw" : NULL,
                               .backing = options->backing};
    return image_open_backing(&bench->base, path, name, &open_options, error);
}

static int open_target(struct bench_io *bench, const char *path, struct qed_error *error)
{
    const struct bench_io_options *options = &bench->options;
    struct qed_image *qed = options->write ? image_qed(bench->image, 0) : NULL;
    int ret;

    if (!qed)
        return bench_target_files(&bench->target, bench->image, options->write, bench->depth,
                                  &options->cache, error);
    if (options->cache.direct)
        return qed_fail(error, QED_ERR_INVALID,
                        "Writes into QED images go through the page cache: -t none and directsync "
                        "cannot be used with -w");
    ret = bench_target_qed(&bench->target, qed, bench->base, &options->cache, error);
    return ret < 0 ? qed_fail_prefix(error, ret, "Could not open '%s'", path) : QED_OK;
}

static int make_requests(struct bench_io *bench, struct qed_error *error)
{
    const struct bench_io_options *options = &bench->options;
    uint64_t bytes;

    if (!checked_mul(bench->depth, options->request_bytes, &bytes) || bytes > BENCH_BUFFERS_MAX)
        return qed_fail(error, QED_ERR_INVALID,
                        "%u requests of %zu bytes in parallel take more than 2 GiB of memory",
                        bench->depth, options->request_bytes);
    bench->requests = calloc(bench->depth, sizeof(*bench->requests));
    bench->buffers = io_queue_buffer((size_t)max_u64(bytes, 1));
    if (!bench->requests || !bench->buffers)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    memset(bench->buffers, options->write ? options->pattern : 0, (size_t)bytes);
    for (unsigned int i = 0; i < bench->depth; i++) {
        struct bench_request *request = &bench->requests[i];

        request->op = options->write ? BENCH_WRITE : BENCH_READ;
        request->buffer = bench->buffers + i * options->request_bytes;
        request->len = options->request_bytes;
        request->next = bench->idle;
        bench->idle = request;
    }
    return QED_OK;
}

int bench_io_open(struct bench_io **out, const char *path, const struct bench_io_options *options,
                  struct qed_error *error)
{
    struct bench_io *bench = calloc(1, sizeof(*bench));
    int ret;

    if (!bench)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    bench->options = *options;
    bench->offset = options->offset;
    bench->depth = (unsigned int)min_u64(options->depth, max_u64(options->count, 1));
    ret = open_image(bench, path, error);
    if (ret == QED_OK)
        ret = open_target(bench, path, error);
    if (ret == QED_OK && bench->target->at_once)
        bench->depth = 1; /* more would only wait to be asked for */
    if (ret == QED_OK)
        ret = make_requests(bench, error);
    if (ret < 0) {
        bench_io_close(bench);
        return ret;
    }
    *out = bench;
    return QED_OK;
}

const char *bench_io_format(const struct bench_io *bench)
{
    return image_format(bench->image, 0);
}

void bench_io_close(struct bench_io *bench)
{
    if (!bench)
        return;
    bench_target_free(bench->target);
    image_close(bench->base);
    image_close(bench->image);
    free(bench->requests);
    free(bench->buffers);
    free(bench);
}
