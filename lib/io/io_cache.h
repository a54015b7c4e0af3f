/*
 * What the page cache holds, and how to have it hold less; for a file that is none of the host's,
 * nothing happens.
 * SPDX-License-Identifier: MIT
 */
#ifndef IO_IO_CACHE_H
#define IO_IO_CACHE_H

#include "io/io.h"

/*
 * Let a range that was written out leave the page cache (posix_fadvise(2)); at its ends, some may
 * stay. A length of 0 means up to the end of the file.
 */
void io_drop_cached(struct io *io, uint64_t file_off, uint64_t len);

/*
 * How many bytes of the range are in the page cache: counted (cachestat(2), Linux 6.5), else
 * estimated from some places, where looking may start to read ahead. Holes do not count; nor does
 * what is past the end. False where it cannot be told.
 */
bool io_cached_bytes(struct io *io, uint64_t file_off, uint64_t len, uint64_t *bytes);

/* Bytes of memory that the machine has; 0 when that cannot be told. */
uint64_t io_memory_bytes(void);

#endif
