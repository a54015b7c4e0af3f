/*
 * What can be read of an image that cannot be read everywhere, and a list of what cannot.
 * SPDX-License-Identifier: MIT
 */
#ifndef CORE_SALVAGE_H
#define CORE_SALVAGE_H

#include "core/image.h"

/* Ranges that are kept apart, at most; neighbours are joined across what lies between beyond that.
 */
#define SALVAGE_RANGES_MAX ((size_t)1 << 20)

/* Guest bytes that could not be read, and the first reason: an enum qed_code, and errno or 0. */
struct salvage_range {
    uint64_t virt_off, length;
    int code, sys_errno;
};

struct salvage;

int salvage_new(struct salvage **salvage, struct qed_error *error);

/* NULL-safe. */
void salvage_free(struct salvage *salvage);

/* Asked at every place that cannot be read; return true to stop. */
typedef bool salvage_stop_fn(void *context);

/*
 * Read from image, which stays the caller's, until salvage_detach; its tables are tolerant from now
 * on (image_tolerate). stop may be NULL.
 */
int salvage_attach(struct salvage *salvage, struct image *image, salvage_stop_fn *stop,
                   void *context, struct qed_error *error);

/* The list stays. NULL-safe. */
void salvage_detach(struct salvage *salvage);

/*
 * As image_next_run. What a table entry that is invalid, or cannot be read, stands for is put on
 * the list, and is a run that reads as zeroes, EXTENT_UNALLOCATED, with *run's depth 0: what is
 * below does not show through, because it may be older.
 */
int salvage_next_run(struct salvage *salvage, uint64_t virt_off, uint64_t max_len,
                     struct extent *run, struct qed_error *error);

/*
 * As image_read. What cannot be read is narrowed down (io_salvage_read), put on the list, and is
 * zeroes. QED_ERR_STOPPED when stop said so.
 */
int salvage_read(struct salvage *salvage, uint64_t virt_off, void *buffer, size_t len,
                 struct qed_error *error);

/* What could not be read so far, by virt_off; each byte once. Valid until the next read. */
const struct salvage_range *salvage_ranges(const struct salvage *salvage, size_t *count);

/* The sum of the ranges, bytes. */
uint64_t salvage_lost_bytes(const struct salvage *salvage);

#endif
