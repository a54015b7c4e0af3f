/*
 * Header, backing file's name behind it, an empty L1 table.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_create.h"

#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "format/qed_intent.h"

static int validate_backing_name(const char *name, struct qed_error *error)
{
    if (strlen(name) > QED_BACKING_NAME_MAX_WRITTEN)
        return qed_fail(error, QED_ERR_INVALID, "Backing file name is longer than %d bytes",
                        QED_BACKING_NAME_MAX_WRITTEN);
    if (text_has_control_byte(name))
        return qed_fail(error, QED_ERR_INVALID, "Backing file name '%s' has control characters",
                        name);
    return QED_OK;
}

int qed_create_validate(const struct qed_create_options *options, struct qed_error *error)
{
    uint64_t limit;

    if (!qed_cluster_size_valid(options->cluster_size))
        return qed_fail(error, QED_ERR_INVALID,
                        "QED cluster size must be within range [%" PRIu32 ", %" PRIu32
                        "] and power of 2",
                        QED_CLUSTER_SIZE_MIN, QED_CLUSTER_SIZE_MAX);
    if (!qed_table_size_valid(options->table_size))
        return qed_fail(error, QED_ERR_INVALID,
                        "QED table size must be within range [%" PRIu32 ", %" PRIu32
                        "] and power of 2",
                        QED_TABLE_SIZE_MIN, QED_TABLE_SIZE_MAX);
    limit = qed_image_size_max((uint32_t)options->cluster_size, (uint32_t)options->table_size);
    if (options->image_size > limit || options->image_size % QED_SECTOR != 0)
        return qed_fail(error, QED_ERR_INVALID,
                        "QED image size must be a non-zero multiple of cluster size and less than "
                        "%" PRIu64 " bytes",
                        limit);
    return options->backing_name ? validate_backing_name(options->backing_name, error) : QED_OK;
}

uint32_t qed_create_header_clusters(const struct qed_create_options *options)
{
    uint64_t needed = QED_INTENT_OFFSET + QED_INTENT_PAGE;

    if (!options->intent || options->cluster_size >= needed)
        return 1;
    return (uint32_t)(needed / options->cluster_size);
}

static void header_init(struct qed_header *header, const struct qed_create_options *options)
{
    *header = (struct qed_header){
        .magic = QED_MAGIC,
        .cluster_size = (uint32_t)options->cluster_size,
        .table_size = (uint32_t)options->table_size,
        .header_size = qed_create_header_clusters(options),
        .l1_table_offset = qed_create_header_clusters(options) * options->cluster_size,
        .image_size = options->image_size,
    };
    if (options->intent)
        header->autoclear_features |= QED_AUTOCLEAR_INTENT;
    if (!options->backing_name)
        return;
    header->features |= QED_FEATURE_BACKING_FILE;
    if (options->backing_is_raw)
        header->features |= QED_FEATURE_BACKING_NO_PROBE;
    header->backing_filename_offset = QED_HEADER_BYTES;
    header->backing_filename_size = (uint32_t)strlen(options->backing_name);
}

/* The bitmap of an image that has no tables yet. */
static int write_intent(struct io *io, const struct qed_header *header, uint64_t length,
                        struct qed_error *error)
{
    struct qed_geometry geometry;
    struct qed_intent intent;
    int ret = qed_header_validate(header, length, &geometry, error);

    if (ret < 0)
        return ret;
    qed_intent_init(&intent, &geometry);
    return qed_intent_write(&intent, io, error);
}

int qed_create(struct io *io, const struct qed_create_options *options, struct qed_error *error)
{
    struct qed_header header;
    uint64_t length;
    int ret = qed_create_validate(options, error);

    if (ret < 0)
        return ret;
    header_init(&header, options);
    length = options->cluster_size * (header.header_size + options->table_size);
    ret = io_set_length(io, length, error);
    if (ret == QED_OK && options->backing_name)
        ret = io_write(io, options->backing_name, header.backing_filename_size,
                       header.backing_filename_offset, error);
    if (ret == QED_OK && options->intent)
        ret = write_intent(io, &header, length, error);
    return ret < 0 ? ret : qed_header_write(io, &header, error);
}
