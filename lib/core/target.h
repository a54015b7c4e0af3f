/*
 * Where guest bytes are written to: a new image that appears when it is whole, or one that is
 * there; raw or QED, with or without a backing file.
 * SPDX-License-Identifier: MIT
 */
#ifndef CORE_TARGET_H
#define CORE_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/create.h"
#include "core/image.h"
#include "format/qed_layout.h"

struct target;

/*
 * Open a target for create->size guest bytes at path; without a size, for any number (see
 * target_room). Existing: it must be an image of create->format, large enough, and not in need of a
 * check; the other options do not count. Else it is made, with create_prepare and create_validate
 * first; block devices are written in place.
 */
int target_open(struct target **target, const char *path, const struct create_options *create,
                bool existing, enum image_backing backing, struct qed_error *error);

/* Whether it takes bytes one after the other: target_write and target_zero in order, no target_io.
 */
bool target_is_stream(const struct target *target);

/* For a stream: asked, in whatever thread, while the other end is waited for. */
void target_set_stop(struct target *target, bool (*stop)(void *context), void *context);

/* Which file a stream goes to, when it is one that was there; else false. */
bool target_stream_identity(const struct target *target, struct io_identity *identity);

/*
 * Guest bytes that an existing target has, or that a new one may come to have with
 * target_set_size.
 */
uint64_t target_room(const struct target *target);

/* Give a new target its size, which is known only now; all data is inside. Before target_finish. */
int target_set_size(struct target *target, uint64_t size, struct qed_error *error);

/* Release; a new target that was not finished is removed. NULL-safe. */
void target_close(struct target *target);

/* Flush to stable storage, mark as cleanly closed, and let a new target appear. */
int target_finish(struct target *target, struct qed_error *error);

int target_write(struct target *target, uint64_t virt_off, const void *buffer, size_t len,
                 struct qed_error *error);

/*
 * Begin to have data written straight to the file, at places that target_place gives out, instead
 * of through target_write; before anything is written. *can is false, and nothing changes, where
 * that cannot be done: over a backing file, and in a QED image that was there.
 */
int target_start_placing(struct target *target, bool *can, struct qed_error *error);

/*
 * Where in target_io the guest bytes from virt_off on are to be written, len of them, all in a row.
 * virt_off and len are multiples of target_unit, but the end of the image. In the order of the
 * guest where target_needs_order.
 */
int target_place(struct target *target, uint64_t virt_off, uint64_t len, uint64_t *file_off,
                 struct qed_error *error);

/*
 * Have target_place make the file longer ahead of what it gives out, so that direct writes need not
 * do that one at a time. target_finish cuts it to what it needs.
 */
void target_lengthen_ahead(struct target *target);

/* Let nothing wait for stable storage, from now on. */
void target_skip_flush(struct target *target);

/*
 * Whether the target may share space with another file: nobody can see it yet, and it was not asked
 * for to have space of its own.
 */
bool target_may_share(const struct target *target);

/* Whether target_place has to be asked in the order of the guest. */
bool target_needs_order(const struct target *target);

/*
 * Let zeroes that need not be stored be there already, whatever an existing target holds. Refused
 * over a backing file.
 */
int target_assume_zero(struct target *target, struct qed_error *error);

/* Let target_write go past the page cache where it can. Not for who asks for places. */
void target_write_direct(struct target *target);

/* The target's file. */
struct io *target_io(struct target *target);

/* Make a range read as zeroes; stored: by zeroes that take up space. */
int target_zero(struct target *target, uint64_t virt_off, uint64_t len, bool stored,
                struct qed_error *error);

/*
 * The chain that shows through a new target wherever nothing is written to it; NULL when it has no
 * backing file, and for an existing target, which may have clusters of its own.
 */
struct image *target_base(struct target *target);

/*
 * Bytes that are best written together: a cluster, or 4096 where every byte has its place: in raw,
 * and in a preallocated image. A power of two.
 */
uint64_t target_unit(const struct target *target);

/* In what blocks data is best found zero or not: a power of two, at_least bytes, whole units. */
uint64_t target_block(const struct target *target, uint64_t at_least);
/* The geometry of a QED target; NULL for raw. */
const struct qed_geometry *target_geometry(const struct target *target);

const char *target_path(const struct target *target);

#endif
