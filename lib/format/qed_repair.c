/*
 * Goes through the L1 and the tables that the check found invalid entries in, sets these to 0
 * through the table cache, and writes back whenever that holds much.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_repair.h"

#define DIRTY_LIMIT ((size_t)8 << 20)

struct repair {
    struct qed_image *image;
    const struct bitmap *shared;
    uint64_t cleared;
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

    return repair->shared && bitmap_any_set(repair->shared, cluster, cluster + g->table_size);
}

static int repair_l1_piece(void *context, const struct qed_scan_piece *piece,
                           struct qed_error *error)
{
    struct repair *repair = context;
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < piece->count; i++) {
        uint64_t entry = piece->entries[i];

        if (entry != QED_ENTRY_UNALLOCATED &&
            qed_check_l1_entry(&repair->image->geometry, entry) != PROBLEM_COUNT)
            ret = clear_entry(repair, piece, i, error);
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

int qed_repair(struct qed_image *image, const struct qed_check_result *found, uint64_t *cleared,
               struct qed_error *error)
{
    struct repair repair = {.image = image, .shared = found->shared};
    int ret;

    *cleared = 0;
    if (!found->makes_sense)
        return QED_OK;
    ret = qed_clear_autoclear(image, error);
    if (ret == QED_OK && found->totals.corruptions &&
        !is_shared(&repair, image->geometry.l1_table_offset))
        ret = qed_scan_l1(image, repair_l1_piece, &repair, error);
    for (size_t i = 0; ret == QED_OK && i < found->damaged.count; i++) {
        const struct qed_scan_table *table = &found->damaged.tables[i];

        if (!is_shared(&repair, table->file_off))
            ret = qed_scan_table(image, table, repair_l2_piece, &repair, error);
    }
    if (ret == QED_OK)
        ret = qed_table_write_back(image->tables, every_table, NULL, error);
    if (ret == QED_OK && repair.cleared)
        ret = io_flush(image->io, error);
    if (ret == QED_OK)
        *cleared = repair.cleared;
    return ret;
}

int qed_repair_finish(struct qed_image *image, struct qed_error *error)
{
    return qed_set_need_check(image, false, error);
}
