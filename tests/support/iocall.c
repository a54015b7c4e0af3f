/*
 * One call of lib/io on files of the host, for scripts that prepare the file systems under it:
 *
 *     iocall clone|copy TO TO_OFF FROM FROM_OFF LEN
 *     iocall allocate|zero|zero-allocated|write-zeroes|windowed FILE OFF LEN
 *     iocall queue-uring|queue-sync FILE OFF LEN
 *     iocall cached FILE OFF LEN
 *
 * Prints how it ended: "ok" or the name of the code and errno's word, then a number of bytes where
 * the call tells one. windowed and queue-… write bytes of 0xa5, queue-… past the page cache. Exits
 * with 0 when the call was made, however it ended.
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/io_cache.h"
#include "io/io_file.h"
#include "io/io_queue.h"
#include "io/io_space.h"
#include "io/io_transfer.h"
#include "io/io_window.h"

#define REQUEST_BYTES ((size_t)64 << 10)
#define REQUESTS 16

static struct io *open_file(const char *name, bool writable)
{
    struct qed_error error = QED_ERROR_INIT;
    struct io *io = NULL;

    if (io_file_open(&io, name, writable, NULL, &error) == QED_OK)
        return io;
    fprintf(stderr, "iocall: %s\n", error.text);
    exit(1);
}

static uint64_t number(const char *text)
{
    char *end;
    uint64_t value = strtoull(text, &end, 0);

    if (*text && !*end)
        return value;
    fprintf(stderr, "iocall: not a number: %s\n", text);
    exit(1);
}

static void tell(int ret, const struct qed_error *error)
{
    printf("%s", qed_code_name(ret));
    if (ret < 0 && error->sys_errno)
        printf(" (%s)", strerror(error->sys_errno));
}

static int write_windowed(struct io *io, uint64_t file_off, uint64_t len, struct qed_error *error)
{
    static char bytes[1 << 20];
    struct io_window window = {.io = io};
    int ret = QED_OK;

    memset(bytes, 0xa5, sizeof(bytes));
    while (ret == QED_OK && len > 0) {
        size_t step = len < sizeof(bytes) ? (size_t)len : sizeof(bytes);

        ret = io_window_write(&window, bytes, step, file_off, error);
        file_off += step;
        len -= step;
    }
    return ret == QED_OK ? io_flush(io, error) : ret;
}

struct writing {
    struct io_queue *queue;
    unsigned int file;
    void *bytes;
    uint64_t file_off, end; /* what is still to be asked for */
};

static void submit_next(struct writing *writing, struct io_request *request)
{
    uint64_t left = writing->end - writing->file_off;

    if (left == 0)
        return;
    *request = (struct io_request){.buffer = writing->bytes,
                                   .len = left < REQUEST_BYTES ? (size_t)left : REQUEST_BYTES,
                                   .file_off = writing->file_off,
                                   .file = writing->file,
                                   .is_write = true};
    writing->file_off += request->len;
    io_queue_submit(writing->queue, request);
}

/* Write with many requests in flight; the first failure is told. */
static int write_queued(struct io *io, enum io_queue_kind kind, uint64_t file_off, uint64_t len,
                        struct qed_error *error)
{
    struct writing writing = {.file_off = file_off, .end = file_off + len};
    struct io_request requests[REQUESTS], *request;
    int ret = io_queue_new(&writing.queue, io, kind, REQUESTS, false, error);

    writing.bytes = io_queue_buffer(REQUEST_BYTES);
    if (ret == QED_OK && !writing.bytes)
        ret = qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    if (ret == QED_OK)
        ret = io_queue_add(writing.queue, io, IO_QUEUE_DIRECT_WRITE, &writing.file, error);
    if (ret < 0)
        goto out;
    memset(writing.bytes, 0xa5, REQUEST_BYTES);
    for (size_t i = 0; i < REQUESTS; i++)
        submit_next(&writing, &requests[i]);
    while ((request = io_queue_wait(writing.queue))) {
        if (request->status < 0 && ret == QED_OK)
            ret = qed_fail_errno(error, request->status, request->sys_errno, "write");
        if (ret == QED_OK)
            submit_next(&writing, request);
    }
out:
    io_queue_free(writing.queue);
    free(writing.bytes);
    return ret;
}

static int call_on_two(char **args)
{
    struct io *to = open_file(args[1], true), *from = open_file(args[3], false);
    struct qed_error error = QED_ERROR_INIT;
    uint64_t to_off = number(args[2]), from_off = number(args[4]), len = number(args[5]), done;

    if (strcmp(args[0], "clone") == 0) {
        tell(io_clone_range(to, to_off, from, from_off, len, &error), &error);
    } else {
        tell(io_copy_range(to, to_off, from, from_off, len, &done, &error), &error);
        printf(" %llu", (unsigned long long)done);
    }
    printf("\n");
    io_close(from);
    io_close(to);
    return 0;
}

static int call_on_range(char **args)
{
    struct io *io = open_file(args[1], strcmp(args[0], "cached") != 0);
    struct qed_error error = QED_ERROR_INIT;
    uint64_t file_off = number(args[2]), len = number(args[3]), bytes = 0;
    const char *call = args[0];
    int ret = QED_OK;

    if (strcmp(call, "allocate") == 0)
        ret = io_allocate(io, file_off, len, &error);
    else if (strcmp(call, "zero") == 0)
        ret = io_zero(io, file_off, len, &error);
    else if (strcmp(call, "zero-allocated") == 0)
        ret = io_zero_allocated(io, file_off, len, &error);
    else if (strcmp(call, "write-zeroes") == 0)
        ret = io_write_zeroes(io, file_off, len, &error);
    else if (strcmp(call, "windowed") == 0)
        ret = write_windowed(io, file_off, len, &error);
    else if (strcmp(call, "queue-uring") == 0)
        ret = write_queued(io, IO_QUEUE_URING, file_off, len, &error);
    else if (strcmp(call, "queue-sync") == 0)
        ret = write_queued(io, IO_QUEUE_SYNC, file_off, len, &error);
    else if (strcmp(call, "cached") == 0 && !io_cached_bytes(io, file_off, len, &bytes))
        ret = QED_ERR_UNSUPPORTED;
    else if (strcmp(call, "cached") != 0)
        return 1;
    tell(ret, &error);
    if (strcmp(call, "cached") == 0)
        printf(" %llu", (unsigned long long)bytes);
    printf("\n");
    io_close(io);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 7 && (strcmp(argv[1], "clone") == 0 || strcmp(argv[1], "copy") == 0))
        return call_on_two(argv + 1);
    if (argc == 5)
        return call_on_range(argv + 1);
    fprintf(stderr, "iocall: not a call\n");
    return 1;
}
