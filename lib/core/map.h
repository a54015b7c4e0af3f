/*
 * The whole of an image, or a stretch of it, as runs.
 * SPDX-License-Identifier: MIT
 */
#ifndef CORE_MAP_H
#define CORE_MAP_H

#include "core/image.h"

/* Called with each run, in guest order; a negative return stops the walk. */
typedef int map_fn(void *context, const struct extent *run);

/*
 * Walk the runs of [virt_off, virt_off + len) guest bytes, cut to the image. Neighbouring runs
 * that continue each other come as one.
 */
int map_walk(struct image *image, uint64_t virt_off, uint64_t len, map_fn *fn, void *context,
             struct qed_error *error);

#endif
