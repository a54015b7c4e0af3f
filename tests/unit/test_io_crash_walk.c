/*
 * A walk over the states of several cuts.
 * SPDX-License-Identifier: MIT
 */
#include "support/io_crash.h"

#include <string.h>

#include "support/unit.h"
#include "support/words.h"

#define ALL 1000 /* a limit that no cut of the first script reaches */

START_TEST(a_walk_gives_each_file_once)
{
    static const char *const expected[] = {"ab", "Ab", "ab.", "abC", "Ab.", "AbC"};
    struct io *file = words_file("ab"), *io = io_crash_new(file);
    struct io_crash_walk *walk;
    struct io_crash_state state;
    struct io *left;
    size_t count = 0;

    words_put(io, 0, "A");
    words_put(io, 0, "A"); /* nothing new */
    words_put(io, 2, "C");
    words_flush(io);
    words_put(io, 0, "a");
    walk = io_crash_walk_new(io, 0, io_crash_ops(io) + 1, ALL);
    while ((left = io_crash_walk_next(walk, &state))) {
        struct word word = words_of(left);
        bool found = false;

        ck_assert_str_eq(words_left(io, state.cut, state.limit, state.selector).text, word.text);
        for (size_t i = 0; i < 6; i++)
            found = found || strcmp(expected[i], word.text) == 0;
        ck_assert(found);
        io_close(left);
        count++;
    }
    ck_assert_uint_eq(count, 6);
    ck_assert_uint_eq(io_crash_walk_count(walk), 6);
    ck_assert_ptr_null(io_crash_walk_next(walk, NULL));
    io_crash_walk_free(walk);
    walk = io_crash_walk_new(io, 4, 6, ALL);
    for (count = 0; (left = io_crash_walk_next(walk, NULL)); count++)
        io_close(left);
    ck_assert_uint_eq(count, 2); /* AbC, and abC, though the first walk had both before */
    io_crash_walk_free(walk);
    io_close(io);
    io_close(file);
}
END_TEST

START_TEST(a_walk_of_many_states_counts_them)
{
    struct io *file = words_file("-"), *io = io_crash_new(file);
    struct io_crash_walk *walk;
    struct io *left;
    size_t count = 0;

    words_put(io, 0, "abcdefghijkl"); /* of n sectors 2^0 + … + 2^n: a length, then any mix */
    walk = io_crash_walk_new(io, 1, 2, UINT64_C(1) << 20);
    for (; (left = io_crash_walk_next(walk, NULL)); count++)
        io_close(left);
    ck_assert_uint_eq(count, (1U << 13) - 1);
    io_crash_walk_free(walk);
    io_close(io);
    io_close(file);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("io_crash_walk");

    tcase_add_test(tests, a_walk_gives_each_file_once);
    tcase_add_test(tests, a_walk_of_many_states_counts_them);
    return unit_run(tests);
}
