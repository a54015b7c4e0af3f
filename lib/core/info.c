/*
 * Gathers what the header and the file system say.
 * SPDX-License-Identifier: MIT
 */
#include "core/info.h"

#include <stdlib.h>

#include "format/qed.h"

int info_get(struct info *info, struct image *image, unsigned int depth, struct qed_error *error)
{
    const struct qed_image *qed = image_qed(image, depth);

    *info = (struct info){
        .path = image_path(image, depth),
        .format = image_format(image, depth),
        .virtual_size = image_layer_size(image, depth),
        .allocated_bytes = image_allocated_bytes(image, depth),
        .backing_name = image_backing_name(image, depth),
        .backing_format = image_backing_is_raw(image, depth) ? "raw" : NULL,
    };
    if (info->backing_name) {
        info->full_backing_name = image_resolve_backing(info->path, info->backing_name);
        if (!info->full_backing_name)
            return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    }
    if (qed) {
        info->is_qed = true;
        info->is_dirty = qed_needs_check(qed);
        info->cluster_size = qed->header.cluster_size;
        info->table_size = qed->header.table_size;
        info->header_size = qed->header.header_size;
        info->l1_table_offset = qed->header.l1_table_offset;
        info->features = qed->header.features;
        info->compat_features = qed->header.compat_features;
        info->autoclear_features = qed->header.autoclear_features;
    }
    return QED_OK;
}

void info_release(struct info *info)
{
    free(info->full_backing_name);
    info->full_backing_name = NULL;
}
