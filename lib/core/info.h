/*
 * What is known of an image without reading its L2 tables.
 * SPDX-License-Identifier: MIT
 */
#ifndef CORE_INFO_H
#define CORE_INFO_H

#include <stdbool.h>
#include <stdint.h>

#include "core/image.h"

/* What is made ready ahead is told from so many bytes on: less may be a cluster of zeroes. */
#define INFO_TAIL_MIN (UINT64_C(1) << 20)

/* Strings belong to the image, but for full_backing_name. */
struct info {
    const char *path;
    const char *format;
    uint64_t virtual_size;      /* guest bytes */
    uint64_t allocated_bytes;   /* of the file */
    const char *backing_name;   /* as stored; NULL when there is none */
    char *full_backing_name;    /* as it would be opened; freed by info_release */
    const char *backing_format; /* "raw" when the image says so, else NULL */
    bool is_qed;                /* the rest is valid only then */
    bool is_dirty;              /* NEED_CHECK is set */
    uint32_t cluster_size;      /* bytes */
    uint32_t table_size;        /* clusters */
    uint32_t header_size;       /* clusters */
    uint64_t l1_table_offset;   /* bytes */
    uint64_t features, compat_features, autoclear_features; /* as stored */
    bool has_intent;       /* a write-intent bitmap is kept (format/qed_intent.h), */
    bool intent_is_valid;  /* and its page can be trusted; the rest is valid only then */
    uint32_t marked_bits;  /* that are set in it */
    uint64_t tables_a_bit; /* L2 tables that each stands for */
    uint64_t
        tail_bytes; /* at the end of the file, clusters behind all tables that are not stored */
};

/* Describe the layer at depth of image. */
int info_get(struct info *info, struct image *image, unsigned int depth, struct qed_error *error);

/* Free what info_get allocated; NULL-safe inside. */
void info_release(struct info *info);

#endif
