/*
 * Reads that go on past the end of a file, or up to the end of its last sector.
 * SPDX-License-Identifier: MIT
 */
#include "io/io.h"

#include <string.h>

#include "support/io_fault.h"
#include "support/io_mem.h"
#include "support/unit.h"

/* Read len bytes at file_off of a file of 100 bytes 0x11: the first `inside` are the file's. */
static void check_padded(uint64_t file_off, size_t len, size_t inside)
{
    struct io *io = io_mem_new(0);
    uint8_t bytes[64], expected[64];

    unit_fill(io, 0, 100, 0x11);
    memset(bytes, 0xee, sizeof(bytes));
    memset(expected, 0xee, sizeof(expected));
    memset(expected, 0, len);
    memset(expected, 0x11, inside);
    ck_assert_int_eq(io_read_padded(io, bytes, len, file_off, NULL), QED_OK);
    ck_assert_mem_eq(bytes, expected, sizeof(bytes));
    io_close(io);
}

START_TEST(bytes_past_the_end_read_as_zeroes)
{
    check_padded(0, 64, 64);
    check_padded(36, 64, 64);
    check_padded(37, 64, 63);
    check_padded(99, 10, 1);
    check_padded(100, 10, 0);
    check_padded(5000, 10, 0);
    check_padded(UINT64_MAX, 10, 0);
    check_padded(100, 0, 0);
}
END_TEST

START_TEST(the_last_sector_is_filled_up_and_nothing_behind_it)
{
    struct io *io = io_mem_new(0);
    uint8_t bytes[1024], expected[1024] = {0};

    unit_fill(io, 0, 1000, 0x11);
    memset(expected, 0x11, 1000);
    ck_assert_int_eq(io_read_sectors(io, bytes, 1024, 0, NULL), QED_OK);
    ck_assert_mem_eq(bytes, expected, 1024);
    ck_assert_int_eq(io_read_sectors(io, bytes, 25, 999, NULL), QED_OK);
    ck_assert_mem_eq(bytes, expected + 999, 25);
    ck_assert_int_eq(io_read_sectors(io, bytes, 24, 1000, NULL), QED_OK);
    ck_assert_mem_eq(bytes, expected + 1000, 24);
    ck_assert_int_eq(io_read_sectors(io, bytes, 512, 513, NULL), QED_ERR_SHORT_READ);
    ck_assert_int_eq(io_read_sectors(io, bytes, 1, 1024, NULL), QED_ERR_SHORT_READ);
    ck_assert_int_eq(io_read_sectors(io, bytes, 512, UINT64_MAX, NULL), QED_ERR_SHORT_READ);
    io_close(io);
}
END_TEST

START_TEST(what_tells_nothing_of_a_cache_reads_nothing_from_it)
{
    struct io *io = io_mem_new(4096);
    size_t done = 5;
    uint8_t byte;

    ck_assert(!io_read_cached(io, &byte, 1, 0, &done));
    ck_assert_uint_eq(done, 0);
    io_close(io);
}
END_TEST

START_TEST(failures_of_the_file_are_passed_on)
{
    struct io *io = io_mem_new(100);
    uint8_t byte;

    for (size_t fail_at = 1; fail_at <= 2; fail_at++) {
        struct io_fault_plan plan = {.fail_at = fail_at, .code = QED_ERR_IO};
        struct io *fault = io_fault_new(io, &plan);

        ck_assert_int_eq(io_read_padded(fault, &byte, 1, 0, NULL), QED_ERR_IO);
        io_close(fault);
    }
    io_close(io);
    io_close(NULL);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("io");

    tcase_add_test(tests, bytes_past_the_end_read_as_zeroes);
    tcase_add_test(tests, the_last_sector_is_filled_up_and_nothing_behind_it);
    tcase_add_test(tests, what_tells_nothing_of_a_cache_reads_nothing_from_it);
    tcase_add_test(tests, failures_of_the_file_are_passed_on);
    return unit_run(tests);
}
