/*
 * The kinds of damage that bench/salvage does to an image.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef BENCH_DAMAGE_KINDS_H
#define BENCH_DAMAGE_KINDS_H

#include "damage_score.h"

/* A table entry of the undamaged image, and its place in the file. */
struct entry {
    uint64_t at, value, l1_index, l2_index;
    bool is_l1;
};

struct entries {
    struct entry *list;
    size_t count, room;
};

/* A damage being done. */
struct damage {
    const struct image *base;
    int fd;              /* the copy that is damaged */
    uint64_t random;     /* decides everything */
    struct entries l1;   /* that name a table */
    struct entries l2;   /* that name a data cluster, in guest order */
    struct span lost[2]; /* bytes of the file that nobody can put back */
    size_t lost_count;
};

/* The name of kind i; NULL past the last. */
const char *damage_kind_name(size_t i);

/*
 * Damage the file in fd, a copy of base, and print what is done, a line for each change. False
 * when there is no such kind. The caller releases the damage in both cases.
 */
bool damage_do(struct damage *damage, const struct image *base, int fd, const char *kind,
               uint64_t random);
void damage_release(struct damage *damage);

#endif
