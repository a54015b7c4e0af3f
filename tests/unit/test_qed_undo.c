/*
 * A repair is recorded and undone; what the record is not of is refused.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_undo.h"

#include "support/io_fault.h"
#include "support/io_mem.h"
#include "support/undo_case.h"
#include "support/unit.h"

#define C UNDO_CASE_CLUSTER

static void check_round_trip(unsigned int changes)
{
    struct undo_case c = undo_case_new(changes);

    undo_case_repair(&c);
    undo_case_check_undone(&c, c.image);
    undo_case_free(&c);
}

START_TEST(each_kind_of_change_is_undone_bit_for_bit)
{
    check_round_trip(0);
    for (unsigned int a = 1; a < UNDO_CASE_ALL; a *= 2) {
        for (unsigned int b = a; b < UNDO_CASE_ALL; b *= 2)
            check_round_trip(a | b);
    }
}
END_TEST

START_TEST(changes_of_all_kinds_together_are_undone)
{
    struct unit_random random = {.state = 7};

    check_round_trip(UNDO_CASE_ALL);
    for (unsigned int a = 1; a < UNDO_CASE_ALL; a *= 2)
        check_round_trip(UNDO_CASE_ALL & ~a);
    for (int i = 0; i < 300; i++)
        check_round_trip((unsigned int)unit_random_below(&random, UNDO_CASE_ALL + 1));
}
END_TEST

START_TEST(the_repair_of_these_tests_changes_what_was_planned)
{
    struct undo_case c = undo_case_new(UNDO_CASE_ALL & ~UNDO_CASE_CUT & ~UNDO_CASE_TRIM);
    uint64_t length;

    undo_case_repair(&c);
    ck_assert(!io_mem_equal(c.image, c.original));
    ck_assert_uint_eq(unit_get64(c.image, 2 * C), 2 * C * 3 + 1);
    ck_assert_uint_eq(unit_get64(c.image, 3 * C + 79 * 8), (3 * C + 79 * 8) * 3 + 1);
    ck_assert_uint_eq(unit_get64(c.image, 16), 4);
    ck_assert_uint_eq(unit_get64(c.image, 13 * C), 0);
    ck_assert_int_eq(io_get_length(c.image, &length, NULL), QED_OK);
    ck_assert_uint_eq(length, qed_plan_full_length(c.plan));
    undo_case_free(&c);
}
END_TEST

START_TEST(an_image_that_was_not_repaired_is_left_alone)
{
    for (unsigned int changes = 1; changes < 2 * UNDO_CASE_ALL; changes = changes * 2 + 1) {
        struct undo_case c = undo_case_new(changes & UNDO_CASE_ALL);
        struct io_mem_counts counts;
        bool changed = true;

        io_mem_reset_counts(c.image);
        ck_assert_int_eq(undo_case_undo(c.image, c.record, &changed, NULL), QED_OK);
        counts = io_mem_counts(c.image);
        ck_assert(!changed);
        ck_assert_uint_eq(counts.writes + counts.zeroes + counts.flushes + counts.set_lengths, 0);
        undo_case_free(&c);
    }
}
END_TEST

START_TEST(an_undo_says_what_it_did_and_can_be_run_again)
{
    struct undo_case c = undo_case_new(UNDO_CASE_ALL);
    bool changed = false;

    undo_case_repair(&c);
    ck_assert_int_eq(undo_case_undo(c.image, c.record, &changed, NULL), QED_OK);
    ck_assert(changed);
    ck_assert_int_eq(undo_case_undo(c.image, c.record, &changed, NULL), QED_OK);
    ck_assert(!changed);
    ck_assert(io_mem_equal(c.image, c.original));
    undo_case_free(&c);
}
END_TEST

START_TEST(holes_come_back_as_holes)
{
    struct undo_case c = undo_case_new(UNDO_CASE_CUT | UNDO_CASE_PUNCH);
    struct io_run before, after;

    undo_case_repair(&c);
    unit_fill(c.image, 15 * C, C / 4, 0); /* zeroes that are stored */
    undo_case_check_undone(&c, c.image);
    for (uint64_t at = 0; at < 48 * C; at += before.length) {
        ck_assert_int_eq(io_next_run(c.original, at, &before, NULL), QED_OK);
        ck_assert_int_eq(io_next_run(c.image, at, &after, NULL), QED_OK);
        if (at % C == 0 && at / C != 15) { /* in 15 a word was changed */
            ck_assert_uint_eq(before.length, after.length);
            ck_assert(before.is_data == after.is_data);
        }
        before.length = C - at % C;
    }
    undo_case_free(&c);
}
END_TEST

