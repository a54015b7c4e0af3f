/*
 * Reserved space and stored zeroes: what reads back, what is taken, and what is refused.
 * SPDX-License-Identifier: MIT
 */
#include "io/io_space.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "io/io_file.h"
#include "support/io_fault.h"
#include "support/io_mem.h"
#include "support/unit.h"

#define MIB (UINT64_C(1) << 20)

typedef int zero_fn(struct io *io, uint64_t file_off, uint64_t len, struct qed_error *error);

static struct io *open_file(void)
{
    struct io *io = NULL;

    unit_write_file("f", "", 0);
    ck_assert_int_eq(io_file_open(&io, "f", true, NULL, NULL), QED_OK);
    return io;
}

static uint64_t taken(struct io *io)
{
    struct stat st;

    ck_assert_int_eq(io_flush(io, NULL), QED_OK);
    ck_assert_int_eq(stat("f", &st), 0);
    return (uint64_t)st.st_blocks * 512;
}

START_TEST(reserved_space_is_taken_and_reads_as_zeroes)
{
    struct io *io = open_file();
    uint8_t bytes[4096];
    uint64_t length;
    int ret;

    ck_assert_int_eq(io_write(io, "stays", 5, 100, NULL), QED_OK);
    ret = io_allocate(io, 0, 2 * MIB, NULL);
    if (ret == QED_ERR_UNSUPPORTED) { /* the file system of this folder has no fallocate */
        io_close(io);
        return;
    }
    ck_assert_int_eq(ret, QED_OK);
    ck_assert_int_eq(io_get_length(io, &length, NULL), QED_OK);
    ck_assert_uint_eq(length, 2 * MIB);
    ck_assert_uint_ge(taken(io), 2 * MIB);
    ck_assert_int_eq(io_read(io, bytes, sizeof(bytes), 0, NULL), QED_OK);
    ck_assert_mem_eq(bytes + 100, "stays", 5);
    ck_assert_mem_eq(bytes + 105, (uint8_t[64]){0}, 64);
    ck_assert_int_eq(io_allocate(io, MIB, 0, NULL), QED_OK);
    ck_assert_int_eq(io_allocate(io, MIB, 5, NULL), QED_OK);
    ck_assert_int_eq(io_get_length(io, &length, NULL), QED_OK);
    ck_assert_uint_eq(length, 2 * MIB);
    io_close(io);
}
END_TEST

/* All three ways to zero, with a model of the bytes. */
static void check_zeroing(zero_fn *zero)
{
    static const struct {
        uint64_t off, len;
    } ranges[] = {{0, 1}, {4095, 2}, {8192, 65536}, {100000, 77777}, {299999, 1}, {300000, 0}};
    size_t size = 300000;
    uint8_t *bytes = malloc(size), *expected = malloc(size);
    struct io *io = open_file();
    uint64_t length;

    ck_assert(bytes && expected);
    memset(expected, 0x77, size);
    ck_assert_int_eq(io_write(io, expected, size, 0, NULL), QED_OK);
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        ck_assert_int_eq(zero(io, ranges[i].off, ranges[i].len, NULL), QED_OK);
        memset(expected + ranges[i].off, 0, ranges[i].len);
        ck_assert_int_eq(io_read(io, bytes, size, 0, NULL), QED_OK);
        ck_assert(memcmp(bytes, expected, size) == 0);
    }
    ck_assert_int_eq(io_get_length(io, &length, NULL), QED_OK);
    ck_assert_uint_eq(length, size);
    io_close(io);
    free(bytes);
    free(expected);
}

START_TEST(zeroed_ranges_read_as_zeroes_and_nothing_else_changes)
{
    check_zeroing(io_zero);
    check_zeroing(io_zero_allocated);
    check_zeroing(io_write_zeroes);
}
END_TEST

START_TEST(stored_zeroes_take_up_space_in_holes_too)
{
    static zero_fn *const ways[] = {io_zero_allocated, io_write_zeroes};

    for (size_t i = 0; i < 2; i++) {
        struct io *io = open_file();

        ck_assert_int_eq(io_set_length(io, 4 * MIB, NULL), QED_OK);
        unit_fill(io, MIB, MIB, 1);
        ck_assert_int_eq(ways[i](io, 0, 3 * MIB, NULL), QED_OK);
        ck_assert_uint_ge(taken(io), 3 * MIB);
        ck_assert_uint_lt(taken(io), 4 * MIB);
        io_close(io);
    }
}
END_TEST

