/*
 * Zero detection. memcmp of the buffer with itself, one step on, is the fastest portable way: the
 * C library's memcmp uses the widest vectors the machine has.
 * SPDX-License-Identifier: MIT
 */
#include "base/zero.h"

#include <string.h>

bool zero_all(const void *buffer, size_t len)
{
    const unsigned char *b = buffer;
    size_t head = len < 16 ? len : 16;

    for (size_t i = 0; i < head; i++) {
        if (b[i])
            return false;
    }
    return len <= 16 || memcmp(b, b + 16, len - 16) == 0;
}

size_t zero_run(const void *buffer, size_t len, size_t block, bool *is_zero)
{
    const unsigned char *b = buffer;
    size_t at = len < block ? len : block;

    *is_zero = zero_all(b, at);
    while (at < len) {
        size_t step = len - at < block ? len - at : block;

        if (zero_all(b + at, step) != *is_zero)
            break;
        at += step;
    }
    return at;
}