START_TEST(the_mark_comes_first_and_the_header_last)
{
    struct undo_case c = undo_case_new(UNDO_CASE_ALL & ~UNDO_CASE_DIRTY & ~UNDO_CASE_GARBAGE);
    const struct io_fault_op *ops;
    struct io *watched;
    size_t count, first;
    bool changed;

    undo_case_repair(&c);
    watched = io_fault_new(c.image, &(struct io_fault_plan){0});
    ck_assert_int_eq(undo_case_undo(watched, c.record, &changed, NULL), QED_OK);
    ops = io_fault_ops(watched, &count);
    for (first = 0; ops[first].kind != IO_FAULT_WRITE; first++)
        ck_assert(ops[first].kind != IO_FAULT_ZERO && ops[first].kind != IO_FAULT_SET_LENGTH);
    ck_assert_uint_eq(ops[first].file_off, 0);
    ck_assert_int_eq(ops[first + 1].kind, IO_FAULT_FLUSH);
    ck_assert_int_eq(ops[count - 1].kind, IO_FAULT_FLUSH);
    ck_assert_int_eq(ops[count - 2].kind, IO_FAULT_WRITE);
    ck_assert_uint_eq(ops[count - 2].file_off, 0);
    io_close(watched);
    undo_case_free(&c);
}
END_TEST

/* It may stand in a cache only, where one that was killed has left it. */
START_TEST(a_mark_that_is_there_is_flushed)
{
    struct undo_case c = undo_case_new(UNDO_CASE_SETTLE);
    const struct io_fault_op *ops;
    struct io *watched;
    size_t count, first = 0;
    bool changed;

    undo_case_repair(&c);
    unit_put64(c.image, 16, 2);
    watched = io_fault_new(c.image, &(struct io_fault_plan){0});
    ck_assert_int_eq(undo_case_undo(watched, c.record, &changed, NULL), QED_OK);
    ops = io_fault_ops(watched, &count);
    while (ops[first].kind != IO_FAULT_WRITE && ops[first].kind != IO_FAULT_FLUSH)
        first++;
    ck_assert_int_eq(ops[first].kind, IO_FAULT_FLUSH);
    io_close(watched);
    undo_case_free(&c);
}
END_TEST

/* Write value to the repaired image: the record is not of that any more. */
static void check_write_refused(unsigned int changes, uint64_t file_off, uint8_t value)
{
    struct undo_case c = undo_case_new(changes);

    undo_case_repair(&c);
    unit_fill(c.image, file_off, 1, value);
    undo_case_check_refused(c.image, c.record, QED_ERR_CHANGED);
    undo_case_free(&c);
}

