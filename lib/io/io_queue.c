/*
 * The ring, and the plain loop that stands in for it.
 * SPDX-License-Identifier: MIT
 */
#include "io/io_queue.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "io/io_file.h"

#ifdef HAVE_LIBURING
#include <liburing.h>
#endif

/* valgrind does not see what the kernel writes on behalf of a ring. */
#ifdef HAVE_VALGRIND_MEMCHECK_H
#include <valgrind/memcheck.h>
#else
#define VALGRIND_MAKE_MEM_DEFINED(address, len) ((void)(address), (void)(len))
#endif

struct io_queue {
    struct io *io;
    enum io_queue_kind kind;
    unsigned int in_flight;
    struct io_request *finished; /* submitted and done already, last first */
    int direct_fd;               /* -1: reads go through the page cache */
#ifdef HAVE_LIBURING
    struct io_uring ring;
#endif
};

static void finish(struct io_queue *queue, struct io_request *request, int status, int sys_errno)
{
    request->status = status;
    request->sys_errno = sys_errno;
    request->next = queue->finished;
    queue->finished = request;
}

/* Do what is left of a request here and now, through the page cache. */
static void read_rest(struct io_queue *queue, struct io_request *request)
{
    struct qed_error error = QED_ERROR_INIT;
    int ret = io_read_sectors(queue->io, (char *)request->buffer + request->done,
                              request->len - request->done, request->file_off + request->done,
                              &error);

    finish(queue, request, ret, error.sys_errno);
}

/* One read past the page cache; false when that has to be done otherwise. */
static bool read_direct(struct io_queue *queue, struct io_request *request)
{
    while (queue->direct_fd >= 0 && request->done < request->len) {
        ssize_t n = pread(queue->direct_fd, (char *)request->buffer + request->done,
                          request->len - request->done,
                          (off_t)(request->file_off + request->done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || n % IO_DIRECT_ALIGN != 0)
            return false;
        request->done += (size_t)n;
    }
    return request->done == request->len;
}

static void submit_sync(struct io_queue *queue, struct io_request *request)
{
    if (read_direct(queue, request))
        finish(queue, request, QED_OK, 0);
    else
        read_rest(queue, request);
}

#ifdef HAVE_LIBURING

static int ring_fd(const struct io_queue *queue)
{
    return queue->direct_fd >= 0 ? queue->direct_fd : io_file_descriptor(queue->io);
}

static bool start_ring(struct io_queue *queue, unsigned int depth)
{
    return io_file_descriptor(queue->io) >= 0 &&
           io_uring_queue_init(depth, &queue->ring, 0) == 0;
}

static void stop_ring(struct io_queue *queue)
{
    io_uring_queue_exit(&queue->ring);
}

static void submit_ring(struct io_queue *queue, struct io_request *request)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&queue->ring);
    size_t left = request->len - request->done;
    int ret;

    if (!sqe) { /* more than depth: the caller's mistake, not one to lose data over */
        submit_sync(queue, request);
        return;
    }
    io_uring_prep_read(sqe, ring_fd(queue), (char *)request->buffer + request->done,
                       (unsigned int)left, request->file_off + request->done);
    io_uring_sqe_set_data(sqe, request);
    do {
        ret = io_uring_submit(&queue->ring);
    } while (ret == -EINTR || ret == -EAGAIN || ret == -EBUSY);
    queue->in_flight++;
}

static struct io_request *wait_ring(struct io_queue *queue)
{
    struct io_uring_cqe *cqe;
    struct io_request *request;
    int ret, result;

    do {
        ret = io_uring_wait_cqe(&queue->ring, &cqe);
    } while (ret == -EINTR);
    if (ret < 0)
        return NULL;
    request = io_uring_cqe_get_data(cqe);
    result = cqe->res;
    io_uring_cqe_seen(&queue->ring, cqe);
    queue->in_flight--;
    if (result > 0) {
        VALGRIND_MAKE_MEM_DEFINED((char *)request->buffer + request->done, (size_t)result);
        request->done += (size_t)result;
    }
    if (request->done == request->len) {
        request->status = QED_OK;
        return request;
    }
    /* Short, refused or failed: the plain way finds out what it is. */
    read_rest(queue, request);
    queue->finished = request->next;
    return request;
}

#else

static bool start_ring(struct io_queue *queue, unsigned int depth)
{
    (void)queue;
    (void)depth;
    return false;
}

static void stop_ring(struct io_queue *queue)
{
    (void)queue;
}

static void submit_ring(struct io_queue *queue, struct io_request *request)
{
    submit_sync(queue, request);
}

static struct io_request *wait_ring(struct io_queue *queue)
{
    (void)queue;
    return NULL;
}

#endif

int io_queue_new(struct io_queue **out, struct io *io, enum io_queue_kind kind,
                 unsigned int depth, bool direct, struct qed_error *error)
{
    struct io_queue *queue = calloc(1, sizeof(*queue));

    if (!queue)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    queue->io = io;
    queue->direct_fd = direct ? io_file_open_direct(io) : -1;
    queue->kind = IO_QUEUE_SYNC;
    if (kind != IO_QUEUE_SYNC && start_ring(queue, depth))
        queue->kind = IO_QUEUE_URING;
    if (kind == IO_QUEUE_URING && queue->kind != kind) {
        io_queue_free(queue);
        return qed_fail(error, QED_ERR_UNSUPPORTED, "io_uring cannot be used here");
    }
    *out = queue;
    return QED_OK;
}

void io_queue_free(struct io_queue *queue)
{
    if (!queue)
        return;
    if (queue->kind == IO_QUEUE_URING)
        stop_ring(queue);
    if (queue->direct_fd >= 0)
        close(queue->direct_fd);
    free(queue);
}

enum io_queue_kind io_queue_kind(const struct io_queue *queue)
{
    return queue->kind;
}

void io_queue_submit(struct io_queue *queue, struct io_request *request)
{
    request->done = 0;
    if (queue->kind == IO_QUEUE_URING)
        submit_ring(queue, request);
    else
        submit_sync(queue, request);
}

struct io_request *io_queue_wait(struct io_queue *queue)
{
    struct io_request *request = queue->finished;

    if (request) {
        queue->finished = request->next;
        return request;
    }
    return queue->in_flight ? wait_ring(queue) : NULL;
}
