/*
 * Bytes one after the other: standard input or output, a pipe, a device, a file.
 *
 * A stream is for reading or for writing. It belongs to one thread at a time, but for
 * io_stream_cancel and io_stream_offset. Functions return 0 or a negative enum qed_code and fill in
 * error (may be NULL); the program must ignore SIGPIPE.
 * SPDX-License-Identifier: MIT
 */
#ifndef IO_IO_STREAM_H
#define IO_IO_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/io_file.h"

struct io_stream;

/*
 * Whether path can only be read as a stream: "-", or something that is there and no regular file,
 * block device or folder.
 */
bool io_stream_only(const char *path);

/*
 * Asked before each transfer, and ten times a second while the other end is waited for, in the
 * thread that transfers.
 */
typedef bool io_stream_stop_fn(void *context);

/*
 * Open path for reading, "-" being standard input; QED_ERR_NOT_FILE for a folder. Opening a named
 * pipe waits for its other end, until a signal comes. The caller owns *stream.
 */
int io_stream_open_read(struct io_stream **stream, const char *path, struct qed_error *error);

/*
 * Open path for writing, "-" being standard output. A file is made where there is none, and emptied
 * where there is one: what must not be lost goes through io_replace and io_stream_over.
 */
int io_stream_open_write(struct io_stream **stream, const char *path, struct qed_error *error);

/* Make a stream of a descriptor, which it then owns, also when this fails. */
int io_stream_adopt(struct io_stream **stream, int fd, struct qed_error *error);

/* A stream that reads or writes io from its start; io stays the caller's and must outlive it. */
int io_stream_over(struct io_stream **stream, struct io *io, struct qed_error *error);

/* When stop returns true, transfers fail with QED_ERR_STOPPED. */
void io_stream_set_stop(struct io_stream *stream, io_stream_stop_fn *stop, void *context);

/* Let transfers fail with QED_ERR_STOPPED from now on, also one that waits in another thread. */
void io_stream_cancel(struct io_stream *stream);

/* Read len bytes; *got gets how many came, fewer than len only at the end or with an error. */
int io_stream_read(struct io_stream *stream, void *buffer, size_t len, size_t *got,
                   struct qed_error *error);

/* Write all len bytes. QED_ERR_PIPE when there is no reader any more, QED_ERR_NO_SPACE. */
int io_stream_write(struct io_stream *stream, const void *buffer, size_t len,
                    struct qed_error *error);

int io_stream_write_zeroes(struct io_stream *stream, uint64_t len, struct qed_error *error);

/* Return once all that was written is on stable storage; at once for what is no storage. */
int io_stream_flush(struct io_stream *stream, struct qed_error *error);

/* Which regular file or block device is under a stream; false when it is over neither. */
bool io_stream_identity(const struct io_stream *stream, struct io_identity *identity);

/* Bytes read or written so far. Any thread may ask. */
uint64_t io_stream_offset(const struct io_stream *stream);

/* Close and release; NULL-safe. Does not flush. Standard input and output themselves stay open. */
void io_stream_close(struct io_stream *stream);

#endif
