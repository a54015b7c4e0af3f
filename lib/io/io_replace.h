/*
 * A new file that takes the place of an old one only when it is whole: written beside it under a
 * temporary name, flushed, then renamed (rename(2) is atomic).
 * SPDX-License-Identifier: MIT
 */
#ifndef IO_IO_REPLACE_H
#define IO_IO_REPLACE_H

#include "io/io.h"

struct io_replace;

/*
 * Begin a new, empty file that is to stand at path. Where path is a link, it is to stand where the
 * link points. It gets the mode of the file it replaces, else the usual 0666 less the umask. *io,
 * owned by the replacement, writes to it. A path
 * that exists is refused if it is no regular file, or in use (io_lock.h).
 */
int io_replace_begin(struct io_replace **replace, const char *path, struct io **io,
                     struct qed_error *error);

/*
 * The same for a file that is nobody's business: only its owner may read or write it, and a path
 * that exists is refused, also when it comes into being before the file is published (where the
 * file system can tell: RENAME_NOREPLACE, rename(2)).
 */
int io_replace_begin_private(struct io_replace **replace, const char *path, struct io **io,
                             struct qed_error *error);

/* Flush, rename, and flush the folder. The replacement is used up only when this succeeds. */
int io_replace_publish(struct io_replace *replace, struct qed_error *error);

/* The same without waiting for stable storage: after a power cut either file may be there, or parts. */
int io_replace_publish_unflushed(struct io_replace *replace, struct qed_error *error);

/* Close and release; removes the temporary file unless it was published. NULL-safe. */
void io_replace_end(struct io_replace *replace);

#endif
