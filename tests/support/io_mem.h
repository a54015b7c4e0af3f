/*
 * A file in memory, with holes: what was never written, or was zeroed in whole pages, takes no
 * space and is told by io_next_run. So tests can have files of many terabytes.
 * SPDX-License-Identifier: MIT
 */
#ifndef SUPPORT_IO_MEM_H
#define SUPPORT_IO_MEM_H

#include <stddef.h>

#include "io/io.h"

/* Bytes in which data and holes are told apart: finer than on most file systems. */
#define IO_MEM_PAGE 1024

/* How often each operation was asked for since the start or since io_mem_reset_counts. */
struct io_mem_counts {
    size_t reads, writes, zeroes, flushes, set_lengths;
    uint64_t bytes_read, bytes_written;
};

/* A file of length bytes, all a hole. Aborts when out of memory, as does all of io_mem. */
struct io *io_mem_new(uint64_t length);

/*
 * Another file with the same bytes and holes. It costs little: the two share what neither of them
 * changes.
 */
struct io *io_mem_copy(struct io *io);

/* Whether two files have the same length and bytes. */
bool io_mem_equal(struct io *a, struct io *b);

/*
 * A number for the length and bytes of a file: the same for files that are equal, another for
 * others but by a chance of 2^-64. What copies share is looked at once.
 */
uint64_t io_mem_hash(struct io *io);

struct io_mem_counts io_mem_counts(struct io *io);
void io_mem_reset_counts(struct io *io);

#endif
