/*
 * A run of guest bytes that one description fits: what map prints and what every reader walks.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_EXTENT_H
#define FORMAT_EXTENT_H

#include <stdbool.h>
#include <stdint.h>

enum extent_kind {
    EXTENT_UNALLOCATED, /* nothing here: the backing file shows through, or zeroes */
    EXTENT_ZERO,        /* reads as zeroes, hides the backing file */
    EXTENT_DATA,        /* bytes at file_off */
};

struct extent {
    uint64_t virt_off; /* guest offset, bytes */
    uint64_t length;   /* bytes, never 0 */
    enum extent_kind kind;
    bool has_file_off; /* data always; a zero extent when it is a hole of a raw file */
    uint64_t file_off; /* bytes of the layer's file */
    unsigned int depth; /* 0: the image itself, 1: its backing file, … */
};

/* Whether next continues extent: adjoining, alike, and adjoining in the file where there is one. */
static inline bool extent_continues(const struct extent *extent, const struct extent *next)
{
    return extent->virt_off + extent->length == next->virt_off && extent->kind == next->kind &&
           extent->depth == next->depth && extent->has_file_off == next->has_file_off &&
           (!extent->has_file_off || extent->file_off + extent->length == next->file_off);
}

#endif
