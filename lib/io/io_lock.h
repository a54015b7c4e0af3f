/*
 * The locks by which programs that open an image keep out of each other's way: QEMU's protocol of
 * open-file-description locks (fcntl(2), F_OFD_SETLK) on single bytes, so that it holds between
 * QEMU and us in both directions. A lock is gone when its io is closed, however that comes about.
 * SPDX-License-Identifier: MIT
 */
#ifndef IO_IO_LOCK_H
#define IO_IO_LOCK_H

#include <stdbool.h>

#include "io/io.h"

/*
 * Lock io for reading, or for reading and writing: several may read, one may write while nobody
 * else reads. name is for the message. QED_ERR_IN_USE when somebody has it already. Succeeds where
 * io is no file, or the file system has no such locks: there nothing can be told.
 */
int io_lock(struct io *io, const char *name, bool for_writing, struct qed_error *error);

#endif
