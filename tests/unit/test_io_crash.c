/*
 * What a power cut can leave of short scripts, listed by hand.
 * SPDX-License-Identifier: MIT
 */
#include "support/io_crash.h"

#include <stdlib.h>
#include <string.h>

#include "support/io_fault.h"
#include "support/io_mem.h"
#include "support/unit.h"
#include "support/words.h"

#define S WORDS_SECTOR
#define ALL 100000 /* a limit that no script here reaches */

/* The files that a cut leaves are exactly these, separated by single spaces. */
static void check_leaves(struct io *io, size_t cut, const char *expected)
{
    char *found = words_left_by(io, cut, ALL), *sorted = words_sorted(expected);

    ck_assert_str_eq(found, sorted);
    free(sorted);
    free(found);
}

START_TEST(without_changes_there_is_the_file)
{
    struct io *file = words_file("abc"), *io = io_crash_new(file);

    ck_assert_uint_eq(io_crash_ops(io), 0);
    ck_assert_uint_eq(io_crash_selectors(io, 0, ALL), 1);
    check_leaves(io, 0, "abc");
    words_flush(io);
    words_flush(io);
    ck_assert_uint_eq(io_crash_ops(io), 2);
    check_leaves(io, 1, "abc");
    check_leaves(io, 2, "abc");
    io_close(io);
    io_close(file);
    file = words_file("-");
    io = io_crash_new(file);
    check_leaves(io, 0, "-");
    io_close(io);
    io_close(file);
}
END_TEST

START_TEST(any_of_the_writes_may_be_there_and_none_after_the_cut)
{
    struct io *file = words_file("abc"), *io = io_crash_new(file);

    words_put(io, 0, "A");
    words_put(io, 2, "C");
    words_put(io, 1, "B");
    check_leaves(io, 0, "abc");
    check_leaves(io, 1, "abc Abc");
    check_leaves(io, 2, "abc Abc abC AbC");
    check_leaves(io, 3, "abc Abc abC AbC aBc ABc aBC ABC");
    check_leaves(io, 1, "abc Abc");
    io_close(io);
    io_close(file);
}
END_TEST

START_TEST(writes_to_one_place_keep_their_order)
{
    struct io *file = words_file("a"), *io = io_crash_new(file);

    words_put(io, 0, "B");
    words_put(io, 0, "C");
    words_put(io, 0, "D");
    check_leaves(io, 3, "a B C D");
    ck_assert_str_eq(words_left(io, 3, ALL, 1).text, "D");
    io_close(io);
    io_close(file);
}
END_TEST

START_TEST(what_was_flushed_is_there)
{
    struct io *file = words_file("abc"), *io = io_crash_new(file);

    words_put(io, 0, "A");
    words_put(io, 1, "B");
    words_flush(io);
    words_put(io, 0, "X");
    words_put(io, 2, "C");
    words_flush(io);
    check_leaves(io, 2, "abc Abc aBc ABc");
    check_leaves(io, 3, "ABc");
    check_leaves(io, 4, "ABc XBc");
    check_leaves(io, 5, "ABc XBc ABC XBC");
    check_leaves(io, 6, "XBC");
    check_leaves(io, 1, "abc Abc");
    io_close(io);
    io_close(file);
}
END_TEST

START_TEST(a_torn_write_leaves_any_mix_of_sectors)
{
    struct io *file = words_file("abcde"), *io = io_crash_new(file);

    words_put(io, 1, "BCD");
    check_leaves(io, 1, "abcde aBcde abCde abcDe aBCde aBcDe abCDe aBCDe");
    io_close(io);
    io_close(file);
}
END_TEST

START_TEST(sectors_are_those_of_the_file)
{
    struct io *file = words_file("aa"), *io = io_crash_new(file);
    struct io_crash_state state = {.cut = 1, .limit = ALL};
    unsigned int seen = 0;

    unit_fill(io, 500, 30, 'B'); /* 12 bytes of the first sector, 18 of the second */
    ck_assert_uint_eq(io_crash_selectors(io, 1, ALL), 4);
    for (; state.selector < 4; state.selector++) {
        struct io *left = io_crash_leave(io, &state);
        uint8_t bytes[2 * S], expected[2 * S];
        bool first, second;

        ck_assert_int_eq(io_read(left, bytes, sizeof(bytes), 0, NULL), QED_OK);
        first = bytes[500] == 'B';
        second = bytes[512] == 'B';
        memset(expected, 'a', sizeof(expected));
        memset(expected + 500, first ? 'B' : 'a', 12);
        memset(expected + 512, second ? 'B' : 'a', 18);
        ck_assert_mem_eq(bytes, expected, sizeof(bytes));
        seen |= 1U << (first + 2 * second);
        io_close(left);
    }
    ck_assert_uint_eq(seen, 15);
    io_close(io);
    io_close(file);
}
END_TEST

