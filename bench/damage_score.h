/*
 * What share of a guest's data reads right.
 *
 * Compared are sectors of 512 guest bytes, against what the undamaged image reads there. "Data" is
 * every sector of a guest cluster for which the undamaged image stores a data cluster. The score is
 *
 *     data that reads right / (data + other sectors that read wrong)
 *
 * so who makes guest bytes up where there were none pays for them. Data that cannot be read is
 * wrong, also where zeroes would be right; other sectors that cannot be read make nothing up.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef BENCH_DAMAGE_SCORE_H
#define BENCH_DAMAGE_SCORE_H

#include "damage_image.h"

/* A range of bytes, half-open. */
struct span {
    uint64_t begin, end;
};

/* Guest sectors. */
struct tally {
    uint64_t data, data_right, other_wrong;
    bool lists;        /* print the guest ranges that read wrong */
    struct span wrong; /* the one that is not printed yet */
    const struct image *base;
};

/*
 * Hold what is read against base: from a QED image by image_read, or from a raw file. False, and
 * all data wrong, when it cannot be opened; *reason says why.
 */
bool score_image(struct tally *tally, const struct image *base, const char *path,
                 const char **reason);
bool score_raw(struct tally *tally, const struct image *base, const char *path,
               const char **reason);

/*
 * Sectors of the whole guest that read right from the image before and not from the one after: the
 * harm that a repair did. 0 where the one before cannot be opened.
 */
uint64_t score_harm(const struct image *base, const char *before, const char *after);

/*
 * The best possible, for a damage that lost these bytes of the file: cut off, or overwritten with
 * garbage. An upper bound. A sector of data counts as right when its bytes, its L2 entry and its
 * L1 entry are all outside what was lost: what else happened to an entry (flipped, swapped,
 * zeroed, …) could be put back by somebody who knew what happened. It counts also when what
 * reads in place of lost data, zeroes or the backing file, is what it held.
 */
void score_best(struct tally *tally, const struct image *base, const struct span *lost,
                size_t lost_count);

#endif
