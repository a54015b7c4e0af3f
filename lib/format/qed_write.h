/*
 * Guest writes into a QED image: data first, then the L2 entries, then the L1 entry, with
 * NEED_CHECK set from before the first new entry until a clean close.
 *
 * Entries are gathered in memory and written at a flush, so a crash between flushes leaves at most
 * leaked clusters and the state of the last flush.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_QED_WRITE_H
#define FORMAT_QED_WRITE_H

#include <stddef.h>
#include <stdint.h>

#include "format/qed.h"

struct qed_writer;

/*
 * A writer on image, opened for writing, without NEED_CHECK (else QED_ERR_CORRUPT: check it
 * first). Clears unknown autoclear bits. read_below is NULL when there is no backing file. The
 * image stays the caller's.
 */
int qed_writer_new(struct qed_writer **writer, struct qed_image *image,
                   qed_read_below_fn *read_below, void *below_context, struct qed_error *error);

/* Write guest bytes; the range must lie inside the image. */
int qed_writer_write(struct qed_writer *writer, uint64_t virt_off, const void *buffer, size_t len,
                     struct qed_error *error);

/*
 * Make guest bytes read as zeroes: nothing is done where they do already, zero clusters hide a
 * backing file, allocated clusters are zeroed in place and stay allocated.
 */
int qed_writer_zero(struct qed_writer *writer, uint64_t virt_off, uint64_t len,
                    struct qed_error *error);

/* Return once everything written so far survives a crash. */
int qed_writer_flush(struct qed_writer *writer, struct qed_error *error);

/* Flush and clear NEED_CHECK. The writer is still to be freed. */
int qed_writer_finish(struct qed_writer *writer, struct qed_error *error);

/* Release; what was not flushed is dropped. NULL-safe. */
void qed_writer_free(struct qed_writer *writer);

#endif
