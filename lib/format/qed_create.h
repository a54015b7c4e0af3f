/*
 * New QED images.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_QED_CREATE_H
#define FORMAT_QED_CREATE_H

#include <stdbool.h>

#include "format/qed_header.h"

struct qed_create_options {
    uint64_t image_size;      /* guest bytes, a multiple of 512 */
    uint64_t cluster_size;    /* bytes */
    uint64_t table_size;      /* clusters */
    const char *backing_name; /* as it is to be stored; NULL for none */
    bool backing_is_raw;
    bool intent; /* keep a write-intent bitmap (qed_intent.h) */
};

/* Whether an image can be made so; QED_ERR_INVALID with a sentence if not. Touches no file. */
int qed_create_validate(const struct qed_create_options *options, struct qed_error *error);

/* Clusters of the header: one, or as many as a write-intent bitmap needs. options are valid. */
uint32_t qed_create_header_clusters(const struct qed_create_options *options);

/* Make io, an empty file, an image without any cluster allocated. Validates; does not flush. */
int qed_create(struct io *io, const struct qed_create_options *options, struct qed_error *error);

#endif