START_TEST(an_image_that_was_written_to_since_is_refused)
{
    const unsigned int grows = UNDO_CASE_ALL & ~UNDO_CASE_CUT & ~UNDO_CASE_ODD;

    check_write_refused(UNDO_CASE_ALL, 2 * C, 0x99);       /* a word that was changed */
    check_write_refused(UNDO_CASE_ALL, 2 * C + 8, 0x99);   /* beside it */
    check_write_refused(UNDO_CASE_ALL, 4 * C + 100, 0x99); /* nothing was changed there */
    check_write_refused(UNDO_CASE_ALL, C, 0x99);           /* the L1 table */
    check_write_refused(UNDO_CASE_ALL, 48, 0x99);          /* a header field */
    check_write_refused(UNDO_CASE_ALL, 14 * C, 0x99);      /* in a hole that was punched */
    check_write_refused(UNDO_CASE_ALL, 15 * C, 0x99);      /* in one that was there before */
    check_write_refused(UNDO_CASE_ALL, 13 * C + 9, 0x99);  /* where a word was changed, too */
    check_write_refused(grows, 49 * C + 5, 0x99);          /* a copy */
    check_write_refused(grows, 55 * C, 0x99);              /* past the end */
    check_write_refused(UNDO_CASE_COPIES, 52 * C, 0);      /* past the end, a zero */
    check_write_refused(UNDO_CASE_CUT, 38 * C + 512, 0);   /* where the file was cut */
    check_write_refused(UNDO_CASE_CUT, 48 * C - 1, 0);     /* as long as it was, but empty */
}
END_TEST

START_TEST(every_word_of_the_repair_tells_of_later_writes)
{
    struct undo_case c = undo_case_new(UNDO_CASE_MIXED);

    undo_case_repair(&c);
    for (uint64_t at = 3 * C; at < 3 * C + 1024; at += 8) { /* the sectors with words */
        struct io *image = io_mem_copy(c.image);

        unit_put64(image, at, unit_get64(image, at) + 1);
        undo_case_check_refused(image, c.record, QED_ERR_CHANGED);
        io_close(image);
    }
    undo_case_free(&c);
}
END_TEST

START_TEST(the_record_of_another_image_is_refused)
{
    struct undo_case c = undo_case_new(UNDO_CASE_SETTLE);
    struct io *other = io_mem_copy(c.original);
    struct io *empty = io_mem_new(0), *longer = io_mem_copy(c.original);

    unit_fill(other, 30 * C, C, 0x77);
    undo_case_check_refused(other, c.record, QED_ERR_CHANGED);
    undo_case_check_refused(empty, c.record, QED_ERR_CHANGED);
    ck_assert_int_eq(io_set_length(longer, 48 * C + 1, NULL), QED_OK);
    undo_case_check_refused(longer, c.record, QED_ERR_CHANGED);
    unit_put64(longer, 16, 2);
    undo_case_check_refused(longer, c.record, QED_ERR_CHANGED);
    io_close(other);
    io_close(empty);
    io_close(longer);
    undo_case_free(&c);
}
END_TEST

START_TEST(a_copy_counts_only_once_the_repair_was_finished)
{
    struct undo_case c = undo_case_new(UNDO_CASE_COPIES);

    undo_case_repair(&c);
    unit_fill(c.image, 48 * C, 100, 0);
    undo_case_check_refused(c.image, c.record, QED_ERR_CHANGED);
    unit_put64(c.image, 16, 2);
    undo_case_check_undone(&c, c.image);
    undo_case_free(&c);
}
END_TEST

START_TEST(two_repairs_are_undone_one_after_the_other)
{
    struct undo_case c = undo_case_new(UNDO_CASE_ALL & ~UNDO_CASE_GARBAGE);
    struct io *after_first, *second = io_mem_new(0);
    struct qed_plan *plan = NULL;
    bool changed;

    undo_case_repair(&c);
    after_first = io_mem_copy(c.image);
    ck_assert_int_eq(qed_plan_new(&plan, c.image, NULL), QED_OK);
    ck_assert_int_eq(qed_plan_set(plan, 2 * C, 5, QED_PLAN_SETTLE, NULL), QED_OK);
    ck_assert_int_eq(qed_plan_punch(plan, 8 * C, C, NULL), QED_OK);
    qed_plan_settle(plan);
    ck_assert_int_eq(qed_undo_save(plan, c.image, second, NULL), QED_OK);
    ck_assert_int_eq(undo_case_apply(plan, c.image, NULL), QED_OK);
    undo_case_check_refused(c.image, c.record, QED_ERR_CHANGED);
    ck_assert_int_eq(undo_case_undo(c.image, second, &changed, NULL), QED_OK);
    ck_assert(io_mem_equal(c.image, after_first));
    undo_case_check_undone(&c, c.image);
    qed_plan_free(plan);
    io_close(after_first);
    io_close(second);
    undo_case_free(&c);
}
END_TEST

