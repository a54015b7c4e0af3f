/*
 * The header of a QED image: decode, validate, encode; and the backing file's name beside it.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_QED_HEADER_H
#define FORMAT_QED_HEADER_H

#include <stddef.h>
#include <stdint.h>

#include "format/problem.h"
#include "format/qed_layout.h"
#include "io/io.h"

#define QED_HEADER_BYTES 64

/*
 * The longest backing file name that is read, and that is written: QEMU keeps 1023 bytes of it,
 * the kernel's paths are 4095 long.
 */
#define QED_BACKING_NAME_MAX 4095
#define QED_BACKING_NAME_MAX_WRITTEN 1023

/* The fields as they stand in the file, in host byte order. */
struct qed_header {
    uint32_t magic;
    uint32_t cluster_size;            /* bytes */
    uint32_t table_size;              /* clusters */
    uint32_t header_size;             /* clusters */
    uint64_t features;                /* QED_FEATURE_… */
    uint64_t compat_features;         /* unknown bits are ignored */
    uint64_t autoclear_features;      /* QED_AUTOCLEAR_… */
    uint64_t l1_table_offset;         /* bytes */
    uint64_t image_size;              /* guest bytes */
    uint32_t backing_filename_offset; /* bytes */
    uint32_t backing_filename_size;   /* bytes */
};

void qed_header_decode(struct qed_header *header, const uint8_t bytes[QED_HEADER_BYTES]);
void qed_header_encode(const struct qed_header *header, uint8_t bytes[QED_HEADER_BYTES]);

/*
 * Check every field against the format and a file of file_length bytes, and work out the geometry.
 * QED_ERR_FORMAT for a wrong magic, QED_ERR_UNSUPPORTED for unknown features, else QED_ERR_HEADER.
 */
int qed_header_validate(const struct qed_header *header, uint64_t file_length,
                        struct qed_geometry *geometry, struct qed_error *error);

/*
 * Report every field that keeps a file of file_length bytes from being opened, for a check; fields
 * whose rule rests on a field that is broken itself are left out. bytes are the first of the file,
 * zeroes past its end; it must begin with the magic.
 */
void qed_header_inspect(const uint8_t bytes[QED_HEADER_BYTES], uint64_t file_length,
                        problem_fn *report, void *context);

/*
 * Read, decode and validate the header of io. *backing_name gets the name of the backing file,
 * owned by the caller, or NULL when there is none.
 */
int qed_header_read(struct io *io, struct qed_header *header, struct qed_geometry *geometry,
                    char **backing_name, struct qed_error *error);

/* Write the fields back to io; not flushed. */
int qed_header_write(struct io *io, const struct qed_header *header, struct qed_error *error);

#endif
