/*
 * Turns the first 64 bytes of an image into a checked geometry. Every later piece of code relies
 * on what is refused here.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_header.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/le.h"

void qed_header_decode(struct qed_header *header, const uint8_t bytes[QED_HEADER_BYTES])
{
    *header = (struct qed_header){
        .magic = le32_load(bytes),
        .cluster_size = le32_load(bytes + 4),
        .table_size = le32_load(bytes + 8),
        .header_size = le32_load(bytes + 12),
        .features = le64_load(bytes + 16),
        .compat_features = le64_load(bytes + 24),
        .autoclear_features = le64_load(bytes + 32),
        .l1_table_offset = le64_load(bytes + 40),
        .image_size = le64_load(bytes + 48),
        .backing_filename_offset = le32_load(bytes + 56),
        .backing_filename_size = le32_load(bytes + 60),
    };
}

void qed_header_encode(const struct qed_header *header, uint8_t bytes[QED_HEADER_BYTES])
{
    le32_store(bytes, header->magic);
    le32_store(bytes + 4, header->cluster_size);
    le32_store(bytes + 8, header->table_size);
    le32_store(bytes + 12, header->header_size);
    le64_store(bytes + 16, header->features);
    le64_store(bytes + 24, header->compat_features);
    le64_store(bytes + 32, header->autoclear_features);
    le64_store(bytes + 40, header->l1_table_offset);
    le64_store(bytes + 48, header->image_size);
    le32_store(bytes + 56, header->backing_filename_offset);
    le32_store(bytes + 60, header->backing_filename_size);
}

static int invalid(struct qed_error *error, uint64_t file_off, const char *field, uint64_t value,
                   const char *rule)
{
    qed_fail(error, QED_ERR_HEADER, "QED %s is invalid (%" PRIu64 ": %s)", field, value, rule);
    if (error)
        error->file_off = file_off;
    return QED_ERR_HEADER;
}

static int validate_sizes(const struct qed_header *header, struct qed_error *error)
{
    if (!qed_cluster_size_valid(header->cluster_size))
        return invalid(error, 4, "cluster size", header->cluster_size,
                       "must be a power of two from 4096 to 67108864");
    if (!qed_table_size_valid(header->table_size))
        return invalid(error, 8, "table size", header->table_size,
                       "must be a power of two from 1 to 16");
    if (header->image_size % QED_SECTOR != 0)
        return invalid(error, 48, "image size", header->image_size, "must be a multiple of 512");
    if (header->image_size > qed_image_size_max(header->cluster_size, header->table_size))
        return invalid(error, 48, "image size", header->image_size,
                       "more than the tables can address");
    if (header->header_size == 0)
        return invalid(error, 12, "header size", header->header_size, "must be at least 1");
    return QED_OK;
}

static void geometry_init(struct qed_geometry *geometry, const struct qed_header *header,
                          uint64_t file_length)
{
    uint64_t table_bytes = (uint64_t)header->cluster_size * header->table_size;

    *geometry = (struct qed_geometry){
        .cluster_size = header->cluster_size,
        .table_size = header->table_size,
        .cluster_shift = (unsigned int)__builtin_ctz(header->cluster_size),
        .entries_shift = (unsigned int)__builtin_ctzll(table_bytes / sizeof(uint64_t)),
        .table_bytes = table_bytes,
        .header_bytes = (uint64_t)header->header_size * header->cluster_size,
        .l1_table_offset = header->l1_table_offset,
        .image_size = header->image_size,
        .file_length = file_length,
        .file_end = qed_file_end(file_length, header->cluster_size),
    };
}

static int validate_backing(const struct qed_header *header, uint64_t header_bytes,
                            struct qed_error *error)
{
    if (!(header->features & QED_FEATURE_BACKING_FILE))
        return QED_OK;
    if (!range_inside(header->backing_filename_offset, header->backing_filename_size,
                      QED_HEADER_BYTES, header_bytes))
        return invalid(error, 56, "backing filename offset", header->backing_filename_offset,
                       "the name must lie inside the header");
    if (header->backing_filename_size > QED_BACKING_NAME_MAX)
        return invalid(error, 60, "backing filename size", header->backing_filename_size,
                       "more than 4095");
    return QED_OK;
}

int qed_header_validate(const struct qed_header *header, uint64_t file_length,
                        struct qed_geometry *geometry, struct qed_error *error)
{
    struct qed_geometry found;
    int ret;

    if (header->magic != QED_MAGIC)
        return qed_fail(error, QED_ERR_FORMAT, "Image not in QED format");
    if (header->features & ~QED_FEATURES_KNOWN) {
        return qed_fail(error, QED_ERR_UNSUPPORTED, "Unsupported QED features: %" PRIx64,
                        header->features & ~QED_FEATURES_KNOWN);
    }
    ret = validate_sizes(header, error);
    if (ret < 0)
        return ret;
    geometry_init(&found, header, file_length);
    if (found.header_bytes > found.file_end)
        return qed_fail(error, QED_ERR_HEADER,
                        "QED header size is too large (%" PRIu32 " clusters, more than the file)",
                        header->header_size);
    if (!qed_table_offset_valid(&found, header->l1_table_offset))
        return invalid(error, 40, "table offset", header->l1_table_offset,
                       "the L1 table must be aligned and lie between header and end of file");
    ret = validate_backing(header, found.header_bytes, error);
    if (ret < 0)
        return ret;
    *geometry = found;
    return QED_OK;
}

static int read_backing_name(struct io *io, const struct qed_header *header, char **backing_name,
                             struct qed_error *error)
{
    size_t size = header->backing_filename_size;
    char *name;
    int ret;

    *backing_name = NULL;
    if (!(header->features & QED_FEATURE_BACKING_FILE) || size == 0)
        return QED_OK;
    name = malloc(size + 1);
    if (!name)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    ret = io_read(io, name, size, header->backing_filename_offset, error);
    if (ret < 0) {
        free(name);
        return ret;
    }
    name[size] = '\0';
    if (memchr(name, '\0', size)) {
        free(name);
        return qed_fail(error, QED_ERR_HEADER,
                        "QED backing filename is invalid (it holds a NUL byte)");
    }
    *backing_name = name;
    return QED_OK;
}

int qed_header_read(struct io *io, struct qed_header *header, struct qed_geometry *geometry,
                    char **backing_name, struct qed_error *error)
{
    uint8_t bytes[QED_HEADER_BYTES];
    struct qed_header found;
    uint64_t length;
    int ret = io_get_length(io, &length, error);

    if (ret < 0)
        return ret;
    ret = io_read_padded(io, bytes, sizeof(bytes), 0, error);
    if (ret < 0)
        return ret;
    if (length < 4 || le32_load(bytes) != QED_MAGIC)
        return qed_fail(error, QED_ERR_FORMAT, "Image not in QED format");
    if (length < sizeof(bytes))
        return qed_fail(error, QED_ERR_HEADER,
                        "QED header is cut short (the file has %" PRIu64 " bytes)", length);
    qed_header_decode(&found, bytes);
    ret = qed_header_validate(&found, length, geometry, error);
    if (ret < 0)
        return ret;
    ret = read_backing_name(io, &found, backing_name, error);
    if (ret < 0)
        return ret;
    *header = found;
    return QED_OK;
}

int qed_header_write(struct io *io, const struct qed_header *header, struct qed_error *error)
{
    uint8_t bytes[QED_HEADER_BYTES];

    qed_header_encode(header, bytes);
    return io_write(io, bytes, sizeof(bytes), 0, error);
}
