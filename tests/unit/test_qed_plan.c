/*
 * The plan of a repair, and the file as it shows it.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/le.h"
#include "support/io_fault.h"
#include "support/io_mem.h"
#include "support/unit.h"

#define C UINT64_C(4096)
#define FILE_END (4 * C)

/* A file of four clusters: 'a', a hole, 'c', 'd'. */
static struct io *new_file(void)
{
    struct io *io = io_mem_new(FILE_END);

    unit_fill(io, 0, C, 'a');
    unit_fill(io, 2 * C, C, 'c');
    unit_fill(io, 3 * C, C, 'd');
    return io;
}

static struct qed_plan *new_plan(struct io *io)
{
    struct qed_plan *plan = NULL;

    ck_assert_int_eq(qed_plan_new(&plan, io, NULL), QED_OK);
    return plan;
}

static void set(struct qed_plan *plan, uint64_t file_off, uint64_t value)
{
    ck_assert_int_eq(qed_plan_set(plan, file_off, value, QED_PLAN_SETTLE, NULL), QED_OK);
}

static uint64_t copy(struct qed_plan *plan, uint64_t from, uint64_t len)
{
    uint64_t to = 0;

    ck_assert_int_eq(qed_plan_copy(plan, from, len, C, &to, NULL), QED_OK);
    return to;
}

static uint64_t view64(struct qed_plan *plan, uint64_t file_off)
{
    return unit_get64(qed_plan_view(plan), file_off);
}

static uint64_t view_length(struct qed_plan *plan)
{
    uint64_t length = 0;

    ck_assert_int_eq(io_get_length(qed_plan_view(plan), &length, NULL), QED_OK);
    return length;
}

/* Eight times the same byte. */
static uint64_t all(uint8_t byte)
{
    return byte * UINT64_C(0x0101010101010101);
}

START_TEST(an_empty_plan_shows_the_file)
{
    struct io *io = new_file();
    struct qed_plan *plan = new_plan(io);
    size_t count = 9;

    ck_assert(qed_plan_is_empty(plan));
    ck_assert(!qed_plan_changes_anything(plan));
    ck_assert_uint_eq(view_length(plan), FILE_END);
    ck_assert_uint_eq(qed_plan_old_length(plan), FILE_END);
    ck_assert_uint_eq(qed_plan_full_length(plan), FILE_END);
    ck_assert_uint_eq(qed_plan_cut_length(plan), FILE_END);
    ck_assert_uint_eq(view64(plan, 0), all('a'));
    ck_assert_uint_eq(view64(plan, C), 0);
    qed_plan_words(plan, &count);
    ck_assert_uint_eq(count, 0);
    qed_plan_free(plan);
    qed_plan_free(NULL);
    io_close(io);
}
END_TEST

START_TEST(words_show_when_their_round_has_ended)
{
    struct io *io = new_file();
    struct qed_plan *plan = new_plan(io);

    set(plan, 8, 5);
    set(plan, C + 16, 6); /* in the hole */
    ck_assert(qed_plan_changes_anything(plan));
    ck_assert_uint_eq(view64(plan, 8), all('a'));
    qed_plan_settle(plan);
    ck_assert_uint_eq(view64(plan, 0), all('a'));
    ck_assert_uint_eq(view64(plan, 8), 5);
    ck_assert_uint_eq(view64(plan, 16), all('a'));
    ck_assert_uint_eq(view64(plan, C + 16), 6);
    ck_assert_uint_eq(unit_get64(io, 8), all('a'));
    qed_plan_free(plan);
    io_close(io);
}
END_TEST

START_TEST(the_latest_change_of_a_word_counts)
{
    struct io *io = new_file();
    struct qed_plan *plan = new_plan(io);
    const struct qed_plan_word *words;
    size_t count;

    ck_assert_int_eq(qed_plan_set(plan, 64, 1, QED_PLAN_EARLY, NULL), QED_OK);
    ck_assert_int_eq(qed_plan_set(plan, 8, 2, QED_PLAN_MOVE, NULL), QED_OK);
    ck_assert_int_eq(qed_plan_set(plan, 64, 3, QED_PLAN_MOVE, NULL), QED_OK);
    qed_plan_settle(plan);
    ck_assert_uint_eq(view64(plan, 64), 3);
    ck_assert_int_eq(qed_plan_set(plan, 64, 4, QED_PLAN_L1, NULL), QED_OK);
    ck_assert_uint_eq(view64(plan, 64), 3);
    qed_plan_settle(plan);
    ck_assert_uint_eq(view64(plan, 64), 4);
    words = qed_plan_words(plan, &count);
    ck_assert_uint_eq(count, 2);
    ck_assert_uint_eq(words[0].file_off, 8);
    ck_assert_uint_eq(words[1].file_off, 64);
    ck_assert_uint_eq(words[1].value, 4);
    ck_assert_int_eq((int)words[1].step, QED_PLAN_L1);
    qed_plan_free(plan);
    io_close(io);
}
END_TEST

