/*
 * Queues: every request is finished once, a read with what the file holds, a write with what was in
 * its buffer now in the file.
 * SPDX-License-Identifier: MIT
 */
#include "io/io_queue.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>

#include "io/io_file.h"
#include "support/io_fault.h"
#include "support/io_mem.h"
#include "support/unit.h"

#define FILE_BYTES ((size_t)1 << 20)
#define DEPTH 16
#define REQUEST_BYTES 8192

static uint8_t pattern(uint64_t file_off)
{
    return (uint8_t)(file_off / 512 * 37 + file_off);
}

/* A file of the host with the pattern in it. */
static struct io *open_pattern(size_t len)
{
    struct io *io = NULL;
    uint8_t *bytes = malloc(len);

    ck_assert_ptr_nonnull(bytes);
    for (size_t i = 0; i < len; i++)
        bytes[i] = pattern(i);
    unit_write_file("f", bytes, len);
    free(bytes);
    ck_assert_int_eq(io_file_open(&io, "f", false, NULL, NULL), QED_OK);
    return io;
}

static void check_finished(const struct io_request *request)
{
    const uint8_t *bytes = request->buffer;

    ck_assert_int_eq(request->status, QED_OK);
    ck_assert_int_eq(*(int *)request->context, 1);
    *(int *)request->context = 2;
    for (size_t i = 0; i < request->len; i++) {
        if (bytes[i] != pattern(request->file_off + i))
            ck_abort_msg("byte %zu of the request differs", i);
    }
}

/* Keep DEPTH reads in flight all over the file, whose ends and lengths are aligned or not. */
static void read_all_over(struct io *io, enum io_queue_kind kind, bool direct, bool aligned)
{
    struct unit_random random = {(uint64_t)kind + direct};
    struct io_request requests[DEPTH] = {0};
    int states[DEPTH] = {0};
    struct io_queue *queue = NULL;
    unsigned int started = 0, finished = 0;
    void *buffers;

    ck_assert_int_eq(posix_memalign(&buffers, IO_DIRECT_ALIGN, DEPTH * REQUEST_BYTES), 0);
    memset(buffers, 0xee, DEPTH * REQUEST_BYTES); /* valgrind does not see what a ring writes */
    ck_assert_int_eq(io_queue_new(&queue, io, kind, DEPTH, direct, NULL), QED_OK);
    ck_assert_ptr_null(io_queue_wait(queue));
    while (finished < 200) {
        struct io_request *request;

        for (size_t i = 0; i < DEPTH && started < 200; i++) {
            if (states[i] == 1)
                continue;
            states[i] = 1;
            requests[i] = (struct io_request){
                .buffer = (uint8_t *)buffers + i * REQUEST_BYTES,
                .len = aligned ? REQUEST_BYTES : 1 + unit_random_below(&random, REQUEST_BYTES),
                .file_off = unit_random_below(&random, FILE_BYTES - REQUEST_BYTES),
                .context = &states[i],
            };
            if (aligned)
                requests[i].file_off -= requests[i].file_off % IO_DIRECT_ALIGN;
            io_queue_submit(queue, &requests[i]);
            started++;
        }
        request = io_queue_wait(queue);
        ck_assert_ptr_nonnull(request);
        check_finished(request);
        finished++;
    }
    ck_assert_ptr_null(io_queue_wait(queue));
    io_queue_free(queue);
    free(buffers);
}

START_TEST(every_kind_of_queue_reads_what_the_file_holds)
{
    struct io *io = open_pattern(FILE_BYTES);

    read_all_over(io, IO_QUEUE_AUTO, false, false);
    read_all_over(io, IO_QUEUE_AUTO, true, true);
    read_all_over(io, IO_QUEUE_AUTO, true, false);
    read_all_over(io, IO_QUEUE_SYNC, false, false);
    read_all_over(io, IO_QUEUE_SYNC, true, true);
    read_all_over(io, IO_QUEUE_SYNC, true, false);
    io_close(io);
}
END_TEST

