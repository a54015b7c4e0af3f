/*
 * The write-intent bitmap's page and bits. SPDX-License-Identifier: MIT
 */
#include "format/qed_intent.h"

#include <string.h>

#include "base/le.h"
#include "format/qed.h"
#include "format/zcodec.h"
#include "support/unit.h"

#define AT_CRC 28

/* A geometry with 2^entries_shift entries in a table: all that a bitmap asks for. */
static struct qed_geometry geometry_of(unsigned int entries_shift)
{
    return (struct qed_geometry){.entries_shift = entries_shift};
}

static struct qed_intent intent_of(unsigned int entries_shift)
{
    struct qed_geometry geometry = geometry_of(entries_shift);
    struct qed_intent intent;

    qed_intent_init(&intent, &geometry);
    return intent;
}

static bool decodes(const uint8_t *page, unsigned int entries_shift)
{
    struct qed_geometry geometry = geometry_of(entries_shift);
    struct qed_intent intent;

    return qed_intent_decode(&intent, page, &geometry);
}

/* Make the page's sum right, as whoever means harm can. */
static void put_crc(uint8_t *page)
{
    le32_store(page + AT_CRC, 0);
    le32_store(page + AT_CRC, zcodec_crc32(0, page, QED_INTENT_PAGE));
}

START_TEST(one_bit_stands_for_as_few_entries_as_fit)
{
    for (unsigned int entries_shift = 9; entries_shift <= 27; entries_shift++) {
        struct qed_intent intent = intent_of(entries_shift);
        uint64_t entries = UINT64_C(1) << entries_shift;

        ck_assert_uint_le(intent.bit_count, QED_INTENT_BITS_MAX);
        ck_assert_uint_eq((uint64_t)intent.bit_count << intent.shift, entries);
        if (intent.shift > 0)
            ck_assert_uint_gt(entries >> (intent.shift - 1), QED_INTENT_BITS_MAX);
        qed_intent_mark(&intent, entries - 1);
        ck_assert_uint_eq(qed_intent_count(&intent), 1);
        ck_assert(qed_intent_is_marked(&intent, entries - 1));
        ck_assert(!qed_intent_is_marked(&intent, 0));
    }
    ck_assert_uint_eq(intent_of(9).shift, 0);
    ck_assert_uint_eq(intent_of(15).shift, 1); /* the default geometry */
}
END_TEST

START_TEST(the_page_has_the_bytes_that_its_description_says)
{
    struct qed_intent intent = intent_of(15);
    uint8_t page[QED_INTENT_PAGE];

    intent.generation = UINT64_C(0x0102030405060708);
    qed_intent_mark(&intent, 22);
    qed_intent_encode(&intent, page);
    ck_assert_mem_eq(page, "QEDINTNT\1\0\0\0\1\0\0\0\x08\7\6\5\4\3\2\1\0\x40\0\0", 28);
    ck_assert_uint_eq(page[QED_INTENT_BITS_AT + 1], 1 << 3);
    page[QED_INTENT_BITS_AT + 1] = 0;
    for (size_t i = QED_INTENT_BITS_AT; i < QED_INTENT_PAGE; i++)
        ck_assert_uint_eq(page[i], 0);
}
END_TEST

START_TEST(what_was_encoded_is_decoded)
{
    struct qed_geometry geometry = geometry_of(12);
    struct qed_intent intent = intent_of(12), found;
    struct unit_random random = {1};
    uint8_t page[QED_INTENT_PAGE];

    intent.generation = 77;
    for (int i = 0; i < 300; i++)
        qed_intent_mark(&intent, unit_random_below(&random, 4096));
    qed_intent_encode(&intent, page);
    ck_assert(qed_intent_decode(&found, page, &geometry));
    ck_assert_uint_eq(found.generation, 77);
    ck_assert_mem_eq(found.bits, intent.bits, sizeof(intent.bits));
    ck_assert_uint_eq(qed_intent_count(&found), qed_intent_count(&intent));
    ck_assert(!decodes(page, 13)); /* of another geometry */
    ck_assert(!decodes(page, 15));
}
END_TEST

START_TEST(every_flipped_bit_is_noticed)
{
    struct qed_intent intent = intent_of(9);
    uint8_t page[QED_INTENT_PAGE];

    qed_intent_mark(&intent, 5);
    qed_intent_encode(&intent, page);
    for (size_t i = 0; i < sizeof(page) * 8; i += i < 512 ? 1 : 13) {
        page[i / 8] ^= (uint8_t)(1U << i % 8);
        if (decodes(page, 9))
            ck_abort_msg("bit %zu is not noticed", i);
        page[i / 8] ^= (uint8_t)(1U << i % 8);
    }
    ck_assert(decodes(page, 9));
}
END_TEST

START_TEST(a_page_with_a_right_sum_is_not_trusted_for_that)
{
    static const struct {
        size_t at;
        uint8_t value;
    } lies[] = {{0, 'q'}, {8, 2}, {11, 1}, {12, 1}, {15, 0x80}, {24, 1}, {25, 0}, {27, 0xff}};
    uint8_t page[QED_INTENT_PAGE];

    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        struct qed_intent intent = intent_of(9);

        qed_intent_encode(&intent, page);
        page[lies[i].at] = lies[i].value;
        put_crc(page);
        ck_assert(!decodes(page, 9));
    }
}
END_TEST

