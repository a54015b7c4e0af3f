/*
 * Numbers counted by size, for percentiles: a fixed 16 KiB, whatever comes. A number is kept to
 * within 1/32 of itself, those below 64 exactly. SPDX-License-Identifier: MIT
 */
#ifndef BASE_HISTOGRAM_H
#define BASE_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEPS 32 /* of equal width between a power of two and the next */
#define HISTOGRAM_COUNTERS (60 * HISTOGRAM_STEPS)

/* All zero when empty. */
struct histogram {
    uint64_t counters[HISTOGRAM_COUNTERS];
    uint64_t count, max;
};

void histogram_add(struct histogram *histogram, uint64_t value);

/*
 * The smallest number that at least per_100000 hundred-thousandths of those added are not above,
 * rounded up to where its counter ends, but not above the largest; 0 when there are none.
 */
uint64_t histogram_percentile(const struct histogram *histogram, unsigned int per_100000);

#endif
