/*
 * Undo records that were changed, cut, or made to do harm: refused, and the image stays as it is.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>
#include <string.h>

#include "format/qed_undo.h"
#include "format/qed_undo_record.h"
#include "format/zcodec.h"
#include "support/io_mem.h"
#include "support/undo_case.h"
#include "support/unit.h"

#define C UNDO_CASE_CLUSTER
#define OLD (16 * C) /* the length of the image of crafted records */
#define BLOCKS_MAX 5

/* A record as bytes, to be changed. */
struct bytes {
    uint8_t *at;
    size_t len;
};

static struct bytes bytes_of(struct io *io)
{
    struct bytes bytes;
    uint64_t length;

    ck_assert_int_eq(io_get_length(io, &length, NULL), QED_OK);
    bytes.len = (size_t)length;
    bytes.at = malloc(bytes.len + 8192);
    ck_assert_ptr_nonnull(bytes.at);
    ck_assert_int_eq(io_read(io, bytes.at, bytes.len, 0, NULL), QED_OK);
    return bytes;
}

static struct io *record_of(const struct bytes *bytes)
{
    struct io *record = io_mem_new(0);

    if (bytes->len > 0 && io_write(record, bytes->at, bytes->len, 0, NULL) < 0)
        abort();
    return record;
}

/* Refused with any of the errors of a record, with nothing written. */
static void check_bytes_refused(struct io *image, const struct bytes *bytes)
{
    struct io *record = record_of(bytes);
    struct qed_error error = QED_ERROR_INIT;
    struct io_mem_counts counts;
    bool changed;
    int ret;

    io_mem_reset_counts(image);
    ret = undo_case_undo(image, record, &changed, &error);
    counts = io_mem_counts(image);
    if (ret != QED_ERR_CORRUPT && ret != QED_ERR_SHORT_READ && ret != QED_ERR_FORMAT)
        ck_abort_msg("%s: %s", qed_code_name(ret), error.text);
    if (changed || counts.writes || counts.zeroes || counts.set_lengths)
        ck_abort_msg("the image was changed");
    io_close(record);
}

/* One of the ways in which a file goes bad. */
static void damage(struct bytes *bytes, struct unit_random *random)
{
    size_t at = (size_t)unit_random_below(random, bytes->len);
    size_t len = 1 + (size_t)unit_random_below(random, 4096);

    len = len < bytes->len - at ? len : bytes->len - at;
    switch (unit_random_below(random, 8)) {
    case 0:
    case 1:
        bytes->at[at] ^= (uint8_t)(1 << unit_random_below(random, 8));
        break;
    case 2:
        bytes->len = at;
        break;
    case 3:
        for (size_t i = 0; i < len; i++)
            bytes->at[at + i] = (uint8_t)unit_random(random);
        break;
    case 4:
        memset(bytes->at + at, 0, len);
        break;
    case 5: /* bytes are lost */
        memmove(bytes->at + at, bytes->at + at + len, bytes->len - at - len);
        bytes->len -= len;
        break;
    case 6: /* bytes come twice */
        memmove(bytes->at + at + len, bytes->at + at, bytes->len - at);
        bytes->len += len;
        break;
    case 7: /* junk behind it */
        for (size_t i = 0; i < len; i++)
            bytes->at[bytes->len++] = (uint8_t)unit_random(random);
        break;
    }
}

START_TEST(a_damaged_record_is_refused)
{
    struct undo_case c = undo_case_new(UNDO_CASE_ALL & ~(_i ? UNDO_CASE_CUT : 0));
    struct bytes whole = bytes_of(c.record), bytes = bytes_of(c.record);
    struct unit_random random = {.state = 11};
    size_t tried = 0;

    undo_case_repair(&c);
    for (int i = 0; i < 1000; i++) {
        memcpy(bytes.at, whole.at, whole.len);
        bytes.len = whole.len;
        damage(&bytes, &random);
        if (bytes.len == whole.len && memcmp(bytes.at, whole.at, whole.len) == 0)
            continue;
        check_bytes_refused(c.image, &bytes);
        tried++;
    }
    ck_assert_uint_gt(tried, 950);
    undo_case_check_undone(&c, c.image);
    free(whole.at);
    free(bytes.at);
    undo_case_free(&c);
}
END_TEST

