/*
 * Percentiles are those of the numbers that were added, to within a step.
 * SPDX-License-Identifier: MIT
 */
#include "base/histogram.h"

#include <stdlib.h>

#include "support/unit.h"

START_TEST(an_empty_one_has_only_zeroes)
{
    static const struct histogram empty;

    ck_assert_uint_eq(histogram_percentile(&empty, 50000), 0);
    ck_assert_uint_eq(histogram_percentile(&empty, 100000), 0);
}
END_TEST

START_TEST(small_numbers_are_kept_exactly)
{
    struct histogram h = {0};

    for (uint64_t i = 0; i < 64; i++)
        histogram_add(&h, i);
    ck_assert_uint_eq(h.count, 64);
    ck_assert_uint_eq(h.max, 63);
    ck_assert_uint_eq(histogram_percentile(&h, 50000), 31);
    ck_assert_uint_eq(histogram_percentile(&h, 25000), 15);
    ck_assert_uint_eq(histogram_percentile(&h, 100000), 63);
    ck_assert_uint_eq(histogram_percentile(&h, 1), 0);
}
END_TEST

START_TEST(one_in_a_thousand_is_seen_by_the_last_percentile_only)
{
    struct histogram h = {0};

    for (int i = 0; i < 999; i++)
        histogram_add(&h, 10);
    histogram_add(&h, 1000000);
    ck_assert_uint_eq(histogram_percentile(&h, 99900), 10);
    ck_assert_uint_eq(histogram_percentile(&h, 99901), 1000000);
}
END_TEST

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

START_TEST(percentiles_are_right_to_a_32nd)
{
    static const unsigned int asked[] = {1000, 50000, 99000, 99900, 100000};
    struct unit_random random = {7};
    struct histogram h = {0};
    enum { COUNT = 5000 };
    static uint64_t values[COUNT];

    for (size_t i = 0; i < COUNT; i++) {
        values[i] = unit_random(&random) >> unit_random_below(&random, 64);
        histogram_add(&h, values[i]);
    }
    qsort(values, COUNT, sizeof(*values), by_size);
    for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
        uint64_t exact = values[(COUNT * (uint64_t)asked[i] + 99999) / 100000 - 1];
        uint64_t found = histogram_percentile(&h, asked[i]);

        ck_assert_uint_ge(found, exact);
        ck_assert_uint_le(found - exact, exact / 32);
    }
}
END_TEST

START_TEST(the_largest_numbers_have_a_counter)
{
    struct histogram h = {0};

    histogram_add(&h, UINT64_MAX);
    histogram_add(&h, UINT64_MAX - 1);
    ck_assert_uint_eq(histogram_percentile(&h, 50000), UINT64_MAX);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("histogram");

    tcase_add_test(tcase, an_empty_one_has_only_zeroes);
    tcase_add_test(tcase, small_numbers_are_kept_exactly);
    tcase_add_test(tcase, one_in_a_thousand_is_seen_by_the_last_percentile_only);
    tcase_add_test(tcase, percentiles_are_right_to_a_32nd);
    tcase_add_test(tcase, the_largest_numbers_have_a_counter);
    return unit_run(tcase);
}
