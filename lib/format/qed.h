/*
 * One open QED image: what its header said, and its tables. Also the glue that makes QED a
 * format_driver (declared in driver.h).
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_QED_H
#define FORMAT_QED_H

#include <stdbool.h>

#include "format/qed_header.h"
#include "format/qed_table.h"

struct qed_image {
    struct io *io; /* the caller's */
    bool writable;
    struct qed_header header;
    struct qed_geometry geometry;
    char *backing_name; /* as stored; NULL when there is none */
    struct qed_table_cache *tables;
};

/*
 * How what shows through from below an image is read: guest bytes of its backing file, zeroes past
 * the end of that.
 */
typedef int qed_read_below_fn(void *context, uint64_t virt_off, void *buffer, size_t len,
                              struct qed_error *error);

/* Open the image in io, which must outlive it. Writes nothing. The caller owns *image. */
int qed_open(struct qed_image **image, struct io *io, bool writable, struct qed_error *error);

/* NULL-safe; writes nothing. */
void qed_close(struct qed_image *image);

/* Whether the header says that the tables may hold entries from a crash. */
static inline bool qed_needs_check(const struct qed_image *image)
{
    return (image->header.features & QED_FEATURE_NEED_CHECK) != 0;
}

/*
 * Set or clear NEED_CHECK and flush, so that it is durable before what it covers, and cleared only
 * after: the caller flushes that first. Does nothing when the bit is as wanted.
 */
int qed_set_need_check(struct qed_image *image, bool need_check, struct qed_error *error);

/*
 * Clear, durably, the autoclear bits that this program does not know; does nothing when there are
 * none. To be called before anything else is written (format specification: autoclear_features).
 */
int qed_clear_autoclear(struct qed_image *image, struct qed_error *error);

/* Give an image that nobody else sees yet another size, a multiple of 512; not flushed. */
int qed_set_image_size(struct qed_image *image, uint64_t size, struct qed_error *error);

/* The backing file's name as stored, NULL when there is none. */
const char *qed_backing_name(const struct qed_image *image);

#endif