START_TEST(a_queue_says_what_it_is)
{
    struct io *io = open_pattern(512), *memory = io_mem_new(512);
    struct io_queue *queue = NULL;

    ck_assert_int_eq(io_queue_new(&queue, io, IO_QUEUE_SYNC, 1, false, NULL), QED_OK);
    ck_assert_int_eq(io_queue_kind(queue), IO_QUEUE_SYNC);
    io_queue_free(queue);
    ck_assert_int_eq(io_queue_new(&queue, io, IO_QUEUE_AUTO, 1, false, NULL), QED_OK);
    ck_assert_int_ne(io_queue_kind(queue), IO_QUEUE_AUTO);
    io_queue_free(queue);
    io_queue_free(NULL);
    queue = NULL;
    ck_assert_int_eq(io_queue_new(&queue, memory, IO_QUEUE_URING, 1, false, NULL),
                     QED_ERR_UNSUPPORTED);
    ck_assert_ptr_null(queue);
    io_close(memory);
    io_close(io);
}
END_TEST

/* The one request that is read. */
static struct io_request read_one(struct io *io, enum io_queue_kind kind, bool direct,
                                  uint64_t file_off, void *buffer, size_t len)
{
    struct io_request request = {.buffer = buffer, .len = len, .file_off = file_off};
    struct io_queue *queue = NULL;

    ck_assert_int_eq(io_queue_new(&queue, io, kind, 1, direct, NULL), QED_OK);
    io_queue_submit(queue, &request);
    ck_assert_ptr_eq(io_queue_wait(queue), &request);
    io_queue_free(queue);
    return request;
}

START_TEST(the_last_sector_is_filled_up_and_nothing_behind_it)
{
    static const enum io_queue_kind kinds[] = {IO_QUEUE_AUTO, IO_QUEUE_SYNC};
    struct io *io = open_pattern(8000);
    void *memory;
    uint8_t *bytes;

    ck_assert_int_eq(posix_memalign(&memory, IO_DIRECT_ALIGN, REQUEST_BYTES), 0);
    bytes = memory;
    for (size_t i = 0; i < 4; i++) {
        enum io_queue_kind kind = kinds[i / 2];

        memset(bytes, 0xee, REQUEST_BYTES);
        ck_assert_int_eq(read_one(io, kind, i % 2, 0, bytes, 8192).status, QED_OK);
        for (size_t at = 0; at < 8192; at++) {
            if (bytes[at] != (at < 8000 ? pattern(at) : 0))
                ck_abort_msg("byte %zu", at);
        }
        ck_assert_int_eq(read_one(io, kind, i % 2, 4096, bytes, 8192).status, QED_ERR_SHORT_READ);
        ck_assert_int_eq(read_one(io, kind, i % 2, 8192, bytes, 4096).status, QED_ERR_SHORT_READ);
    }
    free(memory);
    io_close(io);
}
END_TEST

START_TEST(a_failure_to_read_is_told_by_the_request)
{
    struct io *io = io_mem_new(8192);
    struct io_fault_plan plan = {.fail_at = 1, .code = QED_ERR_IO};
    struct io *fault = io_fault_new(io, &plan);
    uint8_t bytes[512];

    ck_assert_int_eq(read_one(fault, IO_QUEUE_AUTO, false, 0, bytes, 512).status, QED_ERR_IO);
    ck_assert_int_eq(read_one(fault, IO_QUEUE_AUTO, false, 0, bytes, 512).status, QED_OK);
    io_close(fault);
    io_close(io);
}
END_TEST

static const enum io_queue_kind both_kinds[] = {IO_QUEUE_AUTO, IO_QUEUE_SYNC};
static const enum io_queue_access ways[] = {IO_QUEUE_BUFFERED, IO_QUEUE_DIRECT_READ,
                                            IO_QUEUE_DIRECT_WRITE};

static struct io *open_empty(const char *name)
{
    struct io *io = NULL;

    unit_write_file(name, "", 0);
    ck_assert_int_eq(io_file_open(&io, name, true, NULL, NULL), QED_OK);
    return io;
}

/*
 * Copy all of from to to through one queue that serves both: what was read is written from the same
 * buffer. The last request of an unaligned file is none for direct access.
 */
static void copy_through(struct io *from, struct io *to, size_t len, enum io_queue_kind kind,
                         enum io_queue_access access)
{
    struct io_request requests[DEPTH] = {0}, *request;
    struct io_queue *queue = NULL;
    unsigned int target;
    size_t next = 0, written = 0;
    char *buffers = io_queue_buffer(DEPTH * REQUEST_BYTES);