/* Any stretch reads the same bytes, wherever it begins and ends. */
START_TEST(stretches_of_any_place_and_length_read_the_same)
{
    struct io *io = new_file();
    struct qed_plan *plan = new_plan(io);
    uint8_t whole[6 * C], part[64];
    uint64_t to = copy(plan, 2 * C + 3, C); /* not aligned, over two clusters */

    ck_assert_uint_eq(to, FILE_END);
    for (uint64_t i = 0; i < 20; i++)
        set(plan, C - 80 + 8 * i, UINT64_C(0x0102030405060708) + i);
    set(plan, to + 8, 77);
    ck_assert_int_eq(qed_plan_extend(plan, 5 * C + 100, NULL), QED_OK);
    qed_plan_settle(plan);
    ck_assert_uint_eq(view_length(plan), 5 * C + 100);
    ck_assert_int_eq(io_read(qed_plan_view(plan), whole, 5 * C + 100, 0, NULL), QED_OK);
    for (uint64_t at = C - 100; at < C + 100; at++) {
        for (size_t len = 1; len < 40; len++) {
            if (io_read(qed_plan_view(plan), part, len, at, NULL) < 0 ||
                memcmp(part, whole + at, len) != 0)
                ck_abort_msg("%zu bytes at %zu", len, (size_t)at);
        }
    }
    for (uint64_t at = to - 20; at < 5 * C + 60; at += 13) {
        if (io_read(qed_plan_view(plan), part, 40, at, NULL) < 0 ||
            memcmp(part, whole + at, 40) != 0)
            ck_abort_msg("at %zu", (size_t)at);
    }
    ck_assert_uint_eq(le64_load(whole + C - 80), UINT64_C(0x0102030405060708));
    ck_assert_uint_eq(le64_load(whole + C + 72), UINT64_C(0x0102030405060708) + 19);
    ck_assert_uint_eq(whole[C + 80], 0);
    ck_assert_uint_eq(le64_load(whole + to), all('c'));
    ck_assert_uint_eq(le64_load(whole + to + 8), 77);
    ck_assert_uint_eq(whole[to + C - 4], 'c');
    ck_assert_uint_eq(whole[to + C - 3], 'd');
    ck_assert_uint_eq(whole[5 * C + 99], 0);
    qed_plan_free(plan);
    io_close(io);
}
END_TEST

START_TEST(a_copy_is_of_today)
{
    struct io *io = new_file();
    struct qed_plan *plan = new_plan(io);
    uint64_t first, second;

    set(plan, 2 * C, 1);
    qed_plan_settle(plan);
    first = copy(plan, 2 * C, C);
    second = copy(plan, 3 * C, C);
    ck_assert_uint_eq(first, 4 * C);
    ck_assert_uint_eq(second, 5 * C);
    set(plan, 2 * C + 8, 2);
    set(plan, first + 16, 3);
    qed_plan_settle(plan);
    ck_assert_uint_eq(view64(plan, 2 * C), 1);
    ck_assert_uint_eq(view64(plan, first), all('c'));
    ck_assert_uint_eq(view64(plan, first + 8), all('c'));
    ck_assert_uint_eq(view64(plan, first + 16), 3);
    ck_assert_uint_eq(view64(plan, second), all('d'));
    ck_assert_uint_eq(qed_plan_full_length(plan), 6 * C);
    qed_plan_free(plan);
    io_close(io);
}
END_TEST

START_TEST(copies_can_be_copied)
{
    struct io *io = new_file();
    struct qed_plan *plan = new_plan(io);
    uint64_t once = copy(plan, 2 * C, 2 * C), twice;

    qed_plan_settle(plan);
    twice = copy(plan, once + C, C);
    qed_plan_settle(plan);
    ck_assert_uint_eq(view64(plan, once), all('c'));
    ck_assert_uint_eq(view64(plan, twice), all('d'));
    ck_assert_uint_eq(view64(plan, twice + C - 8), all('d'));
    qed_plan_free(plan);
    io_close(io);
}
END_TEST