/* All of a small record, so that no field is left out; of each byte one bit at least. */
START_TEST(every_byte_counts)
{
    struct undo_case c = undo_case_new(UNDO_CASE_EARLY | UNDO_CASE_COPIES);
    struct bytes bytes = bytes_of(c.record);

    undo_case_repair(&c);
    for (size_t i = 8; i < bytes.len * 8; i += 5) { /* what is not QEDUNDO at all comes below */
        bytes.at[i / 8] ^= (uint8_t)(1 << i % 8);
        check_bytes_refused(c.image, &bytes);
        bytes.at[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    free(bytes.at);
    undo_case_free(&c);
}
END_TEST

START_TEST(a_record_that_was_cut_anywhere_is_told_to_be_incomplete)
{
    struct undo_case c = undo_case_new(UNDO_CASE_EARLY | UNDO_CASE_COPIES);
    struct bytes bytes = bytes_of(c.record);

    for (size_t len = bytes.len; len-- > 8; len -= len > 600 ? 6 : 0) {
        bytes.len = len;
        struct io *record = record_of(&bytes);

        undo_case_check_refused(c.image, record, QED_ERR_SHORT_READ);
        io_close(record);
    }
    free(bytes.at);
    undo_case_free(&c);
}
END_TEST

START_TEST(what_is_no_record_is_told_from_one_that_is_damaged)
{
    struct undo_case c = undo_case_new(UNDO_CASE_EARLY);
    struct io *record = io_mem_new(0);

    undo_case_check_refused(c.image, record, QED_ERR_FORMAT);
    ck_assert_int_eq(io_write(record, "QEDUNDO", 7, 0, NULL), QED_OK);
    undo_case_check_refused(c.image, record, QED_ERR_FORMAT);
    ck_assert_int_eq(io_set_length(record, UINT64_C(1) << 60, NULL), QED_OK);
    undo_case_check_refused(c.image, record, QED_ERR_CORRUPT);
    ck_assert_int_eq(io_write(record, "x", 1, 0, NULL), QED_OK);
    undo_case_check_refused(c.image, record, QED_ERR_FORMAT);
    undo_case_check_refused(c.image, c.original, QED_ERR_FORMAT);
    io_close(record);
    undo_case_free(&c);
}
END_TEST

/* A record whose CRCs are all right, with whatever fields. */
struct craft {
    struct qed_undo_lengths lengths;
    struct qed_undo_block blocks[BLOCKS_MAX]; /* as many as have a length */
    uint32_t version, reserved;               /* in the header, added to what is right */
    struct qed_undo_block end;                /* its fields are added to what is right */
    uint32_t old_crc_xor, new_crc_xor;        /* in the last block */
    uint32_t flags_xor, kind_xor;             /* there, too */
};

static struct io *new_image(void)
{
    struct io *image = io_mem_new(OLD);

    for (uint64_t at = 0; at < OLD; at += 512)
        unit_fill(image, at, 512, (uint8_t)(at / 512 + 1));
    unit_put64(image, 16, 0);
    return image;
}

static void append(struct bytes *record, const void *bytes, size_t len)
{
    record->at = realloc(record->at, record->len + len + 1);
    ck_assert_ptr_nonnull(record->at);
    memcpy(record->at + record->len, bytes, len);
    record->len += len;
}

static void xor32(struct bytes *record, uint64_t at, uint32_t xor)
{
    for (size_t i = 0; i < 4; i++)
        record->at[at + i] ^= (uint8_t)(xor >> (8 * i));
}

/* Blocks of up to 2 MiB have the bytes that belong there, if the image has any. */
static void append_block(struct bytes *record, const struct craft *craft,
                         struct qed_undo_block block, bool last, struct io *image)
{
    size_t len = block.length <= 2 << 20 ? (size_t)block.length : 0;
    uint8_t head[QED_UNDO_HEAD_BYTES], *bytes = calloc(1, len + 1), new_words[512];

    ck_assert_ptr_nonnull(bytes);
    memset(new_words, 0xee, sizeof(new_words));
    if (block.file_off < OLD)
        ck_assert_int_eq(io_read_padded(image, bytes, len, block.file_off, NULL), QED_OK);
    block.old_bytes = bytes;
    block.new_words = new_words;
    if (block.kind == QED_UNDO_WITNESS)
        block.old_crc = block.new_crc = zcodec_crc32(0, bytes, len);
    else if (block.kind == QED_UNDO_ZERO || (len == block.length && len <= 512) ||
             (len == block.length && block.kind == QED_UNDO_DATA))
        qed_undo_block_crcs(&block, &craft->lengths, &block.old_crc, &block.new_crc);
    block.old_crc ^= last ? craft->old_crc_xor : 0;
    block.new_crc ^= last ? craft->new_crc_xor : 0;
    qed_undo_head_encode(&block, head);
    append(record, head, sizeof(head));
    xor32(record, record->len - sizeof(head), last ? craft->kind_xor : 0);
    xor32(record, record->len - sizeof(head) + 4, last ? craft->flags_xor : 0);
    if (block.kind == QED_UNDO_DATA || block.kind == QED_UNDO_WORDS)
        append(record, bytes, len);
    if (block.kind == QED_UNDO_WORDS)
        append(record, new_words, (size_t)__builtin_popcountll(block.words) * 8);
    free(bytes);
}

static struct io *craft_record(const struct craft *craft, struct io *image)
{
    struct bytes record = {0};
    struct qed_undo_block end = craft->end;
    uint8_t header[QED_UNDO_HEADER_BYTES], head[QED_UNDO_HEAD_BYTES];
    size_t count = 0;
    struct io *io;

    qed_undo_header_encode(&craft->lengths, header);
    append(&record, header, sizeof(header));
    xor32(&record, 8, craft->version);
    xor32(&record, 60, craft->reserved);
    memset(record.at + 12, 0, 4);
    xor32(&record, 12, zcodec_crc32(0, record.at, sizeof(header)));
    while (count < BLOCKS_MAX && craft->blocks[count].length)
        count++;
    for (size_t i = 0; i < count; i++)
        append_block(&record, craft, craft->blocks[i], i + 1 == count, image);
    end.kind = QED_UNDO_END;
    end.length += count;
    qed_undo_head_encode(&end, head);
    append(&record, head, sizeof(head));
    xor32(&record, record.len - 8, zcodec_crc32(0, record.at, record.len - 8));
    io = record_of(&record);
    free(record.at);
    return io;
}

#define SAME          \
    {                 \
        OLD, OLD, OLD \
    }
#define CUT_AT_8        \
    {                   \
        OLD, OLD, 8 * C \
    }
#define GROWS_TO_20         \
    {                       \
        OLD, 20 * C, 20 * C \
    }
#define FIRST                                 \
    {                                         \
        .kind = QED_UNDO_WORDS, .length = 512 \
    }
#define WORDS(off, ...)                                                       \
    {                                                                         \
        .kind = QED_UNDO_WORDS, .file_off = (off), .length = 512, __VA_ARGS__ \
    }
#define DATA(off, len, ...)                                                                     \
    {                                                                                           \
        .kind = QED_UNDO_DATA, .file_off = (off), .length = (len), .punched = true, __VA_ARGS__ \
    }
#define ZERO(off, len, ...)                                                                     \
    {                                                                                           \
        .kind = QED_UNDO_ZERO, .file_off = (off), .length = (len), .punched = true, __VA_ARGS__ \
    }
#define CUT_DATA(off, len)                                        \
    {                                                             \
        .kind = QED_UNDO_DATA, .file_off = (off), .length = (len) \
    }
#define WITNESS(off, len, ...)                                                    \
    {                                                                             \
        .kind = QED_UNDO_WITNESS, .file_off = (off), .length = (len), __VA_ARGS__ \
    }
#define GROWN(off, len, ...)                                                    \
    {                                                                           \
        .kind = QED_UNDO_GROWN, .file_off = (off), .length = (len), __VA_ARGS__ \
    }

/* What is right: the crafted records below differ from these in one thing each. */
static const struct craft good[] = {
    {.lengths = SAME, .blocks = {FIRST}},
    {.lengths = SAME,
     .blocks = {FIRST, WORDS(C, .words = 1 | UINT64_C(1) << 63, .early = 1), DATA(2 * C, 2 * C),
                WITNESS(4 * C, C)}},
    {.lengths = SAME, .blocks = {FIRST, WORDS(512, .words = 1, .punched = true)}},
    {.lengths = CUT_AT_8, .blocks = {FIRST, CUT_DATA(8 * C, 4 * C), CUT_DATA(12 * C, 4 * C)}},
    {.lengths = GROWS_TO_20, .blocks = {FIRST, WITNESS(15 * C, C), GROWN(OLD, 4 * C)}},
};

static const struct craft hostile[] = {
    /* lengths */
    {.lengths = {OLD, OLD - C, OLD - C}, .blocks = {FIRST, CUT_DATA(OLD - C, C)}},
    {.lengths = {OLD, OLD, OLD + C}, .blocks = {FIRST, GROWN(OLD, C)}},
    {.lengths = {OLD, UINT64_MAX, OLD}, .blocks = {FIRST}},
    {.lengths = {UINT64_MAX, UINT64_MAX, UINT64_MAX}, .blocks = {FIRST}},
    {.lengths = {0, OLD, OLD}, .blocks = {FIRST, GROWN(0, OLD)}},
    {.lengths = {511, 511, 511}, .blocks = {{.kind = QED_UNDO_WORDS, .length = 511}}},
    {.lengths = {OLD, OLD, 0}, .blocks = {CUT_DATA(0, OLD)}},
    {.lengths = {OLD, OLD, 8 * C + 8}, .blocks = {FIRST, CUT_DATA(8 * C + 8, 8 * C - 8)}},
    {.lengths = SAME, .reserved = 1, .blocks = {FIRST}},
    /* the first sector */
    {.lengths = SAME},
    {.lengths = SAME, .blocks = {WORDS(512)}},
    {.lengths = SAME, .blocks = {WITNESS(0, C)}},
    {.lengths = SAME, .blocks = {WITNESS(C, C)}},
    {.lengths = SAME, .blocks = {DATA(0, C)}},
    {.lengths = SAME, .blocks = {WORDS(0, .punched = true)}},
    {.lengths = SAME, .blocks = {FIRST, FIRST}},
    {.lengths = GROWS_TO_20, .blocks = {GROWN(OLD, 4 * C)}},
    /* order */
    {.lengths = SAME, .blocks = {FIRST, DATA(4 * C, C), DATA(2 * C, C)}},
    {.lengths = SAME, .blocks = {FIRST, DATA(4 * C, 2 * C), WORDS(5 * C)}},
    {.lengths = SAME, .blocks = {FIRST, ZERO(4 * C, C), ZERO(4 * C, C)}},
    {.lengths = SAME, .blocks = {FIRST, WORDS(4 * C), WITNESS(4 * C, C)}},
    {.lengths = GROWS_TO_20, .blocks = {FIRST, GROWN(OLD, 4 * C), WORDS(C)}},
    {.lengths = GROWS_TO_20, .blocks = {FIRST, GROWN(OLD, 4 * C), GROWN(OLD, 4 * C)}},
    /* past the end, or around it */
    {.lengths = SAME, .blocks = {FIRST, DATA(OLD, C)}},
    {.lengths = SAME, .blocks = {FIRST, DATA(OLD - C, 2 * C)}},
    {.lengths = SAME, .blocks = {FIRST, ZERO(OLD - C, UINT64_MAX - 511)}},
    {.lengths = SAME, .blocks = {FIRST, ZERO(0 - C, C)}},
    {.lengths = SAME, .blocks = {FIRST, WORDS(OLD, .words = 1)}},
    {.lengths = SAME, .blocks = {FIRST, WITNESS(OLD - 512, C)}},
    {.lengths = GROWS_TO_20, .blocks = {FIRST, DATA(17 * C, C), GROWN(OLD, 4 * C)}},
    {.lengths = GROWS_TO_20, .blocks = {FIRST, ZERO(15 * C, 2 * C), GROWN(OLD, 4 * C)}},
    {.lengths = GROWS_TO_20, .blocks = {FIRST, WORDS(OLD, .words = 1), GROWN(OLD, 4 * C)}},
    /* lengths of blocks */
    {.lengths = SAME, .blocks = {FIRST, DATA(C, UINT64_C(1) << 63)}},
    {.lengths = SAME, .blocks = {FIRST, DATA(C, C + 1)}},
    {.lengths = SAME, .blocks = {FIRST, ZERO(C, 100)}},
    {.lengths = SAME, .blocks = {FIRST, DATA(C + 8, 512)}},
    {.lengths = SAME, .blocks = {FIRST, {.kind = QED_UNDO_WORDS, .file_off = C, .length = C}}},
    {.lengths = SAME, .blocks = {FIRST, {.kind = QED_UNDO_WORDS, .file_off = C, .length = 8}}},
    {.lengths = {4 << 20, 4 << 20, 4 << 20}, .blocks = {FIRST, DATA(C, (1 << 20) + 512)}},
    {.lengths = SAME, .blocks = {FIRST, WITNESS(C, 2 * C)}},
    /* words */
    {.lengths = SAME, .blocks = {FIRST, WORDS(C, .words = 1, .early = 3)}},
    {.lengths = {OLD - 496, OLD - 496, OLD - 496},
     .blocks = {FIRST, {.kind = QED_UNDO_WORDS, .file_off = OLD - 512, .length = 16, .words = 4}}},
    {.lengths = SAME, .blocks = {FIRST, DATA(C, C, .words = 1)}},
    {.lengths = SAME, .blocks = {FIRST, ZERO(C, C, .early = 1)}},
    {.lengths = SAME, .blocks = {FIRST, WITNESS(C, C, .words = 1)}},
    {.lengths = GROWS_TO_20, .blocks = {FIRST, GROWN(OLD, 4 * C, .words = 1)}},
    /* what is given back, and what not */
    {.lengths = SAME, .blocks = {FIRST, CUT_DATA(C, C)}},
    {.lengths = SAME, .blocks = {FIRST, WITNESS(C, C, .punched = true)}},
    {.lengths = CUT_AT_8, .blocks = {FIRST, DATA(7 * C, 2 * C), CUT_DATA(9 * C, 7 * C)}},
    {.lengths = CUT_AT_8, .blocks = {FIRST, WITNESS(8 * C, C), CUT_DATA(9 * C, 7 * C)}},
    {.lengths = CUT_AT_8, .blocks = {FIRST}},
    {.lengths = CUT_AT_8, .blocks = {FIRST, CUT_DATA(9 * C, 7 * C)}},
    {.lengths = CUT_AT_8, .blocks = {FIRST, CUT_DATA(8 * C, 2 * C), CUT_DATA(11 * C, 5 * C)}},
    {.lengths = CUT_AT_8,
     .blocks = {FIRST, CUT_DATA(8 * C, 2 * C), WORDS(11 * C), CUT_DATA(11 * C + 512, 5 * C - 512)}},
    {.lengths = CUT_AT_8, .blocks = {FIRST, CUT_DATA(8 * C, 7 * C)}},
    /* what was appended */
    {.lengths = GROWS_TO_20, .blocks = {FIRST}},
    {.lengths = GROWS_TO_20, .blocks = {FIRST, GROWN(OLD, 3 * C)}},
    {.lengths = GROWS_TO_20, .blocks = {FIRST, GROWN(OLD, 5 * C)}},
    {.lengths = GROWS_TO_20, .blocks = {FIRST, GROWN(OLD - C, 5 * C)}},
    {.lengths = GROWS_TO_20, .blocks = {FIRST, GROWN(OLD, 4 * C, .punched = true)}},
    {.lengths = GROWS_TO_20, .old_crc_xor = 1, .blocks = {FIRST, GROWN(OLD, 4 * C)}},
    {.lengths = SAME, .blocks = {FIRST, GROWN(OLD, C)}},
    {.lengths = CUT_AT_8, .blocks = {FIRST, CUT_DATA(8 * C, 8 * C), GROWN(OLD, 0 - 8 * C)}},
    /* CRCs of one block, unknown flags and kinds */
    {.lengths = SAME, .old_crc_xor = 1, .blocks = {FIRST}},
    {.lengths = SAME, .new_crc_xor = 1, .blocks = {FIRST}},
    {.lengths = SAME, .old_crc_xor = 1, .blocks = {FIRST, DATA(C, C)}},
    {.lengths = SAME, .new_crc_xor = 1, .blocks = {FIRST, ZERO(C, C)}},
    {.lengths = SAME, .new_crc_xor = 1, .blocks = {FIRST, WITNESS(C, C)}},
    {.lengths = CUT_AT_8, .new_crc_xor = 1, .blocks = {FIRST, CUT_DATA(8 * C, 8 * C)}},
    {.lengths = SAME, .flags_xor = 2, .blocks = {FIRST, WORDS(C)}},
    {.lengths = SAME, .kind_xor = 0x20, .blocks = {FIRST, WORDS(C)}},
    /* the end */
    {.lengths = SAME, .blocks = {FIRST}, .end = {.length = 1}},
    {.lengths = SAME, .blocks = {FIRST}, .end = {.file_off = 512}},
    {.lengths = SAME, .blocks = {FIRST}, .end = {.words = 1}},
    {.lengths = SAME, .blocks = {FIRST}, .end = {.early = 1}},
    {.lengths = SAME, .blocks = {FIRST}, .end = {.punched = true}},
    {.lengths = SAME, .blocks = {FIRST}, .end = {.new_crc = 1}},
    {.lengths = SAME, .blocks = {FIRST}, .end = {.old_crc = 1}},
};

START_TEST(a_crafted_record_that_is_right_is_accepted)
{
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct io *image = new_image(), *record = craft_record(&good[i], image);
        struct qed_error error = QED_ERROR_INIT;
        bool changed;

        if (undo_case_undo(image, record, &changed, &error) < 0)
            ck_abort_msg("%zu: %s", i, error.text);
        ck_assert(!changed);
        io_close(record);
        io_close(image);
    }
}
END_TEST

START_TEST(a_crafted_record_with_hostile_fields_is_refused)
{
    struct io *image = new_image();
    struct io *record = craft_record(&hostile[_i], image);

    undo_case_check_refused(image, record, QED_ERR_CORRUPT);
    io_close(record);
    io_close(image);
}
END_TEST

START_TEST(a_record_of_another_version_is_told)
{
    struct craft craft = {.lengths = SAME, .blocks = {FIRST}, .version = 3};
    struct io *image = new_image();
    struct io *record = craft_record(&craft, image);

    undo_case_check_refused(image, record, QED_ERR_UNSUPPORTED);
    io_close(record);
    io_close(image);
}
END_TEST

/* It can be right in itself, but then what it says must be what the image holds. */
START_TEST(a_crafted_record_writes_only_where_the_image_is_known)
{
    struct craft craft = {.lengths = SAME, .blocks = {FIRST, ZERO(2 * C, C)}};
    struct io *image = new_image(), *record = craft_record(&craft, image);

    undo_case_check_refused(image, record, QED_ERR_CHANGED);
    io_close(record);
    craft = (struct craft){.lengths = CUT_AT_8, .blocks = {FIRST, ZERO(8 * C, 8 * C)}};
    record = craft_record(&craft, image);
    undo_case_check_refused(image, record, QED_ERR_CHANGED);
    io_close(record);
    craft = (struct craft){.lengths = {OLD + C, OLD + C, OLD + C}, .blocks = {FIRST}};
    record = craft_record(&craft, image);
    undo_case_check_refused(image, record, QED_ERR_CHANGED);
    io_close(record);
    io_close(image);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("qed_undo_hostile");

    tcase_add_loop_test(tests, a_damaged_record_is_refused, 0, 2);
    tcase_add_test(tests, every_byte_counts);
    tcase_add_test(tests, a_record_that_was_cut_anywhere_is_told_to_be_incomplete);
    tcase_add_test(tests, what_is_no_record_is_told_from_one_that_is_damaged);
    tcase_add_test(tests, a_crafted_record_that_is_right_is_accepted);
    tcase_add_loop_test(tests, a_crafted_record_with_hostile_fields_is_refused, 0,
                        (int)(sizeof(hostile) / sizeof(hostile[0])));
    tcase_add_test(tests, a_record_of_another_version_is_told);
    tcase_add_test(tests, a_crafted_record_writes_only_where_the_image_is_known);
    return unit_run(tests);
}
