/*
 * A file in front of another one with places that cannot be read, ever: a read that touches one
 * fails whole. SPDX-License-Identifier: MIT
 */
#ifndef SUPPORT_IO_BAD_H
#define SUPPORT_IO_BAD_H

#include "io/io.h"

/* below stays the caller's and must outlive the new io. Aborts when out of memory. */
struct io *io_bad_new(struct io *below);

/* Make a range bad; up to 16. */
void io_bad_add(struct io *io, uint64_t file_off, uint64_t len);

/* How many reads there were. */
size_t io_bad_reads(struct io *io);

#endif