    ck_assert_ptr_nonnull(buffers);
    ck_assert_int_eq(
        io_queue_new(&queue, from, kind, DEPTH, access == IO_QUEUE_DIRECT_READ, NULL), QED_OK);
    ck_assert_int_eq(io_queue_add(queue, to, access, &target, NULL), QED_OK);
    ck_assert_uint_eq(target, 1);
    for (size_t i = 0; i < DEPTH; i++)
        requests[i] = (struct io_request){.buffer = buffers + i * REQUEST_BYTES, .is_write = true};
    for (request = requests; request; request = io_queue_wait(queue)) {
        size_t first = request - requests, last = first + 1;

        ck_assert_int_eq(request->status, QED_OK);
        if (next > 0 && !request->is_write) {
            request->is_write = true;
            request->file = target;
            io_queue_submit(queue, request);
            continue;
        }
        written += request->len;
        if (next == 0) /* the start: all of them */
            last = DEPTH;
        for (size_t i = first; i < last && next < len; i++) {
            requests[i].len = len - next < REQUEST_BYTES ? len - next : REQUEST_BYTES;
            requests[i].file_off = next;
            requests[i].is_write = false;
            requests[i].file = 0;
            next += requests[i].len;
            io_queue_submit(queue, &requests[i]);
        }
    }
    ck_assert_uint_eq(written, len);
    io_queue_free(queue);
    free(buffers);
}

START_TEST(one_queue_copies_from_file_to_file)
{
    for (size_t i = 0; i < 6; i++) {
        size_t len = FILE_BYTES + (i % 2) * 1234, got;
        struct io *from = open_pattern(len), *to = open_empty("g");
        uint8_t *bytes;

        copy_through(from, to, len, both_kinds[i / 3], ways[i % 3]);
        ck_assert_int_eq(io_flush(to, NULL), QED_OK);
        bytes = unit_read_file("g", &got);
        ck_assert_uint_eq(got, len);
        for (size_t at = 0; at < len; at++) {
            if (bytes[at] != pattern(at))
                ck_abort_msg("way %zu: byte %zu", i, at);
        }
        free(bytes);
        io_close(from);
        io_close(to);
    }
}
END_TEST

/* Write at random places, aligned or not, and keep a model; requests in flight do not overlap. */
static void write_all_over(struct io *io, enum io_queue_kind kind, enum io_queue_access access,
                           uint8_t *model)
{
    struct unit_random random = {(uint64_t)kind * 3 + access};
    struct io_request requests[DEPTH], *request;
    uint64_t share = FILE_BYTES / DEPTH;
    struct io_queue *queue = NULL;
    unsigned int file, started = 0;
    uint8_t *buffers = io_queue_buffer(DEPTH * REQUEST_BYTES);

    ck_assert_ptr_nonnull(buffers);
    ck_assert_int_eq(io_queue_new(&queue, io, kind, DEPTH, false, NULL), QED_OK);
    ck_assert_int_eq(io_queue_add(queue, io, access, &file, NULL), QED_OK);
    for (size_t i = 0; i < DEPTH; i++)
        requests[i] = (struct io_request){.buffer = buffers + i * REQUEST_BYTES};
    for (request = requests; request; request = io_queue_wait(queue)) {
        size_t first = request - requests, last = started == 0 ? DEPTH : first + 1;

        ck_assert_int_eq(request->status, QED_OK);
        for (size_t i = first; i < last && started < 300; i++, started++) {
            uint64_t off = unit_random_below(&random, share - REQUEST_BYTES);
            size_t len = (size_t)unit_random_below(&random, REQUEST_BYTES + 1);

            if (started % 4 < 2) {
                off -= off % IO_DIRECT_ALIGN;
                len = started % 4 ? REQUEST_BYTES : IO_DIRECT_ALIGN;
            }
            off += i * share;
            memset(requests[i].buffer, (int)started, len);
            memset(model + off, (int)started, len);
            requests[i].len = len;
            requests[i].file_off = off;
            requests[i].file = started % 3 ? file : 0;
            requests[i].is_write = true;
            io_queue_submit(queue, &requests[i]);
        }
    }
    ck_assert_uint_eq(started, 300);
    io_queue_free(queue);
    free(buffers);
}

