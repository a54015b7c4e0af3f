/*
 * CRC-32, of bytes and of runs of zeroes; deflate in blocks, and gzip members back to bytes.
 * SPDX-License-Identifier: MIT
 */
#include "format/zcodec.h"

#include <stdlib.h>
#include <string.h>

#include "base/le.h"
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

START_TEST(the_crcs_of_parts_give_that_of_the_whole)
{
    uint32_t first = zcodec_crc32(0, "1234", 4), second = zcodec_crc32(0, "56789", 5);

    ck_assert_uint_eq(zcodec_crc32_combine(first, second, 5), 0xcbf43926);
    ck_assert_uint_eq(zcodec_crc32_combine(first, 0, 0), first);
}
END_TEST

#define PLAIN_BYTES ((size_t)300000)
#define HEADER_BYTES 10

static struct zcodec_deflate *new_deflate(int level)
{
    struct zcodec_deflate *deflate = NULL;

    ck_assert_int_eq(zcodec_deflate_new(&deflate, level, NULL), QED_OK);
    return deflate;
}

/* The gzip member of plain bytes, made of blocks with a look back or without; *packed is malloc'ed.
 */
static size_t pack(int level, const uint8_t *plain, size_t len, size_t block_len, bool look_back,
                   uint8_t **packed)
{
    static const uint8_t header[HEADER_BYTES] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3};
    struct zcodec_deflate *deflate = new_deflate(level);
    size_t at = 0, used = sizeof(header);
    bool last;

    *packed = malloc(used + 8 + (len / block_len + 1) * zcodec_deflate_bound(deflate, block_len));
    ck_assert_ptr_nonnull(*packed);
    memcpy(*packed, header, used);
    do {
        struct zcodec_block block = {.bytes = plain + at};
        size_t packed_len;

        block.len = len - at < block_len ? len - at : block_len;
        if (look_back)
            block.history = at < ZCODEC_WINDOW ? at : ZCODEC_WINDOW;
        at += block.len;
        last = block.last = at == len;
        ck_assert_int_eq(zcodec_deflate_block(deflate, &block, *packed + used, &packed_len, NULL),
                         QED_OK);
        ck_assert_uint_le(packed_len, zcodec_deflate_bound(deflate, block.len));
        used += packed_len;
    } while (!last);
    le32_store(*packed + used, zcodec_crc32(0, plain, len));
    le32_store(*packed + used + 4, (uint32_t)len);
    zcodec_deflate_free(deflate);
    return used + 8;
}

/* Whether a member decompresses to plain, given in steps of in_step and out_step bytes. */
static bool unpacks_to(struct zcodec_inflate *inflate, const uint8_t *packed, size_t packed_len,
                       const uint8_t *plain, size_t len, size_t in_step, size_t out_step)
{
    uint8_t *out = malloc(len + 1);
    size_t in_at = 0, out_at = 0;
    bool ended = false, same;

    ck_assert_ptr_nonnull(out);
    while (!ended && in_at < packed_len && out_at <= len) {
        struct zcodec_span span = {.in = packed + in_at, .out = out + out_at};

        span.in_len = packed_len - in_at < in_step ? packed_len - in_at : in_step;
        span.out_len = len + 1 - out_at < out_step ? len + 1 - out_at : out_step;
        if (zcodec_inflate_run(inflate, &span, &ended, NULL) < 0)
            break;
        in_at = (size_t)(span.in - packed);
        out_at = (size_t)(span.out - out);
    }
    same = ended && in_at == packed_len && out_at == len && memcmp(out, plain, len) == 0;
    free(out);
    return same;
}

