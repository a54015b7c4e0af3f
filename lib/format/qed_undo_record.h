/*
 * The header and the blocks of an undo record (qed_undo.h) as bytes, and what makes them valid one
 * by one. Pure; nothing here reads a file.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_QED_UNDO_RECORD_H
#define FORMAT_QED_UNDO_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/checked.h"
#include "format/qed_layout.h"

#define QED_UNDO_VERSION 1
#define QED_UNDO_HEADER_BYTES 64
#define QED_UNDO_HEAD_BYTES 48
#define QED_UNDO_END_CRC_AT 40 /* in its head: up to here the record's CRC goes */
#define QED_UNDO_DATA_MAX ((size_t)1 << 20)
#define QED_UNDO_WITNESS_MAX 4096
#define QED_UNDO_WORD_BYTES sizeof(uint64_t)
#define QED_UNDO_SECTOR_WORDS (QED_SECTOR / QED_UNDO_WORD_BYTES)

/* Where the header of an image has its features and its autoclear features. */
#define QED_UNDO_FEATURES_OFF 16
#define QED_UNDO_AUTOCLEAR_OFF 32

/*
 * The bits of a word of the header that count in no comparison, all in its first byte: a repair and
 * an undo set NEED_CHECK and drop the write-intent bitmap while they write.
 */
static inline uint64_t qed_undo_flags_at(uint64_t file_off)
{
    if (file_off == QED_UNDO_FEATURES_OFF)
        return QED_FEATURE_NEED_CHECK;
    return file_off == QED_UNDO_AUTOCLEAR_OFF ? QED_AUTOCLEAR_INTENT : 0;
}

/* The image file's length in bytes: before the repair, at its longest, and after it. */
struct qed_undo_lengths {
    uint64_t old, full, final;
};

/* Up to here the old file has not been cut off. */
static inline uint64_t qed_undo_kept(const struct qed_undo_lengths *lengths)
{
    return min_u64(lengths->old, lengths->final);
}

enum qed_undo_kind {
    QED_UNDO_WORDS,
    QED_UNDO_DATA,
    QED_UNDO_ZERO,
    QED_UNDO_WITNESS,
    QED_UNDO_GROWN,
    QED_UNDO_END,
};

struct qed_undo_block {
    enum qed_undo_kind kind;
    bool punched;
    uint64_t file_off, length; /* bytes of the image file */
    uint64_t words, early;     /* bit i: the i-th word of the sector */
    uint32_t old_crc, new_crc;
    const uint8_t *old_bytes; /* length of them; WORDS and DATA alone have any */
    const uint8_t *new_words; /* of WORDS: one for each bit of words, lowest first */
};

void qed_undo_header_encode(const struct qed_undo_lengths *lengths,
                            uint8_t bytes[QED_UNDO_HEADER_BYTES]);

/* Whether the first 8 bytes are those of an undo record of any version. */
bool qed_undo_header_has_magic(const uint8_t *bytes);

/* Whether the header's CRC is right; it stands there in every version. */
bool qed_undo_header_intact(const uint8_t bytes[QED_UNDO_HEADER_BYTES]);

uint32_t qed_undo_header_version(const uint8_t bytes[QED_UNDO_HEADER_BYTES]);

/* False when an intact header of our version is not one that qed_undo_header_encode makes. */
bool qed_undo_header_decode(const uint8_t bytes[QED_UNDO_HEADER_BYTES],
                            struct qed_undo_lengths *lengths);

/* Lengths that a repair can have, and that a record can be of. */
bool qed_undo_lengths_valid(const struct qed_undo_lengths *lengths);

void qed_undo_head_encode(const struct qed_undo_block *block, uint8_t bytes[QED_UNDO_HEAD_BYTES]);

/* False when the kind or the flags are unknown; nothing else is checked. Without what follows. */
bool qed_undo_head_decode(const uint8_t bytes[QED_UNDO_HEAD_BYTES], struct qed_undo_block *block);

/* How many bytes follow the head of a valid block: the old bytes, then the new words. */
size_t qed_undo_payload_bytes(const struct qed_undo_block *block);

/*
 * Whether the head can be that of a block in a record of these lengths, when the blocks before it
 * end at next_off of the image file.
 */
bool qed_undo_head_valid(const struct qed_undo_block *block, const struct qed_undo_lengths *lengths,
                         uint64_t next_off);

/* Whether the repair cuts the block off. */
static inline bool qed_undo_is_cut(const struct qed_undo_block *block,
                                   const struct qed_undo_lengths *lengths)
{
    return block->file_off >= lengths->final;
}

/* The new words of a block laid over its sector, as far as the sector goes. */
void qed_undo_lay_words(const struct qed_undo_block *block, uint8_t *sector);

/* The CRCs that a WORDS, DATA or ZERO block has by what it says. */
void qed_undo_block_crcs(const struct qed_undo_block *block, const struct qed_undo_lengths *lengths,
                         uint32_t *old_crc, uint32_t *new_crc);

#endif
