/*
 * Codes, their names, and the filling in of struct qed_error.
 * SPDX-License-Identifier: MIT
 */
#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "support/unit.h"

START_TEST(every_code_has_a_name_of_its_own)
{
    for (int i = 0; i < QED_CODE_COUNT; i++) {
        ck_assert_ptr_nonnull(qed_code_name(-i));
        ck_assert_str_ne(qed_code_name(-i), "unknown");
        ck_assert_str_ne(qed_code_name(-i), "");
        for (int j = 0; j < i; j++)
            ck_assert_str_ne(qed_code_name(-i), qed_code_name(-j));
    }
    ck_assert_str_eq(qed_code_name(QED_ERR_SHORT_READ), "short-read");
}
END_TEST

START_TEST(other_numbers_are_unknown_codes)
{
    ck_assert_str_eq(qed_code_name(1), "unknown");
    ck_assert_str_eq(qed_code_name(-QED_CODE_COUNT), "unknown");
    ck_assert_str_eq(qed_code_name(INT32_MAX), "unknown");
    ck_assert_str_eq(qed_code_name(INT32_MIN), "unknown");
}
END_TEST

START_TEST(a_failure_replaces_all_that_stood_in_the_error)
{
    struct qed_error error = {.code = 7, .sys_errno = 8, .file_off = 9, .hint = "old"};

    ck_assert_int_eq(qed_fail(&error, QED_ERR_FORMAT, "%d of %s", 3, "x\ny"), QED_ERR_FORMAT);
    ck_assert_int_eq(error.code, QED_ERR_FORMAT);
    ck_assert_int_eq(error.sys_errno, 0);
    ck_assert_uint_eq(error.file_off, UINT64_MAX);
    ck_assert_str_eq(error.text, "3 of x\\x0ay");
    ck_assert_str_eq(error.hint, "");
}
END_TEST

START_TEST(a_system_call_failure_says_why)
{
    struct qed_error error = QED_ERROR_INIT;
    char expected[128];

    snprintf(expected, sizeof(expected), "cannot read: %s", strerror(ENOENT));
    ck_assert_int_eq(qed_fail_errno(&error, QED_ERR_IO, ENOENT, "cannot read"), QED_ERR_IO);
    ck_assert_int_eq(error.sys_errno, ENOENT);
    ck_assert_str_eq(error.text, expected);
}
END_TEST

START_TEST(a_prefix_keeps_the_cause)
{
    struct qed_error error = QED_ERROR_INIT;

    qed_fail_errno(&error, QED_ERR_IO, EIO, "inner");
    error.file_off = 77;
    qed_fail_hint(&error, "hint %d", 1);
    ck_assert_int_eq(qed_fail_prefix(&error, QED_ERR_BACKING, "outer\x01"), QED_ERR_BACKING);
    ck_assert_int_eq(error.code, QED_ERR_BACKING);
    ck_assert_int_eq(error.sys_errno, EIO);
    ck_assert_uint_eq(error.file_off, 77);
    ck_assert_int_eq(strncmp(error.text, "outer\\x01: inner: ", 18), 0);
    ck_assert_str_eq(error.hint, "hint 1");
}
END_TEST

START_TEST(no_error_to_fill_in_is_fine)
{
    ck_assert_int_eq(qed_fail(NULL, QED_ERR_FORMAT, "x"), QED_ERR_FORMAT);
    ck_assert_int_eq(qed_fail_errno(NULL, QED_ERR_IO, EIO, "x"), QED_ERR_IO);
    ck_assert_int_eq(qed_fail_prefix(NULL, QED_ERR_LOOP, "x"), QED_ERR_LOOP);
    qed_fail_hint(NULL, "x");
}
END_TEST

START_TEST(long_texts_are_cut_and_terminated)
{
    struct qed_error error = QED_ERROR_INIT;
    char longer[2 * sizeof(error.text)];

    memset(longer, 'a', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    qed_fail(&error, QED_ERR_FORMAT, "%s", longer);
    ck_assert_uint_eq(strlen(error.text), sizeof(error.text) - 1);
    qed_fail_prefix(&error, QED_ERR_FORMAT, "start");
    ck_assert_uint_eq(strlen(error.text), sizeof(error.text) - 1);
    ck_assert_int_eq(strncmp(error.text, "start: aaa", 10), 0);
    memset(longer, '\n', sizeof(longer) - 1);
    qed_fail_errno(&error, QED_ERR_FORMAT, EIO, "%s", longer);
    ck_assert_uint_lt(strlen(error.text), sizeof(error.text));
    qed_fail_hint(&error, "%s", longer);
    ck_assert_uint_lt(strlen(error.hint), sizeof(error.hint));
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("error");

    tcase_add_test(tests, every_code_has_a_name_of_its_own);
    tcase_add_test(tests, other_numbers_are_unknown_codes);
    tcase_add_test(tests, a_failure_replaces_all_that_stood_in_the_error);
    tcase_add_test(tests, a_system_call_failure_says_why);
    tcase_add_test(tests, a_prefix_keeps_the_cause);
    tcase_add_test(tests, no_error_to_fill_in_is_fine);
    tcase_add_test(tests, long_texts_are_cut_and_terminated);
    return unit_run(tests);
}
