/*
 * CRC-32, of bytes and of runs of zeroes.
 * SPDX-License-Identifier: MIT
 */
#include "format/zcodec.h"

#include <stdlib.h>

#include "support/unit.h"

/* The check value of CRC-32/ISO-HDLC, which is zlib's. */
START_TEST(the_crc_is_the_known_one)
{
    ck_assert_uint_eq(zcodec_crc32(0, "123456789", 9), 0xcbf43926);
    ck_assert_uint_eq(zcodec_crc32(0, NULL, 0), 0);
    ck_assert_uint_eq(zcodec_crc32(7, NULL, 0), 7);
}
END_TEST

START_TEST(a_crc_is_continued_from_piece_to_piece)
{
    uint32_t crc = zcodec_crc32(0, "1234", 4);

    crc = zcodec_crc32(crc, "", 0);
    ck_assert_uint_eq(zcodec_crc32(crc, "56789", 5), 0xcbf43926);
}
END_TEST

START_TEST(zeroes_need_not_be_there_to_be_counted)
{
    static const uint8_t zeroes[5000];
    uint32_t crc = zcodec_crc32(0, "abc", 3);

    for (size_t len = 0; len <= sizeof(zeroes); len += len < 70 ? 1 : 493)
        ck_assert_uint_eq(zcodec_crc32_zeroes(crc, len), zcodec_crc32(crc, zeroes, len));
}
END_TEST

START_TEST(a_run_of_any_length_is_the_sum_of_its_parts)
{
    static const uint64_t lengths[] = {1, 4097, UINT64_C(1) << 40, (UINT64_C(1) << 50) + 12345,
                                       INT64_MAX / 2};

    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        uint32_t half = zcodec_crc32_zeroes(9, lengths[i]);

        ck_assert_uint_eq(zcodec_crc32_zeroes(half, lengths[i]),
                          zcodec_crc32_zeroes(9, lengths[i] * 2));
    }
    ck_assert_uint_eq(zcodec_crc32_zeroes(zcodec_crc32_zeroes(9, INT64_MAX - 1), 1),
                      zcodec_crc32_zeroes(9, INT64_MAX));
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("zcodec");

    tcase_add_test(tests, the_crc_is_the_known_one);
    tcase_add_test(tests, a_crc_is_continued_from_piece_to_piece);
    tcase_add_test(tests, zeroes_need_not_be_there_to_be_counted);
    tcase_add_test(tests, a_run_of_any_length_is_the_sum_of_its_parts);
    return unit_run(tests);
}