START_TEST(blocks_add_up_to_one_stream_at_every_level)
{
    static const size_t block_lens[] = {1000, 32768, 131072, PLAIN_BYTES};
    uint8_t *plain = unit_mixed(11, PLAIN_BYTES);
    struct zcodec_inflate *inflate = NULL;

    ck_assert_int_eq(zcodec_inflate_new(&inflate, NULL), QED_OK);
    for (int level = 0; level <= 9; level++) {
        for (size_t i = 0; i < sizeof(block_lens) / sizeof(block_lens[0]); i++) {
            for (int look_back = 0; look_back < 2; look_back++) {
                uint8_t *packed;
                size_t packed_len =
                    pack(level, plain, PLAIN_BYTES, block_lens[i], look_back, &packed);

                ck_assert(unpacks_to(inflate, packed, packed_len, plain, PLAIN_BYTES, SIZE_MAX,
                                     SIZE_MAX));
                free(packed);
            }
        }
    }
    zcodec_inflate_free(inflate);
    free(plain);
}
END_TEST

START_TEST(a_look_back_finds_what_is_repeated)
{
    struct unit_random random = {3};
    size_t len = 20000;
    uint8_t *noise = malloc(2 * len), *with, *without;

    ck_assert_ptr_nonnull(noise);
    for (size_t i = 0; i < len; i++)
        noise[i] = noise[len + i] = (uint8_t)unit_random(&random);
    ck_assert_uint_lt(pack(6, noise, 2 * len, len, true, &with), len + len / 10);
    ck_assert_uint_gt(pack(6, noise, 2 * len, len, false, &without), 2 * len);
    free(with);
    free(without);
    free(noise);
}
END_TEST

START_TEST(a_block_of_no_bytes_may_be_anywhere)
{
    struct zcodec_inflate *inflate = NULL;
    uint8_t *packed;
    size_t packed_len = pack(6, (const uint8_t *)"", 0, 1, false, &packed);

    ck_assert_int_eq(zcodec_inflate_new(&inflate, NULL), QED_OK);
    ck_assert(unpacks_to(inflate, packed, packed_len, (const uint8_t *)"", 0, 1, 1));
    free(packed);
    zcodec_inflate_free(inflate);
}
END_TEST

START_TEST(noise_stays_inside_the_bound)
{
    struct unit_random random = {5};
    size_t len = 131072, packed_len;
    uint8_t *noise = malloc(len);

    ck_assert_ptr_nonnull(noise);
    for (size_t i = 0; i < len; i++)
        noise[i] = (uint8_t)unit_random(&random);
    for (int level = 0; level <= 9; level++) {
        struct zcodec_deflate *deflate = new_deflate(level);
        size_t bound = zcodec_deflate_bound(deflate, len);
        struct zcodec_block block = {.bytes = noise, .len = len};
        uint8_t *packed = malloc(bound); /* not a byte more, for AddressSanitizer and valgrind */

        ck_assert_ptr_nonnull(packed);
        ck_assert_uint_le(bound, len + len / 8 + 64);
        ck_assert_int_eq(zcodec_deflate_block(deflate, &block, packed, &packed_len, NULL), QED_OK);
        ck_assert_uint_gt(packed_len, len);
        free(packed);
        zcodec_deflate_free(deflate);
    }
    free(noise);
}
END_TEST

START_TEST(what_comes_out_does_not_depend_on_what_was_packed_before)
{
    struct zcodec_deflate *deflate = new_deflate(6);
    size_t bound = zcodec_deflate_bound(deflate, 100000), first_len, second_len;
    uint8_t *plain = unit_mixed(11, PLAIN_BYTES), *first = malloc(bound), *second = malloc(bound);
    struct zcodec_block block = {.bytes = plain + 100000, .len = 100000, .history = 32768};
    struct zcodec_block other = {.bytes = plain, .len = 70000};

    ck_assert(first && second);
    ck_assert_int_eq(zcodec_deflate_block(deflate, &block, first, &first_len, NULL), QED_OK);
    ck_assert_int_eq(zcodec_deflate_block(deflate, &other, second, &second_len, NULL), QED_OK);
    ck_assert_int_eq(zcodec_deflate_block(deflate, &block, second, &second_len, NULL), QED_OK);
    ck_assert_uint_eq(first_len, second_len);
    ck_assert(memcmp(first, second, first_len) == 0);
    zcodec_deflate_free(deflate);
    free(plain);
    free(first);
    free(second);
}
END_TEST

