/*
 * Integers in byte buffers.
 * SPDX-License-Identifier: MIT
 */
#include "base/le.h"

#include <string.h>

#include "support/unit.h"

START_TEST(the_low_byte_comes_first)
{
    static const uint8_t bytes[] = {0x88, 0x77, 0x66, 0xf5, 0x44, 0x33, 0x22, 0xf1};

    ck_assert_uint_eq(le32_load(bytes), UINT32_C(0xf5667788));
    ck_assert_uint_eq(le64_load(bytes), UINT64_C(0xf1223344f5667788));
}
END_TEST

START_TEST(what_was_stored_is_loaded_at_any_alignment)
{
    for (size_t at = 0; at < 8; at++) {
        uint8_t bytes[24];

        memset(bytes, 0xaa, sizeof(bytes));
        le64_store(bytes + at + 1, UINT64_C(0x8090a0b0c0d0e0f0));
        ck_assert_uint_eq(le64_load(bytes + at + 1), UINT64_C(0x8090a0b0c0d0e0f0));
        ck_assert_uint_eq(bytes[at + 1], 0xf0);
        ck_assert_uint_eq(bytes[at + 8], 0x80);
        ck_assert_uint_eq(bytes[at], 0xaa);
        ck_assert_uint_eq(bytes[at + 9], 0xaa);
        le32_store(bytes + at + 1, UINT32_C(0x81828384));
        ck_assert_uint_eq(le32_load(bytes + at + 1), UINT32_C(0x81828384));
        ck_assert_uint_eq(bytes[at + 5], 0xb0);
    }
}
END_TEST

START_TEST(numbers_in_place_become_the_hosts)
{
    uint64_t numbers[3];
    uint8_t bytes[24];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7 + 0x80);
    memcpy(numbers, bytes, sizeof(bytes));
    le64_to_host(numbers, 2);
    ck_assert_uint_eq(numbers[0], le64_load(bytes));
    ck_assert_uint_eq(numbers[1], le64_load(bytes + 8));
    ck_assert_mem_eq(&numbers[2], bytes + 16, 8);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("le");

    tcase_add_test(tests, the_low_byte_comes_first);
    tcase_add_test(tests, what_was_stored_is_loaded_at_any_alignment);
    tcase_add_test(tests, numbers_in_place_become_the_hosts);
    return unit_run(tests);
}