static void check_model(struct io *io, const uint8_t *model)
{
    uint8_t *bytes = malloc(FILE_BYTES);

    ck_assert_ptr_nonnull(bytes);
    ck_assert_int_eq(io_read(io, bytes, FILE_BYTES, 0, NULL), QED_OK);
    ck_assert(memcmp(bytes, model, FILE_BYTES) == 0);
    free(bytes);
}

START_TEST(every_kind_of_queue_writes_what_it_was_given)
{
    for (size_t i = 0; i < 6; i++) {
        struct io *io = open_empty("g"), *memory = io_mem_new(FILE_BYTES);
        uint8_t *model = calloc(2, FILE_BYTES);

        ck_assert_ptr_nonnull(model);
        ck_assert_int_eq(io_set_length(io, FILE_BYTES, NULL), QED_OK);
        write_all_over(io, both_kinds[i / 3], ways[i % 3], model);
        check_model(io, model);
        write_all_over(memory, both_kinds[i / 3], ways[i % 3], model + FILE_BYTES);
        check_model(memory, model + FILE_BYTES);
        free(model);
        io_close(memory);
        io_close(io);
    }
}
END_TEST

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
    (void)number;
    signals++;
}

START_TEST(signals_do_not_cut_anything_short)
{
    struct sigaction action = {.sa_handler = count_signal}; /* no SA_RESTART */
    struct itimerval often = {{0, 200}, {0, 200}}, never = {0};
    struct io *io = open_empty("g");
    uint8_t *model = calloc(1, FILE_BYTES);

    ck_assert_ptr_nonnull(model);
    ck_assert_int_eq(io_set_length(io, FILE_BYTES, NULL), QED_OK);
    ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
    ck_assert_int_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
    for (size_t i = 0; i < 6 || signals < 20; i++)
        write_all_over(io, both_kinds[i % 2], ways[i % 3], model);
    ck_assert_int_eq(setitimer(ITIMER_REAL, &never, NULL), 0);
    check_model(io, model);
    free(model);
    io_close(io);
}
END_TEST

/* The one request that is written, of len bytes of 0x77. */
static struct io_request write_one(struct io *io, enum io_queue_kind kind,
                                   enum io_queue_access access, uint64_t file_off, size_t len)
{
    struct io_request request = {.len = len, .file_off = file_off, .is_write = true};
    struct io_queue *queue = NULL;

    request.buffer = io_queue_buffer(len);
    ck_assert_ptr_nonnull(request.buffer);
    memset(request.buffer, 0x77, len);
    ck_assert_int_eq(io_queue_new(&queue, io, kind, 1, false, NULL), QED_OK);
    ck_assert_int_eq(io_queue_add(queue, io, access, &request.file, NULL), QED_OK);
    io_queue_submit(queue, &request);
    ck_assert_ptr_eq(io_queue_wait(queue), &request);
    ck_assert_ptr_null(io_queue_wait(queue));
    io_queue_free(queue);
    free(request.buffer);
    return request;
}

START_TEST(a_write_cut_short_is_finished_or_fails_with_the_reason)
{
    for (size_t i = 0; i < 6; i++) {
        void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
        struct io *io = open_empty("g");
        struct rlimit before, limit;
        struct io_request request;
        uint64_t length;

        ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
        limit = before;
        limit.rlim_cur = 20000;
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
        request = write_one(io, both_kinds[i / 3], ways[i % 3], 0, 65536);
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
        signal(SIGXFSZ, handler);
        ck_assert_int_eq(request.status, QED_ERR_IO);
        ck_assert_int_eq(request.sys_errno, EFBIG);
        ck_assert_int_eq(io_get_length(io, &length, NULL), QED_OK);
        ck_assert_uint_eq(length, 20000);
        io_close(io);
    }
}
END_TEST

