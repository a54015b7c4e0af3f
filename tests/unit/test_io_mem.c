/*
 * The file in memory and the failing file, on which the other tests stand.
 * SPDX-License-Identifier: MIT
 */
#include "support/io_mem.h"

#include <string.h>

#include "base/checked.h"
#include "base/zero.h"
#include "support/io_fault.h"
#include "support/unit.h"

#define MODEL_BYTES (50 * IO_MEM_PAGE)

struct model {
    uint8_t bytes[MODEL_BYTES];
    uint64_t length;
};

static void check_against(struct io *io, const struct model *model)
{
    uint8_t bytes[MODEL_BYTES];
    uint64_t length, at = 0;

    ck_assert_int_eq(io_get_length(io, &length, NULL), QED_OK);
    ck_assert_uint_eq(length, model->length);
    ck_assert_int_eq(io_read(io, bytes, (size_t)length, 0, NULL), QED_OK);
    ck_assert(memcmp(bytes, model->bytes, (size_t)length) == 0);
    while (at < length) {
        struct io_run run;

        ck_assert_int_eq(io_next_run(io, at, &run, NULL), QED_OK);
        ck_assert(run.file_off == at && run.length > 0 && run.length <= length - at);
        ck_assert(run.is_data || zero_all(model->bytes + at, (size_t)run.length));
        at += run.length;
    }
}

static void random_step(struct io *io, struct model *model, struct unit_random *random)
{
    uint64_t off = unit_random_below(random, MODEL_BYTES);
    uint64_t len = unit_random_below(random, MODEL_BYTES - off);

    switch (unit_random_below(random, 4)) {
    case 0:
        ck_assert_int_eq(io_set_length(io, off, NULL), QED_OK);
        if (off < model->length)
            memset(model->bytes + off, 0, MODEL_BYTES - off);
        model->length = off;
        break;
    case 1:
        if (off > model->length)
            break;
        len = min_u64(len, model->length - off);
        ck_assert_int_eq(io_zero(io, off, len, NULL), QED_OK);
        memset(model->bytes + off, 0, len);
        break;
    default:
        len = 1 + len / 4;
        unit_fill(io, off, len, (uint8_t)len);
        memset(model->bytes + off, (uint8_t)len, len);
        model->length = max_u64(model->length, off + len);
    }
}

START_TEST(random_changes_are_what_a_plain_array_says)
{
    struct unit_random random = {_i};
    struct io *io = io_mem_new(0), *copy;
    struct model model = {.length = 0};

    for (int i = 0; i < 60; i++) {
        random_step(io, &model, &random);
        check_against(io, &model);
    }
    copy = io_mem_copy(io);
    check_against(copy, &model);
    ck_assert(io_mem_equal(io, copy));
    unit_fill(copy, 77, 1, 0x5a);
    unit_fill(io, 77, 1, 0xa5);
    ck_assert(!io_mem_equal(io, copy));
    io_close(io);
    io_close(copy);
}
END_TEST

START_TEST(copies_do_not_see_each_others_changes)
{
    struct unit_random random = {100 + (uint64_t)_i};
    static struct model models[4];
    struct io *files[4] = {io_mem_new(0)};

    memset(models, 0, sizeof(models));
    for (int i = 0; i < 30; i++)
        random_step(files[0], &models[0], &random);
    for (size_t i = 1; i < 4; i++) {
        models[i] = models[0];
        files[i] = io_mem_copy(files[i - 1]);
    }
    for (int i = 0; i < 60; i++) {
        size_t which = unit_random_below(&random, 4);

        random_step(files[which], &models[which], &random);
        for (size_t other = 0; other < 4; other++)
            check_against(files[other], &models[other]);
    }
    for (size_t i = 0; i < 4; i++) {
        io_close(files[i]);
        for (size_t other = i + 1; other < 4; other++)
            check_against(files[other], &models[other]);
    }
}
END_TEST

START_TEST(the_hash_tells_files_apart_by_length_and_bytes)
{
    struct io *io = io_mem_new(5 * IO_MEM_PAGE), *copy;
    uint64_t before = io_mem_hash(io);

    unit_fill(io, IO_MEM_PAGE, 1, 0);
    ck_assert_uint_eq(io_mem_hash(io), before);
    unit_fill(io, IO_MEM_PAGE, IO_MEM_PAGE, 7);
    ck_assert_uint_ne(io_mem_hash(io), before);
    copy = io_mem_copy(io);
    ck_assert_uint_eq(io_mem_hash(copy), io_mem_hash(io));
    unit_fill(copy, IO_MEM_PAGE + 8, 1, 8);
    ck_assert_uint_ne(io_mem_hash(copy), io_mem_hash(io));
    unit_fill(copy, IO_MEM_PAGE + 8, 1, 7);
    ck_assert_uint_eq(io_mem_hash(copy), io_mem_hash(io));
    ck_assert_int_eq(io_zero(copy, IO_MEM_PAGE, 1, NULL), QED_OK);
    ck_assert_uint_ne(io_mem_hash(copy), io_mem_hash(io));
    ck_assert_int_eq(io_zero(copy, IO_MEM_PAGE, IO_MEM_PAGE, NULL), QED_OK);
    ck_assert_uint_eq(io_mem_hash(copy), before);
    unit_fill(copy, 2 * IO_MEM_PAGE, IO_MEM_PAGE, 7); /* the same bytes elsewhere */
    ck_assert_uint_ne(io_mem_hash(copy), io_mem_hash(io));
    ck_assert_int_eq(io_set_length(copy, 6 * IO_MEM_PAGE, NULL), QED_OK);
    ck_assert_int_eq(io_zero(copy, 0, 6 * IO_MEM_PAGE, NULL), QED_OK);
    ck_assert_uint_ne(io_mem_hash(copy), before);
    io_close(copy);
    io_close(io);
}
END_TEST

