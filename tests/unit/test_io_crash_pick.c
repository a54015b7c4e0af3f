/*
 * Which states come first when there are more than a test wants.
 * SPDX-License-Identifier: MIT
 */
#include "support/io_crash.h"

#include <stdlib.h>
#include <string.h>

#include "support/unit.h"
#include "support/words.h"

#define ALL 100000 /* a limit that no script here reaches */

/* A script for "abcd" with more states than the limits below. */
static void do_long_script(struct io *io)
{
    words_put(io, 0, "ABCD");
    words_put(io, 4, "E");
    words_zero(io, 2, 2);
    words_set_length(io, 6);
    words_put(io, 3, "XYZ"); /* past the end where the change before it is not there */
}

START_TEST(a_limit_below_all_states_takes_whole_changes_first)
{
    struct io *file = words_file("abcd"), *io = io_crash_new(file);
    uint64_t whole = 2 * 3 * 2 * 2 * 3, total = 16 * (2 * 2) * 4 * 2 * (3 * 8);
    size_t torn = 0;
    char *all;

    do_long_script(io);
    all = words_left_by(io, 5, ALL);
    ck_assert_uint_eq(io_crash_selectors(io, 5, ALL), total);
    ck_assert_uint_eq(io_crash_selectors(io, 5, total), total);
    ck_assert_uint_eq(io_crash_selectors(io, 5, total - 1), total - 1);
    for (uint64_t i = 0; i < 1000; i++) {
        struct word word = words_left(io, 5, 1000, i);
        bool is_torn = strncmp(word.text, "aB", 2) == 0 || strncmp(word.text, "Ab", 2) == 0;

        ck_assert(words_have(all, &word));
        ck_assert(i >= whole || !is_torn);
        torn += is_torn;
    }
    ck_assert_uint_gt(torn, 100);
    ck_assert_str_eq(words_left(io, 5, 1000, 0).text, "abcd");
    ck_assert_str_eq(words_left(io, 5, 1000, 1).text, "AB.XYZ");
    ck_assert_uint_eq(io_crash_selectors(io, 5, 1000), 1000);
    free(all);
    io_close(io);
    io_close(file);
}
END_TEST

START_TEST(whole_changes_are_all_there_when_the_limit_allows)
{
    struct io *file = words_file("ab"), *io = io_crash_new(file);
    uint64_t whole = 3 * 2 * 3;
    char *all;

    words_put(io, 2, "CD");
    words_zero(io, 0, 3);
    words_put(io, 3, "YZ");
    ck_assert_uint_gt(io_crash_selectors(io, 3, ALL), whole);
    all = words_left_by(io, 3, whole);
    ck_assert_str_eq(all, " .. .... ..... ...D ...D. ...YZ "
                          "ab ab.. ab... ab.YZ abCD abCD. abCYZ ");
    free(all);
    io_close(io);
    io_close(file);
}
END_TEST

START_TEST(a_low_limit_drops_and_keeps_each_change_alone)
{
    static const char *const words[] = {
        "abcd",   "AB.XYZ", "abcd..", "ab.XYZ", "ABCD",   "AB.XYZ", "abcdE",
        "ABCXYZ", "ab..",   "AB.XYZ", "abcd..", "AB..E.", "abcXYZ",
    };
    struct io *file = words_file("abcd"), *io = io_crash_new(file);
    size_t count = sizeof(words) / sizeof(words[0]);

    do_long_script(io);
    for (size_t i = 0; i < count; i++)
        ck_assert_str_eq(words_left(io, 5, 50, i).text, words[i]);
    ck_assert_uint_eq(io_crash_selectors(io, 5, 50), 50);
    ck_assert_uint_eq(io_crash_selectors(io, 5, 1), 1);
    ck_assert_str_eq(words_left(io, 5, 1, 0).text, words[0]);
    ck_assert_uint_eq(io_crash_selectors(io, 5, 2), 2);
    ck_assert_str_eq(words_left(io, 5, 2, 1).text, words[1]);
    io_close(io);
    io_close(file);
}
END_TEST

START_TEST(a_selector_always_leads_to_the_same_state)
{
    struct io *file = words_file("abcd"), *io = io_crash_new(file);
    struct io *file_again = words_file("abcd"), *again = io_crash_new(file_again);
    char *before, *after;

    do_long_script(io);
    do_long_script(again);
    before = words_left_by(io, 4, 100);
    for (uint64_t i = 0; i < 100; i++) {
        struct word word = words_left(io, 5, 100, i);

        free(words_left_by(again, i % 5, 20));
        ck_assert_str_eq(words_left(again, 5, 100, i).text, word.text);
    }
    words_put(io, 0, "later");
    words_flush(io);
    after = words_left_by(io, 4, 100);
    ck_assert_str_eq(before, after);
    free(before);
    free(after);
    io_close(again);
    io_close(file_again);
    io_close(io);
    io_close(file);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("io_crash_pick");

    tcase_add_test(tests, a_limit_below_all_states_takes_whole_changes_first);
    tcase_add_test(tests, whole_changes_are_all_there_when_the_limit_allows);
    tcase_add_test(tests, a_low_limit_drops_and_keeps_each_change_alone);
    tcase_add_test(tests, a_selector_always_leads_to_the_same_state);
    return unit_run(tests);
}
