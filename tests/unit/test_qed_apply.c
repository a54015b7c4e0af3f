/*
 * Carrying out a plan: in which order things are written, what is durable before what, and what a
 * failure leaves.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_apply.h"

#include <stdlib.h>
#include <string.h>

#include "format/qed_layout.h"
#include "support/io_fault.h"
#include "support/io_mem.h"
#include "support/unit.h"

#define C UINT64_C(4096)
#define FEATURES UINT64_C(16)
#define AUTOCLEAR UINT64_C(32)
#define FILE_END (40 * C)

static const struct io_fault_plan no_failure = {0};

/* A file whose first cluster takes the features; a letter in each other one. */
static struct io *new_file(uint64_t features)
{
    struct io *io = io_mem_new(FILE_END);

    for (uint64_t at = C; at < FILE_END; at += C)
        unit_fill(io, at, C, (uint8_t)('A' + at / C));
    unit_put64(io, FEATURES, features);
    return io;
}

static struct qed_plan *new_plan(struct io *io)
{
    struct qed_plan *plan = NULL;

    ck_assert_int_eq(qed_plan_new(&plan, io, NULL), QED_OK);
    return plan;
}

static void set(struct qed_plan *plan, uint64_t file_off, uint64_t value, enum qed_plan_step step)
{
    ck_assert_int_eq(qed_plan_set(plan, file_off, value, step, NULL), QED_OK);
}

static uint64_t copy(struct qed_plan *plan, uint64_t from)
{
    uint64_t to = 0;

    ck_assert_int_eq(qed_plan_copy(plan, from, C, C, &to, NULL), QED_OK);
    return to;
}

/* A plan with something of every kind, in distinct clusters. The copy goes to FILE_END. */
static struct qed_plan *full_plan(struct io *io)
{
    struct qed_plan *plan = new_plan(io);
    uint64_t to = copy(plan, 20 * C);

    set(plan, 2 * C, 1, QED_PLAN_SETTLE);
    set(plan, 4 * C, to, QED_PLAN_MOVE);
    set(plan, 6 * C, 0, QED_PLAN_EARLY);
    set(plan, 8 * C, 8, QED_PLAN_MEND);
    set(plan, 10 * C, 0, QED_PLAN_L1);
    set(plan, 20 * C + 8, 0, QED_PLAN_EARLY); /* in the source of the copy */
    set(plan, 20 * C + 3000, to, QED_PLAN_MOVE);
    set(plan, to + 16, 5, QED_PLAN_L1); /* in the copy */
    ck_assert_int_eq(qed_plan_punch(plan, 30 * C, C, NULL), QED_OK);
    qed_plan_settle(plan);
    return plan;
}

/* The place of the first write to file_off among the operations of record; it is there. */
static size_t written(struct io *record, uint64_t file_off)
{
    size_t at = io_fault_find(record, 0, IO_FAULT_WRITE, file_off);

    ck_assert_uint_ne(at, SIZE_MAX);
    return at;
}

/* Whether there is a flush after one operation and before another. */
static bool flushed_between(struct io *record, size_t before, size_t after)
{
    return before < after && io_fault_find(record, before, IO_FAULT_FLUSH, 0) < after;
}

START_TEST(each_step_is_durable_before_the_next)
{
    static const uint64_t order[] = {FEATURES, 10 * C,        8 * C,      6 * C, FILE_END,
                                     4 * C,    20 * C + 3000, 20 * C + 8, 2 * C};
    struct io *io = new_file(0), *record = io_fault_new(io, &no_failure);
    struct qed_plan *plan = full_plan(record);
    size_t grown, last;

    ck_assert_int_eq(qed_apply(plan, record, NULL), QED_OK);
    for (size_t i = 0; i + 1 < sizeof(order) / sizeof(order[0]); i++) {
        if (!flushed_between(record, written(record, order[i]), written(record, order[i + 1])))
            ck_abort_msg("step %zu", i);
    }
    grown = io_fault_find(record, 0, IO_FAULT_SET_LENGTH, FILE_END);
    ck_assert(flushed_between(record, written(record, 6 * C), grown));
    ck_assert_uint_lt(grown, written(record, FILE_END));
    last = written(record, 2 * C);
    ck_assert_uint_ne(io_fault_find(record, last, IO_FAULT_FLUSH, 0), SIZE_MAX);
    ck_assert_uint_eq(io_fault_find(record, 0, IO_FAULT_ZERO, 30 * C), SIZE_MAX);
    ck_assert_uint_eq(unit_get64(io, FEATURES), QED_FEATURE_NEED_CHECK);
    qed_plan_free(plan);
    io_close(record);
    io_close(io);
}
END_TEST

