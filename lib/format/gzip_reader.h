/*
 * The bytes of a gzip file (RFC 1952), decompressed ahead of the caller by a thread.
 *
 * A file may have several members, one behind the other, and zeroes behind the last, as tapes leave
 * them; anything else there is an error (gzip(1) warns: a file that was joined, cut or overwritten
 * should not pass for whole). The lengths and CRCs of all members are checked.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_GZIP_READER_H
#define FORMAT_GZIP_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "io/io_stream.h"

struct gzip_reader;

#define GZIP_MAGIC_BYTES 2

/* Whether len bytes begin as a gzip file does. */
bool gzip_begins(const uint8_t *bytes, size_t len);

/*
 * Begin to read. in stays the caller's and must outlive the reader, and nobody else may read it
 * meanwhile. A file that holds more than max_bytes (UINT64_MAX: any number) is refused once so many
 * were read. Memory: 1.2 MiB, whatever the file says.
 */
int gzip_reader_new(struct gzip_reader **reader, struct io_stream *in, uint64_t max_bytes,
                    struct qed_error *error);

/*
 * Read len bytes; *got gets how many there were, fewer than len only at the end or with an error:
 * QED_ERR_FORMAT (not gzip), QED_ERR_CORRUPT, QED_ERR_SHORT_READ (cut short), QED_ERR_NO_SPACE
 * (more than max_bytes), or the stream's. What comes before the end of a member is given out before
 * its CRC can be checked: the data is right when the end was read without an error.
 */
int gzip_reader_read(struct gzip_reader *reader, void *buffer, size_t len, size_t *got,
                     struct qed_error *error);

/* Stop the thread and release; NULL-safe. Before the end of the file it cancels in. */
void gzip_reader_free(struct gzip_reader *reader);

#endif
