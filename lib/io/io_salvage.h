/*
 * Reads of a file that has bad places: what can be read is read, down to single sectors.
 * SPDX-License-Identifier: MIT
 */
#ifndef IO_IO_SALVAGE_H
#define IO_IO_SALVAGE_H

#include "io/io.h"

/* What a disk reads or refuses as one. */
#define IO_SECTOR_SHIFT 9
#define IO_SECTOR_BYTES (1 << IO_SECTOR_SHIFT)

struct io_salvage;

/*
 * Called with a stretch of the file that cannot be read, and why; in the order of the file. Return
 * true to stop.
 */
typedef bool io_lost_fn(void *context, uint64_t file_off, size_t len, const struct qed_error *why);

/* io stays the caller's and must outlive the reader. */
int io_salvage_new(struct io_salvage **salvage, struct io *io, struct qed_error *error);

/* NULL-safe. */
void io_salvage_free(struct io_salvage *salvage);

/* Whether an error is one of a place in a file, so that other places may do. */
bool io_salvage_can_help(int code);

/*
 * Read as io_read_sectors. A stretch that fails is halved, at multiples of 4096 and then of 512,
 * and its halves are tried: through the page cache and, below 4096 bytes, past it, where a page
 * fails whole. What fails at last is zeroes in buffer and told to lost. QED_ERR_STOPPED, or what
 * io_salvage_can_help has no hope for.
 */
int io_salvage_read(struct io_salvage *salvage, void *buffer, size_t len, uint64_t file_off,
                    io_lost_fn *lost, void *context, struct qed_error *error);

#endif
