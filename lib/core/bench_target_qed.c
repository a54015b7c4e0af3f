/*
 * Writes into a QED image: the writer, which knows many requests in flight.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include "base/checked.h"
#include "core/bench_target.h"

struct writer_target {
    struct bench_target base;
    struct qed_writer *writer;
    bool write_through;
};

static struct writer_target *to_writer(struct bench_target *target)
{
    return (struct writer_target *)target;
}

/* The bench's request that one of the writer's is finished for. */
static struct bench_request *finish_request(struct writer_target *to,
                                            struct qed_write_request *finished)
{
    struct bench_request *request = finished->context;

    request->status = finished->status;
    if (request->status == QED_OK && to->write_through && request->op == BENCH_WRITE)
        request->status = qed_writer_flush(to->writer, &to->base.error);
    return request;
}

static void writer_submit(struct bench_target *target, struct bench_request *request)
{
    struct writer_target *to = to_writer(target);
    struct qed_write_request *finished;

    request->qed = (struct qed_write_request){.op = request->op == BENCH_FLUSH ? QED_WRITE_FLUSH
                                                                               : QED_WRITE_DATA,
                                              .virt_off = request->virt_off,
                                              .len = request->op == BENCH_FLUSH ? 0 : request->len,
                                              .buffer = request->buffer,
                                              .context = request,
                                              .error = &target->error};
    qed_writer_submit(to->writer, &request->qed);
    while (target->at_once && (finished = qed_writer_wait(to->writer)))
        bench_target_done(target, finish_request(to, finished));
}

static struct bench_request *writer_wait(struct bench_target *target)
{
    struct writer_target *to = to_writer(target);
    struct qed_write_request *finished = qed_writer_wait(to->writer);

    return finished ? finish_request(to, finished) : NULL;
}

static int writer_finish(struct bench_target *target, struct qed_error *error)
{
    return qed_writer_finish(to_writer(target)->writer, error);
}

static void writer_free(struct bench_target *target)
{
    qed_writer_free(to_writer(target)->writer);
    free(target);
}

int bench_target_qed(struct bench_target **target, struct qed_image *image,
                     const struct qed_writer_options *options, bool write_through,
                     struct qed_error *error)
{
    static const struct bench_target_ops ops = {
        .submit = writer_submit, .wait = writer_wait, .finish = writer_finish, .free = writer_free};
    struct writer_target *to = calloc(1, sizeof(*to));
    int ret;

    if (!to)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    ret = qed_writer_new(&to->writer, image, options, error);
    if (ret < 0) {
        free(to);
        return ret;
    }
    to->base.ops = &ops;
    to->base.at_once = !options->direct;
    to->write_through = write_through;
    *target = &to->base;
    return QED_OK;
}