START_TEST(holes_of_any_length_cost_nothing)
{
    const uint64_t length = UINT64_C(1) << 60;
    struct io *image = io_mem_new(length), *original, *record = io_mem_new(0);
    struct qed_plan *plan = NULL;
    uint64_t record_length;
    bool changed;

    unit_put64(image, 40, UINT64_C(1) << 50);
    unit_put64(image, UINT64_C(1) << 50, 12345);
    unit_put64(image, UINT64_C(1) << 59, 12345);
    original = io_mem_copy(image);
    ck_assert_int_eq(qed_plan_new(&plan, image, NULL), QED_OK);
    ck_assert_int_eq(qed_plan_punch(plan, UINT64_C(1) << 40, UINT64_C(1) << 45, NULL), QED_OK);
    qed_plan_cut(plan, UINT64_C(1) << 58);
    qed_plan_settle(plan);
    ck_assert_int_eq(qed_undo_save(plan, image, record, NULL), QED_OK);
    ck_assert_int_eq(io_get_length(record, &record_length, NULL), QED_OK);
    ck_assert_uint_lt(record_length, 16384);
    ck_assert_int_eq(undo_case_apply(plan, image, NULL), QED_OK);
    ck_assert_int_eq(undo_case_undo(image, record, &changed, NULL), QED_OK);
    ck_assert(io_mem_equal(image, original));
    unit_put64(image, UINT64_C(1) << 50, 12346); /* where the header says the L1 table is */
    undo_case_check_refused(image, record, QED_ERR_CHANGED);
    qed_plan_free(plan);
    io_close(image);
    io_close(original);
    io_close(record);
}
END_TEST

START_TEST(long_runs_are_saved_in_pieces)
{
    struct io *image = io_mem_new(9 << 20), *original, *record = io_mem_new(0);
    struct qed_plan *plan = NULL;
    bool changed;

    unit_fill(image, 4096, (9 << 20) - 4096 - 77, 0xa5);
    original = io_mem_copy(image);
    ck_assert_int_eq(qed_plan_new(&plan, image, NULL), QED_OK);
    ck_assert_int_eq(qed_plan_punch(plan, 8192, 3 << 20, NULL), QED_OK);
    qed_plan_cut(plan, 4 << 20);
    qed_plan_settle(plan);
    ck_assert_int_eq(qed_undo_save(plan, image, record, NULL), QED_OK);
    ck_assert_int_eq(undo_case_apply(plan, image, NULL), QED_OK);
    ck_assert_int_eq(undo_case_undo(image, record, &changed, NULL), QED_OK);
    ck_assert(io_mem_equal(image, original));
    qed_plan_free(plan);
    io_close(image);
    io_close(original);
    io_close(record);
}
END_TEST

static void check_not_saved(uint64_t length, uint64_t punch, uint64_t punch_len, uint64_t cut)
{
    struct io *image = io_mem_new(length), *record = io_mem_new(0);
    struct qed_error error = QED_ERROR_INIT;
    struct qed_plan *plan = NULL;

    ck_assert_int_eq(qed_plan_new(&plan, image, NULL), QED_OK);
    if (punch_len)
        ck_assert_int_eq(qed_plan_punch(plan, punch, punch_len, NULL), QED_OK);
    if (cut)
        qed_plan_cut(plan, cut);
    qed_plan_settle(plan);
    ck_assert_int_eq(qed_undo_save(plan, image, record, &error), QED_ERR_INVALID);
    ck_assert_str_ne(error.text, "");
    qed_plan_free(plan);
    io_close(image);
    io_close(record);
}

START_TEST(a_plan_that_no_repair_makes_is_not_recorded)
{
    check_not_saved(511, 0, 0, 0);
    check_not_saved(10 * C, 0, 0, 256);
    check_not_saved(10 * C, 0, 0, 5 * C + 8);
    check_not_saved(10 * C, 0, C, 0);
    check_not_saved(10 * C, 2 * C + 8, C, 0);
    check_not_saved(10 * C, 2 * C, 100, 0);
}
END_TEST

