/*
 * Bytes to a gzip file (RFC 1952), compressed by several threads: one member, which any program
 * reads. What comes out depends on the bytes and the level alone: not on the number of threads,
 * nor on how the bytes were handed over, nor on the time of day.
 *
 * A failure of the stream or of a thread is told by the next call, and by each after it.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_GZIP_WRITER_H
#define FORMAT_GZIP_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "io/io_stream.h"

#define GZIP_LEVEL_DEFAULT 6
#define GZIP_THREADS_MAX 64

/* Each block is compressed for itself, with a look back at the one before it. */
#define GZIP_BLOCK_BYTES ((size_t)128 << 10)

struct gzip_writer;

/*
 * level is 0 (stored) to 9 (smallest); threads 0 is one for each core. out stays the caller's and
 * must outlive the writer, and nobody else may use it meanwhile. Memory: about 0.9 MiB a thread,
 * and 1 MiB.
 */
int gzip_writer_new(struct gzip_writer **writer, struct io_stream *out, int level,
                    unsigned int threads, struct qed_error *error);

int gzip_writer_write(struct gzip_writer *writer, const void *bytes, size_t len,
                      struct qed_error *error);

/* The same as len bytes of zeroes, but whole blocks of them are compressed only once. */
int gzip_writer_zeroes(struct gzip_writer *writer, uint64_t len, struct qed_error *error);

/* Write what is left and return once out has got all. Nothing can be written after it. */
int gzip_writer_finish(struct gzip_writer *writer, struct qed_error *error);

/* Stop the threads and release; NULL-safe. Without a finish that succeeded it cancels out. */
void gzip_writer_free(struct gzip_writer *writer);

#endif
