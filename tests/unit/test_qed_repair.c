/*
 * The format's own repair: what is cleared, what is left alone, and in which order.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_repair.h"

#include "support/io_fault.h"
#include "support/io_mem.h"
#include "support/unit.h"

#define C UINT64_C(4096)
#define SPAN (512 * C)
#define L1 C
#define T0 (2 * C)
#define T1 (3 * C)
#define D (4 * C)

static struct io *new_image(uint64_t clusters)
{
    struct unit_image spec = {.image_size = 4 * SPAN, .clusters = clusters};
    struct io *io = unit_image_new(&spec);

    unit_put_entry(io, L1, 0, T0);
    unit_put_entry(io, L1, 1, T1);
    return io;
}

/* Check and repair; *cleared entries. Returns what the repair returned. */
static int repair(struct io *io, uint64_t *cleared)
{
    struct qed_scan_options options = {.queue = IO_QUEUE_SYNC, .threads = 1};
    struct qed_image *image = NULL;
    struct qed_check_result result;
    int ret = qed_open(&image, io, true, NULL);

    if (ret < 0)
        return ret;
    ret = qed_check(image, &options, 0, &result, NULL);
    if (ret == QED_OK)
        ret = qed_repair(image, &result, cleared, NULL);
    qed_check_release(&result);
    qed_close(image);
    return ret;
}

static void check_repair(struct io *io, uint64_t expected)
{
    uint64_t cleared = 99;

    ck_assert_int_eq(repair(io, &cleared), QED_OK);
    ck_assert_uint_eq(cleared, expected);
}

START_TEST(a_clean_image_is_not_written)
{
    struct io *io = new_image(5), *before;

    unit_put_entry(io, T0, 0, D);
    unit_put_entry(io, T0, 1, QED_ENTRY_ZERO);
    before = io_mem_copy(io);
    io_mem_reset_counts(io);
    check_repair(io, 0);
    ck_assert(io_mem_equal(io, before));
    ck_assert_uint_eq(io_mem_counts(io).writes, 0);
    io_close(before);
    io_close(io);
}
END_TEST

START_TEST(invalid_entries_are_cleared_and_valid_ones_kept)
{
    struct io *io = new_image(6);
    struct qed_image *image;

    unit_put_entry(io, L1, 2, 100 * C);
    unit_put_entry(io, L1, 3, 1);
    unit_put_entry(io, T0, 0, D);
    unit_put_entry(io, T0, 1, 6 * C);
    unit_put_entry(io, T0, 2, QED_ENTRY_ZERO);
    unit_put_entry(io, T1, 511, D + C + 8);
    unit_put_entry(io, T1, 510, D + C);
    check_repair(io, 4);
    ck_assert_uint_eq(unit_get_entry(io, L1, 0), T0);
    ck_assert_uint_eq(unit_get_entry(io, L1, 1), T1);
    ck_assert_uint_eq(unit_get_entry(io, L1, 2), 0);
    ck_assert_uint_eq(unit_get_entry(io, L1, 3), 0);
    ck_assert_uint_eq(unit_get_entry(io, T0, 0), D);
    ck_assert_uint_eq(unit_get_entry(io, T0, 1), 0);
    ck_assert_uint_eq(unit_get_entry(io, T0, 2), QED_ENTRY_ZERO);
    ck_assert_uint_eq(unit_get_entry(io, T1, 510), D + C);
    ck_assert_uint_eq(unit_get_entry(io, T1, 511), 0);
    ck_assert_uint_eq(unit_check(io).corruptions, 0);
    image = unit_open(io, true);
    ck_assert(qed_needs_check(image));
    ck_assert_int_eq(qed_repair_finish(image, NULL), QED_OK);
    ck_assert(!qed_needs_check(image));
    qed_close(image);
    ck_assert_uint_eq(unit_get64(io, 16), 0);
    io_close(io);
}
END_TEST

START_TEST(autoclear_bits_are_cleared_first)
{
    struct io *io = new_image(4);

    unit_put64(io, 32, 3);
    unit_put_entry(io, T0, 0, 100 * C);
    check_repair(io, 1);
    ck_assert_uint_eq(unit_get64(io, 32), 0);
    io_close(io);
}
END_TEST

START_TEST(a_table_that_is_used_twice_is_left_alone)
{
    struct io *io = new_image(5);

    unit_put_entry(io, L1, 2, D);
    unit_put_entry(io, T1, 3, T0); /* data on the first table */
    unit_put_entry(io, T0, 0, 100 * C);
    unit_put_entry(io, D, 0, 100 * C);
    unit_put_entry(io, T1, 0, 100 * C);
    check_repair(io, 2);
    ck_assert_uint_eq(unit_get_entry(io, T0, 0), 100 * C);
    ck_assert_uint_eq(unit_get_entry(io, D, 0), 0);
    ck_assert_uint_eq(unit_get_entry(io, T1, 0), 0);
    ck_assert_uint_eq(unit_get_entry(io, T1, 3), T0);
    io_close(io);
}
END_TEST