START_TEST(a_failure_to_write_is_told_by_the_request)
{
    struct io *memory = io_mem_new(8192), *fault, *io = NULL;
    struct io_fault_plan plan = {.fail_at = 1, .code = QED_ERR_NO_SPACE};
    struct io_request request;

    fault = io_fault_new(memory, &plan);
    ck_assert_int_eq(write_one(fault, IO_QUEUE_AUTO, IO_QUEUE_BUFFERED, 0, 512).status,
                     QED_ERR_NO_SPACE);
    ck_assert_int_eq(write_one(fault, IO_QUEUE_AUTO, IO_QUEUE_BUFFERED, 0, 512).status, QED_OK);
    io_close(fault);
    io_close(memory);

    unit_write_file("f", "x", 1);
    ck_assert_int_eq(io_file_open(&io, "f", false, NULL, NULL), QED_OK);
    for (size_t i = 0; i < 6; i++) {
        request = write_one(io, both_kinds[i / 3], ways[i % 3], 0, 4096);
        ck_assert_int_eq(request.status, QED_ERR_IO);
        ck_assert_int_eq(request.sys_errno, EBADF);
        request = write_one(io, both_kinds[i / 3], ways[i % 3], UINT64_MAX - 4095, 4096);
        ck_assert_int_eq(request.status, QED_ERR_INVALID);
    }
    io_close(io);
}
END_TEST

#define THREADS 4

struct share {
    pthread_t thread;
    struct io *io;
    enum io_queue_kind kind;
    uint64_t file_off;
    bool failed;
};

/* Write the pattern into this thread's share of the file, with a queue of its own. */
static void *write_share(void *context)
{
    struct share *share = context;
    struct io_request requests[DEPTH] = {0};
    struct io_queue *queue = NULL;
    unsigned int file;
    uint8_t *bytes = io_queue_buffer(FILE_BYTES / THREADS);

    share->failed = !bytes ||
                    io_queue_new(&queue, share->io, share->kind, DEPTH, false, NULL) < 0 ||
                    io_queue_add(queue, share->io, IO_QUEUE_DIRECT_WRITE, &file, NULL) < 0;
    for (size_t i = 0; !share->failed && i < FILE_BYTES / THREADS; i++)
        bytes[i] = pattern(share->file_off + i);
    for (size_t i = 0; !share->failed && i < DEPTH; i++) {
        requests[i].len = FILE_BYTES / THREADS / DEPTH;
        requests[i].buffer = bytes + i * requests[i].len;
        requests[i].file_off = share->file_off + i * requests[i].len;
        requests[i].file = file;
        requests[i].is_write = true;
        io_queue_submit(queue, &requests[i]);
    }
    for (struct io_request *done; !share->failed && (done = io_queue_wait(queue));)
        share->failed = done->status < 0;
    io_queue_free(queue);
    free(bytes);
    return NULL;
}

START_TEST(threads_with_queues_of_their_own_write_one_file)
{
    for (size_t i = 0; i < 2; i++) {
        struct io *io = open_empty("g");
        struct share shares[THREADS];
        uint8_t *model = malloc(FILE_BYTES);

        ck_assert_ptr_nonnull(model);
        for (size_t at = 0; at < FILE_BYTES; at++)
            model[at] = pattern(at);
        for (size_t t = 0; t < THREADS; t++) {
            shares[t] = (struct share){
                .io = io, .kind = both_kinds[i], .file_off = t * (FILE_BYTES / THREADS)};
            ck_assert_int_eq(pthread_create(&shares[t].thread, NULL, write_share, &shares[t]), 0);
        }
        for (size_t t = 0; t < THREADS; t++) {
            pthread_join(shares[t].thread, NULL);
            ck_assert(!shares[t].failed);
        }
        check_model(io, model);
        free(model);
        io_close(io);
    }
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("io_queue");

    unit_use_folder(tests);
    tcase_add_test(tests, every_kind_of_queue_reads_what_the_file_holds);
    tcase_add_test(tests, a_queue_says_what_it_is);
    tcase_add_test(tests, the_last_sector_is_filled_up_and_nothing_behind_it);
    tcase_add_test(tests, a_failure_to_read_is_told_by_the_request);
    tcase_add_test(tests, one_queue_copies_from_file_to_file);
    tcase_add_test(tests, every_kind_of_queue_writes_what_it_was_given);
    tcase_add_test(tests, signals_do_not_cut_anything_short);
    tcase_add_test(tests, a_write_cut_short_is_finished_or_fails_with_the_reason);
    tcase_add_test(tests, a_failure_to_write_is_told_by_the_request);
    tcase_add_test(tests, threads_with_queues_of_their_own_write_one_file);
    return unit_run(tests);
}
