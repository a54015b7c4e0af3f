/*
 * A gzip member (RFC 1952) put together, in order, from blocks that are compressed already: header,
 * blocks, CRC and length. Its time is 0, so that the same bytes give the same file.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_GZIP_MEMBER_H
#define FORMAT_GZIP_MEMBER_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "format/zcodec.h"
#include "io/io_stream.h"

struct gzip_member;

/*
 * Begin a member on out, which stays the caller's; nothing is written yet. deflate is one of the
 * blocks' level, and is used only now. zero_len is how long blocks of zeroes are.
 */
int gzip_member_new(struct gzip_member **member, struct io_stream *out, int level,
                    struct zcodec_deflate *deflate, size_t zero_len, struct qed_error *error);

/* NULL-safe. */
void gzip_member_free(struct gzip_member *member);

/* A block of len bytes with that CRC, as zcodec_deflate_block packed it. */
struct gzip_member_block {
    const uint8_t *packed;
    size_t packed_len;
    size_t len;
    uint32_t crc;
};

int gzip_member_add(struct gzip_member *member, const struct gzip_member_block *block,
                    struct qed_error *error);

/* count blocks of zeroes, each zero_len bytes long. */
int gzip_member_add_zeroes(struct gzip_member *member, uint64_t count, struct qed_error *error);

/* Behind the last block: all that is left is written to out. */
int gzip_member_end(struct gzip_member *member, struct qed_error *error);

#endif
