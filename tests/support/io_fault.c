/*
 * Counts, records, fails or hands on; operations may come from several threads.
 * SPDX-License-Identifier: MIT
 */
#include "support/io_fault.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/checked.h"

struct io_fault {
    struct io io;
    struct io *below;
    struct io_fault_plan plan;
    pthread_mutex_t lock; /* for all that follows */
    size_t counted;
    bool happened;
    struct io_fault_op *ops;
    size_t op_count, op_room;
};

static struct io_fault *to_fault(struct io *io)
{
    return (struct io_fault *)io;
}

/* Record an operation; QED_OK when it is to be handed on. */
static int begin(struct io_fault *fault, enum io_fault_kind kind, uint64_t file_off, uint64_t len,
                 struct qed_error *error)
{
    const struct io_fault_plan *plan = &fault->plan;
    bool fails = false;

    pthread_mutex_lock(&fault->lock);
    if (plan->kinds == 0 || (plan->kinds & IO_FAULT_BIT(kind))) {
        fault->counted++;
        fails = fault->counted == plan->fail_at ||
                (plan->from_then_on && plan->fail_at && fault->counted > plan->fail_at);
    }
    if (fault->op_count == fault->op_room) {
        fault->op_room = fault->op_room ? fault->op_room * 2 : 64;
        fault->ops = realloc(fault->ops, fault->op_room * sizeof(*fault->ops));
        if (!fault->ops)
            abort();
    }
    fault->ops[fault->op_count++] =
        (struct io_fault_op){.kind = kind, .file_off = file_off, .len = len, .failed = fails};
    fault->happened = fault->happened || fails;
    pthread_mutex_unlock(&fault->lock);
    if (fails && plan->before)
        plan->before(fault->below);
    return fails && plan->code < 0 ? qed_fail(error, plan->code, "planned failure") : QED_OK;
}

static int fault_read(struct io *io, void *buffer, size_t len, uint64_t file_off,
                      struct qed_error *error)
{
    int ret = begin(to_fault(io), IO_FAULT_READ, file_off, len, error);

    return ret < 0 ? ret : io_read(to_fault(io)->below, buffer, len, file_off, error);
}

static int fault_write(struct io *io, const void *buffer, size_t len, uint64_t file_off,
                       struct qed_error *error)
{
    struct io_fault *fault = to_fault(io);
    int ret = begin(fault, IO_FAULT_WRITE, file_off, len, error);
    size_t half = len / 1024 * 512;

    if (ret == QED_OK)
        return io_write(fault->below, buffer, len, file_off, error);
    if (fault->plan.torn && half > 0 && io_write(fault->below, buffer, half, file_off, NULL) < 0)
        abort();
    return ret;
}

static int fault_zero(struct io *io, uint64_t file_off, uint64_t len, struct qed_error *error)
{
    int ret = begin(to_fault(io), IO_FAULT_ZERO, file_off, len, error);

    return ret < 0 ? ret : io_zero(to_fault(io)->below, file_off, len, error);
}

static int fault_flush(struct io *io, struct qed_error *error)
{
    int ret = begin(to_fault(io), IO_FAULT_FLUSH, 0, UINT64_MAX, error);

    return ret < 0 ? ret : io_flush(to_fault(io)->below, error);
}

static int fault_get_length(struct io *io, uint64_t *length, struct qed_error *error)
{
    int ret = begin(to_fault(io), IO_FAULT_GET_LENGTH, 0, 0, error);

    return ret < 0 ? ret : io_get_length(to_fault(io)->below, length, error);
}

static int fault_set_length(struct io *io, uint64_t length, struct qed_error *error)
{
    int ret = begin(to_fault(io), IO_FAULT_SET_LENGTH, 0, length, error);

    return ret < 0 ? ret : io_set_length(to_fault(io)->below, length, error);
}

static int fault_next_run(struct io *io, uint64_t file_off, struct io_run *run,
                          struct qed_error *error)
{
    int ret = begin(to_fault(io), IO_FAULT_NEXT_RUN, file_off, 1, error);

    return ret < 0 ? ret : io_next_run(to_fault(io)->below, file_off, run, error);
}

static void fault_close(struct io *io)
{
    pthread_mutex_destroy(&to_fault(io)->lock);
    free(to_fault(io)->ops);
    free(io);
}

static const struct io_ops fault_ops = {
    .read = fault_read,
    .write = fault_write,
    .zero = fault_zero,
    .flush = fault_flush,
    .get_length = fault_get_length,
    .set_length = fault_set_length,
    .next_run = fault_next_run,
    .close = fault_close,
};

struct io *io_fault_new(struct io *below, const struct io_fault_plan *plan)
{
    struct io_fault *fault = calloc(1, sizeof(*fault));

    if (!fault || pthread_mutex_init(&fault->lock, NULL) != 0)
        abort();
    fault->io.ops = &fault_ops;
    fault->below = below;
    fault->plan = *plan;
    return &fault->io;
}

bool io_fault_happened(struct io *io)
{
    return to_fault(io)->happened;
}

const struct io_fault_op *io_fault_ops(struct io *io, size_t *count)
{
    *count = to_fault(io)->op_count;
    return to_fault(io)->ops;
}

size_t io_fault_find(struct io *io, size_t first, enum io_fault_kind kind, uint64_t file_off)
{
    const struct io_fault *fault = to_fault(io);

    for (size_t i = first; i < fault->op_count; i++) {
        const struct io_fault_op *op = &fault->ops[i];

        if (op->kind == kind && file_off >= op->file_off && file_off - op->file_off < op->len)
            return i;
    }
    return SIZE_MAX;
}
