/*
 * A raw image that comes as bytes one after the other: from a pipe, standard input, a device; or
 * out of a gzip file. Its size is known at its end.
 * SPDX-License-Identifier: MIT
 */
#ifndef CORE_STREAM_SOURCE_H
#define CORE_STREAM_SOURCE_H

#include "io/io_stream.h"

/* The format of raw images that are compressed. */
#define STREAM_FORMAT_GZIP "raw.gz"

struct stream_source;

/*
 * Whether a source is to be read as a stream: "-" and what else has no random access, what is said
 * to be raw.gz, and, where no format is given (NULL), a file whose name ends in .gz and that begins
 * as gzip files do.
 */
bool stream_source_wanted(const char *path, const char *format);

/*
 * Open one that is wanted, and wait for its first bytes. A format that cannot come as a stream is
 * refused; so is, without a format, what begins like an image of another format than raw, or in a
 * pipe like a gzip file. share: take no lock on a file. stop (may be NULL) is asked while the other
 * end is waited for, in whatever thread that happens.
 */
int stream_source_open(struct stream_source **source, const char *path, const char *format,
                       bool share, io_stream_stop_fn *stop, void *stop_context,
                       struct qed_error *error);

/* NULL-safe. */
void stream_source_close(struct stream_source *source);

/*
 * Before the first read: exact, the source must have just size bytes, neither fewer nor more; else
 * not more. If not exact it must not be empty: what could not be had is empty, too.
 */
void stream_source_set_size(struct stream_source *source, uint64_t size, bool exact);

/*
 * Read len bytes, a multiple of 512; *got is less at the end alone. A last sector that is not whole
 * is filled up with zeroes. The end is told only if all of the source was as it should be.
 */
int stream_source_read(struct stream_source *source, uint8_t *buffer, size_t len, size_t *got,
                       struct qed_error *error);

/* Its name, for messages. */
const char *stream_source_name(const struct stream_source *source);

/* Which file it is read from; false when from none. */
bool stream_source_identity(const struct stream_source *source, struct io_identity *identity);

#endif
