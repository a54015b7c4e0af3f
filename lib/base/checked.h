/*
 * Arithmetic on numbers that were read from an image: every overflow is told, none wraps.
 * SPDX-License-Identifier: MIT
 */
#ifndef BASE_CHECKED_H
#define BASE_CHECKED_H

#include <stdbool.h>
#include <stdint.h>

/* *sum = a + b; false, and *sum untouched in meaning, when that does not fit in 64 bits. */
static inline bool checked_add(uint64_t a, uint64_t b, uint64_t *sum)
{
    return !__builtin_add_overflow(a, b, sum);
}

/* *product = a * b; false when that does not fit in 64 bits. */
static inline bool checked_mul(uint64_t a, uint64_t b, uint64_t *product)
{
    return !__builtin_mul_overflow(a, b, product);
}

/* a * b, or UINT64_MAX when that does not fit in 64 bits. */
static inline uint64_t saturating_mul(uint64_t a, uint64_t b)
{
    uint64_t product;

    return checked_mul(a, b, &product) ? product : UINT64_MAX;
}

/* Whether [start, start + len) lies inside [low, high); never overflows. */
static inline bool range_inside(uint64_t start, uint64_t len, uint64_t low, uint64_t high)
{
    return start >= low && start <= high && len <= high - start;
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static inline bool is_power_of_two(uint64_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

/* value rounded down to a multiple of align, a power of two. */
static inline uint64_t round_down(uint64_t value, uint64_t align)
{
    return value & ~(align - 1);
}

/* *out = value rounded up to a multiple of align, a power of two; false on overflow. */
static inline bool checked_round_up(uint64_t value, uint64_t align, uint64_t *out)
{
    uint64_t sum;

    if (!checked_add(value, align - 1, &sum))
        return false;
    *out = round_down(sum, align);
    return true;
}

/* How many blocks of 2^shift it takes to hold value bytes. */
static inline uint64_t blocks_for(uint64_t value, unsigned int shift)
{
    return (value >> shift) + ((value & ((UINT64_C(1) << shift) - 1)) != 0);
}

#endif
