/*
 * Opening an image, its header flags, and QED as a driver.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed.h"

#include "format/driver.h"
#include "support/io_fault.h"
#include "support/io_mem.h"
#include "support/unit.h"

#define FEATURES_AT 16
#define AUTOCLEAR_AT 32

static struct io *small_image(uint64_t features)
{
    struct unit_image spec = {.image_size = 1 << 20, .features = features};

    return unit_image_new(&spec);
}

START_TEST(opening_changes_nothing)
{
    struct io *io = small_image(QED_FEATURE_NEED_CHECK), *before;

    unit_put64(io, AUTOCLEAR_AT, UINT64_MAX);
    before = io_mem_copy(io);
    for (int writable = 0; writable < 2; writable++) {
        struct qed_image *image = unit_open(io, writable);

        ck_assert(qed_needs_check(image));
        ck_assert_int_eq(image->writable, writable);
        qed_close(image);
        ck_assert(io_mem_equal(io, before));
    }
    qed_close(NULL);
    io_close(before);
    io_close(io);
}
END_TEST

START_TEST(unknown_autoclear_bits_are_cleared_durably)
{
    struct io *io = small_image(0);
    struct qed_image *image;

    unit_put64(io, AUTOCLEAR_AT, UINT64_C(0xf0) << 56);
    image = unit_open(io, true);
    io_mem_reset_counts(io);
    ck_assert_int_eq(qed_set_autoclear(image, 0, NULL), QED_OK);
    ck_assert_uint_eq(unit_get64(io, AUTOCLEAR_AT), 0);
    ck_assert_uint_eq(image->header.autoclear_features, 0);
    ck_assert_uint_eq(io_mem_counts(io).writes, 1);
    ck_assert_uint_eq(io_mem_counts(io).flushes, 1);
    ck_assert_int_eq(qed_set_autoclear(image, 0, NULL), QED_OK);
    ck_assert_uint_eq(io_mem_counts(io).writes, 1);
    qed_close(image);
    io_close(io);
}
END_TEST

START_TEST(autoclear_bits_that_could_not_be_cleared_are_cleared_again)
{
    for (size_t fail_at = 1; fail_at <= 2; fail_at++) {
        struct io *io = small_image(0);
        struct io_fault_plan plan = {
            .kinds = IO_FAULT_CHANGES, .fail_at = fail_at, .code = QED_ERR_IO};
        struct io *fault = io_fault_new(io, &plan);
        struct qed_image *image;

        unit_put64(io, AUTOCLEAR_AT, 8);
        image = unit_open(fault, true);
        ck_assert_int_eq(qed_set_autoclear(image, 0, NULL), QED_ERR_IO);
        ck_assert_int_eq(qed_set_autoclear(image, 0, NULL), QED_OK);
        ck_assert_uint_eq(unit_get64(io, AUTOCLEAR_AT), 0);
        ck_assert_uint_eq(io_mem_counts(io).flushes, 1);
        qed_close(image);
        io_close(fault);
        io_close(io);
    }
}
END_TEST

START_TEST(the_dirty_flag_is_flushed_and_written_only_when_it_changes)
{
    struct io *io = small_image(0);
    struct qed_image *image = unit_open(io, true);

    io_mem_reset_counts(io);
    ck_assert_int_eq(qed_set_need_check(image, false, NULL), QED_OK);
    ck_assert_uint_eq(io_mem_counts(io).writes, 0);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(qed_set_need_check(image, true, NULL), QED_OK);
        ck_assert(qed_needs_check(image));
        ck_assert_uint_eq(unit_get64(io, FEATURES_AT), QED_FEATURE_NEED_CHECK);
        ck_assert_uint_eq(io_mem_counts(io).writes, 1);
        ck_assert_uint_eq(io_mem_counts(io).flushes, 1);
    }
    ck_assert_int_eq(qed_set_need_check(image, false, NULL), QED_OK);
    ck_assert(!qed_needs_check(image));
    ck_assert_uint_eq(unit_get64(io, FEATURES_AT), 0);
    ck_assert_uint_eq(io_mem_counts(io).flushes, 2);
    qed_close(image);
    io_close(io);
}
END_TEST

START_TEST(other_header_fields_survive_the_dirty_flag)
{
    struct io *io = small_image(QED_FEATURE_BACKING_NO_PROBE);
    struct qed_image *image;

    unit_put64(io, 24, UINT64_C(0x123456789));
    image = unit_open(io, true);
    ck_assert_int_eq(qed_set_need_check(image, true, NULL), QED_OK);
    ck_assert_uint_eq(unit_get64(io, 24), UINT64_C(0x123456789));
    ck_assert_uint_eq(unit_get64(io, FEATURES_AT),
                      QED_FEATURE_NEED_CHECK | QED_FEATURE_BACKING_NO_PROBE);
    qed_close(image);
    io_close(io);
}
END_TEST

START_TEST(a_dirty_flag_that_could_not_be_written_is_written_again)
{
    struct io *io = small_image(0);
    struct io_fault_plan plan = {
        .kinds = IO_FAULT_BIT(IO_FAULT_WRITE), .fail_at = 1, .code = QED_ERR_IO};
    struct io *fault = io_fault_new(io, &plan);
    struct qed_image *image = unit_open(fault, true);

    ck_assert_int_eq(qed_set_need_check(image, true, NULL), QED_ERR_IO);
    ck_assert(!qed_needs_check(image));
    ck_assert_int_eq(qed_set_need_check(image, true, NULL), QED_OK);
    ck_assert_uint_eq(unit_get64(io, FEATURES_AT), QED_FEATURE_NEED_CHECK);
    qed_close(image);
    io_close(fault);
    io_close(io);
}
END_TEST

START_TEST(a_dirty_flag_that_could_not_be_flushed_is_flushed_again)
{
    struct io *io = small_image(0);
    struct io_fault_plan plan = {
        .kinds = IO_FAULT_BIT(IO_FAULT_FLUSH), .fail_at = 1, .code = QED_ERR_IO};
    struct io *fault = io_fault_new(io, &plan);
    struct qed_image *image = unit_open(fault, true);

    ck_assert_int_eq(qed_set_need_check(image, true, NULL), QED_ERR_IO);
    ck_assert_uint_eq(io_mem_counts(io).flushes, 0);
    ck_assert_int_eq(qed_set_need_check(image, true, NULL), QED_OK);
    ck_assert_uint_eq(io_mem_counts(io).flushes, 1);
    qed_close(image);
    io_close(fault);
    io_close(io);
}
END_TEST

START_TEST(a_dirty_flag_that_may_have_been_cleared_is_set_again)
{
    struct io *io = small_image(0);
    struct io_fault_plan plan = {
        .kinds = IO_FAULT_BIT(IO_FAULT_FLUSH), .fail_at = 2, .code = QED_ERR_IO};
    struct io *fault = io_fault_new(io, &plan);
    struct qed_image *image = unit_open(fault, true);

    ck_assert_int_eq(qed_set_need_check(image, true, NULL), QED_OK);
    ck_assert_int_eq(qed_set_need_check(image, false, NULL), QED_ERR_IO);
    ck_assert_int_eq(qed_set_need_check(image, true, NULL), QED_OK);
    ck_assert_uint_eq(unit_get64(io, FEATURES_AT), QED_FEATURE_NEED_CHECK);
    ck_assert_uint_eq(io_mem_counts(io).flushes, 2);
    qed_close(image);
    io_close(fault);
    io_close(io);
}
END_TEST

START_TEST(every_failure_to_open_is_passed_on)
{
    struct io *io = small_image(0);
    bool failed = true;

    for (size_t fail_at = 1; failed; fail_at++) {
        struct io_fault_plan plan = {.fail_at = fail_at, .code = QED_ERR_IO};
        struct io *fault = io_fault_new(io, &plan);
        struct qed_image *image = NULL;
        int ret = qed_open(&image, fault, true, NULL);

        failed = io_fault_happened(fault);
        ck_assert_int_eq(ret, failed ? QED_ERR_IO : QED_OK);
        ck_assert_int_eq(image != NULL, !failed);
        qed_close(image);
        io_close(fault);
        ck_assert(failed || fail_at > 2);
    }
    io_close(io);
}
END_TEST

START_TEST(the_driver_tells_what_the_header_says)
{
    struct io *io = small_image(QED_FEATURE_BACKING_FILE | QED_FEATURE_BACKING_NO_PROBE);
    struct extent run;
    void *state = NULL;

    unit_put64(io, 56, UINT64_C(4) << 32 | 200);
    ck_assert_int_eq(io_write(io, "base", 4, 200, NULL), QED_OK);
    ck_assert_int_eq(qed_driver.open(&state, io, false, NULL), QED_OK);
    ck_assert_str_eq(qed_driver.name, "qed");
    ck_assert_uint_eq(qed_driver.virtual_size(state), 1 << 20);
    ck_assert_str_eq(qed_driver.backing_name(state), "base");
    ck_assert(qed_driver.backing_is_raw(state));
    ck_assert_int_eq(qed_driver.next_run(state, 512, 4096, &run, NULL), QED_OK);
    ck_assert_int_eq(run.kind, EXTENT_UNALLOCATED);
    ck_assert_uint_eq(run.length, 4096);
    qed_driver.close(state);
    qed_driver.close(NULL);
    io_close(io);
}
END_TEST

START_TEST(the_driver_refuses_what_is_no_qed_image)
{
    struct io *io = io_mem_new(1 << 20);
    void *state = NULL;

    ck_assert_int_eq(qed_driver.open(&state, io, false, NULL), QED_ERR_FORMAT);
    ck_assert_ptr_null(state);
    io_close(io);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("qed");

    tcase_add_test(tests, opening_changes_nothing);
    tcase_add_test(tests, unknown_autoclear_bits_are_cleared_durably);
    tcase_add_test(tests, autoclear_bits_that_could_not_be_cleared_are_cleared_again);
    tcase_add_test(tests, the_dirty_flag_is_flushed_and_written_only_when_it_changes);
    tcase_add_test(tests, other_header_fields_survive_the_dirty_flag);
    tcase_add_test(tests, a_dirty_flag_that_could_not_be_written_is_written_again);
    tcase_add_test(tests, a_dirty_flag_that_could_not_be_flushed_is_flushed_again);
    tcase_add_test(tests, a_dirty_flag_that_may_have_been_cleared_is_set_again);
    tcase_add_test(tests, every_failure_to_open_is_passed_on);
    tcase_add_test(tests, the_driver_tells_what_the_header_says);
    tcase_add_test(tests, the_driver_refuses_what_is_no_qed_image);
    return unit_run(tests);
}
