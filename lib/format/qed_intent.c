/*
 * The page as bytes, and its bits. SPDX-License-Identifier: MIT
 */
#include "format/qed_intent.h"

#include <string.h>

#include "base/checked.h"
#include "base/le.h"
#include "format/zcodec.h"

#define PAGE_VERSION 1

static const uint8_t magic[8] = {'Q', 'E', 'D', 'I', 'N', 'T', 'N', 'T'};

enum { AT_VERSION = 8, AT_SHIFT = 12, AT_GENERATION = 16, AT_BIT_COUNT = 24, AT_CRC = 28 };

bool qed_intent_has_room(const struct qed_header *header)
{
    uint64_t header_bytes = (uint64_t)header->header_size * header->cluster_size;
    uint64_t name_end = 0;

    if (header->features & QED_FEATURE_BACKING_FILE)
        name_end = (uint64_t)header->backing_filename_offset + header->backing_filename_size;
    return header_bytes >= QED_INTENT_OFFSET + QED_INTENT_PAGE && name_end <= QED_INTENT_OFFSET;
}

void qed_intent_init(struct qed_intent *intent, const struct qed_geometry *geometry)
{
    memset(intent, 0, sizeof(*intent));
    while (qed_entries(geometry) >> intent->shift > QED_INTENT_BITS_MAX)
        intent->shift++;
    intent->bit_count = (uint32_t)blocks_for(qed_entries(geometry), intent->shift);
}

void qed_intent_encode(const struct qed_intent *intent, uint8_t page[QED_INTENT_PAGE])
{
    memset(page, 0, QED_INTENT_PAGE);
    memcpy(page, magic, sizeof(magic));
    le32_store(page + AT_VERSION, PAGE_VERSION);
    le32_store(page + AT_SHIFT, intent->shift);
    le64_store(page + AT_GENERATION, intent->generation);
    le32_store(page + AT_BIT_COUNT, intent->bit_count);
    memcpy(page + QED_INTENT_BITS_AT, intent->bits, sizeof(intent->bits));
    le32_store(page + AT_CRC, zcodec_crc32(0, page, QED_INTENT_PAGE));
}

static bool crc_is_right(const uint8_t page[QED_INTENT_PAGE])
{
    static const uint8_t none[4];
    uint32_t crc = zcodec_crc32(0, page, AT_CRC);

    crc = zcodec_crc32(crc, none, sizeof(none));
    crc = zcodec_crc32(crc, page + AT_CRC + sizeof(none), QED_INTENT_PAGE - AT_CRC - sizeof(none));
    return le32_load(page + AT_CRC) == crc;
}

/* Whether nothing is set behind the last bit. */
static bool ends_with_zeroes(const struct qed_intent *intent)
{
    for (uint32_t bit = intent->bit_count; bit < QED_INTENT_BITS_MAX; bit++) {
        if (intent->bits[bit / 8] & 1U << bit % 8)
            return false;
    }
    return true;
}

bool qed_intent_decode(struct qed_intent *intent, const uint8_t page[QED_INTENT_PAGE],
                       const struct qed_geometry *geometry)
{
    qed_intent_init(intent, geometry);
    if (memcmp(page, magic, sizeof(magic)) != 0 || le32_load(page + AT_VERSION) != PAGE_VERSION ||
        le32_load(page + AT_SHIFT) != intent->shift ||
        le32_load(page + AT_BIT_COUNT) != intent->bit_count || !crc_is_right(page))
        return false;
    intent->generation = le64_load(page + AT_GENERATION);
    memcpy(intent->bits, page + QED_INTENT_BITS_AT, sizeof(intent->bits));
    return ends_with_zeroes(intent);
}

int qed_intent_read(struct qed_intent *intent, bool *valid, struct io *io,
                    const struct qed_header *header, const struct qed_geometry *geometry,
                    struct qed_error *error)
{
    uint8_t page[QED_INTENT_PAGE];
    int ret;

    qed_intent_init(intent, geometry);
    *valid = false;
    if (!(header->autoclear_features & QED_AUTOCLEAR_INTENT) || !qed_intent_has_room(header))
        return QED_OK;
    ret = io_read(io, page, sizeof(page), QED_INTENT_OFFSET, error);
    if (ret == QED_OK)
        *valid = qed_intent_decode(intent, page, geometry);
    return ret;
}

int qed_intent_write(struct qed_intent *intent, struct io *io, struct qed_error *error)
{
    uint8_t page[QED_INTENT_PAGE];

    intent->generation++;
    qed_intent_encode(intent, page);
    return io_write(io, page, sizeof(page), QED_INTENT_OFFSET, error);
}

void qed_intent_mark(struct qed_intent *intent, uint64_t l1_index)
{
    uint64_t bit = l1_index >> intent->shift;

    intent->bits[bit / 8] |= (uint8_t)(1U << bit % 8);
}

bool qed_intent_is_marked(const struct qed_intent *intent, uint64_t l1_index)
{
    uint64_t bit = l1_index >> intent->shift;

    return intent->bits[bit / 8] >> bit % 8 & 1;
}

uint32_t qed_intent_count(const struct qed_intent *intent)
{
    uint32_t count = 0;

    for (size_t i = 0; i < sizeof(intent->bits); i++)
        count += (uint32_t)__builtin_popcount(intent->bits[i]);
    return count;
}

bool qed_intent_exceeds(const struct qed_intent *a, const struct qed_intent *b)
{
    for (size_t i = 0; i < sizeof(a->bits); i++) {
        if (a->bits[i] & ~b->bits[i])
            return true;
    }
    return false;
}

void qed_intent_join(struct qed_intent *intent, const struct qed_intent *other)
{
    for (size_t i = 0; i < sizeof(intent->bits); i++)
        intent->bits[i] |= other->bits[i];
}

void qed_intent_clear(struct qed_intent *intent)
{
    memset(intent->bits, 0, sizeof(intent->bits));
}