START_TEST(levels_that_there_are_not_are_refused)
{
    struct qed_error error = QED_ERROR_INIT;
    struct zcodec_deflate *deflate = NULL;

    ck_assert_int_eq(zcodec_deflate_new(&deflate, 10, &error), QED_ERR_INVALID);
    ck_assert_str_eq(error.text, "the level must be from 0 to 9, not 10");
    ck_assert_int_eq(zcodec_deflate_new(&deflate, -1, NULL), QED_ERR_INVALID);
    ck_assert_ptr_null(deflate);
    zcodec_deflate_free(NULL);
    zcodec_inflate_free(NULL);
}
END_TEST

START_TEST(members_are_read_in_steps_of_any_size)
{
    static const size_t steps[][2] = {{1, 4096}, {4096, 1}, {1, 1}, {777, 3}, {5, 100000}};
    uint8_t *plain = unit_mixed(11, PLAIN_BYTES), *packed;
    size_t len = 20000, packed_len = pack(6, plain, len, 4096, true, &packed);
    struct zcodec_inflate *inflate = NULL;

    ck_assert_int_eq(zcodec_inflate_new(&inflate, NULL), QED_OK);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        ck_assert(unpacks_to(inflate, packed, packed_len, plain, len, steps[i][0], steps[i][1]));
    zcodec_inflate_free(inflate);
    free(packed);
    free(plain);
}
END_TEST

/* What a member with one byte changed is refused with. */
static int unpack_changed(uint8_t *packed, size_t packed_len, size_t at, struct qed_error *error)
{
    struct zcodec_inflate *inflate = NULL;
    uint8_t out[1000];
    struct zcodec_span span = {
        .in = packed, .in_len = packed_len, .out = out, .out_len = sizeof(out)};
    bool ended;
    int ret;

    packed[at] ^= 0x10;
    ck_assert_int_eq(zcodec_inflate_new(&inflate, NULL), QED_OK);
    ret = zcodec_inflate_run(inflate, &span, &ended, error);
    zcodec_inflate_free(inflate);
    packed[at] ^= 0x10;
    return ret;
}

START_TEST(damage_is_told)
{
    struct qed_error error = QED_ERROR_INIT;
    uint8_t *packed;
    size_t packed_len = pack(6, (const uint8_t *)"hello, hello", 12, 12, true, &packed);

    ck_assert_int_eq(unpack_changed(packed, packed_len, 0, NULL), QED_ERR_CORRUPT);
    ck_assert_int_eq(unpack_changed(packed, packed_len, 2, NULL), QED_ERR_CORRUPT);
    ck_assert_int_eq(unpack_changed(packed, packed_len, packed_len - 8, &error), QED_ERR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(error.text, "the gzip data is damaged: "));
    ck_assert_int_eq(unpack_changed(packed, packed_len, packed_len - 4, NULL), QED_ERR_CORRUPT);
    ck_assert_int_eq(unpack_changed(packed, packed_len, 4, NULL), QED_OK); /* its time */
    free(packed);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("zcodec");

    tcase_add_test(tests, the_crc_is_the_known_one);
    tcase_add_test(tests, a_crc_is_continued_from_piece_to_piece);
    tcase_add_test(tests, zeroes_need_not_be_there_to_be_counted);
    tcase_add_test(tests, a_run_of_any_length_is_the_sum_of_its_parts);
    tcase_add_test(tests, the_crcs_of_parts_give_that_of_the_whole);
    tcase_add_test(tests, blocks_add_up_to_one_stream_at_every_level);
    tcase_add_test(tests, a_look_back_finds_what_is_repeated);
    tcase_add_test(tests, a_block_of_no_bytes_may_be_anywhere);
    tcase_add_test(tests, noise_stays_inside_the_bound);
    tcase_add_test(tests, what_comes_out_does_not_depend_on_what_was_packed_before);
    tcase_add_test(tests, levels_that_there_are_not_are_refused);
    tcase_add_test(tests, members_are_read_in_steps_of_any_size);
    tcase_add_test(tests, damage_is_told);
    return unit_run(tests);
}
