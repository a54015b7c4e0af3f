/*
 * New images, QED and raw: everything is validated before an existing file is touched, and the
 * file appears under its name only when it is whole.
 * SPDX-License-Identifier: MIT
 */
#ifndef CORE_CREATE_H
#define CORE_CREATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "core/image.h"
#include "format/qed_create.h"
#include "io/io_replace.h"

/* Strings are the caller's. */
struct create_options {
    const char *format;         /* "qed" or "raw"; of a stream (stream_sink.h) "raw.gz", too */
    bool has_size;              /* else the backing file's size is taken */
    uint64_t size;              /* guest bytes as asked for */
    uint64_t cluster_size;      /* bytes, QED */
    uint64_t table_size;        /* clusters, QED */
    bool has_table_size;        /* it was asked for, not the default */
    const char *backing_name;   /* as it is to be stored, QED; NULL for none */
    const char *backing_format; /* "qed" or "raw"; NULL when not given */
    int gzip_level;             /* 0 to 9, raw.gz */
    bool unsafe_backing;        /* do not open the backing file */
    enum image_backing backing_policy; /* what of the backing file's chain may be opened */
    const char *preallocation;  /* a mode's name, see preallocate.h; NULL when not given */
    bool (*stop)(void *context); /* asked now and then while space is taken; may be NULL */
    void *stop_context;
};

bool create_is_raw(const struct create_options *options);

/* What the format is to be told of a QED image. */
void create_qed_options(struct qed_create_options *qed, const struct create_options *options);

/* The defaults: QED with its default geometry, no size, no backing file. */
void create_options_init(struct create_options *options);

/*
 * Look at the backing file of an image to be made at path, and fill in the size where none was
 * given. Fails where the backing file cannot be opened or there is no size.
 */
int create_prepare(struct create_options *options, const char *path, struct qed_error *error);

/* The most guest bytes that a geometry, or a raw file, allows; 0 when the geometry is invalid. */
uint64_t create_size_max(const struct create_options *options);

/* Guest bytes in whole sectors, as images have them. */
uint64_t create_round_size(uint64_t bytes);

/* Validate what create_prepare has prepared against the format; touches no file. */
int create_validate(const struct create_options *options, struct qed_error *error);

/*
 * Begin a new, empty image beside path; *io, owned by *replace, is its file. For writers that put
 * data into it before they publish it. Validates first. Space is preallocated, but for writing
 * zeroes, which is left to the writer.
 */
int create_begin(struct io_replace **replace, struct io **io, const char *path,
                 const struct create_options *options, struct qed_error *error);

/* Make the image at path: create_begin, then zeroes if they are to be written, then publish. */
int create_image(const char *path, const struct create_options *options, struct qed_error *error);

#endif
