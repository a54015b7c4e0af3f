/*
 * Bytes from one file to another by the kernel: shared where the file system can, else copied there.
 * Both need files of the host; QED_ERR_UNSUPPORTED, with nothing to be told to the user, says that
 * the range has to be read and written instead.
 * SPDX-License-Identifier: MIT
 */
#ifndef IO_IO_TRANSFER_H
#define IO_IO_TRANSFER_H

#include "io/io.h"

/*
 * Let a range of to be the same blocks as one of from, until one of the two is written to
 * (ioctl_ficlonerange(2)); to grows where needed. Moves no data, but flushes what from has not
 * written out yet. All of the range is done, or none.
 *
 * QED_ERR_UNSUPPORTED: not on one file system, one that cannot share, or offsets and length that
 * are not whole blocks of it (the length may end where from does), or ranges that overlap.
 * QED_ERR_SHORT_READ: from ends before its range does.
 */
int io_clone_range(struct io *to, uint64_t to_off, struct io *from, uint64_t from_off,
                   uint64_t len, struct qed_error *error);

/*
 * Whether ranges of from can be cloned to to: one block is, behind the end of to, which is then cut
 * again. Nobody else may be using to.
 */
bool io_can_clone(struct io *to, struct io *from);

/*
 * Copy a range without bringing it into memory of ours (copy_file_range(2)): the file system
 * shares it, the server or device copies it, or the kernel does, through the page cache. *done
 * bytes at the start of the range are copied, in every case; holes may become zeroes.
 *
 * QED_ERR_UNSUPPORTED: the rest of the range cannot be copied so. QED_ERR_SHORT_READ: from ends
 * before its range does. QED_ERR_IO does not tell which of the two files failed; a read does.
 */
int io_copy_range(struct io *to, uint64_t to_off, struct io *from, uint64_t from_off,
                  uint64_t len, uint64_t *done, struct qed_error *error);

#endif
