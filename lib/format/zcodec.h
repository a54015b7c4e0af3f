/*
 * What zlib does for this library; no other file includes zlib.h.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_ZCODEC_H
#define FORMAT_ZCODEC_H

#include <stddef.h>
#include <stdint.h>

/* zlib's CRC-32 of len more bytes, after those whose CRC is crc; of no bytes it is 0. */
uint32_t zcodec_crc32(uint32_t crc, const void *bytes, size_t len);

/* The same for len bytes of zeroes, in time that does not depend on len, at most INT64_MAX. */
uint32_t zcodec_crc32_zeroes(uint32_t crc, uint64_t len);

#endif
