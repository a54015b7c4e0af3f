/*
 * Windowed writes are writes; what is behind them starts in order, is waited for in order, and
 * tells its errors. The kernel's call is this test's own, in front of the real one.
 * SPDX-License-Identifier: MIT
 */
#include "io/io_window.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

#include "io/io_cache.h"
#include "io/io_file.h"
#include "support/io_fault.h"
#include "support/io_mem.h"
#include "support/unit.h"

#define MIB ((size_t)1 << 20)
#define CALLS_MAX 256

struct call {
    uint64_t file_off, len;
    bool waits;
};

static struct call calls[CALLS_MAX];
static size_t call_count, fail_at; /* the call that fails, from 1 on */
static int fail_with;

int __real_sync_file_range(int fd, off_t offset, off_t count, unsigned int flags);
int __wrap_sync_file_range(int fd, off_t offset, off_t count, unsigned int flags);

int __wrap_sync_file_range(int fd, off_t offset, off_t count, unsigned int flags)
{
    ck_assert_uint_lt(call_count, CALLS_MAX);
    calls[call_count++] =
        (struct call){(uint64_t)offset, (uint64_t)count, (flags & SYNC_FILE_RANGE_WAIT_AFTER) != 0};
    ck_assert(flags & SYNC_FILE_RANGE_WRITE);
    if (call_count == fail_at) {
        errno = fail_with;
        return -1;
    }
    return __real_sync_file_range(fd, offset, count, flags);
}

static struct io *open_empty(void)
{
    struct io *io = NULL;

    unit_write_file("f", "", 0);
    ck_assert_int_eq(io_file_open(&io, "f", true, NULL, NULL), QED_OK);
    return io;
}

/* Bytes in so many pieces one after the other from file_off on, until one fails. */
static int write_pieces(struct io_window *window, uint64_t file_off, size_t pieces,
                        struct qed_error *error)
{
    uint8_t *bytes = unit_mixed(1, MIB);
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < pieces; i++)
        ret = io_window_write(window, bytes, MIB, file_off + i * MIB, error);
    free(bytes);
    return ret;
}

static void check_written_anywhere(bool keeps)
{
    struct unit_random random = {3};
    uint8_t *expected = calloc(1, 40 * MIB), *bytes = malloc(40 * MIB);
    struct io *io = open_empty();
    struct io_window window = {.io = io, .keeps = keeps};

    ck_assert(expected && bytes);
    for (int i = 0; i < 120; i++) {
        size_t len = (size_t)unit_random_below(&random, i % 3 ? 3 * MIB : 5000);
        uint64_t off = unit_random_below(&random, 36 * MIB);

        memset(expected + off, i + 1, len);
        ck_assert_int_eq(io_window_write(&window, expected + off, len, off, NULL), QED_OK);
    }
    memcpy(expected + 40 * MIB - 3, "end", 3);
    ck_assert_int_eq(io_window_write(&window, "end", 3, 40 * MIB - 3, NULL), QED_OK);
    ck_assert_int_eq(io_flush(io, NULL), QED_OK);
    ck_assert_int_eq(io_read(io, bytes, 40 * MIB, 0, NULL), QED_OK);
    ck_assert(memcmp(bytes, expected, 40 * MIB) == 0);
    ck_assert((call_count == 0) == keeps);
    io_close(io);
    free(expected);
    free(bytes);
}

START_TEST(bytes_are_those_that_were_written)
{
    check_written_anywhere(false);
}
END_TEST

START_TEST(what_is_kept_is_left_alone)
{
    check_written_anywhere(true);
}
END_TEST

START_TEST(steps_are_started_and_waited_for_in_order)
{
    struct io *io = open_empty();
    struct io_window window = {.io = io};
    size_t started = 0, dropped = 0;

    ck_assert_int_eq(write_pieces(&window, 0, 160, NULL), QED_OK);
    for (size_t i = 0; i < call_count; i++) {
        size_t *count = calls[i].waits ? &dropped : &started;

        ck_assert_uint_eq(calls[i].file_off, *count * IO_WINDOW_STEP_BYTES);
        ck_assert_uint_eq(calls[i].len, IO_WINDOW_STEP_BYTES);
        ++*count;
        ck_assert_uint_le(started - dropped, IO_WINDOW_STEPS);
    }
    ck_assert_uint_eq(started, 39); /* the last is still gathered */
    ck_assert_uint_eq(dropped, started - IO_WINDOW_STEPS);
    io_close(io);
}
END_TEST

START_TEST(little_stays_in_memory)
{
    struct io *io = open_empty();
    struct io_window window = {.io = io};
    struct statfs st;
    uint64_t bytes;

    ck_assert_int_eq(write_pieces(&window, 0, 160, NULL), QED_OK);
    ck_assert_int_eq(statfs(".", &st), 0);
    if (st.f_type == EXT4_SUPER_MAGIC || st.f_type == XFS_SUPER_MAGIC ||
        st.f_type == BTRFS_SUPER_MAGIC) {
        ck_assert(io_cached_bytes(io, 0, 160 * MIB, &bytes));
        ck_assert_uint_le(bytes, (IO_WINDOW_STEPS + 2) * IO_WINDOW_STEP_BYTES);
    }
    io_close(io);
}
END_TEST

