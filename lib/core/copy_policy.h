/*
 * How a copy reads and writes, where it was left to us or its mode leaves a choice.
 * SPDX-License-Identifier: MIT
 */
#ifndef CORE_COPY_POLICY_H
#define CORE_COPY_POLICY_H

#include "core/convert.h"
#include "core/copy.h"
#include "core/image.h"

/*
 * Set direct_reads, writes and, where it is 0, depth, as was measured to be fastest for this source
 * and target; copy->unplaced tells that no places are given out.
 */
void copy_policy_choose(struct copy_options *copy, const struct convert_options *options,
                        struct image *source, struct target *target);

/* The same for writes alone, of so many guest bytes, or more than are known of, into places. */
enum copy_writes copy_policy_writes(enum convert_cache cache, uint64_t guest_bytes,
                                    uint64_t stored_bytes, struct io *target);

#endif