START_TEST(what_lies_past_the_end_is_copied_as_zeroes)
{
    struct io *io = new_file();
    struct qed_plan *plan;
    uint64_t to;

    ck_assert_int_eq(io_set_length(io, 3 * C + 101, NULL), QED_OK);
    plan = new_plan(io);
    to = copy(plan, 3 * C, C);
    qed_plan_settle(plan);
    ck_assert_uint_eq(to, 4 * C);
    ck_assert_uint_eq(view_length(plan), 5 * C);
    ck_assert_uint_eq(view64(plan, to + 88), all('d'));
    ck_assert_uint_eq(view64(plan, to + 96), all('d') & UINT64_C(0xffffffffff));
    ck_assert_uint_eq(view64(plan, to + 104), 0);
    ck_assert_uint_eq(view64(plan, 3 * C + 96), all('d') & UINT64_C(0xffffffffff));
    ck_assert_uint_eq(view64(plan, 3 * C + 104), 0);
    to = copy(plan, 9 * C, C);
    qed_plan_settle(plan);
    ck_assert_uint_eq(view64(plan, to), 0);
    qed_plan_free(plan);
    io_close(io);
}
END_TEST

START_TEST(growth_is_aligned_and_shows_when_the_round_has_ended)
{
    struct io *io = new_file();
    struct qed_plan *plan;
    uint64_t to = 0;

    ck_assert_int_eq(io_set_length(io, 3 * C + 1, NULL), QED_OK);
    plan = new_plan(io);
    ck_assert_int_eq(qed_plan_allocate(plan, C, 2 * C, &to, NULL), QED_OK);
    ck_assert_uint_eq(to, 4 * C);
    ck_assert_uint_eq(view_length(plan), 3 * C + 1);
    ck_assert_int_eq(qed_plan_extend(plan, 2 * C, NULL), QED_OK); /* it is longer than that */
    qed_plan_settle(plan);
    ck_assert_uint_eq(view_length(plan), 5 * C);
    ck_assert_uint_eq(view64(plan, 4 * C), 0);
    ck_assert(qed_plan_changes_anything(plan));
    qed_plan_free(plan);
    io_close(io);
}
END_TEST

START_TEST(a_file_cannot_grow_past_what_files_can_be)
{
    struct io *io = io_mem_new(INT64_MAX - C);
    struct qed_plan *plan = new_plan(io);
    struct qed_error error = QED_ERROR_INIT;
    uint64_t to = 0;

    ck_assert_int_eq(qed_plan_extend(plan, UINT64_C(1) << 63, &error), QED_ERR_NO_SPACE);
    ck_assert_int_eq(error.code, QED_ERR_NO_SPACE);
    ck_assert_int_eq(qed_plan_extend(plan, UINT64_MAX, NULL), QED_ERR_NO_SPACE);
    ck_assert_int_eq(qed_plan_allocate(plan, 2 * C, C, &to, NULL), QED_ERR_NO_SPACE);
    ck_assert_int_eq(qed_plan_allocate(plan, UINT64_MAX, C, &to, NULL), QED_ERR_NO_SPACE);
    ck_assert_int_eq(qed_plan_copy(plan, 0, UINT64_C(1) << 62, C, &to, NULL), QED_ERR_NO_SPACE);
    ck_assert(qed_plan_is_empty(plan));
    ck_assert_int_eq(qed_plan_extend(plan, INT64_MAX, NULL), QED_OK);
    qed_plan_free(plan);
    io_close(io);
}
END_TEST

/* The stretches of the view that are data, as letters: a cluster each, '.' for none of it. */
static void check_runs(struct qed_plan *plan, const char *expected)
{
    struct io *view = qed_plan_view(plan);

    for (uint64_t at = 0; expected[at / C]; at += C) {
        uint64_t done = 0;
        bool any = false;

        while (done < C) {
            struct io_run run;

            ck_assert_int_eq(io_next_run(view, at + done, &run, NULL), QED_OK);
            ck_assert_uint_gt(run.length, 0);
            ck_assert_uint_eq(run.file_off, at + done);
            any = any || run.is_data;
            done += run.length;
        }
        if (any != (expected[at / C] == 'd'))
            ck_abort_msg("cluster %u of %s", (unsigned int)(at / C), expected);
    }
}

