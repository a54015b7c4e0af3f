/*
 * The ring, and the plain loop that stands in for it. Whatever either leaves undone is finished, or
 * fails, in do_rest.
 * SPDX-License-Identifier: MIT
 */
#include "io/io_queue.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
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

struct queue_file {
    struct io *io;
    int fd;        /* io's own; -1 when it is no file of the host */
    int direct_fd; /* -1: everything goes through the page cache */
    enum io_queue_access access;
};

struct io_queue {
    enum io_queue_kind kind;
    unsigned int in_flight;
    struct io_request *finished; /* submitted and done already, last first */
    struct queue_file *files;
    unsigned int file_count;
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

/* What is left of a request. */
static char *rest_buffer(const struct io_request *request)
{
    return (char *)request->buffer + request->done;
}

static size_t rest_len(const struct io_request *request)
{
    return request->len - request->done;
}

static uint64_t rest_off(const struct io_request *request)
{
    return request->file_off + request->done;
}

/* Do what is left of a request, if anything, here and now, through the page cache. */
static void do_rest(struct io_queue *queue, struct io_request *request)
{
    struct io *io = queue->files[request->file].io;
    struct qed_error error = QED_ERROR_INIT;
    int ret = QED_OK;

    if (rest_len(request) > 0 && request->is_write)
        ret = io_write(io, rest_buffer(request), rest_len(request), rest_off(request), &error);
    else if (rest_len(request) > 0)
        ret = io_read_sectors(io, rest_buffer(request), rest_len(request), rest_off(request),
                              &error);
    finish(queue, request, ret, error.sys_errno);
}

/* The descriptor to do a request past the page cache; -1 when it has to go through. */
static int direct_fd(const struct io_queue *queue, const struct io_request *request)
{
    const struct queue_file *file = &queue->files[request->file];
    uint64_t bits = (uintptr_t)request->buffer | request->len | request->file_off;

    if (bits % IO_DIRECT_ALIGN != 0 || request->file_off > INT64_MAX - request->len)
        return -1;
    return request->is_write && file->access != IO_QUEUE_DIRECT_WRITE ? -1 : file->direct_fd;
}

/* So many more bytes of a request are read or written, by a descriptor of io's file. */
static void note_done(struct io *io, struct io_request *request, size_t n)
{
    request->done += n;
    if (request->is_write)
        io_file_count_written(io, n);
}

/* Do a request past the page cache, or as much of it as that takes. */
static void do_direct(struct io *io, struct io_request *request, int fd)
{
    while (request->done < request->len) {
        ssize_t n = request->is_write
                        ? pwrite(fd, rest_buffer(request), rest_len(request),
                                 (off_t)rest_off(request))
                        : pread(fd, rest_buffer(request), rest_len(request),
                                (off_t)rest_off(request));

        if (n < 0 && errno == EINTR)
            continue;
        if (n > 0)
            note_done(io, request, (size_t)n);
        if (n <= 0 || n % IO_DIRECT_ALIGN != 0)
            return;
    }
}

static void submit_sync(struct io_queue *queue, struct io_request *request)
{
    int fd = direct_fd(queue, request);

    if (fd >= 0)
        do_direct(queue->files[request->file].io, request, fd);
    do_rest(queue, request);
}

#ifdef HAVE_LIBURING

/* The descriptor to put a request into the ring with; -1 when there is none. */
static int ring_fd(const struct io_queue *queue, const struct io_request *request)
{
    int fd = direct_fd(queue, request);

    if (request->len > UINT_MAX || request->file_off > INT64_MAX)
        return -1;
    return fd >= 0 ? fd : queue->files[request->file].fd;
}

static bool start_ring(struct io_queue *queue, unsigned int depth)
{
    return io_uring_queue_init(depth, &queue->ring, 0) == 0;
}

static void stop_ring(struct io_queue *queue)
{
    io_uring_queue_exit(&queue->ring);
}

static void submit_ring(struct io_queue *queue, struct io_request *request)
{
    int ret, fd = ring_fd(queue, request);
    struct io_uring_sqe *sqe = fd >= 0 ? io_uring_get_sqe(&queue->ring) : NULL;

    if (!sqe) { /* no file, or more than depth: the caller's mistake, not one to lose data over */
        submit_sync(queue, request);
        return;
    }
    if (request->is_write)
        io_uring_prep_write(sqe, fd, request->buffer, (unsigned int)request->len,
                            request->file_off);
    else
        io_uring_prep_read(sqe, fd, request->buffer, (unsigned int)request->len,
                           request->file_off);
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
        if (!request->is_write)
            VALGRIND_MAKE_MEM_DEFINED(request->buffer, (size_t)result);
        note_done(queue->files[request->file].io, request, (size_t)result);
    }
    /* Short, refused or failed: the plain way finds out what it is. */
    do_rest(queue, request);
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
    bool is_file = io_file_descriptor(io) >= 0;
    unsigned int file;
    int ret = QED_ERR_NO_MEMORY;

    if (!queue) {
        qed_fail(error, ret, "out of memory");
        goto out;
    }
    queue->kind = IO_QUEUE_SYNC;
    ret = io_queue_add(queue, io, direct ? IO_QUEUE_DIRECT_READ : IO_QUEUE_BUFFERED, &file, error);
    if (ret < 0)
        goto out;
    if (kind != IO_QUEUE_SYNC && is_file && start_ring(queue, depth))
        queue->kind = IO_QUEUE_URING;
    if (kind == IO_QUEUE_URING && queue->kind != kind) {
        ret = qed_fail(error, QED_ERR_UNSUPPORTED, "io_uring cannot be used here");
        goto out;
    }
    *out = queue;
    queue = NULL;
out:
    io_queue_free(queue);
    return ret;
}

int io_queue_add(struct io_queue *queue, struct io *io, enum io_queue_access access,
                 unsigned int *file, struct qed_error *error)
{
    struct queue_file *files =
        realloc(queue->files, (queue->file_count + 1) * sizeof(*queue->files));

    if (!files)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    queue->files = files;
    files[queue->file_count] = (struct queue_file){
        .io = io, .fd = io_file_descriptor(io), .direct_fd = -1, .access = access};
    if (access != IO_QUEUE_BUFFERED)
        files[queue->file_count].direct_fd =
            io_file_open_direct(io, access == IO_QUEUE_DIRECT_WRITE);
    *file = queue->file_count++;
    return QED_OK;
}

void io_queue_free(struct io_queue *queue)
{
    if (!queue)
        return;
    if (queue->kind == IO_QUEUE_URING)
        stop_ring(queue);
    for (unsigned int i = 0; i < queue->file_count; i++) {
        if (queue->files[i].direct_fd >= 0)
            close(queue->files[i].direct_fd);
    }
    free(queue->files);
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

void *io_queue_buffer(size_t len)
{
    void *memory;

    return posix_memalign(&memory, IO_DIRECT_ALIGN, len) == 0 ? memory : NULL;
}
