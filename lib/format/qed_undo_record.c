/*
 * Encoding, decoding and the rules of the undo record.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_undo_record.h"

#include <string.h>

#include "base/le.h"
#include "base/zero.h"
#include "format/zcodec.h"

#define FLAG_PUNCHED 1

static const char magic[8] = "QEDUNDO";

static const char tags[][4] = {
    [QED_UNDO_WORDS] = {'W', 'O', 'R', 'D'}, [QED_UNDO_DATA] = {'D', 'A', 'T', 'A'},
    [QED_UNDO_ZERO] = {'Z', 'E', 'R', 'O'},  [QED_UNDO_WITNESS] = {'W', 'I', 'T', 'N'},
    [QED_UNDO_GROWN] = {'G', 'R', 'E', 'W'}, [QED_UNDO_END] = {'E', 'N', 'D', ' '},
};

#define KIND_COUNT (sizeof(tags) / sizeof(tags[0]))

static uint32_t header_crc(const uint8_t bytes[QED_UNDO_HEADER_BYTES])
{
    uint8_t copy[QED_UNDO_HEADER_BYTES];

    memcpy(copy, bytes, sizeof(copy));
    le32_store(copy + 12, 0);
    return zcodec_crc32(0, copy, sizeof(copy));
}

void qed_undo_header_encode(const struct qed_undo_lengths *lengths,
                            uint8_t bytes[QED_UNDO_HEADER_BYTES])
{
    memset(bytes, 0, QED_UNDO_HEADER_BYTES);
    memcpy(bytes, magic, sizeof(magic));
    le32_store(bytes + 8, QED_UNDO_VERSION);
    le64_store(bytes + 16, lengths->old);
    le64_store(bytes + 24, lengths->full);
    le64_store(bytes + 32, lengths->final);
    le32_store(bytes + 12, header_crc(bytes));
}

bool qed_undo_header_has_magic(const uint8_t *bytes)
{
    return memcmp(bytes, magic, sizeof(magic)) == 0;
}

bool qed_undo_header_intact(const uint8_t bytes[QED_UNDO_HEADER_BYTES])
{
    return le32_load(bytes + 12) == header_crc(bytes);
}

uint32_t qed_undo_header_version(const uint8_t bytes[QED_UNDO_HEADER_BYTES])
{
    return le32_load(bytes + 8);
}

bool qed_undo_header_decode(const uint8_t bytes[QED_UNDO_HEADER_BYTES],
                            struct qed_undo_lengths *lengths)
{
    lengths->old = le64_load(bytes + 16);
    lengths->full = le64_load(bytes + 24);
    lengths->final = le64_load(bytes + 32);
    return zero_all(bytes + 40, QED_UNDO_HEADER_BYTES - 40) && qed_undo_lengths_valid(lengths);
}

bool qed_undo_lengths_valid(const struct qed_undo_lengths *lengths)
{
    return lengths->full <= INT64_MAX && lengths->old <= lengths->full &&
           lengths->final <= lengths->full && qed_undo_kept(lengths) >= QED_SECTOR &&
           (lengths->final >= lengths->old || lengths->final % QED_SECTOR == 0);
}

void qed_undo_head_encode(const struct qed_undo_block *block, uint8_t bytes[QED_UNDO_HEAD_BYTES])
{
    memcpy(bytes, tags[block->kind], sizeof(tags[0]));
    le32_store(bytes + 4, block->punched ? FLAG_PUNCHED : 0);
    le64_store(bytes + 8, block->file_off);
    le64_store(bytes + 16, block->length);
    le64_store(bytes + 24, block->words);
    le64_store(bytes + 32, block->early);
    le32_store(bytes + QED_UNDO_END_CRC_AT, block->old_crc);
    le32_store(bytes + 44, block->new_crc);
}

bool qed_undo_head_decode(const uint8_t bytes[QED_UNDO_HEAD_BYTES], struct qed_undo_block *block)
{
    uint32_t flags = le32_load(bytes + 4);
    size_t kind = 0;

    while (kind < KIND_COUNT && memcmp(bytes, tags[kind], sizeof(tags[0])) != 0)
        kind++;
    if (kind == KIND_COUNT || (flags & ~(uint32_t)FLAG_PUNCHED))
        return false;
    *block = (struct qed_undo_block){
        .kind = (enum qed_undo_kind)kind,
        .punched = flags & FLAG_PUNCHED,
        .file_off = le64_load(bytes + 8),
        .length = le64_load(bytes + 16),
        .words = le64_load(bytes + 24),
        .early = le64_load(bytes + 32),
        .old_crc = le32_load(bytes + QED_UNDO_END_CRC_AT),
        .new_crc = le32_load(bytes + 44),
    };
    return true;
}

size_t qed_undo_payload_bytes(const struct qed_undo_block *block)
{
    switch (block->kind) {
    case QED_UNDO_WORDS:
        return (size_t)block->length +
               (size_t)__builtin_popcountll(block->words) * QED_UNDO_WORD_BYTES;
    case QED_UNDO_DATA:
        return (size_t)block->length;
    default:
        return 0;
    }
}

static bool words_valid(const struct qed_undo_block *block, const struct qed_undo_lengths *lengths)
{
    uint64_t count = blocks_for(block->length, 3); /* words, the last one perhaps not whole */

    return block->length == min_u64(QED_SECTOR, lengths->old - block->file_off) &&
           (count == QED_UNDO_SECTOR_WORDS || block->words >> count == 0) &&
           (block->early & ~block->words) == 0 && !(block->file_off == 0 && block->punched);
}

