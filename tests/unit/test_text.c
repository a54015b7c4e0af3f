/*
 * Escaping of control bytes.
 * SPDX-License-Identifier: MIT
 */
#include "base/text.h"

#include <stdio.h>
#include <string.h>

#include "support/unit.h"

START_TEST(plain_text_is_copied)
{
    char out[32];

    ck_assert_ptr_eq(text_escape(out, sizeof(out), "a \"b\" \xc3\xa9~"), out);
    ck_assert_str_eq(out, "a \"b\" \xc3\xa9~");
    ck_assert_str_eq(text_escape(out, sizeof(out), ""), "");
}
END_TEST

START_TEST(every_control_byte_is_escaped)
{
    for (int c = 1; c < 256; c++) {
        char in[] = {'<', (char)c, '>', '\0'};
        char out[32], expected[32];
        bool control = c < 0x20 || c == 0x7f;

        if (control)
            snprintf(expected, sizeof(expected), "<\\x%02x>", (unsigned int)c);
        else
            memcpy(expected, in, sizeof(in));
        ck_assert_str_eq(text_escape(out, sizeof(out), in), expected);
        ck_assert_int_eq(text_has_control_byte(in), control);
    }
    ck_assert(!text_has_control_byte(""));
}
END_TEST

START_TEST(what_does_not_fit_is_cut_and_terminated)
{
    char out[8];

    for (size_t size = 1; size <= sizeof(out); size++) {
        memset(out, '#', sizeof(out));
        text_escape(out, size, "abcdefghij");
        ck_assert_uint_eq(strlen(out), size - 1);
        ck_assert_int_eq(strncmp(out, "abcdefghij", size - 1), 0);
        for (size_t i = size; i < sizeof(out); i++)
            ck_assert_int_eq(out[i], '#');
    }
}
END_TEST

START_TEST(an_escape_is_never_cut_in_two)
{
    char out[8];

    ck_assert_str_eq(text_escape(out, 6, "a\nb"), "a\\x0a");
    ck_assert_str_eq(text_escape(out, 5, "a\nb"), "a");
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("text");

    tcase_add_test(tests, plain_text_is_copied);
    tcase_add_test(tests, every_control_byte_is_escaped);
    tcase_add_test(tests, what_does_not_fit_is_cut_and_terminated);
    tcase_add_test(tests, an_escape_is_never_cut_in_two);
    return unit_run(tests);
}