START_TEST(holes_are_told_up_to_the_first_word_in_them)
{
    struct io *io = io_mem_new(8 * C);
    struct qed_plan *plan = new_plan(io);
    struct io_run run;

    unit_fill(io, 2 * C, C, 'c');
    check_runs(plan, "..d.....");
    set(plan, 4 * C + 16, 1);
    set(plan, 4 * C + 24, 1);
    set(plan, 6 * C, 0);
    qed_plan_settle(plan);
    check_runs(plan, "..d.d.d.");
    ck_assert_int_eq(io_next_run(qed_plan_view(plan), 3 * C, &run, NULL), QED_OK);
    ck_assert(!run.is_data);
    ck_assert_uint_eq(run.length, C + 16);
    ck_assert_int_eq(io_next_run(qed_plan_view(plan), 4 * C + 20, &run, NULL), QED_OK);
    ck_assert(run.is_data);
    ck_assert_uint_eq(run.length, 4);
    copy(plan, 2 * C, C);
    qed_plan_settle(plan);
    check_runs(plan, "..d.d.d.d");
    ck_assert_int_eq(io_next_run(qed_plan_view(plan), 9 * C, &run, NULL), QED_OK);
    ck_assert_uint_eq(run.length, 0);
    qed_plan_free(plan);
    io_close(io);
}
END_TEST

START_TEST(what_is_given_back_is_not_seen)
{
    struct io *io = new_file();
    struct qed_plan *plan = new_plan(io);
    const struct qed_plan_run *punches;
    size_t count;

    ck_assert_int_eq(qed_plan_punch(plan, 0, C, NULL), QED_OK);
    ck_assert_int_eq(qed_plan_punch(plan, C, C, NULL), QED_OK);
    ck_assert_int_eq(qed_plan_punch(plan, 2 * C + 512, 512, NULL), QED_OK);
    qed_plan_cut(plan, 3 * C);
    qed_plan_settle(plan);
    ck_assert(!qed_plan_is_empty(plan));
    ck_assert(!qed_plan_changes_anything(plan));
    ck_assert_uint_eq(view64(plan, 0), all('a'));
    ck_assert_uint_eq(view_length(plan), 4 * C);
    ck_assert_uint_eq(qed_plan_cut_length(plan), 3 * C);
    punches = qed_plan_punches(plan, &count);
    ck_assert_uint_eq(count, 2);
    ck_assert_uint_eq(punches[0].from, 0);
    ck_assert_uint_eq(punches[0].len, 2 * C);
    ck_assert_uint_eq(punches[1].from, 2 * C + 512);
    qed_plan_free(plan);
    io_close(io);
}
END_TEST

START_TEST(copies_that_adjoin_are_one)
{
    struct io *io = new_file();
    struct qed_plan *plan = new_plan(io);
    const struct qed_plan_run *copies;
    size_t count;

    copy(plan, 2 * C, C);
    copy(plan, 3 * C, C);
    copy(plan, 0, C);
    qed_plan_settle(plan);
    copies = qed_plan_copies(plan, &count);
    ck_assert_uint_eq(count, 2);
    ck_assert_uint_eq(copies[0].from, 2 * C);
    ck_assert_uint_eq(copies[0].to, 4 * C);
    ck_assert_uint_eq(copies[0].len, 2 * C);
    ck_assert_uint_eq(copies[1].to, 6 * C);
    qed_plan_free(plan);
    io_close(io);
}
END_TEST

START_TEST(the_view_is_only_read)
{
    struct io *io = new_file(), *before = io_mem_copy(io);
    struct qed_plan *plan = new_plan(io);
    struct io *view = qed_plan_view(plan);
    uint8_t byte = 0;

    ck_assert_int_eq(io_write(view, &byte, 1, 0, NULL), QED_ERR_INVALID);
    ck_assert_int_eq(io_zero(view, 0, 1, NULL), QED_ERR_INVALID);
    ck_assert_int_eq(io_flush(view, NULL), QED_ERR_INVALID);
    ck_assert_int_eq(io_set_length(view, 0, NULL), QED_ERR_INVALID);
    ck_assert_int_eq(io_read(view, &byte, 1, FILE_END, NULL), QED_ERR_SHORT_READ);
    io_close(view);
    ck_assert_uint_eq(view64(plan, 0), all('a'));
    ck_assert(io_mem_equal(io, before));
    qed_plan_free(plan);
    io_close(before);
    io_close(io);
}
END_TEST