START_TEST(words_of_what_is_new_are_durable_with_the_copies)
{
    struct io *io = new_file(0), *record = io_fault_new(io, &no_failure);
    struct qed_plan *plan = full_plan(record);
    size_t fill, move;

    ck_assert_int_eq(qed_apply(plan, record, NULL), QED_OK);
    fill = io_fault_find(record, written(record, FILE_END) + 1, IO_FAULT_WRITE, FILE_END + 16);
    move = written(record, 4 * C);
    ck_assert_uint_ne(fill, SIZE_MAX);
    ck_assert(flushed_between(record, fill, move));
    ck_assert_uint_eq(unit_get64(io, FILE_END + 16), 5);
    ck_assert_uint_eq(unit_get64(io, FILE_END + 8), UINT64_C(0x0101010101010101) * ('A' + 20));
    ck_assert_uint_eq(unit_get64(io, 20 * C + 8), 0);
    qed_plan_free(plan);
    io_close(record);
    io_close(io);
}
END_TEST

START_TEST(finishing_gives_back_then_clears_the_mark)
{
    struct io *io = new_file(0), *record = io_fault_new(io, &no_failure);
    struct qed_plan *plan = full_plan(record);
    size_t first, punch, unmark, length;

    ck_assert_int_eq(qed_apply(plan, record, NULL), QED_OK);
    io_fault_ops(record, &first);
    ck_assert_int_eq(qed_apply_finish(plan, record, true, NULL), QED_OK);
    punch = io_fault_find(record, first, IO_FAULT_ZERO, 30 * C);
    unmark = io_fault_find(record, first, IO_FAULT_WRITE, FEATURES);
    length = io_fault_find(record, first, IO_FAULT_SET_LENGTH, 0);
    ck_assert(flushed_between(record, punch, unmark));
    ck_assert_uint_ne(io_fault_find(record, unmark, IO_FAULT_FLUSH, 0), SIZE_MAX);
    ck_assert_uint_eq(length, SIZE_MAX);
    ck_assert_uint_eq(unit_get64(io, FEATURES), 0);
    ck_assert_uint_eq(unit_get64(io, 30 * C), 0);
    qed_plan_free(plan);
    io_close(record);
    io_close(io);
}
END_TEST

START_TEST(the_mark_stays_when_that_is_asked_for)
{
    struct io *io = new_file(QED_FEATURE_BACKING_FILE);
    struct qed_plan *plan = full_plan(io);

    ck_assert_int_eq(qed_apply(plan, io, NULL), QED_OK);
    ck_assert_int_eq(qed_apply_finish(plan, io, false, NULL), QED_OK);
    ck_assert_uint_eq(unit_get64(io, FEATURES), QED_FEATURE_BACKING_FILE | QED_FEATURE_NEED_CHECK);
    ck_assert_int_eq(qed_apply_finish(plan, io, true, NULL), QED_OK);
    ck_assert_uint_eq(unit_get64(io, FEATURES), QED_FEATURE_BACKING_FILE);
    qed_plan_free(plan);
    io_close(io);
}
END_TEST

START_TEST(a_mark_that_was_there_is_made_durable)
{
    struct io *io = new_file(QED_FEATURE_NEED_CHECK), *record = io_fault_new(io, &no_failure);
    struct qed_plan *plan = full_plan(record);

    ck_assert_int_eq(qed_apply(plan, record, NULL), QED_OK);
    ck_assert_uint_eq(io_fault_find(record, 0, IO_FAULT_WRITE, FEATURES), SIZE_MAX);
    ck_assert(flushed_between(record, 0, written(record, 10 * C)));
    qed_plan_free(plan);
    io_close(record);
    io_close(io);
}
END_TEST

