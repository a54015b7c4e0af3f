/*
 * The first findings in order, kept whatever order they come in.
 * SPDX-License-Identifier: MIT
 */
#include "format/problem_list.h"

#include <stdlib.h>

#include "support/unit.h"

static int by_place(const void *a, const void *b)
{
    return problem_compare(a, b);
}

START_TEST(the_first_in_order_are_kept_and_all_are_counted)
{
    static const size_t limits[] = {0, 1, 2, 15, 16, 17, 100, 300, 301};
    struct unit_random random = {_i};

    for (size_t l = 0; l < sizeof(limits) / sizeof(limits[0]); l++) {
        struct problem all[300];
        struct problem_list list;

        problem_list_init(&list, limits[l]);
        for (size_t i = 0; i < 300; i++) {
            all[i] = (struct problem){.id = PROBLEM_L2_SHARED,
                                      .has_l1_index = true,
                                      .has_l2_index = true,
                                      .l1_index = unit_random_below(&random, 10),
                                      .l2_index = unit_random_below(&random, 50)};
            problem_list_add(&list, &all[i]);
        }
        problem_list_sort(&list);
        qsort(all, 300, sizeof(all[0]), by_place);
        ck_assert_uint_eq(list.found, 300);
        ck_assert_uint_eq(list.count, limits[l] < 300 ? limits[l] : 300);
        for (size_t i = 0; i < list.count; i++)
            ck_assert_int_eq(problem_compare(&list.problems[i], &all[i]), 0);
        problem_list_release(&list);
        problem_list_release(&list);
    }
}
END_TEST

START_TEST(what_cannot_be_kept_any_more_is_told_beforehand)
{
    struct problem early = {.id = PROBLEM_L1_LOW_BITS, .has_l1_index = true, .l1_index = 1};
    struct problem middle = {.id = PROBLEM_L1_LOW_BITS, .has_l1_index = true, .l1_index = 5};
    struct problem late = {.id = PROBLEM_L1_LOW_BITS, .has_l1_index = true, .l1_index = 9};
    struct problem_list list;

    problem_list_init(&list, 1);
    ck_assert(problem_list_would_keep(&list, &late));
    problem_list_add(&list, &middle);
    ck_assert(problem_list_would_keep(&list, &early));
    ck_assert(!problem_list_would_keep(&list, &late));
    problem_list_release(&list);
    problem_list_init(&list, 0);
    ck_assert(!problem_list_would_keep(&list, &early));
    problem_list_release(&list);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("problem_list");

    tcase_add_loop_test(tests, the_first_in_order_are_kept_and_all_are_counted, 0, 4);
    tcase_add_test(tests, what_cannot_be_kept_any_more_is_told_beforehand);
    return unit_run(tests);
}