/* What is given back: punched, or cut off, and then all of it in one piece up to the end. */
static bool lost_valid(const struct qed_undo_block *block, const struct qed_undo_lengths *lengths,
                       uint64_t next_off)
{
    if (qed_undo_is_cut(block, lengths))
        return block->file_off == max_u64(next_off, lengths->final);
    return block->punched;
}

static bool place_valid(const struct qed_undo_block *block, uint64_t next_off, uint64_t end)
{
    return block->length > 0 && block->file_off % QED_SECTOR == 0 &&
           range_inside(block->file_off, block->length, next_off, end) &&
           (block->length % QED_SECTOR == 0 || block->file_off + block->length == end);
}

/* Nothing but a place and a length. */
static bool is_plain(const struct qed_undo_block *block)
{
    return !block->punched && !block->words && !block->early;
}

static bool end_valid(const struct qed_undo_block *block, const struct qed_undo_lengths *lengths,
                      uint64_t next_off)
{
    return is_plain(block) && block->file_off == 0 && next_off > 0 &&
           (lengths->old == lengths->final || next_off == max_u64(lengths->old, lengths->final));
}

static bool grown_valid(const struct qed_undo_block *block, const struct qed_undo_lengths *lengths,
                        uint64_t next_off)
{
    return is_plain(block) && next_off > 0 && next_off <= lengths->old &&
           block->file_off == lengths->old && lengths->final > lengths->old &&
           block->length == lengths->final - lengths->old;
}

bool qed_undo_head_valid(const struct qed_undo_block *block, const struct qed_undo_lengths *lengths,
                         uint64_t next_off)
{
    bool is_cut = qed_undo_is_cut(block, lengths);
    bool is_first = block->kind == QED_UNDO_WORDS && block->file_off == 0;

    if (block->kind == QED_UNDO_END)
        return end_valid(block, lengths, next_off);
    if (block->kind == QED_UNDO_GROWN)
        return grown_valid(block, lengths, next_off);
    if (is_first != (next_off == 0) ||
        !place_valid(block, next_off, is_cut ? lengths->old : qed_undo_kept(lengths)))
        return false;
    switch (block->kind) {
    case QED_UNDO_WORDS:
        return words_valid(block, lengths) && (!is_cut || lost_valid(block, lengths, next_off));
    case QED_UNDO_DATA:
        return !block->words && !block->early && block->length <= QED_UNDO_DATA_MAX &&
               lost_valid(block, lengths, next_off);
    case QED_UNDO_ZERO:
        return !block->words && !block->early && lost_valid(block, lengths, next_off);
    default:
        return is_plain(block) && block->length <= QED_UNDO_WITNESS_MAX && !is_cut;
    }
}

void qed_undo_lay_words(const struct qed_undo_block *block, uint8_t *sector)
{
    const uint8_t *from = block->new_words;

    for (size_t at = 0, i = 0; at < block->length; at += QED_UNDO_WORD_BYTES, i++) {
        if (!(block->words >> i & 1))
            continue;
        memcpy(sector + at, from, (size_t)min_u64(QED_UNDO_WORD_BYTES, block->length - at));
        from += QED_UNDO_WORD_BYTES;
    }
}

void qed_undo_block_crcs(const struct qed_undo_block *block, const struct qed_undo_lengths *lengths,
                         uint32_t *old_crc, uint32_t *new_crc)
{
    uint8_t sector[QED_SECTOR];

    *old_crc = block->kind == QED_UNDO_ZERO
                   ? zcodec_crc32_zeroes(0, block->length)
                   : zcodec_crc32(0, block->old_bytes, (size_t)block->length);
    *new_crc = 0;
    if (qed_undo_is_cut(block, lengths))
        return;
    if (block->kind != QED_UNDO_WORDS || block->punched) {
        *new_crc = zcodec_crc32_zeroes(0, block->length);
        return;
    }
    memcpy(sector, block->old_bytes, (size_t)block->length);
    qed_undo_lay_words(block, sector);
    *new_crc = zcodec_crc32(0, sector, (size_t)block->length);
}