START_TEST(where_space_is_all_that_is_given_back_the_image_is_not_marked)
{
    struct io *io = new_file(0), *record = io_fault_new(io, &no_failure);
    struct qed_plan *plan = new_plan(record);
    uint64_t length;
    size_t punch, cut;

    ck_assert_int_eq(qed_plan_punch(plan, 10 * C, 3 * C, NULL), QED_OK);
    qed_plan_cut(plan, 35 * C);
    qed_plan_settle(plan);
    ck_assert_int_eq(qed_apply(plan, record, NULL), QED_OK);
    ck_assert(io_fault_find(record, 0, IO_FAULT_FLUSH, 0) == SIZE_MAX);
    ck_assert_int_eq(qed_apply_finish(plan, record, true, NULL), QED_OK);
    ck_assert_uint_eq(io_fault_find(record, 0, IO_FAULT_WRITE, FEATURES), SIZE_MAX);
    punch = io_fault_find(record, 0, IO_FAULT_ZERO, 12 * C);
    cut = io_fault_find(record, punch, IO_FAULT_SET_LENGTH, 35 * C - 1);
    ck_assert(punch < cut && cut != SIZE_MAX);
    ck_assert_uint_ne(io_fault_find(record, cut, IO_FAULT_FLUSH, 0), SIZE_MAX);
    ck_assert_int_eq(io_get_length(io, &length, NULL), QED_OK);
    ck_assert_uint_eq(length, 35 * C);
    ck_assert_uint_eq(unit_get64(io, 9 * C), UINT64_C(0x0101010101010101) * ('A' + 9));
    ck_assert_uint_eq(unit_get64(io, 13 * C), UINT64_C(0x0101010101010101) * ('A' + 13));
    qed_plan_free(plan);
    io_close(record);
    io_close(io);
}
END_TEST

START_TEST(header_words_do_not_take_the_mark_away)
{
    struct io *io = new_file(0);
    struct qed_plan *plan = new_plan(io);

    set(plan, FEATURES, QED_FEATURE_BACKING_NO_PROBE, QED_PLAN_SETTLE);
    set(plan, AUTOCLEAR, 0, QED_PLAN_SETTLE);
    unit_put64(io, AUTOCLEAR, 7);
    qed_plan_settle(plan);
    ck_assert_int_eq(qed_apply(plan, io, NULL), QED_OK);
    ck_assert_uint_eq(unit_get64(io, FEATURES),
                      QED_FEATURE_BACKING_NO_PROBE | QED_FEATURE_NEED_CHECK);
    ck_assert_uint_eq(unit_get64(io, AUTOCLEAR), 0);
    qed_plan_free(plan);
    io_close(io);
}
END_TEST

START_TEST(the_intent_bitmap_is_dropped_until_the_mark_goes)
{
    struct io *io = new_file(0);
    struct qed_plan *plan = new_plan(io);

    unit_put64(io, AUTOCLEAR, QED_AUTOCLEAR_INTENT);
    set(plan, 20 * C, 0x5000, QED_PLAN_MEND);
    set(plan, AUTOCLEAR, QED_AUTOCLEAR_INTENT, QED_PLAN_SETTLE);
    qed_plan_settle(plan);
    ck_assert_int_eq(qed_apply(plan, io, NULL), QED_OK);
    ck_assert_uint_eq(unit_get64(io, FEATURES), QED_FEATURE_NEED_CHECK);
    ck_assert_uint_eq(unit_get64(io, AUTOCLEAR), 0);
    ck_assert_int_eq(qed_apply_finish(plan, io, false, NULL), QED_OK);
    ck_assert_uint_eq(unit_get64(io, AUTOCLEAR), 0);
    ck_assert_int_eq(qed_apply_finish(plan, io, true, NULL), QED_OK);
    ck_assert_uint_eq(unit_get64(io, FEATURES), 0);
    ck_assert_uint_eq(unit_get64(io, AUTOCLEAR), QED_AUTOCLEAR_INTENT);
    qed_plan_free(plan);
    io_close(io);
}
END_TEST

START_TEST(an_empty_plan_writes_nothing)
{
    struct io *io = new_file(0);
    struct qed_plan *plan = new_plan(io);

    io_mem_reset_counts(io);
    qed_plan_settle(plan);
    ck_assert_int_eq(qed_apply(plan, io, NULL), QED_OK);
    ck_assert_uint_eq(io_mem_counts(io).writes, 0);
    ck_assert_uint_eq(io_mem_counts(io).flushes, 0);
    qed_plan_free(plan);
    io_close(io);
}
END_TEST

