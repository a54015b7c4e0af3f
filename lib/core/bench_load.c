/*
 * Requests are kept in a list of idle ones; what the target gives back is taken note of and goes
 * there again. SPDX-License-Identifier: MIT
 */
#include "core/bench_load.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"

struct bench_load {
    struct bench_load_options options;
    struct bench_target *target;
    struct bench_request *requests, *idle;
    struct bench_request flush;
    bool flushing; /* flush is in flight */
    uint8_t *buffers;
    uint64_t limit, sent, done; /* limit: to be sent */
    unsigned int in_flight;
    struct bench_io_report *report;
};

static int request_failed(const struct bench_load *load, int ret, struct qed_error *error)
{
    const struct qed_error *why = &load->target->error;

    if (ret == QED_ERR_IO && why->sys_errno)
        return qed_fail(error, ret, "Failed request: %s", strerror(why->sys_errno));
    return qed_fail(error, ret, "Failed request: %s", why->text);
}

static int send_one(struct bench_load *load, struct qed_error *error)
{
    const struct bench_load_options *options = &load->options;
    struct bench_request *request = load->idle;
    uint64_t virt_off;
    int ret = options->place(options->place_context, load->sent, &virt_off, error);

    if (ret < 0)
        return ret;
    load->idle = request->next;
    request->virt_off = virt_off;
    request->begun = bench_now();
    load->in_flight++;
    load->sent++;
    bench_target_submit(load->target, request);
    return QED_OK;
}

/* The next request that is not in flight any more; NULL when the queue failed. */
static struct bench_request *wait_for_one(struct bench_load *load)
{
    struct bench_request *request = bench_target_wait(load->target);

    if (request == &load->flush)
        load->flushing = false;
    else if (request)
        load->in_flight--;
    return request;
}

/* Wait for a request, and have its place free again. */
static int finish_one(struct bench_load *load, struct qed_error *error)
{
    struct bench_request *request = wait_for_one(load);

    if (!request)
        return qed_fail(error, QED_ERR_IO, "the kernel's queue of requests failed");
    if (request->status < 0)
        return request_failed(load, request->status, error);
    if (request == &load->flush)
        return QED_OK;
    histogram_add(&load->report->latency, bench_now() - request->begun);
    load->report->guest_bytes += request->len;
    load->done++;
    request->next = load->idle;
    load->idle = request;
    return QED_OK;
}

/* What else finishes meanwhile is counted, too. */
static int flush(struct bench_load *load, struct qed_error *error)
{
    int ret = QED_OK;

    load->report->flushes++;
    if (load->options.no_flush)
        return QED_OK;
    load->flush.op = BENCH_FLUSH;
    load->flushing = true;
    bench_target_submit(load->target, &load->flush);
    while (ret == QED_OK && load->flushing)
        ret = finish_one(load, error);
    return ret;
}

static bool is_flush_due(const struct bench_load *load)
{
    const struct bench_load_options *options = &load->options;

    return options->flush_interval && (options->count - load->sent) % options->flush_interval == 0;
}

/* Whether all is sent that is to be sent of a load that stops half-way. */
static bool is_cut_off(const struct bench_load *load)
{
    return load->limit < load->options.count && load->sent == load->limit;
}

/* As many as may be in flight; none while one waits to be taken note of. */
static int fill(struct bench_load *load, struct qed_error *error)
{
    int ret = QED_OK;

    while (ret == QED_OK && load->sent < load->limit && load->in_flight < load->options.depth &&
           !load->target->finished)
        ret = send_one(load, error);
    return ret;
}

static int send_all(struct bench_load *load, struct qed_error *error)
{
    bool draining = false;
    int ret = QED_OK;

    while (ret == QED_OK && load->done < load->limit) {
        if (!draining)
            ret = fill(load, error);
        if (ret == QED_OK)
            ret = finish_one(load, error);
        if (ret == QED_OK && load->options.stop && load->options.stop(load->options.stop_context))
            return qed_fail(error, QED_ERR_STOPPED, "interrupted");
        draining = is_flush_due(load) && !load->options.no_drain && load->in_flight > 0;
        if (ret == QED_OK && is_flush_due(load) && !draining && !is_cut_off(load))
            ret = flush(load, error);
    }
    return ret;
}

int bench_load_run(struct bench_load *load, struct bench_io_report *report, struct qed_error *error)
{
    uint64_t begun = bench_now();
    int ret;

    load->report = report;
    ret = send_all(load, error);
    /* After a failure: what is in flight has buffers of ours. */
    while (load->in_flight + load->flushing > 0 && wait_for_one(load))
        ;
    report->seconds = bench_seconds(bench_now() - begun);
    report->requests = load->done;
    return ret;
}

static int make_requests(struct bench_load *load, struct qed_error *error)
{
    const struct bench_load_options *options = &load->options;
    uint64_t bytes;

    if (!checked_mul(options->depth, options->request_bytes, &bytes) || bytes > BENCH_BUFFERS_MAX)
        return qed_fail(error, QED_ERR_INVALID,
                        "%u requests of %zu bytes in parallel take more than 2 GiB of memory",
                        options->depth, options->request_bytes);
    load->requests = calloc(options->depth, sizeof(*load->requests));
    load->buffers = io_queue_buffer((size_t)max_u64(bytes, 1));
    if (!load->requests || !load->buffers)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    memset(load->buffers, options->write ? options->pattern : 0, (size_t)bytes);
    for (unsigned int i = 0; i < options->depth; i++) {
        struct bench_request *request = &load->requests[i];

        request->op = options->write ? BENCH_WRITE : BENCH_READ;
        request->buffer = load->buffers + i * options->request_bytes;
        request->len = options->request_bytes;
        request->next = load->idle;
        load->idle = request;
    }
    return QED_OK;
}

int bench_load_new(struct bench_load **out, struct bench_target *target,
                   const struct bench_load_options *options, struct qed_error *error)
{
    struct bench_load *load = calloc(1, sizeof(*load));
    int ret;

    if (!load)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    load->options = *options;
    load->target = target;
    load->options.depth = (unsigned int)min_u64(options->depth, max_u64(options->count, 1));
    if (target->at_once)
        load->options.depth = 1; /* more would only wait to be asked for */
    load->limit =
        options->stop_after ? min_u64(options->stop_after, options->count) : options->count;
    ret = make_requests(load, error);
    if (ret < 0) {
        bench_load_free(load);
        return ret;
    }
    *out = load;
    return QED_OK;
}

void bench_load_free(struct bench_load *load)
{
    if (!load)
        return;
    free(load->requests);
    free(load->buffers);
    free(load);
}