/* Small writes with gaps between are written out together, far ones are not. */
START_TEST(near_writes_are_one_step)
{
    struct io *io = open_empty();
    struct io_window window = {.io = io};

    for (uint64_t off = 0; off < 8 * MIB; off += 16384)
        ck_assert_int_eq(io_window_write(&window, "x", 1, off, NULL), QED_OK);
    ck_assert_uint_eq(call_count, 1);
    ck_assert_uint_gt(calls[0].len, 3 * MIB);
    ck_assert_uint_le(calls[0].len, IO_WINDOW_STEP_BYTES);
    ck_assert_int_eq(io_window_write(&window, "x", 1, 100 * MIB, NULL), QED_OK);
    ck_assert_uint_eq(call_count, 2);
    ck_assert_int_eq(io_window_write(&window, "x", 1, 0, NULL), QED_OK);
    ck_assert_uint_eq(call_count, 3);
    ck_assert_uint_eq(calls[2].file_off, 100 * MIB);
    ck_assert_uint_eq(calls[2].len, 1);
    io_close(io);
}
END_TEST

/* Single bytes so far from each other that each write starts a step, that of the write before it.
 */
static int write_far(struct io_window *window, uint64_t writes, struct qed_error *error)
{
    int ret = QED_OK;

    for (uint64_t i = 0; ret == QED_OK && i < writes; i++)
        ret = io_window_write(window, "x", 1, i * 2 * IO_WINDOW_STEP_BYTES, error);
    return ret;
}

#define FAR_WRITES (2 * IO_WINDOW_STEPS)
#define FAR_CALLS (FAR_WRITES - 1 + FAR_WRITES - 1 - IO_WINDOW_STEPS)

START_TEST(errors_of_earlier_writes_are_told)
{
    struct qed_error error = QED_ERROR_INIT;

    for (fail_at = 1; fail_at <= FAR_CALLS; fail_at++) {
        struct io *io = open_empty();
        struct io_window window = {.io = io};

        call_count = 0;
        fail_with = fail_at % 2 ? EIO : ENOSPC;
        ck_assert_int_eq(write_far(&window, FAR_WRITES, &error),
                         fail_at % 2 ? QED_ERR_IO : QED_ERR_NO_SPACE);
        ck_assert_int_eq(error.sys_errno, fail_with);
        ck_assert_uint_eq(call_count, fail_at);
        ck_assert_int_eq(write_far(&window, FAR_WRITES, NULL), QED_OK);
        io_close(io);
    }
}
END_TEST

START_TEST(refusals_and_signals_are_no_errors)
{
    static const int numbers[] = {EINVAL, ENOSYS, ESPIPE, EINTR};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        for (fail_at = 1; fail_at <= FAR_CALLS; fail_at++) {
            struct io *io = open_empty();
            struct io_window window = {.io = io};

            call_count = 0;
            fail_with = numbers[i];
            ck_assert_int_eq(write_far(&window, FAR_WRITES, NULL), QED_OK);
            ck_assert_uint_eq(call_count, FAR_CALLS + (fail_with == EINTR));
            io_close(io);
        }
    }
}
END_TEST

START_TEST(a_write_that_fails_is_told)
{
    struct qed_error error = QED_ERROR_INIT;
    struct io *below = io_mem_new(16 * MIB);

    for (size_t nth = 1; nth <= 16; nth++) {
        struct io_fault_plan plan = {
            .kinds = IO_FAULT_BIT(IO_FAULT_WRITE), .fail_at = nth, .code = QED_ERR_NO_SPACE};
        struct io *io = io_fault_new(below, &plan);
        struct io_window window = {.io = io};

        ck_assert_int_eq(write_pieces(&window, 0, 8, &error), QED_ERR_NO_SPACE);
        ck_assert(io_fault_happened(io));
        io_close(io);
    }
    ck_assert_uint_eq(call_count, 0);
    io_close(below);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("io_window");

    unit_use_folder(tests);
    tcase_add_test(tests, bytes_are_those_that_were_written);
    tcase_add_test(tests, what_is_kept_is_left_alone);
    tcase_add_test(tests, steps_are_started_and_waited_for_in_order);
    tcase_add_test(tests, little_stays_in_memory);
    tcase_add_test(tests, near_writes_are_one_step);
    tcase_add_test(tests, errors_of_earlier_writes_are_told);
    tcase_add_test(tests, refusals_and_signals_are_no_errors);
    tcase_add_test(tests, a_write_that_fails_is_told);
    return unit_run(tests);
}
