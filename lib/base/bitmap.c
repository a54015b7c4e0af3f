/*
 * The bitmap is a directory of pieces of PIECE_BITS bits; a piece that was never touched is NULL.
 * SPDX-License-Identifier: MIT
 */
#include "base/bitmap.h"

#include <stdlib.h>

#include "base/checked.h"
#include "base/error.h"

#define PIECE_SHIFT 18 /* 2^18 bits: 32 KiB a piece */
#define PIECE_BITS (UINT64_C(1) << PIECE_SHIFT)
#define PIECE_WORDS (PIECE_BITS / 64)

struct bitmap {
    uint64_t bit_count;
    uint64_t piece_count;
    uint64_t **pieces;
};

struct bitmap *bitmap_new(uint64_t bit_count)
{
    struct bitmap *bitmap = calloc(1, sizeof(*bitmap));

    if (!bitmap)
        return NULL;
    bitmap->bit_count = bit_count;
    bitmap->piece_count = blocks_for(bit_count, PIECE_SHIFT);
    bitmap->pieces = calloc(bitmap->piece_count ? bitmap->piece_count : 1, sizeof(uint64_t *));
    if (!bitmap->pieces) {
        free(bitmap);
        return NULL;
    }
    return bitmap;
}

void bitmap_free(struct bitmap *bitmap)
{
    if (!bitmap)
        return;
    for (uint64_t i = 0; i < bitmap->piece_count; i++)
        free(bitmap->pieces[i]);
    free(bitmap->pieces);
    free(bitmap);
}

uint64_t bitmap_bit_count(const struct bitmap *bitmap)
{
    return bitmap->bit_count;
}

/* A mask of the bits [low, low + count) of one word; 1 <= count <= 64 - low. */
static uint64_t word_mask(unsigned int low, uint64_t count)
{
    uint64_t ones = count == 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1;

    return ones << low;
}

/* The piece of a bit, made when it is not there; several threads may come here at once. */
static uint64_t *touch_piece(struct bitmap *bitmap, uint64_t bit)
{
    uint64_t **place = &bitmap->pieces[bit >> PIECE_SHIFT];
    uint64_t *piece = __atomic_load_n(place, __ATOMIC_ACQUIRE);
    uint64_t bits_left = bitmap->bit_count - round_down(bit, PIECE_BITS);
    uint64_t *mine;

    if (piece)
        return piece;
    /* The last piece is as long as need be. */
    mine = calloc(min_u64(PIECE_WORDS, blocks_for(bits_left, 6)), sizeof(uint64_t));
    if (!mine)
        return NULL;
    if (__atomic_compare_exchange_n(place, &piece, mine, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE))
        return mine;
    free(mine);
    return piece;
}

int bitmap_set_range(struct bitmap *bitmap, uint64_t first, uint64_t count, uint64_t *already)
{
    *already = 0;
    while (count > 0) {
        unsigned int low = first & 63;
        uint64_t step = min_u64(count, 64 - low);
        uint64_t mask = word_mask(low, step);
        uint64_t *piece = touch_piece(bitmap, first);
        uint64_t before;

        if (!piece)
            return QED_ERR_NO_MEMORY;
        before = __atomic_fetch_or(&piece[(first & (PIECE_BITS - 1)) / 64], mask,
                                   __ATOMIC_RELAXED);
        *already += (uint64_t)__builtin_popcountll(before & mask);
        first += step;
        count -= step;
    }
    return QED_OK;
}

bool bitmap_test(const struct bitmap *bitmap, uint64_t bit)
{
    const uint64_t *piece = bitmap->pieces[bit >> PIECE_SHIFT];

    return piece && (piece[(bit & (PIECE_BITS - 1)) / 64] >> (bit & 63) & 1);
}

/*
 * The first bit of [from, end) whose value, with each word xor-ed with flip, is 1; end when there is
 * none. end is at most the bit count.
 */
static uint64_t next_bit(const struct bitmap *bitmap, uint64_t from, uint64_t end, uint64_t flip)
{
    while (from < end) {
        const uint64_t *piece = bitmap->pieces[from >> PIECE_SHIFT];
        uint64_t word;

        if (!piece) {
            if (flip)
                return from;
            from = round_down(from, PIECE_BITS) + PIECE_BITS;
            continue;
        }
        word = (piece[(from & (PIECE_BITS - 1)) / 64] ^ flip) >> (from & 63);
        if (word)
            return min_u64(from + (uint64_t)__builtin_ctzll(word), end);
        from = round_down(from, 64) + 64;
    }
    return end;
}

bool bitmap_any_set(const struct bitmap *bitmap, uint64_t first, uint64_t end)
{
    end = min_u64(end, bitmap->bit_count);
    return first < end && next_bit(bitmap, first, end, 0) < end;
}

uint64_t bitmap_next_clear(const struct bitmap *bitmap, uint64_t from)
{
    return next_bit(bitmap, from, bitmap->bit_count, UINT64_MAX);
}

uint64_t bitmap_next_set(const struct bitmap *bitmap, uint64_t from)
{
    return next_bit(bitmap, from, bitmap->bit_count, 0);
}