START_TEST(a_file_grows_with_and_without_its_data)
{
    struct io *file = words_file("a"), *io = io_crash_new(file);

    words_put(io, 1, "B");
    check_leaves(io, 1, "a a. aB");
    words_flush(io);
    words_put(io, 2, "CD");
    check_leaves(io, 3, "aB aB. aBC aB.. aBC. aB.D aBCD");
    io_close(io);
    io_close(file);
    file = words_file("ab");
    io = io_crash_new(file);
    words_put(io, 1, "BC"); /* over the end */
    check_leaves(io, 1, "ab aB ab. aB. abC aBC");
    io_close(io);
    io_close(file);
    file = words_file("a");
    io = io_crash_new(file);
    words_put(io, 3, "D"); /* past the end */
    check_leaves(io, 1, "a a... a..D");
    io_close(io);
    io_close(file);
}
END_TEST

START_TEST(a_last_sector_grows_without_its_data)
{
    struct io *file = words_file("a"), *io;
    struct io_crash_state state = {.cut = 1, .limit = ALL};
    unsigned int seen = 0;

    ck_assert_int_eq(io_set_length(file, 100, NULL), QED_OK);
    io = io_crash_new(file);
    unit_fill(io, 50, 100, 'B');
    ck_assert_uint_eq(io_crash_selectors(io, 1, ALL), 4);
    for (; state.selector < 4; state.selector++) {
        struct io *left = io_crash_leave(io, &state);
        uint8_t bytes[150] = {0}, expected[150] = {0};
        uint64_t length;
        bool data;

        ck_assert_int_eq(io_get_length(left, &length, NULL), QED_OK);
        ck_assert(length == 100 || length == 150);
        ck_assert_int_eq(io_read(left, bytes, (size_t)length, 0, NULL), QED_OK);
        data = bytes[50] == 'B';
        memset(expected, 'a', 100);
        if (data)
            memset(expected + 50, 'B', (size_t)length - 50);
        ck_assert_mem_eq(bytes, expected, sizeof(bytes));
        seen |= 1U << (data + 2 * (length == 150));
        io_close(left);
    }
    ck_assert_uint_eq(seen, 15);
    io_close(io);
    io_close(file);
}
END_TEST

START_TEST(a_new_length_is_there_or_not)
{
    struct io *file = words_file("abc"), *io = io_crash_new(file);

    words_set_length(io, 1);
    check_leaves(io, 1, "abc a");
    words_put(io, 2, "C"); /* makes the file longer if the cut is there */
    check_leaves(io, 2, "abc a abC a.. a.C");
    words_flush(io);
    check_leaves(io, 3, "a.C");
    words_set_length(io, 5);
    check_leaves(io, 4, "a.C a.C..");
    words_put(io, 4, "E"); /* makes the file longer if the new length is not there */
    check_leaves(io, 5, "a.C a.C.. a.C.E");
    words_set_length(io, 0);
    check_leaves(io, 6, "a.C a.C.. a.C.E -");
    io_close(io);
    io_close(file);
}
END_TEST

START_TEST(zeroing_is_torn_and_never_reaches_past_the_end)
{
    struct io *file = words_file("abc"), *io = io_crash_new(file);

    words_zero(io, 0, 2);
    check_leaves(io, 1, "abc .bc a.c ..c");
    words_flush(io);
    words_put(io, 3, "D");
    words_zero(io, 2, 2);
    check_leaves(io, 4, "..c ... ..c. .... ..cD ...D");
    io_close(io);
    io_close(file);
}
END_TEST

START_TEST(zeroing_of_terabytes_has_few_parts)
{
    uint64_t size = UINT64_C(1) << 42, half = size / 2, selectors;
    struct io *file = io_mem_new(size), *io;

    unit_fill(file, 5 * S, S, 'a');
    unit_fill(file, half + S, 1, 'b');
    io = io_crash_new(file);
    ck_assert_int_eq(io_zero(io, 5 * S, size - 10 * S, NULL), QED_OK);
    selectors = io_crash_selectors(io, 1, UINT64_C(1) << 40);
    ck_assert_uint_ge(selectors, 1U << (IO_CRASH_ZERO_PARTS / 2));
    ck_assert_uint_le(selectors, 1U << (IO_CRASH_ZERO_PARTS + 1));
    for (uint64_t i = 0; i < 2; i++) {
        struct io_crash_state state = {.cut = 1, .limit = UINT64_C(1) << 40, .selector = i};
        struct io *left = io_crash_leave(io, &state);
        struct io_run run;

        ck_assert(io_mem_equal(left, file) == (i == 1));
        ck_assert_int_eq(io_next_run(left, 3 * IO_MEM_PAGE, &run, NULL), QED_OK);
        ck_assert(!run.is_data);
        ck_assert_uint_eq(run.length, i == 1 ? size - 3 * IO_MEM_PAGE : half - 3 * IO_MEM_PAGE);
        io_close(left);
    }
    io_close(io);
    io_close(file);
}
END_TEST

