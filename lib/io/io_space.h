/*
 * Space that is taken before there is data for it, and zeroes that take up space. io_zero, in
 * io.h, is the one that gives space back where it can.
 *
 *                     regular file                     block device
 * io_zero             a hole, else as below            unmapped where that reads as zeroes, else
 *                                                      as below
 * io_zero_allocated   unwritten extents, else written  zeroed by device or kernel, still mapped
 * io_write_zeroes     written                          written
 * io_allocate         unwritten extents in holes       not supported: it has its space
 * SPDX-License-Identifier: MIT
 */
#ifndef IO_IO_SPACE_H
#define IO_IO_SPACE_H

#include "io/io.h"

/*
 * Reserve the space that [file_off, file_off + len) needs, so that writing there cannot fail for
 * lack of it (fallocate(2)); the file grows where needed. What is stored stays, holes go on
 * reading as zeroes. QED_ERR_NO_SPACE may leave a part reserved. QED_ERR_UNSUPPORTED where only
 * writing zeroes would do it: on block devices, memory, and file systems without fallocate.
 */
int io_allocate(struct io *io, uint64_t file_off, uint64_t len, struct qed_error *error);

/*
 * Make a range inside the file read as zeroes and have its space, without writing it out where the
 * file system or the device can do that by itself. Never unmaps what a block device holds.
 */
int io_zero_allocated(struct io *io, uint64_t file_off, uint64_t len, struct qed_error *error);

/* Write zeroes, byte for byte, growing the file where needed. */
int io_write_zeroes(struct io *io, uint64_t file_off, uint64_t len, struct qed_error *error);

#endif
