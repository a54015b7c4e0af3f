/*
 * What the page cache holds, and hints for it: where one is not taken, or the file is none of the
 * host's, everything else works as it did.
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
 * How many bytes of the range are in the page cache: counted (cachestat(2), Linux 6.5), else
 * estimated from some places, where looking may start to read ahead. Holes do not count; nor does
 * what is past the end. False where it cannot be told.
 */
bool io_cached_bytes(struct io *io, uint64_t file_off, uint64_t len, uint64_t *bytes);

/* Bytes of memory that the machine has; 0 when that cannot be told. */
uint64_t io_memory_bytes(void);

#endif