START_TEST(bits_behind_the_last_are_refused)
{
    struct qed_intent intent = intent_of(9);
    uint8_t page[QED_INTENT_PAGE];

    qed_intent_mark(&intent, 511);
    qed_intent_encode(&intent, page);
    ck_assert(decodes(page, 9));
    page[QED_INTENT_BITS_AT + 512 / 8] = 1;
    put_crc(page);
    ck_assert(!decodes(page, 9));
    page[QED_INTENT_BITS_AT + 512 / 8] = 0;
    page[QED_INTENT_PAGE - 1] = 0x80;
    put_crc(page);
    ck_assert(!decodes(page, 9));
}
END_TEST

START_TEST(the_page_needs_room_in_the_header)
{
    static const struct {
        uint32_t cluster_size, header_size, name_off, name_size;
        bool has_name, has_room;
    } cases[] = {
        {4096, 1, 0, 0, false, false},     {4096, 2, 0, 0, false, true},
        {65536, 1, 0, 0, false, true},     {4096, UINT32_MAX, 0, 0, false, true},
        {65536, 1, 64, 1023, true, true},  {65536, 1, 64, 4032, true, true},
        {65536, 1, 64, 4033, true, false}, {65536, 1, 9000, 10, true, false},
        {65536, 1, 9000, 10, false, true}, {65536, 1, UINT32_MAX, UINT32_MAX, true, false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct qed_header header = {
            .cluster_size = cases[i].cluster_size,
            .header_size = cases[i].header_size,
            .features = cases[i].has_name ? QED_FEATURE_BACKING_FILE : 0,
            .backing_filename_offset = cases[i].name_off,
            .backing_filename_size = cases[i].name_size,
        };

        ck_assert_msg(qed_intent_has_room(&header) == cases[i].has_room, "case %zu", i);
    }
}
END_TEST

START_TEST(bits_are_joined_compared_and_cleared)
{
    struct qed_intent a = intent_of(9), b = intent_of(9);

    ck_assert(!qed_intent_exceeds(&a, &b));
    qed_intent_mark(&a, 3);
    qed_intent_mark(&a, 300);
    qed_intent_mark(&b, 300);
    ck_assert(qed_intent_exceeds(&a, &b));
    ck_assert(!qed_intent_exceeds(&b, &a));
    qed_intent_join(&b, &a);
    ck_assert(!qed_intent_exceeds(&a, &b));
    ck_assert_uint_eq(qed_intent_count(&b), 2);
    qed_intent_clear(&b);
    ck_assert_uint_eq(qed_intent_count(&b), 0);
    ck_assert(!qed_intent_is_marked(&b, 3));
    ck_assert(qed_intent_is_marked(&a, 3));
}
END_TEST

START_TEST(a_page_is_read_only_where_the_header_says_that_it_is_kept)
{
    struct unit_image spec = {.image_size = 1 << 20, .header_size = 2};
    struct io *io = unit_image_new(&spec);
    struct qed_image *image = unit_open(io, true);
    struct qed_intent intent;
    bool valid = true;

    qed_intent_init(&intent, &image->geometry);
    qed_intent_mark(&intent, 0);
    ck_assert_int_eq(qed_intent_write(&intent, io, NULL), QED_OK);
    ck_assert_uint_eq(intent.generation, 1);
    ck_assert_int_eq(qed_intent_read(&intent, &valid, io, &image->header, &image->geometry, NULL),
                     QED_OK);
    ck_assert(!valid);
    image->header.autoclear_features = QED_AUTOCLEAR_INTENT;
    ck_assert_int_eq(qed_intent_read(&intent, &valid, io, &image->header, &image->geometry, NULL),
                     QED_OK);
    ck_assert(valid && qed_intent_is_marked(&intent, 0));
    image->header.header_size = 1;
    ck_assert_int_eq(qed_intent_read(&intent, &valid, io, &image->header, &image->geometry, NULL),
                     QED_OK);
    ck_assert(!valid);
    qed_close(image);
    io_close(io);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("qed_intent");

    tcase_add_test(tests, one_bit_stands_for_as_few_entries_as_fit);
    tcase_add_test(tests, the_page_has_the_bytes_that_its_description_says);
    tcase_add_test(tests, what_was_encoded_is_decoded);
    tcase_add_test(tests, every_flipped_bit_is_noticed);
    tcase_add_test(tests, a_page_with_a_right_sum_is_not_trusted_for_that);
    tcase_add_test(tests, bits_behind_the_last_are_refused);
    tcase_add_test(tests, the_page_needs_room_in_the_header);
    tcase_add_test(tests, bits_are_joined_compared_and_cleared);
    tcase_add_test(tests, a_page_is_read_only_where_the_header_says_that_it_is_kept);
    return unit_run(tests);
}
