/*
 * Byte by byte, and the CRC bit by bit: slow, and nothing to get wrong.
 * SPDX-License-Identifier: MIT
 */
#include "support/craft_intent.h"

#include <string.h>

#define BITS_AT 32 /* bytes */
#define SHIFT_AT 12
#define CRC_AT 28

static void put(unsigned char *at, unsigned bytes, uint64_t value)
{
    for (unsigned i = 0; i < bytes; i++)
        at[i] = (unsigned char)(value >> 8 * i);
}

static uint32_t crc32_of(const unsigned char *bytes, size_t len)
{
    uint32_t crc = 0xffffffff;

    for (size_t i = 0; i < len; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
    }
    return ~crc;
}

void craft_intent_begin(unsigned char page[CRAFT_INTENT_BYTES], uint64_t entries,
                        uint64_t generation)
{
    uint64_t room = (CRAFT_INTENT_BYTES - BITS_AT) * 8, bits = entries;
    unsigned shift = 0;

    while (bits > room) {
        shift++;
        bits = (entries + (UINT64_C(1) << shift) - 1) / (UINT64_C(1) << shift);
    }
    memset(page, 0, CRAFT_INTENT_BYTES);
    memcpy(page, "QEDINTNT", 8);
    put(page + 8, 4, 1);
    put(page + SHIFT_AT, 4, shift);
    put(page + 16, 8, generation);
    put(page + 24, 4, bits);
}

void craft_intent_mark(unsigned char page[CRAFT_INTENT_BYTES], uint64_t l1_index)
{
    uint64_t bit = l1_index >> page[SHIFT_AT];

    page[BITS_AT + bit / 8] |= (unsigned char)(1 << bit % 8);
}

void craft_intent_end(unsigned char page[CRAFT_INTENT_BYTES])
{
    put(page + CRC_AT, 4, 0);
    put(page + CRC_AT, 4, crc32_of(page, CRAFT_INTENT_BYTES));
}
