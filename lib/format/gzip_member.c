/*
 * Output is gathered, so that well compressed blocks do not cost a system call each. A block of
 * zeroes is compressed once, without a look back, so that it fits behind any other, and copied.
 * SPDX-License-Identifier: MIT
 */
#include "format/gzip_member.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/le.h"

#define BUFFER_BYTES ((size_t)256 << 10)
#define HEADER_BYTES 10
#define TRAILER_BYTES 8

struct gzip_member {
    struct io_stream *out;
    uint8_t *buffer; /* BUFFER_BYTES */
    size_t buffered;
    uint8_t *zero_packed;
    size_t zero_packed_len, zero_len;
    uint32_t crc;
    uint64_t total; /* bytes before compression */
};

static int flush_buffer(struct gzip_member *member, struct qed_error *error)
{
    size_t len = member->buffered;

    member->buffered = 0;
    return io_stream_write(member->out, member->buffer, len, error);
}

static int put(struct gzip_member *member, const uint8_t *bytes, size_t len,
               struct qed_error *error)
{
    while (len > 0) {
        size_t step = (size_t)min_u64(len, BUFFER_BYTES - member->buffered);
        int ret;

        memcpy(member->buffer + member->buffered, bytes, step);
        member->buffered += step;
        bytes += step;
        len -= step;
        ret = member->buffered == BUFFER_BYTES ? flush_buffer(member, error) : QED_OK;
        if (ret < 0)
            return ret;
    }
    return QED_OK;
}

static int pack_zeroes(struct gzip_member *member, struct zcodec_deflate *deflate,
                       struct qed_error *error)
{
    struct zcodec_block zeroes = {.len = member->zero_len};
    uint8_t *bytes = calloc(1, member->zero_len);
    int ret;

    if (!bytes)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    zeroes.bytes = bytes;
    ret = zcodec_deflate_block(deflate, &zeroes, member->zero_packed, &member->zero_packed_len,
                               error);
    free(bytes);
    return ret;
}

int gzip_member_new(struct gzip_member **out, struct io_stream *stream, int level,
                    struct zcodec_deflate *deflate, size_t zero_len, struct qed_error *error)
{
    /* Magic, deflate, no flags, no time, how hard it was tried, Unix: RFC 1952, 2.3. */
    const uint8_t header[HEADER_BYTES] = {
        0x1f, 0x8b, 8, 0, 0, 0, 0, 0, level == 9 ? 2 : level == 1 ? 4 : 0, 3};
    struct gzip_member *member = calloc(1, sizeof(*member));
    int ret = QED_ERR_NO_MEMORY;

    if (member) {
        member->out = stream;
        member->zero_len = zero_len;
        member->buffer = malloc(BUFFER_BYTES);
        member->zero_packed = malloc(zcodec_deflate_bound(deflate, zero_len));
    }
    if (!member || !member->buffer || !member->zero_packed) {
        qed_fail(error, ret, "out of memory");
        goto out;
    }
    ret = pack_zeroes(member, deflate, error);
    if (ret == QED_OK)
        ret = put(member, header, sizeof(header), error);
out:
    if (ret < 0)
        gzip_member_free(member);
    else
        *out = member;
    return ret;
}

void gzip_member_free(struct gzip_member *member)
{
    if (!member)
        return;
    free(member->zero_packed);
    free(member->buffer);
    free(member);
}

int gzip_member_add(struct gzip_member *member, const struct gzip_member_block *block,
                    struct qed_error *error)
{
    member->crc = zcodec_crc32_combine(member->crc, block->crc, block->len);
    member->total += block->len;
    return put(member, block->packed, block->packed_len, error);
}

int gzip_member_add_zeroes(struct gzip_member *member, uint64_t count, struct qed_error *error)
{
    uint64_t zeroes = count * member->zero_len;
    int ret = QED_OK;

    member->crc = zcodec_crc32_zeroes(member->crc, zeroes);
    member->total += zeroes;
    for (uint64_t i = 0; ret == QED_OK && i < count; i++)
        ret = put(member, member->zero_packed, member->zero_packed_len, error);
    return ret;
}

int gzip_member_end(struct gzip_member *member, struct qed_error *error)
{
    uint8_t trailer[TRAILER_BYTES];
    int ret;

    le32_store(trailer, member->crc);
    le32_store(trailer + 4, (uint32_t)member->total);
    ret = put(member, trailer, sizeof(trailer), error);
    return ret < 0 ? ret : flush_buffer(member, error);
}
