/*
 * Linear steps within each power of two.
 * SPDX-License-Identifier: MIT
 */
#include "base/histogram.h"

#include <stddef.h>

#include "base/checked.h"

#define STEP_BITS 5

/* How far a number is shifted so that its highest bit is the one above those of a step. */
static unsigned int shift_of(uint64_t value)
{
    unsigned int highest = 63 - (unsigned int)__builtin_clzll(value | 1);

    return highest > STEP_BITS ? highest - STEP_BITS : 0;
}

static size_t counter_of(uint64_t value)
{
    unsigned int shift = shift_of(value);

    return shift * (size_t)HISTOGRAM_STEPS + (size_t)(value >> shift);
}

/* The largest number that a counter counts. */
static uint64_t end_of(size_t counter)
{
    unsigned int shift =
        counter < 2 * HISTOGRAM_STEPS ? 0 : (unsigned int)(counter / HISTOGRAM_STEPS) - 1;
    uint64_t step = counter - shift * (size_t)HISTOGRAM_STEPS;

    return (step << shift) + ((UINT64_C(1) << shift) - 1);
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
    histogram->counters[counter_of(value)]++;
    histogram->count++;
    histogram->max = max_u64(histogram->max, value);
}

uint64_t histogram_percentile(const struct histogram *histogram, unsigned int per_100000)
{
    uint64_t whole = histogram->count / 100000, rest = histogram->count % 100000;
    uint64_t wanted = whole * per_100000 + (rest * per_100000 + 99999) / 100000;
    uint64_t seen = 0;

    for (size_t i = 0; i < HISTOGRAM_COUNTERS; i++) {
        seen += histogram->counters[i];
        if (histogram->counters[i] && seen >= wanted)
            return min_u64(end_of(i), histogram->max);
    }
    return histogram->max;
}
