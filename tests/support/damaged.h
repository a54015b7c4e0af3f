/*
 * Small images with a guest's data in them, sound ones and damaged ones, the same for the same
 * seed. The damage is of all kinds that a repair knows, alone and together.
 * SPDX-License-Identifier: MIT
 */
#ifndef SUPPORT_DAMAGED_H
#define SUPPORT_DAMAGED_H

#include <stdint.h>

#include "io/io.h"

#define DAMAGED_HURTS_MAX 6

struct damaged {
    struct io *sound, *io; /* io_mem, before and after the damage */
    char what[512];        /* the damage in words, for messages */
};

/* An image with that many damages, at most DAMAGED_HURTS_MAX. */
void damaged_make(struct damaged *damaged, uint64_t seed, unsigned int hurts);

void damaged_release(struct damaged *damaged);

#endif