START_TEST(everything_else_passes_through)
{
    struct io *file = words_file("abc"), *io = io_crash_new(file);
    struct io_crash_state state = {.limit = ALL, .selector = 1};
    struct io_run run;
    struct io *left;

    words_put(io, 1, "B");
    words_zero(io, 2, 1);
    words_flush(io);
    words_set_length(io, 5);
    ck_assert_str_eq(words_of(io).text, "aB...");
    ck_assert_str_eq(words_of(file).text, "aB...");
    ck_assert_int_eq(io_next_run(io, 0, &run, NULL), QED_OK);
    ck_assert(run.is_data);
    ck_assert_uint_eq(run.length, 2 * IO_MEM_PAGE);
    ck_assert_uint_eq(io_mem_counts(file).flushes, 1);
    ck_assert_int_eq(io_zero(io, 4 * S, 2 * S, NULL), QED_ERR_INVALID);
    ck_assert_int_eq(io_write(io, "x", 1, UINT64_MAX, NULL), QED_ERR_INVALID);
    ck_assert_int_eq(io_set_length(io, UINT64_MAX, NULL), QED_ERR_INVALID);
    ck_assert_uint_eq(io_crash_ops(io), 4);
    state.cut = 4;
    left = io_crash_leave(io, &state);
    ck_assert(io_mem_equal(left, file));
    ck_assert_uint_eq(io_mem_counts(left).set_lengths + io_mem_counts(left).writes, 0);
    io_close(left);
    io_close(io);
    io_close(file);
}
END_TEST

START_TEST(what_failed_above_was_not_asked_for)
{
    struct io_fault_plan plan = {
        .kinds = IO_FAULT_CHANGES, .fail_at = 2, .code = QED_ERR_IO, .torn = true};
    struct io *file = words_file("abc"), *io = io_crash_new(file), *fault = io_fault_new(io, &plan);
    uint8_t bytes[2 * S];

    words_put(fault, 0, "A");
    memset(bytes, 'X', sizeof(bytes));
    ck_assert_int_eq(io_write(fault, bytes, sizeof(bytes), S, NULL), QED_ERR_IO);
    ck_assert_uint_eq(io_crash_ops(io), 2);
    check_leaves(io, 2, "abc Abc aXc AXc");
    io_close(fault);
    io_close(io);
    io_close(file);
}
END_TEST

START_TEST(a_state_can_be_described)
{
    struct io *file = words_file("abcd"), *io = io_crash_new(file);
    struct io_crash_state state = {.cut = 5, .limit = ALL, .selector = 1};
    char *text;

    words_put(io, 0, "X");
    words_flush(io);
    words_put(io, 3, "DE");
    words_zero(io, 0, 2);
    words_set_length(io, 6);
    text = io_crash_describe(io, &state);
    ck_assert_str_eq(text, "write 0x600+0x400: 0x600+0x400 length 0xa00\n"
                           "zero 0x0+0x400: 0x0+0x400\n"
                           "length 0xc00: set\n");
    free(text);
    state.selector = 0;
    text = io_crash_describe(io, &state);
    ck_assert_str_eq(text, "write 0x600+0x400: dropped\n"
                           "zero 0x0+0x400: dropped\n"
                           "length 0xc00: dropped\n");
    free(text);
    state.cut = 2;
    text = io_crash_describe(io, &state);
    ck_assert_str_eq(text, "");
    free(text);
    io_close(io);
    io_close(file);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("io_crash");

    tcase_add_test(tests, without_changes_there_is_the_file);
    tcase_add_test(tests, any_of_the_writes_may_be_there_and_none_after_the_cut);
    tcase_add_test(tests, writes_to_one_place_keep_their_order);
    tcase_add_test(tests, what_was_flushed_is_there);
    tcase_add_test(tests, a_torn_write_leaves_any_mix_of_sectors);
    tcase_add_test(tests, sectors_are_those_of_the_file);
    tcase_add_test(tests, a_file_grows_with_and_without_its_data);
    tcase_add_test(tests, a_last_sector_grows_without_its_data);
    tcase_add_test(tests, a_new_length_is_there_or_not);
    tcase_add_test(tests, zeroing_is_torn_and_never_reaches_past_the_end);
    tcase_add_test(tests, zeroing_of_terabytes_has_few_parts);
    tcase_add_test(tests, everything_else_passes_through);
    tcase_add_test(tests, what_failed_above_was_not_asked_for);
    tcase_add_test(tests, a_state_can_be_described);
    return unit_run(tests);
}
