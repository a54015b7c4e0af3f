/*
 * Keeps the first bytes, which were looked at, and counts.
 * SPDX-License-Identifier: MIT
 */
#include "core/stream_source.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "format/gzip_reader.h"
#include "format/probe.h"
#include "format/raw.h"
#include "io/io_lock.h"

#define SECTOR_BYTES (UINT64_C(1) << RAW_SECTOR_SHIFT)

struct stream_source {
    char *name;
    struct io *io; /* a file's; NULL for others */
    struct io_stream *stream;
    struct gzip_reader *gzip; /* NULL when nothing is compressed */
    uint8_t head[PROBE_BYTES];
    size_t head_at, head_len; /* what of it was not given out yet */
    uint64_t offset;          /* bytes given out, without what was filled up */
    uint64_t size;
    bool exact;
};

static bool is_gzip_file(const char *path)
{
    static const char ending[] = ".gz";
    size_t len = strlen(path);
    uint8_t head[GZIP_MAGIC_BYTES];
    struct io *io;
    bool is_gzip;

    if (len < sizeof(ending) || strcmp(path + len - strlen(ending), ending) != 0 ||
        io_file_open(&io, path, false, NULL, NULL) < 0)
        return false;
    is_gzip = io_read(io, head, sizeof(head), 0, NULL) == QED_OK && gzip_begins(head, sizeof(head));
    io_close(io);
    return is_gzip;
}

bool stream_source_wanted(const char *path, const char *format)
{
    if (io_stream_only(path))
        return true;
    return format ? strcmp(format, STREAM_FORMAT_GZIP) == 0 : is_gzip_file(path);
}

static int check_format(const char *format, struct qed_error *error)
{
    if (!format || strcmp(format, "raw") == 0 || strcmp(format, STREAM_FORMAT_GZIP) == 0)
        return QED_OK;
    if (strcmp(format, "qed") == 0)
        return qed_fail(
            error, QED_ERR_UNSUPPORTED,
            "a QED image cannot be read from a pipe, or compressed: its tables may stand "
            "anywhere");
    return qed_fail(error, QED_ERR_INVALID, "Unknown driver '%s'", format);
}

static int read_bytes(struct stream_source *source, uint8_t *buffer, size_t len, size_t *got,
                      struct qed_error *error)
{
    size_t kept = (size_t)min_u64(len, source->head_len);
    int ret;

    memcpy(buffer, source->head + source->head_at, kept);
    source->head_at += kept;
    source->head_len -= kept;
    if (source->gzip)
        ret = gzip_reader_read(source->gzip, buffer + kept, len - kept, got, error);
    else
        ret = io_stream_read(source->stream, buffer + kept, len - kept, got, error);
    *got += kept;
    return ret;
}

/* Without a word on the format, only what begins like a raw image passes for one. */
static int probe(const struct stream_source *source, struct qed_error *error)
{
    const struct format_driver *driver;
    int ret = probe_head(source->head, &driver, error);

    if (ret == QED_OK)
        ret = check_format(driver->name, error);
    if (ret == QED_OK && !source->gzip && gzip_begins(source->head, source->head_len))
        return qed_fail(
            error, QED_ERR_UNSUPPORTED,
            "it begins like a gzip file: its format has to be given, " STREAM_FORMAT_GZIP
            " or raw");
    return ret;
}

static int open_stream(struct stream_source *source, const char *path, bool share,
                       struct qed_error *error)
{
    int ret;

    if (io_stream_only(path))
        return io_stream_open_read(&source->stream, path, error);
    ret = io_file_open(&source->io, path, false, NULL, error);
    if (ret == QED_OK && !share)
        ret = io_lock(source->io, path, false, error);
    if (ret == QED_OK)
        ret = io_stream_over(&source->stream, source->io, error);
    return ret < 0 ? qed_fail_prefix(error, ret, "Could not open '%s'", path) : QED_OK;
}