/* How many writes a pass over the words takes, the mark aside. */
static size_t count_writes(struct io *record)
{
    size_t count, writes = 0;
    const struct io_fault_op *ops = io_fault_ops(record, &count);

    for (size_t i = 0; i < count; i++)
        writes += ops[i].kind == IO_FAULT_WRITE && ops[i].file_off != FEATURES;
    return writes;
}

START_TEST(words_that_lie_close_are_written_together)
{
    static const struct {
        uint64_t gap; /* between 100 words */
        size_t writes;
    } cases[] = {{8, 1}, {512, 1}, {640, 1}, {664, 2}, {4096, 100 / 16 + 1}, {4104, 100}};

    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        struct io *io = io_mem_new(1 << 20), *record = io_fault_new(io, &no_failure);
        struct qed_plan *plan = new_plan(record);

        unit_fill(io, C, 600000, 0x77);
        for (uint64_t i = 0; i < 100; i++) {
            set(plan, C + i * cases[c].gap, i, QED_PLAN_EARLY);
            if (cases[c].gap >= 16) /* others between them are left alone */
                set(plan, C + i * cases[c].gap + 8, i, QED_PLAN_SETTLE);
        }
        qed_plan_settle(plan);
        ck_assert_int_eq(qed_apply(plan, record, NULL), QED_OK);
        for (uint64_t i = 0; i < 100; i++) {
            if (unit_get64(io, C + i * cases[c].gap) != i)
                ck_abort_msg("gap %zu: word %zu", (size_t)cases[c].gap, (size_t)i);
            if (cases[c].gap > 16 &&
                unit_get64(io, C + i * cases[c].gap + 16) != UINT64_C(0x7777777777777777))
                ck_abort_msg("gap %zu: after word %zu", (size_t)cases[c].gap, (size_t)i);
        }
        if (count_writes(record) != cases[c].writes * (cases[c].gap >= 16 ? 2 : 1))
            ck_abort_msg("gap %zu: %zu writes", (size_t)cases[c].gap, count_writes(record));
        qed_plan_free(plan);
        io_close(record);
        io_close(io);
    }
}
END_TEST

START_TEST(a_word_at_an_odd_end_of_the_file_is_written)
{
    struct io *io = new_file(0);
    struct qed_plan *plan;
    uint64_t length;

    ck_assert_int_eq(io_set_length(io, 10 * C + 3, NULL), QED_OK);
    plan = new_plan(io);
    set(plan, 10 * C, 0, QED_PLAN_EARLY);
    ck_assert_int_eq(qed_plan_extend(plan, 11 * C, NULL), QED_OK);
    qed_plan_settle(plan);
    ck_assert_int_eq(qed_apply(plan, io, NULL), QED_OK);
    ck_assert_int_eq(io_get_length(io, &length, NULL), QED_OK);
    ck_assert_uint_eq(length, 11 * C);
    ck_assert_uint_eq(unit_get64(io, 10 * C), 0);
    ck_assert_uint_eq(unit_get64(io, 10 * C - 8), UINT64_C(0x0101010101010101) * ('A' + 9));
    qed_plan_free(plan);
    io_close(io);
}
END_TEST

START_TEST(copies_leave_holes_where_there_are_zeroes)
{
    struct io *io = new_file(0);
    struct qed_plan *plan;
    uint64_t to = 0;
    struct io_run run;

    ck_assert_int_eq(io_zero(io, 11 * C, 600 * C / 40, NULL), QED_OK);
    ck_assert_int_eq(io_set_length(io, 12 * C + 700, NULL), QED_OK);
    plan = new_plan(io);
    ck_assert_int_eq(qed_plan_copy(plan, 10 * C, 4 * C, C, &to, NULL), QED_OK);
    qed_plan_settle(plan);
    ck_assert_int_eq(qed_apply(plan, io, NULL), QED_OK);
    ck_assert_uint_eq(to, 13 * C);
    ck_assert_uint_eq(unit_get64(io, to), UINT64_C(0x0101010101010101) * ('A' + 10));
    ck_assert_int_eq(io_next_run(io, to + C, &run, NULL), QED_OK);
    ck_assert(!run.is_data);
    ck_assert_uint_eq(run.length, 3 * C);
    qed_plan_free(plan);
    io_close(io);
}
END_TEST

