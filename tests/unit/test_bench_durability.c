/*
 * The random order of a durability bench goes everywhere once.
 * SPDX-License-Identifier: MIT
 */
#include "core/bench_durability.h"

#include <stdlib.h>

#include "support/unit.h"

static void is_permutation(uint64_t places, uint64_t seed)
{
    bool *seen = calloc(places, sizeof(*seen));

    ck_assert_ptr_nonnull(seen);
    for (uint64_t i = 0; i < places; i++) {
        uint64_t place = bench_durability_place(i, places, seed);

        ck_assert_uint_lt(place, places);
        ck_assert(!seen[place]);
        seen[place] = true;
    }
    free(seen);
}

START_TEST(each_place_comes_once)
{
    static const uint64_t sizes[] = {1, 2, 3, 4, 5, 15, 16, 17, 1000, 4097};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (uint64_t seed = 0; seed < 4; seed++)
            is_permutation(sizes[i], seed);
    }
}
END_TEST

START_TEST(the_seed_decides_the_order)
{
    unsigned int same = 0, in_order = 0;

    for (uint64_t i = 0; i < 1000; i++) {
        ck_assert_uint_eq(bench_durability_place(i, 1000, 1), bench_durability_place(i, 1000, 1));
        same += bench_durability_place(i, 1000, 1) == bench_durability_place(i, 1000, 2);
        in_order += bench_durability_place(i, 1000, 1) == i;
    }
    ck_assert_uint_lt(same, 20);
    ck_assert_uint_lt(in_order, 20);
}
END_TEST

START_TEST(huge_guests_have_places_too)
{
    uint64_t places = (UINT64_C(1) << 62) + 12345;

    for (uint64_t i = 0; i < 100; i++)
        ck_assert_uint_lt(bench_durability_place(i, places, 3), places);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("bench_durability");

    tcase_add_test(tcase, each_place_comes_once);
    tcase_add_test(tcase, the_seed_decides_the_order);
    tcase_add_test(tcase, huge_guests_have_places_too);
    return unit_run(tcase);
}
