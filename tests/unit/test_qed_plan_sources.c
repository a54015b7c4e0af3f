/*
 * Which bytes are copied.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_plan_sources.h"

#include "support/io_mem.h"
#include "support/unit.h"

#define C UINT64_C(4096)

START_TEST(what_is_copied_is_found_whatever_the_order)
{
    static const uint64_t copied[] = {9, 3, 4, 20, 3, 12};
    const unsigned int all = 1U << 9 | 1U << 3 | 1U << 4 | 1U << 20 | 1U << 12;
    struct io *io = io_mem_new(24 * C);
    struct qed_plan_sources sources;
    struct qed_plan *plan = NULL;
    uint64_t to;

    ck_assert_int_eq(qed_plan_new(&plan, io, NULL), QED_OK);
    for (size_t i = 0; i < sizeof(copied) / sizeof(copied[0]); i++)
        ck_assert_int_eq(qed_plan_copy(plan, copied[i] * C, C, C, &to, NULL), QED_OK);
    qed_plan_settle(plan);
    ck_assert_int_eq(qed_plan_sources_list(&sources, plan, NULL), QED_OK);
    ck_assert_uint_eq(sources.count, 4); /* 3 and 4 are one, and 3 is copied twice */
    for (uint64_t cluster = 0; cluster < 24; cluster++) {
        bool is_copied = all >> cluster & 1;

        ck_assert(qed_plan_sources_have(&sources, cluster * C) == is_copied);
        ck_assert(qed_plan_sources_have(&sources, cluster * C + C - 8) == is_copied);
    }
    qed_plan_sources_release(&sources);
    ck_assert(!qed_plan_sources_have(&sources, 3 * C));
    qed_plan_free(plan);
    io_close(io);
}
END_TEST

START_TEST(a_plan_without_copies_has_none)
{
    struct io *io = io_mem_new(24 * C);
    struct qed_plan_sources sources;
    struct qed_plan *plan = NULL;

    ck_assert_int_eq(qed_plan_new(&plan, io, NULL), QED_OK);
    qed_plan_settle(plan);
    ck_assert_int_eq(qed_plan_sources_list(&sources, plan, NULL), QED_OK);
    ck_assert(!qed_plan_sources_have(&sources, 0));
    qed_plan_sources_release(&sources);
    qed_plan_free(plan);
    io_close(io);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("qed_plan_sources");

    tcase_add_test(tests, what_is_copied_is_found_whatever_the_order);
    tcase_add_test(tests, a_plan_without_copies_has_none);
    return unit_run(tests);
}
