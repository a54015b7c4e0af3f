/*
 * The write-intent bitmap: one page in the header's clusters that says which L2 tables may hold
 * entries from a crash, so that only those need to be read after one. An extension of the format
 * that uses nothing but what it leaves free: space behind the header, and an autoclear bit, which
 * writers that do not know it clear (format specification: autoclear_features).
 *
 * Bytes of the page, little-endian: magic "QEDINTNT" (8), version (4), shift (4), generation (8),
 * bit count (4), CRC-32 of the page with this field zero (4), then the bits, lowest first. One bit
 * stands for 2^shift L1 entries in a row, of all that the table has; shift is the smallest with
 * which they fit. Everything behind the last bit is zero.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_QED_INTENT_H
#define FORMAT_QED_INTENT_H

#include <stdbool.h>
#include <stdint.h>

#include "format/qed_header.h"

#define QED_INTENT_OFFSET UINT64_C(4096) /* of the page in the file */
#define QED_INTENT_PAGE 4096             /* bytes */
#define QED_INTENT_BITS_AT 32            /* of the bits in the page */
#define QED_INTENT_BITS_MAX ((QED_INTENT_PAGE - QED_INTENT_BITS_AT) * 8)

struct qed_intent {
    uint64_t generation; /* one more with each page written */
    unsigned int shift;
    uint32_t bit_count;
    uint8_t bits[QED_INTENT_BITS_MAX / 8];
};

/* Whether the page fits into the header's clusters, and no backing file name is in its way. */
bool qed_intent_has_room(const struct qed_header *header);

/* A bitmap for that geometry, no bit set. */
void qed_intent_init(struct qed_intent *intent, const struct qed_geometry *geometry);

void qed_intent_encode(const struct qed_intent *intent, uint8_t page[QED_INTENT_PAGE]);

/* False for anything but a whole page that was encoded for that geometry. */
bool qed_intent_decode(struct qed_intent *intent, const uint8_t page[QED_INTENT_PAGE],
                       const struct qed_geometry *geometry);

/*
 * Read the bitmap of an image whose header has the autoclear bit; *valid is false where there is
 * none to be trusted. Negative when the page cannot be read.
 */
int qed_intent_read(struct qed_intent *intent, bool *valid, struct io *io,
                    const struct qed_header *header, const struct qed_geometry *geometry,
                    struct qed_error *error);

/* Write the page with the next generation; not flushed. */
int qed_intent_write(struct qed_intent *intent, struct io *io, struct qed_error *error);

/* The bit of an L1 entry. */
void qed_intent_mark(struct qed_intent *intent, uint64_t l1_index);
bool qed_intent_is_marked(const struct qed_intent *intent, uint64_t l1_index);

uint32_t qed_intent_count(const struct qed_intent *intent);

/* Whether a has a bit set that b has not. */
bool qed_intent_exceeds(const struct qed_intent *a, const struct qed_intent *b);

/* Set in intent the bits that are set in other; clear all. */
void qed_intent_join(struct qed_intent *intent, const struct qed_intent *other);
void qed_intent_clear(struct qed_intent *intent);

#endif