START_TEST(written_zeroes_make_the_file_longer)
{
    struct io *io = open_file(), *memory = io_mem_new(10);
    uint64_t length;

    ck_assert_int_eq(io_write_zeroes(io, 5, 200000, NULL), QED_OK);
    ck_assert_int_eq(io_get_length(io, &length, NULL), QED_OK);
    ck_assert_uint_eq(length, 200005);
    ck_assert_int_eq(io_write_zeroes(memory, 5, 200000, NULL), QED_OK);
    ck_assert_int_eq(io_get_length(memory, &length, NULL), QED_OK);
    ck_assert_uint_eq(length, 200005);
    io_close(memory);
    io_close(io);
}
END_TEST

START_TEST(what_is_no_file_is_written_to)
{
    struct io *memory = io_mem_new(8192);
    uint8_t bytes[8192], expected[8192];

    memset(expected, 3, sizeof(expected));
    ck_assert_int_eq(io_write(memory, expected, sizeof(expected), 0, NULL), QED_OK);
    ck_assert_int_eq(io_zero_allocated(memory, 1000, 5000, NULL), QED_OK);
    memset(expected + 1000, 0, 5000);
    ck_assert_int_eq(io_read(memory, bytes, sizeof(bytes), 0, NULL), QED_OK);
    ck_assert_mem_eq(bytes, expected, sizeof(bytes));
    ck_assert_int_eq(io_allocate(memory, 0, 8192, NULL), QED_ERR_UNSUPPORTED);
    io_close(memory);
}
END_TEST

START_TEST(failures_are_told)
{
    struct io *memory = io_mem_new(1 << 20), *io = NULL;
    struct io_fault_plan plan = {.fail_at = 3, .code = QED_ERR_NO_SPACE};
    struct io *fault = io_fault_new(memory, &plan);
    struct qed_error error = QED_ERROR_INIT;

    ck_assert_int_eq(io_write_zeroes(fault, 0, 1 << 20, &error), QED_ERR_NO_SPACE);
    ck_assert_int_eq(error.code, QED_ERR_NO_SPACE);
    io_close(fault);
    io_close(memory);

    unit_write_file("g", "x", 1);
    ck_assert_int_eq(io_file_open(&io, "g", false, NULL, NULL), QED_OK);
    ck_assert_int_eq(io_allocate(io, 0, 4096, &error), QED_ERR_IO);
    ck_assert_int_eq(error.sys_errno, EBADF);
    ck_assert_int_eq(io_zero_allocated(io, 0, 1, &error), QED_ERR_IO);
    ck_assert_int_eq(io_write_zeroes(io, 0, 1, &error), QED_ERR_IO);
    ck_assert_int_eq(io_allocate(io, 1, INT64_MAX, NULL), QED_ERR_INVALID);
    ck_assert_int_eq(io_zero_allocated(io, UINT64_MAX, 2, NULL), QED_ERR_INVALID);
    ck_assert_int_eq(io_write_zeroes(io, UINT64_MAX, 2, NULL), QED_ERR_INVALID);
    io_close(io);
}
END_TEST

START_TEST(a_file_that_may_not_grow_is_told)
{
    struct rlimit before, limit;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    struct qed_error error = QED_ERROR_INIT;
    struct io *io = open_file();
    int ret;

    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = MIB;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ret = io_allocate(io, 0, 2 * MIB, &error);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
    if (ret != QED_ERR_UNSUPPORTED) {
        ck_assert_int_eq(ret, QED_ERR_IO);
        ck_assert_int_eq(error.sys_errno, EFBIG);
    }
    io_close(io);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("io_space");

    unit_use_folder(tests);
    tcase_add_test(tests, reserved_space_is_taken_and_reads_as_zeroes);
    tcase_add_test(tests, zeroed_ranges_read_as_zeroes_and_nothing_else_changes);
    tcase_add_test(tests, stored_zeroes_take_up_space_in_holes_too);
    tcase_add_test(tests, written_zeroes_make_the_file_longer);
    tcase_add_test(tests, what_is_no_file_is_written_to);
    tcase_add_test(tests, failures_are_told);
    tcase_add_test(tests, a_file_that_may_not_grow_is_told);
    return unit_run(tests);
}
