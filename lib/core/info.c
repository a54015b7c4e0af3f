/*
 * Gathers what the header and the file system say.
 * SPDX-License-Identifier: MIT
 */
#include "core/info.h"

#include <stdlib.h>

#include "base/checked.h"
#include "format/qed.h"
#include "format/qed_intent.h"
#include "format/qed_scan.h"

#define TAIL_STEP (UINT64_C(64) << 20)

struct tables_end {
    const struct qed_geometry *geometry;
    uint64_t end; /* of the table that lies last in the file */
};

static int get_intent(struct info *info, const struct qed_image *qed, struct qed_error *error)
{
    struct qed_intent intent;
    int ret = qed_intent_read(&intent, &info->intent_is_valid, qed->io, &qed->header,
                              &qed->geometry, error);

    info->has_intent = (qed->header.autoclear_features & QED_AUTOCLEAR_INTENT) != 0;
    if (info->intent_is_valid) {
        info->marked_bits = qed_intent_count(&intent);
        info->tables_a_bit = UINT64_C(1) << intent.shift;
    }
    return ret;
}

/* Where the hole begins that ends a file, walking from `at`; length when there is none. */
static int find_last_hole(struct io *io, uint64_t at, uint64_t length, uint64_t *hole,
                          struct qed_error *error)
{
    *hole = length;
    while (at < length) {
        struct io_run run;
        int ret = io_next_run(io, at, &run, error);

        if (ret < 0 || run.length == 0)
            return ret;
        *hole = run.is_data ? length : at;
        at += run.length;
    }
    return QED_OK;
}

/* The end of the tables is not where nothing is: what is zero of them is not stored. */
static int find_tables_end(void *context, const struct qed_scan_piece *piece,
                           struct qed_error *error)
{
    struct tables_end *found = context;

    (void)error;
    for (size_t i = 0; i < piece->count; i++) {
        if (qed_table_offset_valid(found->geometry, piece->entries[i]))
            found->end = max_u64(found->end, piece->entries[i] + found->geometry->table_bytes);
    }
    return QED_OK;
}

/* What was made ready ahead at the end of the file; looked for from there, as it may be anything.
 */
static int get_tail(struct info *info, struct qed_image *qed, struct qed_error *error)
{
    const struct qed_geometry *g = &qed->geometry;
    struct tables_end tables = {.geometry = g, .end = g->l1_table_offset + g->table_bytes};
    uint64_t length, from, hole = 0, step = TAIL_STEP;
    int ret = io_get_length(qed->io, &length, error);

    for (from = length; ret == QED_OK && from > 0; step *= 2) {
        from = from > step ? from - step : 0;
        ret = find_last_hole(qed->io, from, length, &hole, error);
        if (ret < 0 || hole > from)
            break;
    }
    if (ret < 0 || length < hole + INFO_TAIL_MIN)
        return ret;
    ret = qed_scan_l1(qed, find_tables_end, &tables, error);
    hole = max_u64(hole, tables.end);
    if (ret == QED_OK && checked_round_up(hole, g->cluster_size, &hole) &&
        length >= INFO_TAIL_MIN && hole <= length - INFO_TAIL_MIN)
        info->tail_bytes = round_down(length - hole, g->cluster_size);
    return ret;
}

int info_get(struct info *info, struct image *image, unsigned int depth, struct qed_error *error)
{
    struct qed_image *qed = image_qed(image, depth);
    int ret = QED_OK;

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
        ret = get_intent(info, qed, error);
        if (ret == QED_OK)
            ret = get_tail(info, qed, error);
    }
    if (ret < 0)
        info_release(info);
    return ret;
}

void info_release(struct info *info)
{
    free(info->full_backing_name);
    info->full_backing_name = NULL;
}
