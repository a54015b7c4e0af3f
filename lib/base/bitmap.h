/*
 * A bitmap over a known number of bits, set and searched a word at a time. Memory is taken in
 * pieces as bits are first set, so a sparse file of many terabytes costs what it holds.
 * SPDX-License-Identifier: MIT
 */
#ifndef BASE_BITMAP_H
#define BASE_BITMAP_H

#include <stdbool.h>
#include <stdint.h>

struct bitmap;

/* A bitmap of bit_count clear bits; NULL when out of memory. The caller owns it. */
struct bitmap *bitmap_new(uint64_t bit_count);

/* NULL-safe. */
void bitmap_free(struct bitmap *bitmap);

uint64_t bitmap_bit_count(const struct bitmap *bitmap);

/*
 * Set the bits [first, first + count), which must lie inside the bitmap. *already gets how many of
 * them were set before. Returns 0 or QED_ERR_NO_MEMORY. Several threads may set bits at once; each
 * bit is counted as set before by all of them but one.
 */
int bitmap_set_range(struct bitmap *bitmap, uint64_t first, uint64_t count, uint64_t *already);

bool bitmap_test(const struct bitmap *bitmap, uint64_t bit);

/* Whether a bit of [first, end) is set; bits past the last one are clear. */
bool bitmap_any_set(const struct bitmap *bitmap, uint64_t first, uint64_t end);

/*
 * The first clear bit (bitmap_next_clear) or set bit (bitmap_next_set) at or after from; the bit
 * count when there is none.
 */
uint64_t bitmap_next_clear(const struct bitmap *bitmap, uint64_t from);
uint64_t bitmap_next_set(const struct bitmap *bitmap, uint64_t from);

#endif