/* Every failure while the record is saved is told, and says which file it is about. */
START_TEST(a_record_that_cannot_be_saved_is_told)
{
    struct undo_case c = undo_case_new(UNDO_CASE_ALL);
    bool failed = true;

    for (size_t n = 1; failed; n++) {
        struct io_fault_plan fault = {.fail_at = n, .code = QED_ERR_NO_SPACE};
        struct io *record = io_mem_new(0), *failing = io_fault_new(record, &fault);
        struct qed_error error = QED_ERROR_INIT;
        int ret = qed_undo_save(c.plan, c.image, failing, &error);

        failed = io_fault_happened(failing);
        ck_assert_int_eq(ret, failed ? QED_ERR_NO_SPACE : QED_OK);
        if (failed)
            ck_assert_str_eq(error.text, "Could not write the undo record: planned failure");
        io_close(failing);
        io_close(record);
    }
    undo_case_free(&c);
}
END_TEST

/* A block that no longer can be read is not needed to know the image by; anything else is. */
START_TEST(an_image_that_cannot_be_read_is_told_unless_it_does_not_matter)
{
    struct undo_case c = undo_case_new(UNDO_CASE_ALL);
    struct io *record = io_mem_new(0);
    size_t told = 0, n;

    for (n = 1;; n++) {
        struct io_fault_plan fault = {.fail_at = n, .code = QED_ERR_IO};
        struct io *failing = io_fault_new(c.image, &fault);
        bool happened, changed;
        int ret;

        ck_assert_int_eq(io_set_length(record, 0, NULL), QED_OK);
        ret = qed_undo_save(c.plan, failing, record, NULL);
        happened = io_fault_happened(failing);
        io_close(failing);
        if (!happened)
            break;
        told += ret == QED_ERR_IO;
        if (ret == QED_OK)
            ck_assert_int_eq(undo_case_undo(c.image, record, &changed, NULL), QED_OK);
        else
            undo_case_check_refused(c.image, record,
                                    io_mem_counts(record).writes ? QED_ERR_SHORT_READ
                                                                 : QED_ERR_FORMAT);
        io_mem_reset_counts(record);
    }
    ck_assert_uint_gt(told, n / 4);
    ck_assert_uint_lt(told, n - 20);
    io_close(record);
    undo_case_free(&c);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("qed_undo");

    tcase_add_test(tests, each_kind_of_change_is_undone_bit_for_bit);
    tcase_add_test(tests, changes_of_all_kinds_together_are_undone);
    tcase_add_test(tests, the_repair_of_these_tests_changes_what_was_planned);
    tcase_add_test(tests, an_image_that_was_not_repaired_is_left_alone);
    tcase_add_test(tests, an_undo_says_what_it_did_and_can_be_run_again);
    tcase_add_test(tests, holes_come_back_as_holes);
    tcase_add_test(tests, the_mark_comes_first_and_the_header_last);
    tcase_add_test(tests, a_mark_that_is_there_is_flushed);
    tcase_add_test(tests, an_image_that_was_written_to_since_is_refused);
    tcase_add_test(tests, every_word_of_the_repair_tells_of_later_writes);
    tcase_add_test(tests, the_record_of_another_image_is_refused);
    tcase_add_test(tests, a_copy_counts_only_once_the_repair_was_finished);
    tcase_add_test(tests, two_repairs_are_undone_one_after_the_other);
    tcase_add_test(tests, holes_of_any_length_cost_nothing);
    tcase_add_test(tests, long_runs_are_saved_in_pieces);
    tcase_add_test(tests, a_plan_that_no_repair_makes_is_not_recorded);
    tcase_add_test(tests, a_record_that_cannot_be_saved_is_told);
    tcase_add_test(tests, an_image_that_cannot_be_read_is_told_unless_it_does_not_matter);
    return unit_run(tests);
}
