/*
 * Queues of reads: every request is finished once, with what the file holds.
 * SPDX-License-Identifier: MIT
 */
#include "io/io_queue.h"

#include <stdlib.h>
#include <string.h>

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
    read_all_over(io, IO_QUEUE_SYNC, false, false);
    read_all_over(io, IO_QUEUE_SYNC, true, true);
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

int main(void)
{
    TCase *tests = tcase_create("io_queue");

    unit_use_folder(tests);
    tcase_add_test(tests, every_kind_of_queue_reads_what_the_file_holds);
    tcase_add_test(tests, a_queue_says_what_it_is);
    tcase_add_test(tests, the_last_sector_is_filled_up_and_nothing_behind_it);
    tcase_add_test(tests, a_failure_to_read_is_told_by_the_request);
    return unit_run(tests);
}