/* Begin to read, and look at what comes. */
static int begin(struct stream_source *source, const char *path, const char *format,
                 struct qed_error *error)
{
    bool is_gzip = format ? strcmp(format, STREAM_FORMAT_GZIP) == 0 : !io_stream_only(path);
    int ret = QED_OK;

    if (is_gzip)
        ret = gzip_reader_new(&source->gzip, source->stream, UINT64_MAX, error);
    if (ret == QED_OK)
        ret = read_bytes(source, source->head, sizeof(source->head), &source->head_len, error);
    if (ret == QED_OK && !format)
        ret = probe(source, error);
    return ret < 0 ? qed_fail_prefix(error, ret, "%s", source->name) : QED_OK;
}

int stream_source_open(struct stream_source **out, const char *path, const char *format, bool share,
                       io_stream_stop_fn *stop, void *stop_context, struct qed_error *error)
{
    struct stream_source *source = NULL;
    int ret = check_format(format, error);

    if (ret < 0)
        return qed_fail_prefix(error, ret, "Could not open '%s'", path);
    source = calloc(1, sizeof(*source));
    if (source)
        source->name = strdup(strcmp(path, "-") == 0 ? "standard input" : path);
    if (!source || !source->name) {
        ret = qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
        goto out;
    }
    ret = open_stream(source, path, share, error);
    if (ret < 0)
        goto out;
    io_stream_set_stop(source->stream, stop, stop_context);
    ret = begin(source, path, format, error);
    if (ret < 0)
        goto out;
    *out = source;
    source = NULL;
out:
    stream_source_close(source);
    return ret;
}

void stream_source_close(struct stream_source *source)
{
    if (!source)
        return;
    gzip_reader_free(source->gzip);
    io_stream_close(source->stream);
    io_close(source->io);
    free(source->name);
    free(source);
}

void stream_source_set_size(struct stream_source *source, uint64_t size, bool exact)
{
    source->size = size;
    source->exact = exact;
}

static int too_long(const struct stream_source *source, struct qed_error *error)
{
    if (source->exact)
        return qed_fail(error, QED_ERR_INVALID,
                        "%s: there is more than the %" PRIu64 " bytes that it was to have",
                        source->name, source->size);
    return qed_fail(error, QED_ERR_NO_SPACE,
                    "output file is smaller than input file: %s has more than %" PRIu64 " bytes",
                    source->name, source->size);
}

static int check_end(const struct stream_source *source, struct qed_error *error)
{
    if (source->exact && source->offset < source->size)
        return qed_fail(error, QED_ERR_SHORT_READ,
                        "%s: ended after %" PRIu64 " of the %" PRIu64 " bytes that it was to have",
                        source->name, source->offset, source->size);
    if (!source->exact && source->offset == 0)
        return qed_fail(error, QED_ERR_SHORT_READ, "%s: there is nothing in it", source->name);
    return QED_OK;
}

int stream_source_read(struct stream_source *source, uint8_t *buffer, size_t len, size_t *got,
                       struct qed_error *error)
{
    uint64_t left = source->size - source->offset;
    size_t want = left < len ? (size_t)left + 1 : len; /* a byte more shows that there is one */
    size_t count;
    int ret = read_bytes(source, buffer, want, &count, error);

    *got = 0;
    if (ret < 0)
        return qed_fail_prefix(error, ret, "%s: error while reading at byte %" PRIu64, source->name,
                               source->offset + count);
    if (count > left)
        return too_long(source, error);
    source->offset += count;
    *got = (size_t)(blocks_for(count, RAW_SECTOR_SHIFT) * SECTOR_BYTES);
    memset(buffer + count, 0, *got - count);
    return count < want ? check_end(source, error) : QED_OK;
}

const char *stream_source_name(const struct stream_source *source)
{
    return source->name;
}

bool stream_source_identity(const struct stream_source *source, struct io_identity *identity)
{
    return io_stream_identity(source->stream, identity);
}
