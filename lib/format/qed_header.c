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

static bool features_hold(const struct qed_header *header, uint64_t file_length)
{
    (void)file_length;
    return (header->features & ~QED_FEATURES_KNOWN) == 0;
}

static bool cluster_size_holds(const struct qed_header *header, uint64_t file_length)
{
    (void)file_length;
    return qed_cluster_size_valid(header->cluster_size);
}

static bool table_size_holds(const struct qed_header *header, uint64_t file_length)
{
    (void)file_length;
    return qed_table_size_valid(header->table_size);
}

/* The rules from here on rest on a valid geometry; without one they are not looked at. */
static bool has_geometry(const struct qed_header *header)
{
    return cluster_size_holds(header, 0) && table_size_holds(header, 0);
}

static bool image_size_holds(const struct qed_header *header, uint64_t file_length)
{
    (void)file_length;
    return header->image_size % QED_SECTOR == 0 &&
           (!has_geometry(header) ||
            header->image_size <= qed_image_size_max(header->cluster_size, header->table_size));
}

static bool header_size_is_set(const struct qed_header *header, uint64_t file_length)
{
    (void)file_length;
    return header->header_size > 0;
}

static bool header_size_fits(const struct qed_header *header, uint64_t file_length)
{
    return !cluster_size_holds(header, 0) ||
           (uint64_t)header->header_size * header->cluster_size <=
               qed_file_end(file_length, header->cluster_size);
}

static bool l1_offset_holds(const struct qed_header *header, uint64_t file_length)
{
    struct qed_geometry geometry;

    if (!has_geometry(header) || !header_size_is_set(header, 0) ||
        !header_size_fits(header, file_length))
        return true;
    geometry_init(&geometry, header, file_length);
    return qed_table_offset_valid(&geometry, header->l1_table_offset);
}

static bool backing_name_holds(const struct qed_header *header, uint64_t file_length)
{
    (void)file_length;
    return !(header->features & QED_FEATURE_BACKING_FILE) || !cluster_size_holds(header, 0) ||
           (range_inside(header->backing_filename_offset, header->backing_filename_size,
                         QED_HEADER_BYTES, (uint64_t)header->header_size * header->cluster_size) &&
            header->backing_filename_size <= QED_BACKING_NAME_MAX);
}

/* Every rule of the header, in the order in which they are checked. */
static const struct rule {
    enum problem_id id;
    unsigned int file_off, width; /* of the field, bytes */
    bool (*holds)(const struct qed_header *header, uint64_t file_length);
    const char *complaint; /* as QEMU words it */
    const char *expected;
} rules[] = {
    {PROBLEM_FEATURES, 16, 8, features_hold, "Unsupported QED features", NULL},
    {PROBLEM_CLUSTER_SIZE, 4, 4, cluster_size_holds, "QED cluster size is invalid",
     "must be a power of two from 4096 to 67108864"},
    {PROBLEM_TABLE_SIZE, 8, 4, table_size_holds, "QED table size is invalid",
     "must be a power of two from 1 to 16"},
    {PROBLEM_IMAGE_SIZE, 48, 8, image_size_holds, "QED image size is invalid",
     "must be a multiple of 512, and not more than the tables can address"},
    {PROBLEM_HEADER_SIZE, 12, 4, header_size_is_set, "QED header size is invalid",
     "must be at least 1"},
    {PROBLEM_HEADER_SIZE, 12, 4, header_size_fits, "QED header size is too large",
     "more clusters than the file has"},
    {PROBLEM_L1_OFFSET, 40, 8, l1_offset_holds, "QED table offset is invalid",
     "the L1 table must be aligned and lie between header and end of file"},
    {PROBLEM_BACKING_PLACE, 56, 4, backing_name_holds, "QED backing filename offset is invalid",
     "the name must lie inside the header and be no longer than 4095 bytes"},
};

#define RULE_COUNT (sizeof(rules) / sizeof(rules[0]))

static uint64_t field_value(const struct rule *rule, const uint8_t bytes[QED_HEADER_BYTES])
{
    return rule->width == 8 ? le64_load(bytes + rule->file_off) : le32_load(bytes + rule->file_off);
}

static int broken_rule(const struct rule *rule, const struct qed_header *header,
                       struct qed_error *error)
{
    uint8_t bytes[QED_HEADER_BYTES];
    int code = rule->id == PROBLEM_FEATURES ? QED_ERR_UNSUPPORTED : QED_ERR_HEADER;

    qed_header_encode(header, bytes);
    if (rule->id == PROBLEM_FEATURES)
        qed_fail(error, code, "%s: %" PRIx64, rule->complaint,
                 header->features & ~QED_FEATURES_KNOWN);
    else
        qed_fail(error, code, "%s (%" PRIu64 ": %s)", rule->complaint, field_value(rule, bytes),
                 rule->expected);
    if (error)
        error->file_off = rule->file_off;
    return code;
}

int qed_header_validate(const struct qed_header *header, uint64_t file_length,
                        struct qed_geometry *geometry, struct qed_error *error)
{
    if (header->magic != QED_MAGIC)
        return qed_fail(error, QED_ERR_FORMAT, "Image not in QED format");
    for (size_t i = 0; i < RULE_COUNT; i++) {
        if (!rules[i].holds(header, file_length))
            return broken_rule(&rules[i], header, error);
    }
    geometry_init(geometry, header, file_length);
    return QED_OK;
}

void qed_header_inspect(const uint8_t bytes[QED_HEADER_BYTES], uint64_t file_length,
                        problem_fn *report, void *context)
{
    struct qed_header header;

    if (file_length < QED_HEADER_BYTES) {
        report(context, &(struct problem){.id = PROBLEM_HEADER_CUT_SHORT,
                                          .file_len = QED_HEADER_BYTES});
        return;
    }
    qed_header_decode(&header, bytes);
    for (size_t i = 0; i < RULE_COUNT; i++) {
        if (!rules[i].holds(&header, file_length))
            report(context, &(struct problem){.id = rules[i].id,
                                              .has_value = true,
                                              .value = field_value(&rules[i], bytes),
                                              .file_off = rules[i].file_off,
                                              .file_len = rules[i].width});
    }
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
