/*
 * Prepares, validates and makes new images.
 * SPDX-License-Identifier: MIT
 */
#include "core/create.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "core/image.h"
#include "core/preallocate.h"
#include "format/gzip_writer.h"
#include "format/qed_create.h"
#include "format/raw.h"

void create_options_init(struct create_options *options)
{
    *options = (struct create_options){
        .format = "qed",
        .cluster_size = QED_CLUSTER_SIZE_DEFAULT,
        .table_size = QED_TABLE_SIZE_DEFAULT,
        .gzip_level = GZIP_LEVEL_DEFAULT,
    };
}

/* What the backing file is to be checked for before an image is put on top of it. */
static int look_at_backing(struct create_options *options, const char *path,
                           struct qed_error *error)
{
    struct image_options open_options = {.format = options->backing_format,
                                         .backing = options->backing_policy,
                                         .plain_errors = true};
    struct image *backing = NULL;
    int ret = image_open_backing(&backing, path, options->backing_name, &open_options, error);

    if (ret < 0) {
        qed_fail_hint(error, "Could not open backing image.");
        return ret;
    }
    if (!options->backing_format) {
        ret = qed_fail(error, QED_ERR_BACKING, "Backing file specified without backing format");
        qed_fail_hint(error, "Detected format of %s.", image_format(backing, 0));
    } else if (image_uses_file(backing, path)) {
        ret = qed_fail(error, QED_ERR_SAME_FILE, "Backing file '%s' would be overwritten",
                       options->backing_name);
    } else if (!options->has_size) {
        options->size = image_size(backing);
        options->has_size = true;
    }
    image_close(backing);
    return ret;
}

bool create_is_raw(const struct create_options *options)
{
    return strcmp(options->format, "raw") == 0;
}

int create_prepare(struct create_options *options, const char *path, struct qed_error *error)
{
    if (create_is_raw(options) && options->backing_name)
        return qed_fail(error, QED_ERR_INVALID, "Backing file not supported for file format 'raw'");
    if (options->backing_name && !options->unsafe_backing) {
        int ret = look_at_backing(options, path, error);

        if (ret < 0)
            return ret;
    }
    if (!options->has_size)
        return qed_fail(error, QED_ERR_INVALID, "Image creation needs a size parameter");
    return QED_OK;
}

uint64_t create_round_size(uint64_t bytes)
{
    return blocks_for(bytes, RAW_SECTOR_SHIFT) << RAW_SECTOR_SHIFT;
}

uint64_t create_size_max(const struct create_options *options)
{
    if (create_is_raw(options))
        return QED_IMAGE_SIZE_LIMIT;
    if (!qed_cluster_size_valid(options->cluster_size) ||
        !qed_table_size_valid(options->table_size))
        return 0;
    return qed_image_size_max((uint32_t)options->cluster_size, (uint32_t)options->table_size);
}

void create_qed_options(struct qed_create_options *qed, const struct create_options *options)
{
    *qed = (struct qed_create_options){
        .image_size = create_round_size(options->size),
        .cluster_size = options->cluster_size,
        .table_size = options->table_size,
        .backing_name = options->backing_name,
        .backing_is_raw = options->backing_format && strcmp(options->backing_format, "raw") == 0,
    };
}

int create_validate(const struct create_options *options, struct qed_error *error)
{
    struct qed_create_options qed;
    enum preallocation mode;
    int ret;

    if (options->size > QED_IMAGE_SIZE_LIMIT)
        return qed_fail(error, QED_ERR_INVALID, "Image size is more than a file can have");
    ret = preallocation_mode(options, &mode, error);
    if (ret < 0 || create_is_raw(options))
        return ret;
    if (options->backing_format && strcmp(options->backing_format, "qed") != 0 &&
        strcmp(options->backing_format, "raw") != 0)
        return qed_fail(error, QED_ERR_INVALID,
                        "Parameter 'backing-fmt' does not accept value '%s'",
                        options->backing_format);
    create_qed_options(&qed, options);
    return qed_create_validate(&qed, error);
}

int create_begin(struct io_replace **out, struct io **io, const char *path,
                 const struct create_options *options, struct qed_error *error)
{
    struct io_replace *replace = NULL;
    struct qed_create_options qed;
    int ret = create_validate(options, error);

    if (ret < 0)
        return ret;
    ret = io_replace_begin(&replace, path, io, error);
    if (ret < 0)
        return ret;
    if (create_is_raw(options)) {
        ret = io_set_length(*io, create_round_size(options->size), error);
    } else {
        create_qed_options(&qed, options);
        ret = qed_create(*io, &qed, error);
    }
    if (ret == QED_OK)
        ret = preallocation_prepare(*io, options, error);
    if (ret < 0) {
        io_replace_end(replace);
        return ret;
    }
    *out = replace;
    return QED_OK;
}

int create_image(const char *path, const struct create_options *options, struct qed_error *error)
{
    struct io_replace *replace = NULL;
    struct io *io;
    int ret = create_begin(&replace, &io, path, options, error);

    if (ret == QED_OK)
        ret = preallocation_fill(io, options, error);
    if (ret == QED_OK)
        ret = io_replace_publish(replace, error);
    io_replace_end(replace);
    return ret;
}
