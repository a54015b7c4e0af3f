/*
 * Allocation at the end of the file.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_alloc.h"

int qed_alloc_clusters(struct qed_image *image, uint64_t count, uint64_t *file_off,
                       struct qed_error *error)
{
    struct qed_geometry *g = &image->geometry;
    uint64_t length, start, bytes, end;
    int ret = io_get_length(image->io, &length, error);

    if (ret < 0)
        return ret;
    length = max_u64(length, g->file_end);
    if (!checked_round_up(length, g->cluster_size, &start) ||
        !checked_mul(count, g->cluster_size, &bytes) || !checked_add(start, bytes, &end) ||
        end > INT64_MAX)
        return qed_fail(error, QED_ERR_NO_SPACE, "the file cannot grow any longer");
    g->file_end = end;
    *file_off = start;
    return QED_OK;
}

int qed_alloc_table(struct qed_image *image, uint64_t *file_off, struct qed_error *error)
{
    int ret = qed_alloc_clusters(image, image->geometry.table_size, file_off, error);

    if (ret < 0)
        return ret;
    return io_set_length(image->io, image->geometry.file_end, error);
}
