/*
 * A raw image as bytes one after the other: to standard output, or compressed, to that or a file.
 * SPDX-License-Identifier: MIT
 */
#ifndef CORE_STREAM_SINK_H
#define CORE_STREAM_SINK_H

#include "core/create.h"
#include "io/io_stream.h"

struct stream_sink;

/* Whether a target is to be written as a stream: "-", or raw.gz. */
bool stream_sink_wanted(const char *path, const char *format);

/*
 * Begin one that is wanted; of create, format and gzip_level count. A file appears under its name
 * when it is finished.
 */
int stream_sink_open(struct stream_sink **sink, const char *path,
                     const struct create_options *create, struct qed_error *error);

/* stop is asked while the other end is waited for, in whatever thread that happens. */
void stream_sink_set_stop(struct stream_sink *sink, io_stream_stop_fn *stop, void *context);

/* The next bytes. */
int stream_sink_write(struct stream_sink *sink, const void *bytes, size_t len,
                      struct qed_error *error);
int stream_sink_zero(struct stream_sink *sink, uint64_t len, struct qed_error *error);

/* Return once all is written; flush: to stable storage, where it goes to a file. */
int stream_sink_finish(struct stream_sink *sink, bool flush, struct qed_error *error);

/* Release; a file that was not finished is removed. NULL-safe. */
void stream_sink_close(struct stream_sink *sink);

/* Which file standard output is; false when it is none, or the sink is another file. */
bool stream_sink_identity(const struct stream_sink *sink, struct io_identity *identity);

#endif
