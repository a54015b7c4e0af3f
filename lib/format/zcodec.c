/*
 * CRC-32. That of a long run of zeroes is put together from runs of powers of two.
 * SPDX-License-Identifier: MIT
 */
#include "format/zcodec.h"

#include <zlib.h>

uint32_t zcodec_crc32(uint32_t crc, const void *bytes, size_t len)
{
    /* To zlib no bytes at all, with a null pointer, mean the first value. */
    return len ? (uint32_t)crc32_z(crc, bytes, len) : crc;
}

uint32_t zcodec_crc32_combine(uint32_t crc, uint32_t next, uint64_t len)
{
    return (uint32_t)crc32_combine(crc, next, (z_off_t)len);
}

uint32_t zcodec_crc32_zeroes(uint32_t crc, uint64_t len)
{
    uint32_t run_crc = zcodec_crc32(0, "", 1);

    for (uint64_t run = 1; len >= run; run *= 2) {
        if (len & run)
            crc = zcodec_crc32_combine(crc, run_crc, run);
        if (run > INT64_MAX / 2)
            break;
        run_crc = zcodec_crc32_combine(run_crc, run_crc, run);
    }
    return crc;
}
