/*
 * Zero bytes found, at every length and place.
 * SPDX-License-Identifier: MIT
 */
#include "base/zero.h"

#include <string.h>

#include "support/unit.h"

#define LEN 200

START_TEST(one_byte_anywhere_is_seen)
{
    uint8_t bytes[LEN + 2] = {0};

    for (size_t len = 0; len <= LEN; len++) {
        ck_assert(zero_all(bytes + 1, len));
        for (size_t at = 0; at < len; at++) {
            bytes[1 + at] = 0x80;
            ck_assert_msg(!zero_all(bytes + 1, len), "byte %zu of %zu", at, len);
            bytes[1 + at] = 0;
        }
    }
}
END_TEST

START_TEST(bytes_outside_do_not_count)
{
    uint8_t bytes[LEN + 2];

    memset(bytes, 0xff, sizeof(bytes));
    for (size_t len = 0; len <= LEN; len++) {
        memset(bytes + 1, 0, len);
        ck_assert_msg(zero_all(bytes + 1, len), "%zu", len);
    }
}
END_TEST

static size_t slow_run(const uint8_t *bytes, size_t len, size_t block, bool *is_zero)
{
    size_t run = 0;

    for (size_t start = 0; start < len; start += block) {
        size_t end = start + block < len ? start + block : len;
        bool zero = true;

        for (size_t i = start; i < end; i++)
            zero = zero && bytes[i] == 0;
        if (start == 0)
            *is_zero = zero;
        else if (zero != *is_zero)
            break;
        run = end;
    }
    return run;
}

START_TEST(runs_are_what_a_slow_search_finds)
{
    struct unit_random random = {1};
    uint8_t bytes[LEN];

    for (int i = 0; i < 3000; i++) {
        size_t len = 1 + (size_t)unit_random_below(&random, LEN);
        size_t block = 1 + (size_t)unit_random_below(&random, 40);
        bool expected_zero = false, is_zero = false;
        size_t expected;

        memset(bytes, 0, sizeof(bytes));
        for (uint64_t n = unit_random_below(&random, 4); n > 0; n--)
            bytes[unit_random_below(&random, len)] = 1;
        if (i % 3 == 0)
            memset(bytes, 1, (size_t)unit_random_below(&random, len + 1));
        expected = slow_run(bytes, len, block, &expected_zero);
        ck_assert_uint_eq(zero_run(bytes, len, block, &is_zero), expected);
        ck_assert_int_eq(is_zero, expected_zero);
    }
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("zero");

    tcase_add_test(tests, one_byte_anywhere_is_seen);
    tcase_add_test(tests, bytes_outside_do_not_count);
    tcase_add_test(tests, runs_are_what_a_slow_search_finds);
    return unit_run(tests);
}
