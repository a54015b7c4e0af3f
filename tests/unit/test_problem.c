/*
 * The table of problems, and the order of findings.
 * SPDX-License-Identifier: MIT
 */
#include "format/problem.h"

#include <ctype.h>
#include <string.h>

#include "support/unit.h"

START_TEST(every_row_is_complete)
{
    for (int i = 0; i < PROBLEM_COUNT; i++) {
        const struct problem_kind *kind = problem_kind((enum problem_id)i);

        ck_assert_ptr_nonnull(kind->name);
        ck_assert_ptr_nonnull(kind->sentence);
        ck_assert_uint_gt(strlen(kind->sentence), 10);
        ck_assert(kind->severity >= SEVERITY_NOTE && kind->severity <= SEVERITY_FATAL);
        ck_assert(!kind->action || strlen(kind->action) > 10);
        ck_assert(!strchr(kind->sentence, '\n'));
        ck_assert_int_ne(kind->sentence[strlen(kind->sentence) - 1], '.');
    }
}
END_TEST

START_TEST(names_are_unique_and_fit_for_scripts)
{
    for (int i = 0; i < PROBLEM_COUNT; i++) {
        const char *name = problem_kind((enum problem_id)i)->name;

        ck_assert_int_eq(strncmp(name, "QED-", 4), 0);
        for (const char *at = name; *at; at++)
            ck_assert(isupper((unsigned char)*at) || isdigit((unsigned char)*at) || *at == '-');
        for (int j = 0; j < i; j++)
            ck_assert_str_ne(name, problem_kind((enum problem_id)j)->name);
    }
}
END_TEST

START_TEST(what_keeps_an_image_from_being_opened_is_not_repaired_by_the_way)
{
    for (int i = 0; i < PROBLEM_COUNT; i++) {
        const struct problem_kind *kind = problem_kind((enum problem_id)i);

        if (kind->severity == SEVERITY_FATAL && kind->action)
            ck_assert_ptr_nonnull(strstr(kind->action, "--rebuild"));
    }
}
END_TEST

START_TEST(every_action_has_a_name_for_scripts_and_a_sentence)
{
    for (int i = 0; i < ACTION_COUNT; i++) {
        const char *name = problem_action_name((enum problem_action)i);
        const char *sentence = problem_action_sentence((enum problem_action)i);

        for (const char *at = name; *at; at++)
            ck_assert(islower((unsigned char)*at) || *at == '-');
        ck_assert_uint_gt(strlen(sentence), 10);
        ck_assert_int_ne(sentence[strlen(sentence) - 1], '.');
        for (int j = 0; j < i; j++) {
            ck_assert_str_ne(name, problem_action_name((enum problem_action)j));
            ck_assert_str_ne(sentence, problem_action_sentence((enum problem_action)j));
        }
    }
}
END_TEST

START_TEST(severities_have_names)
{
    ck_assert_str_eq(problem_severity_name(SEVERITY_NOTE), "note");
    ck_assert_str_eq(problem_severity_name(SEVERITY_LEAK), "leak");
    ck_assert_str_eq(problem_severity_name(SEVERITY_CORRUPTION), "corruption");
    ck_assert_str_eq(problem_severity_name(SEVERITY_FATAL), "fatal");
}
END_TEST

START_TEST(the_place_of_a_finding_is_compared_without_its_kind)
{
    struct problem a = {.id = PROBLEM_L2_LOW_BITS, .has_l1_index = true, .has_l2_index = true};
    struct problem b = a;

    b.id = PROBLEM_L2_SHARED;
    ck_assert_int_eq(problem_compare_place(&a, &b), 0);
    ck_assert_int_lt(problem_compare(&a, &b), 0);
    b.l2_index = 1;
    ck_assert_int_lt(problem_compare_place(&a, &b), 0);
    a = (struct problem){.id = PROBLEM_LEAK, .file_off = 4096};
    b = (struct problem){.id = PROBLEM_LEAK, .file_off = 8192};
    ck_assert_int_lt(problem_compare_place(&a, &b), 0);
}
END_TEST

START_TEST(findings_are_in_order_of_place)
{
    static const struct problem sorted[] = {
        {.id = PROBLEM_AUTOCLEAR},
        {.id = PROBLEM_DIRTY},
        {.id = PROBLEM_L1_SAME_TABLE, .has_l1_index = true},
        {.id = PROBLEM_L2_SHARED, .has_l1_index = true, .has_l2_index = true},
        {.id = PROBLEM_L2_LOW_BITS, .has_l1_index = true, .has_l2_index = true, .l2_index = 1},
        {.id = PROBLEM_L2_SHARED, .has_l1_index = true, .has_l2_index = true, .l2_index = 1},
        {.id = PROBLEM_L1_LOW_BITS, .has_l1_index = true, .l1_index = 1},
        {.id = PROBLEM_L1_PAST_SIZE, .has_l1_index = true, .l1_index = 1},
        {.id = PROBLEM_L2_LOW_BITS, .has_l1_index = true, .has_l2_index = true, .l1_index = 1},
        {.id = PROBLEM_L1_LOW_BITS, .has_l1_index = true, .l1_index = UINT64_MAX},
        {.id = PROBLEM_LEAK, .file_off = 4096},
        {.id = PROBLEM_LEAK, .file_off = UINT64_MAX},
    };
    int count = sizeof(sorted) / sizeof(sorted[0]);

    for (int i = 0; i < count; i++) {
        for (int j = 0; j < count; j++) {
            int order = problem_compare(&sorted[i], &sorted[j]);

            ck_assert_msg((order > 0) == (i > j) && (order < 0) == (i < j), "%d and %d", i, j);
        }
    }
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("problem");

    tcase_add_test(tests, every_row_is_complete);
    tcase_add_test(tests, names_are_unique_and_fit_for_scripts);
    tcase_add_test(tests, what_keeps_an_image_from_being_opened_is_not_repaired_by_the_way);
    tcase_add_test(tests, every_action_has_a_name_for_scripts_and_a_sentence);
    tcase_add_test(tests, severities_have_names);
    tcase_add_test(tests, the_place_of_a_finding_is_compared_without_its_kind);
    tcase_add_test(tests, findings_are_in_order_of_place);
    return unit_run(tests);
}
