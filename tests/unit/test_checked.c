/*
 * Arithmetic at the edges of 64 bits.
 * SPDX-License-Identifier: MIT
 */
#include "base/checked.h"

#include "support/unit.h"

START_TEST(sums_and_products_tell_overflow)
{
    uint64_t out;

    ck_assert(checked_add(UINT64_MAX - 1, 1, &out));
    ck_assert_uint_eq(out, UINT64_MAX);
    ck_assert(!checked_add(UINT64_MAX, 1, &out));
    ck_assert(checked_mul(UINT64_C(1) << 32, UINT32_MAX, &out));
    ck_assert_uint_eq(out, UINT64_C(0xffffffff00000000));
    ck_assert(!checked_mul(UINT64_C(1) << 32, UINT64_C(1) << 32, &out));
    ck_assert_uint_eq(saturating_mul(3, 4), 12);
    ck_assert_uint_eq(saturating_mul(UINT64_MAX, 2), UINT64_MAX);
    ck_assert_uint_eq(saturating_mul(UINT64_MAX, 0), 0);
}
END_TEST

START_TEST(a_range_is_inside_only_as_a_whole)
{
    ck_assert(range_inside(10, 10, 10, 20));
    ck_assert(range_inside(20, 0, 10, 20));
    ck_assert(!range_inside(9, 1, 10, 20));
    ck_assert(!range_inside(10, 11, 10, 20));
    ck_assert(!range_inside(21, 0, 10, 20));
    ck_assert(!range_inside(15, UINT64_MAX, 10, 20));
    ck_assert(!range_inside(UINT64_MAX, UINT64_MAX, 0, 20));
    ck_assert(range_inside(0, UINT64_MAX, 0, UINT64_MAX));
}
END_TEST

START_TEST(smaller_and_larger)
{
    ck_assert_uint_eq(min_u64(1, UINT64_MAX), 1);
    ck_assert_uint_eq(min_u64(UINT64_MAX, 1), 1);
    ck_assert_uint_eq(max_u64(1, UINT64_MAX), UINT64_MAX);
    ck_assert_uint_eq(max_u64(UINT64_MAX, 1), UINT64_MAX);
}
END_TEST

START_TEST(powers_of_two)
{
    ck_assert(!is_power_of_two(0));
    for (unsigned int shift = 0; shift < 64; shift++) {
        uint64_t power = UINT64_C(1) << shift;

        ck_assert(is_power_of_two(power));
        ck_assert(power <= 2 || !is_power_of_two(power - 1));
        ck_assert(power == 1 || !is_power_of_two(power + 1));
    }
    ck_assert(!is_power_of_two(UINT64_MAX));
}
END_TEST

START_TEST(rounding)
{
    uint64_t out;

    ck_assert_uint_eq(round_down(4095, 4096), 0);
    ck_assert_uint_eq(round_down(4096, 4096), 4096);
    ck_assert_uint_eq(round_down(UINT64_MAX, 4096), UINT64_MAX - 4095);
    ck_assert(checked_round_up(0, 512, &out));
    ck_assert_uint_eq(out, 0);
    ck_assert(checked_round_up(1, 512, &out));
    ck_assert_uint_eq(out, 512);
    ck_assert(checked_round_up(512, 512, &out));
    ck_assert_uint_eq(out, 512);
    ck_assert(checked_round_up(UINT64_MAX - 511, 512, &out));
    ck_assert_uint_eq(out, UINT64_MAX - 511);
    ck_assert(!checked_round_up(UINT64_MAX - 510, 512, &out));
}
END_TEST

START_TEST(blocks_hold_every_byte)
{
    ck_assert_uint_eq(blocks_for(0, 9), 0);
    ck_assert_uint_eq(blocks_for(1, 9), 1);
    ck_assert_uint_eq(blocks_for(512, 9), 1);
    ck_assert_uint_eq(blocks_for(513, 9), 2);
    ck_assert_uint_eq(blocks_for(UINT64_MAX, 9), UINT64_C(1) << 55);
    ck_assert_uint_eq(blocks_for(7, 0), 7);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("checked");

    tcase_add_test(tests, sums_and_products_tell_overflow);
    tcase_add_test(tests, a_range_is_inside_only_as_a_whole);
    tcase_add_test(tests, smaller_and_larger);
    tcase_add_test(tests, powers_of_two);
    tcase_add_test(tests, rounding);
    tcase_add_test(tests, blocks_hold_every_byte);
    return unit_run(tests);
}