START_TEST(a_file_of_terabytes_tells_its_holes)
{
    struct io *io = io_mem_new(UINT64_C(1) << 60);
    struct io_run run;

    unit_fill(io, UINT64_C(1) << 50, 1, 1);
    ck_assert_int_eq(io_next_run(io, 5, &run, NULL), QED_OK);
    ck_assert(!run.is_data);
    ck_assert_uint_eq(run.length, (UINT64_C(1) << 50) - 5);
    ck_assert_int_eq(io_next_run(io, (UINT64_C(1) << 50) + 1, &run, NULL), QED_OK);
    ck_assert(run.is_data);
    ck_assert_uint_eq(run.length, IO_MEM_PAGE - 1);
    ck_assert_int_eq(io_next_run(io, UINT64_C(1) << 60, &run, NULL), QED_OK);
    ck_assert_uint_eq(run.length, 0);
    io_close(io);
}
END_TEST

START_TEST(reads_past_the_end_are_short)
{
    struct io *io = io_mem_new(100);
    uint8_t bytes[16];

    ck_assert_int_eq(io_read(io, bytes, 16, 84, NULL), QED_OK);
    ck_assert_int_eq(io_read(io, bytes, 16, 85, NULL), QED_ERR_SHORT_READ);
    ck_assert_int_eq(io_read(io, bytes, 1, UINT64_MAX, NULL), QED_ERR_SHORT_READ);
    ck_assert_int_eq(io_zero(io, 90, 11, NULL), QED_ERR_INVALID);
    io_close(io);
}
END_TEST

START_TEST(the_chosen_operation_fails_and_leaves_the_file_alone)
{
    struct io *io = io_mem_new(8192);
    struct io_fault_plan plan = {.kinds = IO_FAULT_CHANGES, .fail_at = 2, .code = QED_ERR_NO_SPACE};
    struct io *fault = io_fault_new(io, &plan);
    uint8_t byte = 1;
    size_t count;

    ck_assert_int_eq(io_write(fault, &byte, 1, 10, NULL), QED_OK);
    ck_assert_int_eq(io_read(fault, &byte, 1, 10, NULL), QED_OK);
    ck_assert(!io_fault_happened(fault));
    ck_assert_int_eq(io_write(fault, &byte, 1, 20, NULL), QED_ERR_NO_SPACE);
    ck_assert(io_fault_happened(fault));
    ck_assert_int_eq(io_flush(fault, NULL), QED_OK);
    ck_assert_int_eq(io_read(io, &byte, 1, 20, NULL), QED_OK);
    ck_assert_uint_eq(byte, 0);
    ck_assert(io_fault_ops(fault, &count)[2].failed);
    ck_assert_uint_eq(count, 4);
    ck_assert_uint_eq(io_fault_find(fault, 0, IO_FAULT_WRITE, 20), 2);
    ck_assert_uint_eq(io_fault_find(fault, 0, IO_FAULT_WRITE, 21), SIZE_MAX);
    ck_assert_uint_eq(io_fault_find(fault, 0, IO_FAULT_FLUSH, 7), 3);
    io_close(fault);
    io_close(io);
}
END_TEST

START_TEST(failures_go_on_and_tear_when_told_to)
{
    struct io *io = io_mem_new(0);
    struct io_fault_plan plan = {
        .fail_at = 1, .code = QED_ERR_IO, .from_then_on = true, .torn = true};
    struct io *fault = io_fault_new(io, &plan);
    uint8_t bytes[2048] = {1};
    uint64_t length;

    ck_assert_int_eq(io_write(fault, bytes, sizeof(bytes), 0, NULL), QED_ERR_IO);
    ck_assert_int_eq(io_flush(fault, NULL), QED_ERR_IO);
    ck_assert_int_eq(io_set_length(fault, 5, NULL), QED_ERR_IO);
    ck_assert_int_eq(io_get_length(io, &length, NULL), QED_OK);
    ck_assert_uint_eq(length, 1024);
    io_close(fault);
    io_close(io);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("io_mem");

    tcase_add_loop_test(tests, random_changes_are_what_a_plain_array_says, 0, 10);
    tcase_add_loop_test(tests, copies_do_not_see_each_others_changes, 0, 10);
    tcase_add_test(tests, the_hash_tells_files_apart_by_length_and_bytes);
    tcase_add_test(tests, a_file_of_terabytes_tells_its_holes);
    tcase_add_test(tests, reads_past_the_end_are_short);
    tcase_add_test(tests, the_chosen_operation_fails_and_leaves_the_file_alone);
    tcase_add_test(tests, failures_go_on_and_tear_when_told_to);
    return unit_run(tests);
}
