/*
 * What the page cache holds, and how to go through it without filling it. But for the bytes that
 * are written, all of this is hints: where one is not taken, or the file is none of the host's,
 * everything else works as it did.
 * SPDX-License-Identifier: MIT
 */
#ifndef IO_IO_CACHE_H
#define IO_IO_CACHE_H

#include "io/io.h"

enum io_advice {
    IO_ADVISE_SEQUENTIAL, /* of the whole descriptor, whatever the range: read further ahead */
    IO_ADVISE_WILL_NEED,  /* start reading the range */
    IO_ADVISE_DONT_NEED,  /* drop what is written out; at the ends of the range, some may stay */
};

/* posix_fadvise(2). A length of 0 means up to the end. */
void io_advise(struct io *io, enum io_advice advice, uint64_t file_off, uint64_t len);

/*
 * Start writing out what of the range was written and is still in memory only, and do not wait for
 * it (sync_file_range(2)): a later io_flush has less to do. Makes nothing durable.
 */
void io_start_writeback(struct io *io, uint64_t file_off, uint64_t len);

/*
 * How many bytes of the range are in the page cache: counted (cachestat(2), Linux 6.5), else
 * estimated from some places, where looking may start to read ahead. Holes do not count; nor does
 * what is past the end. False where it cannot be told.
 */
bool io_cached_bytes(struct io *io, uint64_t file_off, uint64_t len, uint64_t *bytes);

/*
 * As io_write, for what is written once and not soon read: the bytes start on their way to the
 * device at once, and leave memory when they are there (pwritev2(2), RWF_DONTCACHE, Linux 6.14), so
 * that a few pages serve for all of a large file. Where that cannot be had, an io_write and an
 * io_start_writeback. Durable after an io_flush, like any write.
 */
int io_write_streaming(struct io *io, const void *buffer, size_t len, uint64_t file_off,
                       struct qed_error *error);

/* Whether kernel and file system can do so; tells by a read past the end, io must be readable. */
bool io_can_stream(struct io *io);

#endif
