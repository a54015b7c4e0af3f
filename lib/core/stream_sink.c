/*
 * Puts together a stream, what compresses into it, and the file beside the target.
 * SPDX-License-Identifier: MIT
 */
#include "core/stream_sink.h"

#include <stdlib.h>
#include <string.h>

#include "core/stream_source.h"
#include "format/gzip_writer.h"
#include "io/io_replace.h"

struct stream_sink {
    struct io_replace *replace; /* NULL for standard output */
    struct io_stream *stream;
    struct gzip_writer *gzip; /* NULL when nothing is compressed */
};

static bool is_gzip(const char *format)
{
    return strcmp(format, STREAM_FORMAT_GZIP) == 0;
}

bool stream_sink_wanted(const char *path, const char *format)
{
    return strcmp(path, "-") == 0 || is_gzip(format);
}

static int open_stream(struct stream_sink *sink, const char *path, struct qed_error *error)
{
    struct io *io;
    int ret;

    if (strcmp(path, "-") == 0)
        return io_stream_open_write(&sink->stream, path, error);
    ret = io_replace_begin(&sink->replace, path, &io, error);
    return ret < 0 ? ret : io_stream_over(&sink->stream, io, error);
}

int stream_sink_open(struct stream_sink **out, const char *path,
                     const struct create_options *create, struct qed_error *error)
{
    struct stream_sink *sink = calloc(1, sizeof(*sink));
    int ret =
        sink ? open_stream(sink, path, error) : qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");

    if (ret == QED_OK && is_gzip(create->format))
        ret = gzip_writer_new(&sink->gzip, sink->stream, create->gzip_level, 0, error);
    if (ret < 0)
        stream_sink_close(sink);
    else
        *out = sink;
    return ret;
}

void stream_sink_set_stop(struct stream_sink *sink, io_stream_stop_fn *stop, void *context)
{
    io_stream_set_stop(sink->stream, stop, context);
}

int stream_sink_write(struct stream_sink *sink, const void *bytes, size_t len,
                      struct qed_error *error)
{
    return sink->gzip ? gzip_writer_write(sink->gzip, bytes, len, error)
                      : io_stream_write(sink->stream, bytes, len, error);
}

int stream_sink_zero(struct stream_sink *sink, uint64_t len, struct qed_error *error)
{
    return sink->gzip ? gzip_writer_zeroes(sink->gzip, len, error)
                      : io_stream_write_zeroes(sink->stream, len, error);
}

int stream_sink_finish(struct stream_sink *sink, bool flush, struct qed_error *error)
{
    int ret = sink->gzip ? gzip_writer_finish(sink->gzip, error) : QED_OK;

    if (ret < 0)
        return ret;
    if (!sink->replace)
        return flush ? io_stream_flush(sink->stream, error) : QED_OK;
    return flush ? io_replace_publish(sink->replace, error)
                 : io_replace_publish_unflushed(sink->replace, error);
}

void stream_sink_close(struct stream_sink *sink)
{
    if (!sink)
        return;
    gzip_writer_free(sink->gzip);
    io_stream_close(sink->stream);
    io_replace_end(sink->replace);
    free(sink);
}

bool stream_sink_identity(const struct stream_sink *sink, struct io_identity *identity)
{
    return !sink->replace && io_stream_identity(sink->stream, identity);
}
