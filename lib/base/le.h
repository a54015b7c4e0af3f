/*
 * Little-endian integers in byte buffers, whatever the host's byte order and alignment.
 * SPDX-License-Identifier: MIT
 */
#ifndef BASE_LE_H
#define BASE_LE_H

#include <stddef.h>
#include <stdint.h>

static inline uint32_t le32_load(const void *src)
{
    const uint8_t *b = src;

    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static inline uint64_t le64_load(const void *src)
{
    const uint8_t *b = src;

    return (uint64_t)le32_load(b) | (uint64_t)le32_load(b + 4) << 32;
}

static inline void le32_store(void *dst, uint32_t value)
{
    uint8_t *b = dst;

    b[0] = (uint8_t)value;
    b[1] = (uint8_t)(value >> 8);
    b[2] = (uint8_t)(value >> 16);
    b[3] = (uint8_t)(value >> 24);
}

static inline void le64_store(void *dst, uint64_t value)
{
    uint8_t *b = dst;

    le32_store(b, (uint32_t)value);
    le32_store(b + 4, (uint32_t)(value >> 32));
}

/* Turn count little-endian numbers in place into the host's byte order. */
static inline void le64_to_host(uint64_t *numbers, size_t count)
{
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
    for (size_t i = 0; i < count; i++)
        numbers[i] = __builtin_bswap64(numbers[i]);
#else
    (void)numbers;
    (void)count;
#endif
}

#endif
