/*
 * Raw images: odd lengths and holes.
 * SPDX-License-Identifier: MIT
 */
#include "format/raw.h"

#include "base/checked.h"
#include "format/driver.h"
#include "support/io_fault.h"
#include "support/io_mem.h"
#include "support/unit.h"

static void *open_raw(struct io *io)
{
    void *state = NULL;

    ck_assert_int_eq(raw_driver.open(&state, io, false, NULL), QED_OK);
    return state;
}

START_TEST(sizes_are_rounded_up_to_sectors)
{
    static const uint64_t cases[][2] = {{0, 0},     {1, 512},    {511, 512},
                                        {512, 512}, {513, 1024}, {1000000, 1000448}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct io *io = io_mem_new(cases[i][0]);
        void *state = open_raw(io);

        ck_assert_uint_eq(raw_driver.virtual_size(state), cases[i][1]);
        raw_driver.close(state);
        io_close(io);
    }
    raw_driver.close(NULL);
}
END_TEST

START_TEST(a_raw_image_has_no_backing_file)
{
    struct io *io = io_mem_new(512);
    void *state = open_raw(io);

    ck_assert_str_eq(raw_driver.name, "raw");
    ck_assert_ptr_null(raw_driver.backing_name(state));
    ck_assert(!raw_driver.backing_is_raw(state));
    raw_driver.close(state);
    io_close(io);
}
END_TEST

/* A guest offset is a file offset, also where the file has nothing. */
static void check_run(void *state, uint64_t virt_off, uint64_t max_len, enum extent_kind kind,
                      uint64_t length)
{
    struct extent run;

    ck_assert_int_eq(raw_driver.next_run(state, virt_off, max_len, &run, NULL), QED_OK);
    ck_assert_uint_eq(run.virt_off, virt_off);
    ck_assert_uint_eq(run.length, length);
    ck_assert_int_eq(run.kind, kind);
    ck_assert_uint_eq(run.depth, 0);
    ck_assert(run.has_file_off);
    ck_assert_uint_eq(run.file_off, virt_off);
}

START_TEST(data_and_holes_come_as_the_file_has_them)
{
    struct io *io = io_mem_new(65536);
    void *state;

    unit_fill(io, 8192, 4096, 1);
    state = open_raw(io);
    check_run(state, 0, 65536, EXTENT_ZERO, 8192);
    check_run(state, 100, 65536 - 100, EXTENT_ZERO, 8092);
    check_run(state, 8192, 65536 - 8192, EXTENT_DATA, 4096);
    check_run(state, 8200, 10, EXTENT_DATA, 10);
    check_run(state, 12288, 65536 - 12288, EXTENT_ZERO, 65536 - 12288);
    raw_driver.close(state);
    io_close(io);
}
END_TEST

START_TEST(the_rest_of_the_last_sector_is_zeroes)
{
    struct io *io = io_mem_new(0);
    void *state;

    unit_fill(io, 0, 1000, 1);
    state = open_raw(io);
    check_run(state, 0, 1024, EXTENT_DATA, 1000);
    check_run(state, 999, 25, EXTENT_DATA, 1);
    check_run(state, 1000, 24, EXTENT_ZERO, 24);
    check_run(state, 1010, 5, EXTENT_ZERO, 5);
    raw_driver.close(state);
    io_close(io);
}
END_TEST

START_TEST(a_file_that_was_cut_meanwhile_does_not_read_as_zeroes)
{
    struct io *io = io_mem_new(0);
    void *state;

    unit_fill(io, 0, 8192, 1);
    state = open_raw(io);
    ck_assert_int_eq(io_set_length(io, 4096, NULL), QED_OK);
    check_run(state, 4096, 4096, EXTENT_DATA, 4096); /* which cannot be read */
    raw_driver.close(state);
    io_close(io);
}
END_TEST

START_TEST(failures_of_the_file_are_passed_on)
{
    struct io *io = io_mem_new(4096);
    struct io_fault_plan first = {.fail_at = 1, .code = QED_ERR_IO};
    struct io_fault_plan second = {.fail_at = 2, .code = QED_ERR_IO};
    struct io *fault = io_fault_new(io, &first);
    struct extent run;
    void *state = NULL;

    ck_assert_int_eq(raw_driver.open(&state, fault, false, NULL), QED_ERR_IO);
    ck_assert_ptr_null(state);
    io_close(fault);
    fault = io_fault_new(io, &second);
    state = open_raw(fault);
    ck_assert_int_eq(raw_driver.next_run(state, 0, 512, &run, NULL), QED_ERR_IO);
    raw_driver.close(state);
    io_close(fault);
    io_close(io);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("raw");

    tcase_add_test(tests, sizes_are_rounded_up_to_sectors);
    tcase_add_test(tests, a_raw_image_has_no_backing_file);
    tcase_add_test(tests, data_and_holes_come_as_the_file_has_them);
    tcase_add_test(tests, the_rest_of_the_last_sector_is_zeroes);
    tcase_add_test(tests, a_file_that_was_cut_meanwhile_does_not_read_as_zeroes);
    tcase_add_test(tests, failures_of_the_file_are_passed_on);
    return unit_run(tests);
}
