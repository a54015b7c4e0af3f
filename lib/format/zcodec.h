/*
 * What zlib does for this library; no files but zcodec*.c include zlib.h.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_ZCODEC_H
#define FORMAT_ZCODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* How far back deflate's matches reach, in bytes (RFC 1951, 2). */
#define ZCODEC_WINDOW ((size_t)32 << 10)

/* zlib's CRC-32 of len more bytes, after those whose CRC is crc; of no bytes it is 0. */
uint32_t zcodec_crc32(uint32_t crc, const void *bytes, size_t len);

/* The same for len bytes of zeroes, in time that does not depend on len, at most INT64_MAX. */
uint32_t zcodec_crc32_zeroes(uint32_t crc, uint64_t len);

/* The same for len bytes, at most INT64_MAX, whose own CRC is next. */
uint32_t zcodec_crc32_combine(uint32_t crc, uint32_t next, uint64_t len);

/* Compresses blocks, each for itself, that put one behind the other make one deflate stream. */
struct zcodec_deflate;

/* level is 0 (stored) to 9 (smallest). The caller owns *codec. */
int zcodec_deflate_new(struct zcodec_deflate **codec, int level, struct qed_error *error);

/* NULL-safe. */
void zcodec_deflate_free(struct zcodec_deflate *codec);

/* The most bytes that a block of len bytes can become. */
size_t zcodec_deflate_bound(struct zcodec_deflate *codec, size_t len);

/* len bytes at bytes; before them in memory stand `history` more, which the stream already has. */
struct zcodec_block {
    const uint8_t *bytes;
    size_t len;     /* at most 1 GiB */
    size_t history; /* at most ZCODEC_WINDOW; 0 makes the block fit behind any other */
    bool last;      /* the stream ends with it */
};

/*
 * Compress a block into packed, of zcodec_deflate_bound bytes; it ends on a byte boundary. What
 * comes out depends on the block and the level alone.
 */
int zcodec_deflate_block(struct zcodec_deflate *codec, const struct zcodec_block *block,
                         uint8_t *packed, size_t *packed_len, struct qed_error *error);

/* Decompresses gzip members (RFC 1952), one after the other. */
struct zcodec_inflate;

/* The caller owns *codec. */
int zcodec_inflate_new(struct zcodec_inflate **codec, struct qed_error *error);

/* NULL-safe. */
void zcodec_inflate_free(struct zcodec_inflate *codec);

/* Input that is left, and room for output that is left. */
struct zcodec_span {
    const uint8_t *in;
    size_t in_len;
    uint8_t *out;
    size_t out_len;
};

/*
 * Go on in a member until the input or the room is used up, or the member ends, its length and CRC
 * being right (*ended); the next call then begins the next member. QED_ERR_CORRUPT for anything
 * that is not gzip; all that was put out before that is in the span.
 */
int zcodec_inflate_run(struct zcodec_inflate *codec, struct zcodec_span *span, bool *ended,
                       struct qed_error *error);

#endif
