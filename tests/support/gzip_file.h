/*
 * Gzip files in an io, made and read for tests. Everything here ends the test where it fails.
 * SPDX-License-Identifier: MIT
 */
#ifndef SUPPORT_GZIP_FILE_H
#define SUPPORT_GZIP_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "io/io.h"

/* Put a gzip member of plain, or just bytes, at the end of io. */
void gzip_file_add_member(struct io *io, const uint8_t *plain, size_t len);
void gzip_file_add_bytes(struct io *io, const void *bytes, size_t len);

/*
 * Read all of io through a gzip_reader, step bytes at a time; returns what the last read did.
 * *bytes gets what came, *len bytes, which the caller frees.
 */
int gzip_file_read(struct io *io, uint64_t max_bytes, size_t step, uint8_t **bytes, size_t *len,
                   struct qed_error *error);

/* The file in io is plain. */
void gzip_file_holds(struct io *io, const uint8_t *plain, size_t len, size_t step);

/* It is refused with that code and text, after the len bytes of plain. */
void gzip_file_fails(struct io *io, int code, const char *text, const uint8_t *plain, size_t len);

#endif
