/*
 * Inflate, with gzip's header and trailer, which zlib checks.
 * SPDX-License-Identifier: MIT
 */
#include "format/zcodec.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/checked.h"

#define GZIP_WINDOW_BITS (15 + 16) /* gzip only, zlib.h */

struct zcodec_inflate {
    z_stream stream;
    bool ended; /* the member is over */
};

int zcodec_inflate_new(struct zcodec_inflate **out, struct qed_error *error)
{
    struct zcodec_inflate *codec = calloc(1, sizeof(*codec));

    if (!codec || inflateInit2(&codec->stream, GZIP_WINDOW_BITS) != Z_OK) {
        free(codec);
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    }
    *out = codec;
    return QED_OK;
}

void zcodec_inflate_free(struct zcodec_inflate *codec)
{
    if (!codec)
        return;
    inflateEnd(&codec->stream);
    free(codec);
}

/* One call of zlib, which counts in unsigned int. */
static int run_some(z_stream *stream, struct zcodec_span *span)
{
    uInt in_len = (uInt)min_u64(span->in_len, UINT_MAX);
    uInt out_len = (uInt)min_u64(span->out_len, UINT_MAX);
    int ret;

    stream->next_in = (Bytef *)(uintptr_t)span->in; /* zlib does not write there */
    stream->avail_in = in_len;
    stream->next_out = span->out;
    stream->avail_out = out_len;
    ret = inflate(stream, Z_NO_FLUSH);
    span->in += in_len - stream->avail_in;
    span->in_len -= in_len - stream->avail_in;
    span->out += out_len - stream->avail_out;
    span->out_len -= out_len - stream->avail_out;
    return ret;
}

int zcodec_inflate_run(struct zcodec_inflate *codec, struct zcodec_span *span, bool *ended,
                       struct qed_error *error)
{
    z_stream *stream = &codec->stream;
    int ret = codec->ended ? inflateReset(stream) : Z_OK;

    codec->ended = false;
    *ended = false;
    /* Also without input: output may be pending that there was no room for. */
    while (ret == Z_OK && span->out_len > 0) {
        ret = run_some(stream, span);
        if (span->in_len == 0)
            break;
    }
    if (ret == Z_OK || ret == Z_BUF_ERROR) /* the latter: there was nothing to do without input */
        return QED_OK;
    if (ret == Z_MEM_ERROR)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    if (ret != Z_STREAM_END)
        return qed_fail(error, QED_ERR_CORRUPT, "the gzip data is damaged: %s",
                        stream->msg ? stream->msg : "it cannot be decompressed");
    codec->ended = true;
    *ended = true;
    return QED_OK;
}