START_TEST(an_l1_table_that_is_used_twice_is_left_alone)
{
    struct io *io = new_image(5);

    unit_put_entry(io, T0, 3, L1); /* data on the L1 table */
    unit_put_entry(io, L1, 2, 100 * C);
    check_repair(io, 0);
    ck_assert_uint_eq(unit_get_entry(io, L1, 2), 100 * C);
    io_close(io);
}
END_TEST

START_TEST(what_makes_no_sense_is_left_alone)
{
    struct io *io = new_image(5), *before;

    unit_fill(io, L1, C, 0x5b);
    before = io_mem_copy(io);
    check_repair(io, 0);
    ck_assert(io_mem_equal(io, before));
    io_close(before);
    io_close(io);
    io = new_image(5);
    unit_fill(io, T1, C, 0x5b);
    before = io_mem_copy(io);
    check_repair(io, 0);
    ck_assert(io_mem_equal(io, before));
    io_close(before);
    io_close(io);
}
END_TEST

START_TEST(the_dirty_flag_is_durable_before_the_first_entry_and_stays)
{
    static const struct io_fault_plan no_failure = {0};
    struct io *io = new_image(4);
    struct io *record = io_fault_new(io, &no_failure);
    size_t flag, flush, entry, last_flush;

    unit_put_entry(io, T0, 0, 100 * C);
    check_repair(record, 1);
    flag = io_fault_find(record, 0, IO_FAULT_WRITE, 0);
    flush = io_fault_find(record, flag, IO_FAULT_FLUSH, 0);
    entry = io_fault_find(record, 0, IO_FAULT_WRITE, T0);
    last_flush = io_fault_find(record, entry, IO_FAULT_FLUSH, 0);
    ck_assert(flag < flush && flush < entry && entry < last_flush && last_flush != SIZE_MAX);
    ck_assert_uint_eq(io_fault_find(record, flag + 1, IO_FAULT_WRITE, 0), SIZE_MAX);
    io_close(record);
    io_close(io);
}
END_TEST

START_TEST(many_entries_are_cleared)
{
    uint64_t tables = 300; /* of 64 KiB: more than are kept in memory at once */
    struct unit_image spec = {
        .image_size = UINT64_C(8192) * C * 300, .table_size = 16, .clusters = 17 + 300 * 16};
    struct io *io = unit_image_new(&spec);

    for (uint64_t i = 0; i < tables; i++) {
        unit_put_entry(io, C, i, (17 + 16 * i) * C);
        unit_put_entry(io, (17 + 16 * i) * C, i, spec.clusters * C);
    }
    check_repair(io, tables);
    for (uint64_t i = 0; i < tables; i++) {
        if (unit_get_entry(io, (17 + 16 * i) * C, i) != 0)
            ck_abort_msg("table %u", (unsigned int)i);
    }
    ck_assert_uint_eq(unit_check(io).corruptions, 0);
    io_close(io);
}
END_TEST

START_TEST(a_repair_that_failed_can_be_done_again)
{
    bool failed = true;

    for (size_t fail_at = 1; failed; fail_at++) {
        struct io_fault_plan plan = {.fail_at = fail_at, .code = QED_ERR_IO, .torn = _i > 0};
        struct io *io = new_image(5);
        struct io *fault = io_fault_new(io, &plan);
        uint64_t cleared;
        int ret;

        unit_put_entry(io, T0, 0, D);
        unit_put_entry(io, T0, 200, 100 * C);
        unit_put_entry(io, T1, 0, 100 * C);
        unit_put_entry(io, L1, 3, 7);
        ret = repair(fault, &cleared);
        failed = io_fault_happened(fault);
        ck_assert_int_eq(ret < 0, failed);
        ck_assert_int_eq(repair(io, &cleared), QED_OK);
        ck_assert_uint_eq(unit_check(io).corruptions, 0);
        ck_assert_uint_eq(unit_check(io).allocated_clusters, 1);
        io_close(fault);
        io_close(io);
        ck_assert(failed || fail_at > 10);
    }
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("qed_repair");

    tcase_add_test(tests, a_clean_image_is_not_written);
    tcase_add_test(tests, invalid_entries_are_cleared_and_valid_ones_kept);
    tcase_add_test(tests, autoclear_bits_are_cleared_first);
    tcase_add_test(tests, a_table_that_is_used_twice_is_left_alone);
    tcase_add_test(tests, an_l1_table_that_is_used_twice_is_left_alone);
    tcase_add_test(tests, what_makes_no_sense_is_left_alone);
    tcase_add_test(tests, the_dirty_flag_is_durable_before_the_first_entry_and_stays);
    tcase_add_test(tests, many_entries_are_cleared);
    tcase_add_loop_test(tests, a_repair_that_failed_can_be_done_again, 0, 2);
    return unit_run(tests);
}
