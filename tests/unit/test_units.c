/*
 * Sizes, parsed and printed.
 * SPDX-License-Identifier: MIT
 */
#include "base/units.h"

#include "support/unit.h"

START_TEST(sizes_are_parsed)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } cases[] = {
        {"0", 0},
        {"1", 1},
        {"007", 7},
        {"512b", 512},
        {"512B", 512},
        {"1k", 1024},
        {"1K", 1024},
        {"3m", UINT64_C(3) << 20},
        {"64M", UINT64_C(64) << 20},
        {"10G", UINT64_C(10) << 30},
        {"10g", UINT64_C(10) << 30},
        {"64T", UINT64_C(64) << 40},
        {"5p", UINT64_C(5) << 50},
        {"7E", UINT64_C(7) << 60},
        {"1.5k", 1536},
        {"0.5G", UINT64_C(1) << 29},
        {"0.1k", 102},
        {"1.0", 1},
        {"1.999k", 2047},
        {"0.0004k", 0},
        {"0.0005k", 1},
        {"0.000000000000000000000001k", 0},
        {"0x10", 16},
        {"0XfF", 255},
        {"0x1b", 27},
        {"9223372036854775807", INT64_MAX},
        {"0x7fffffffffffffff", INT64_MAX},
        {"8191.5P", (UINT64_C(16383) << 49)},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t bytes = 99;

        ck_assert_msg(units_parse_size(cases[i].text, &bytes), "%s", cases[i].text);
        ck_assert_msg(bytes == cases[i].bytes, "%s: %llu", cases[i].text,
                      (unsigned long long)bytes);
    }
}
END_TEST

START_TEST(anything_else_is_refused)
{
    static const char *const cases[] = {
        "",     " ",    "k",    "-1",   "+1",  " 1",     "1 ",   "1kk",  "1kB",
        "1KiB", "1.",   ".5",   ".5k",  "1.k", "1.5",    "1.5b", "1..5", "1,5k",
        "0x",   "0xg",  "0x1k", "0x-1", "1e3", "0x10 ",  "1z",   "nan",  "inf",
        "8E",   "9223372036854775808",  "18446744073709551615",  "18446744073709551616",
        "99999999999999999999999",      "16E", "8192P",  "0x8000000000000000",
        "0x10000000000000000",          "7.9999999999999999999999E1",
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t bytes = 99;

        ck_assert_msg(!units_parse_size(cases[i], &bytes), "%s", cases[i]);
        ck_assert_msg(bytes == 99, "%s: a refused size was stored", cases[i]);
    }
}
END_TEST

START_TEST(sizes_are_printed_with_three_places)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {
        {0, "0 B"},
        {1, "1 B"},
        {999, "999 B"},
        {1000, "0.977 KiB"},
        {1024, "1 KiB"},
        {1536, "1.5 KiB"},
        {65536, "64 KiB"},
        {999 * 1024, "999 KiB"},
        {1000 * 1024, "0.977 MiB"},
        {UINT64_C(64) << 20, "64 MiB"},
        {(UINT64_C(1) << 30) + (UINT64_C(1) << 29), "1.5 GiB"},
        {UINT64_C(64) << 40, "64 TiB"},
        {UINT64_C(3) << 50, "3 PiB"},
        {UINT64_C(7) << 60, "7 EiB"},
        {UINT64_MAX, "16 EiB"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[UNITS_TEXT_MAX];

        ck_assert_ptr_eq(units_format_size(cases[i].bytes, text), text);
        ck_assert_str_eq(text, cases[i].text);
    }
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("units");

    tcase_add_test(tests, sizes_are_parsed);
    tcase_add_test(tests, anything_else_is_refused);
    tcase_add_test(tests, sizes_are_printed_with_three_places);
    return unit_run(tests);
}
