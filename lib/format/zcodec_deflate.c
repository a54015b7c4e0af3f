/*
 * Deflate in blocks: a sync flush ends each of them with an empty stored block, so on a byte
 * boundary and without the mark of the last one (RFC 1951, 3.2.4).
 * SPDX-License-Identifier: MIT
 */
#include "format/zcodec.h"

#include <stdlib.h>
#include <zlib.h>

#define RAW_WINDOW_BITS (-15) /* no header, matches over all of ZCODEC_WINDOW; zlib.h */
#define MEMORY_LEVEL 8
#define FLUSH_BYTES 16 /* more than the flush and the end take */

struct zcodec_deflate {
    z_stream stream;
};

int zcodec_deflate_new(struct zcodec_deflate **out, int level, struct qed_error *error)
{
    struct zcodec_deflate *codec;

    if (level < 0 || level > 9)
        return qed_fail(error, QED_ERR_INVALID, "the level must be from 0 to 9, not %d", level);
    codec = calloc(1, sizeof(*codec));
    if (!codec || deflateInit2(&codec->stream, level, Z_DEFLATED, RAW_WINDOW_BITS, MEMORY_LEVEL,
                               Z_DEFAULT_STRATEGY) != Z_OK) {
        free(codec);
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    }
    *out = codec;
    return QED_OK;
}

void zcodec_deflate_free(struct zcodec_deflate *codec)
{
    if (!codec)
        return;
    deflateEnd(&codec->stream);
    free(codec);
}

size_t zcodec_deflate_bound(struct zcodec_deflate *codec, size_t len)
{
    return deflateBound(&codec->stream, len) + FLUSH_BYTES;
}

int zcodec_deflate_block(struct zcodec_deflate *codec, const struct zcodec_block *block,
                         uint8_t *packed, size_t *packed_len, struct qed_error *error)
{
    z_stream *stream = &codec->stream;
    size_t room = zcodec_deflate_bound(codec, block->len);
    int ret = deflateReset(stream);

    if (ret == Z_OK && block->history > 0)
        ret = deflateSetDictionary(stream, block->bytes - block->history, (uInt)block->history);
    if (ret == Z_OK) {
        stream->next_in = (Bytef *)(uintptr_t)block->bytes; /* zlib does not write there */
        stream->avail_in = (uInt)block->len;
        stream->next_out = packed;
        stream->avail_out = (uInt)room;
        ret = deflate(stream, block->last ? Z_FINISH : Z_SYNC_FLUSH);
    }
    if (ret != (block->last ? Z_STREAM_END : Z_OK) || stream->avail_out == 0)
        return qed_fail(error, QED_ERR_INVALID, "zlib cannot compress a block of %zu bytes",
                        block->len);
    *packed_len = room - stream->avail_out;
    return QED_OK;
}
