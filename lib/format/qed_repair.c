/*
 * Scans as the check does, sets invalid entries to 0 through the table cache, and writes back
 * whenever that holds much.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_repair.h"

#include "format/qed_check.h"
#include "format/qed_scan.h"

#define DIRTY_LIMIT ((size_t)8 << 20)

struct repair {
    struct qed_image *image;
    const struct bitmap *shared;
    uint64_t cleared;
    struct qed_scan_list list; /* the valid tables that are nobody else's, in L1 order */
};

static bool every_table(void *context, uint64_t table_off)
{
    (void)context;
    (void)table_off;
    return true;
}

static int clear_entry(struct repair *repair, const struct qed_scan_piece *piece, size_t i,
                       struct qed_error *error)
{
    struct qed_image *image = repair->image;
    int ret = qed_set_need_check(image, true, error);

    if (ret == QED_OK)
        ret = qed_table_set(image->tables, piece->table->file_off, piece->first_index + i,
                            QED_ENTRY_UNALLOCATED, error);
    if (ret < 0)
        return ret;
    repair->cleared++;
    if (qed_table_dirty_bytes(image->tables) < DIRTY_LIMIT)
        return QED_OK;
    return qed_table_write_back(image->tables, every_table, NULL, error);
}

static bool is_shared(const struct repair *repair, uint64_t table_off)
{
    const struct qed_geometry *g = &repair->image->geometry;
    uint64_t cluster = table_off >> g->cluster_shift;

    return bitmap_next_set(repair->shared, cluster) < cluster + g->table_size;
}

static int repair_l1_piece(void *context, const struct qed_scan_piece *piece,
                           struct qed_error *error)
{
    struct repair *repair = context;
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < piece->count; i++) {
        uint64_t entry = piece->entries[i];

        if (entry == QED_ENTRY_UNALLOCATED)
            continue;
        if (qed_check_l1_entry(&repair->image->geometry, entry) != PROBLEM_COUNT)
            ret = clear_entry(repair, piece, i, error);
        else if (!is_shared(repair, entry))
            ret = qed_scan_list_add(&repair->list, piece->first_index + i, entry, error);
    }
    return ret;
}

static int repair_l2_piece(void *context, const struct qed_scan_piece *piece,
                           struct qed_error *error)
{
    struct repair *repair = context;
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < piece->count; i++) {
        uint64_t entry = piece->entries[i];

        if (entry > QED_ENTRY_ZERO &&
            qed_check_l2_entry(&repair->image->geometry, entry) != PROBLEM_COUNT)
            ret = clear_entry(repair, piece, i, error);
    }
    return ret;
}

int qed_repair(struct qed_image *image, const struct bitmap *shared, uint64_t *cleared,
               struct qed_error *error)
{
    struct repair repair = {.image = image, .shared = shared};
    int ret = QED_OK;

    *cleared = 0;
    if (is_shared(&repair, image->geometry.l1_table_offset))
        return QED_OK;
    ret = qed_scan_l1(image, repair_l1_piece, &repair, error);
    if (ret == QED_OK)
        ret = qed_scan_l2(image, &repair.list, repair_l2_piece, &repair, error);
    if (ret == QED_OK)
        ret = qed_table_write_back(image->tables, every_table, NULL, error);
    if (ret == QED_OK && repair.cleared)
        ret = io_flush(image->io, error);
    if (ret == QED_OK)
        *cleared = repair.cleared;
    qed_scan_list_free(&repair.list);
    return ret;
}

int qed_repair_finish(struct qed_image *image, struct qed_error *error)
{
    return qed_set_need_check(image, false, error);
}
