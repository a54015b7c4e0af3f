/*
 * The page of a write-intent bitmap for qedcraft, written from qed(5) alone: what lib/ makes of it
 * is held against this.
 * SPDX-License-Identifier: MIT
 */
#ifndef SUPPORT_CRAFT_INTENT_H
#define SUPPORT_CRAFT_INTENT_H

#include <stdint.h>

#define CRAFT_INTENT_OFF 4096
#define CRAFT_INTENT_BYTES 4096

/* A page for tables of so many entries, no bit set and no CRC yet. */
void craft_intent_begin(unsigned char page[CRAFT_INTENT_BYTES], uint64_t entries,
                        uint64_t generation);

/* Set the bit that stands for an L1 entry of such tables. */
void craft_intent_mark(unsigned char page[CRAFT_INTENT_BYTES], uint64_t l1_index);

/* The CRC, when all else is there. */
void craft_intent_end(unsigned char page[CRAFT_INTENT_BYTES]);

#endif