/* Many words in any order, over several rounds, against a file that was simply changed. */
START_TEST(many_words_read_as_if_they_were_written)
{
    struct unit_random random = {(uint64_t)_i};
    struct io *io = new_file(), *changed = io_mem_copy(io);
    struct qed_plan *plan = new_plan(io);
    uint8_t *shown = malloc(FILE_END), *expected = malloc(FILE_END);

    for (unsigned int round = 0; round < 5; round++) {
        for (unsigned int i = 0; i < 300; i++) {
            uint64_t file_off = unit_random_below(&random, FILE_END / 8) * 8;
            uint64_t value = unit_random(&random);

            if (qed_plan_set(plan, file_off, value, QED_PLAN_EARLY, NULL) < 0)
                ck_abort_msg("out of memory");
            unit_put64(changed, file_off, value);
        }
        qed_plan_settle(plan);
        ck_assert_int_eq(io_read(qed_plan_view(plan), shown, FILE_END, 0, NULL), QED_OK);
        ck_assert_int_eq(io_read(changed, expected, FILE_END, 0, NULL), QED_OK);
        ck_assert_mem_eq(shown, expected, FILE_END);
    }
    free(shown);
    free(expected);
    qed_plan_free(plan);
    io_close(changed);
    io_close(io);
}
END_TEST

START_TEST(failures_of_the_file_are_handed_on)
{
    struct io_fault_plan read = {.kinds = IO_FAULT_BIT(IO_FAULT_READ),
                                 .fail_at = 1,
                                 .code = QED_ERR_IO,
                                 .from_then_on = true};
    struct io_fault_plan length = {
        .kinds = IO_FAULT_BIT(IO_FAULT_GET_LENGTH), .fail_at = 1, .code = QED_ERR_IO};
    struct io_fault_plan run = {
        .kinds = IO_FAULT_BIT(IO_FAULT_NEXT_RUN), .fail_at = 1, .code = QED_ERR_IO};
    struct io *io = new_file(), *fault = io_fault_new(io, &length);
    struct qed_plan *plan = NULL;
    struct io_run found;
    uint8_t bytes[16];
    uint64_t to;

    ck_assert_int_eq(qed_plan_new(&plan, fault, NULL), QED_ERR_IO);
    ck_assert_ptr_null(plan);
    io_close(fault);
    fault = io_fault_new(io, &read);
    plan = new_plan(fault);
    to = copy(plan, 0, C);
    qed_plan_settle(plan);
    ck_assert_int_eq(io_read(qed_plan_view(plan), bytes, 16, 0, NULL), QED_ERR_IO);
    ck_assert_int_eq(io_read(qed_plan_view(plan), bytes, 16, to, NULL), QED_ERR_IO);
    qed_plan_free(plan);
    io_close(fault);
    fault = io_fault_new(io, &run);
    plan = new_plan(fault);
    ck_assert_int_eq(io_next_run(qed_plan_view(plan), 0, &found, NULL), QED_ERR_IO);
    qed_plan_free(plan);
    io_close(fault);
    io_close(io);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("qed_plan");

    tcase_add_test(tests, an_empty_plan_shows_the_file);
    tcase_add_test(tests, words_show_when_their_round_has_ended);
    tcase_add_test(tests, the_latest_change_of_a_word_counts);
    tcase_add_test(tests, stretches_of_any_place_and_length_read_the_same);
    tcase_add_test(tests, a_copy_is_of_today);
    tcase_add_test(tests, copies_can_be_copied);
    tcase_add_test(tests, what_lies_past_the_end_is_copied_as_zeroes);
    tcase_add_test(tests, growth_is_aligned_and_shows_when_the_round_has_ended);
    tcase_add_test(tests, a_file_cannot_grow_past_what_files_can_be);
    tcase_add_test(tests, holes_are_told_up_to_the_first_word_in_them);
    tcase_add_test(tests, what_is_given_back_is_not_seen);
    tcase_add_test(tests, copies_that_adjoin_are_one);
    tcase_add_test(tests, the_view_is_only_read);
    tcase_add_loop_test(tests, many_words_read_as_if_they_were_written, 0, 4);
    tcase_add_test(tests, failures_of_the_file_are_handed_on);
    return unit_run(tests);
}