/* How many flushes there were before the operation that failed. */
static size_t count_flushed(struct io *record)
{
    size_t count, flushed = 0;
    const struct io_fault_op *ops = io_fault_ops(record, &count);

    for (size_t i = 0; i < count && !ops[i].failed; i++)
        flushed += ops[i].kind == IO_FAULT_FLUSH;
    return flushed;
}

/* Whatever fails before the copies are there: the file is as it was, the mark too. */
START_TEST(a_failure_before_entries_were_changed_leaves_the_file_alone)
{
    bool failed = true;
    unsigned int undone = 0;

    for (size_t fail_at = 1; failed; fail_at++) {
        struct io_fault_plan fault = {.fail_at = fail_at, .code = QED_ERR_NO_SPACE, .torn = _i > 0};
        struct io *io = new_file(0), *before = io_mem_copy(io), *record;
        struct qed_plan *plan = new_plan(io);
        uint64_t to = copy(plan, 20 * C);
        int ret;

        set(plan, 4 * C, to, QED_PLAN_MOVE);
        qed_plan_settle(plan);
        record = io_fault_new(io, &fault);
        ret = qed_apply(plan, record, NULL);
        failed = io_fault_happened(record);
        ck_assert_int_eq(ret, failed ? QED_ERR_NO_SPACE : QED_OK);
        if (count_flushed(record) < 2) { /* the mark is one, the copies are another */
            ck_assert(io_mem_equal(io, before));
            undone++;
        }
        qed_plan_free(plan);
        io_close(record);
        io_close(before);
        io_close(io);
    }
    ck_assert_uint_gt(undone, 8);
}
END_TEST

START_TEST(a_failure_after_entries_were_changed_leaves_the_mark)
{
    bool failed = true;

    for (size_t fail_at = 1; failed; fail_at++) {
        struct io_fault_plan fault = {
            .fail_at = fail_at, .code = QED_ERR_IO, .from_then_on = _i > 0};
        struct io *io = new_file(0), *record;
        struct qed_plan *plan = full_plan(io);

        record = io_fault_new(io, &fault);
        ck_assert_int_eq(qed_apply(plan, record, NULL) < 0, io_fault_happened(record));
        failed = io_fault_happened(record);
        if (unit_get64(io, 10 * C) == 0)
            ck_assert_uint_eq(unit_get64(io, FEATURES), QED_FEATURE_NEED_CHECK);
        /* What failed can be done again. */
        ck_assert_int_eq(qed_apply(plan, io, NULL), QED_OK);
        ck_assert_uint_eq(unit_get64(io, 2 * C), 1);
        ck_assert_uint_eq(unit_get64(io, 4 * C), FILE_END);
        qed_plan_free(plan);
        io_close(record);
        io_close(io);
    }
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("qed_apply");

    tcase_add_test(tests, each_step_is_durable_before_the_next);
    tcase_add_test(tests, words_of_what_is_new_are_durable_with_the_copies);
    tcase_add_test(tests, finishing_gives_back_then_clears_the_mark);
    tcase_add_test(tests, the_mark_stays_when_that_is_asked_for);
    tcase_add_test(tests, a_mark_that_was_there_is_made_durable);
    tcase_add_test(tests, where_space_is_all_that_is_given_back_the_image_is_not_marked);
    tcase_add_test(tests, header_words_do_not_take_the_mark_away);
    tcase_add_test(tests, the_intent_bitmap_is_dropped_until_the_mark_goes);
    tcase_add_test(tests, an_empty_plan_writes_nothing);
    tcase_add_test(tests, words_that_lie_close_are_written_together);
    tcase_add_test(tests, a_word_at_an_odd_end_of_the_file_is_written);
    tcase_add_test(tests, copies_leave_holes_where_there_are_zeroes);
    tcase_add_loop_test(tests, a_failure_before_entries_were_changed_leaves_the_file_alone, 0, 2);
    tcase_add_loop_test(tests, a_failure_after_entries_were_changed_leaves_the_mark, 0, 2);
    return unit_run(tests);
}
