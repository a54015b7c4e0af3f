/*
 * Entries that get copies of their clusters: their order, and where the copies must not be.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include "base/array.h"
#include "format/qed_repair_state.h"

struct moving {
    struct repair *repair;
    uint64_t to; /* of the table that is copied */
};

/* No damage has such chains; what is left of one is the work of a second repair. */
#define LEVELS_MAX 1024

void repair_forget_moves(struct repair *repair)
{
    free(repair->moves);
    repair->moves = NULL;
    repair->move_count = repair->move_room = 0;
    qed_scan_list_free(&repair->stuck);
    qed_scan_list_free(&repair->named);
}

int repair_add_move(struct repair *repair, uint64_t word_off, uint64_t from,
                    struct qed_error *error)
{
    struct qed_move *moves =
        array_with_room(repair->moves, repair->move_count, &repair->move_room, sizeof(*moves));

    if (!moves)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    repair->moves = moves;
    moves[repair->move_count++] = (struct qed_move){.word_off = word_off, .from = from};
    return QED_OK;
}

static bool has_order(const struct repair *repair, const struct qed_move *move)
{
    return move->level < LEVELS_MAX && repair->level + move->level < LEVELS_MAX;
}

/* Of a table that is read: what points to where the file may grow, with its low bits or without. */
static int name_piece(void *context, const struct qed_scan_piece *piece, struct qed_error *error)
{
    struct repair *repair = context;
    const struct qed_geometry *g = repair->geometry;
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < piece->count; i++) {
        uint64_t entry = round_down(piece->entries[i], g->cluster_size);

        if (entry >= g->file_end)
            ret = qed_scan_list_add(&repair->named, 0, entry, error);
    }
    return ret;
}

/* Of the L1 table, where that is read, the same: its entries change after the copies, too. */
static int name_gone_tables(struct repair *repair, struct qed_error *error)
{
    const struct qed_geometry *g = repair->geometry;
    bool is_read = false;
    int ret = QED_OK;

    for (size_t i = 0; !is_read && i < repair->move_count; i++)
        is_read = range_inside(repair->moves[i].from, g->cluster_size, g->l1_table_offset,
                               g->l1_table_offset + g->table_bytes);
    for (size_t i = 0; ret == QED_OK && is_read && i < repair->gone.count; i++) {
        uint64_t at = round_down(repair->gone.tables[i].file_off, g->cluster_size);

        for (uint32_t j = 0; ret == QED_OK && j < g->table_size; j++, at += g->cluster_size)
            ret = qed_scan_list_add(&repair->named, 0, at, error);
    }
    return ret;
}

int repair_order_moves(struct repair *repair, struct qed_error *error)
{
    uint32_t ignored;
    int ret = qed_moves_order(repair->moves, repair->move_count, repair->geometry->cluster_size,
                              &ignored, error);

    for (size_t i = 0; ret == QED_OK && i < repair->move_count; i++) {
        if (!has_order(repair, &repair->moves[i]))
            ret = qed_scan_list_add(&repair->stuck, 0, repair->moves[i].from, error);
    }
    qed_scan_list_sort(&repair->stuck);
    if (ret == QED_OK)
        ret = repair_scan_damaged(repair, true, name_piece, repair, error);
    if (ret == QED_OK)
        ret = name_gone_tables(repair, error);
    qed_scan_list_sort(&repair->named);
    return ret;
}

bool repair_can_move(struct repair *repair, uint64_t word_off)
{
    size_t at = qed_moves_first(repair->moves, repair->move_count, word_off);

    if (at == repair->move_count || repair->moves[at].word_off != word_off ||
        !has_order(repair, &repair->moves[at]))
        return false;
    repair->move_level = (uint16_t)(repair->level + repair->moves[at].level);
    if (repair->level_used <= repair->move_level)
        repair->level_used = (uint16_t)(repair->move_level + 1);
    return true;
}

bool repair_stays_read(const struct repair *repair, uint64_t table_off)
{
    const struct qed_geometry *g = repair->geometry;

    for (uint32_t i = 0; repair->stuck.count && i < g->table_size; i++) {
        if (qed_scan_list_find(&repair->stuck, table_off + ((uint64_t)i << g->cluster_shift)))
            return true;
    }
    return false;
}

static int keep_piece(void *context, const struct qed_scan_piece *piece, struct qed_error *error)
{
    struct moving *moving = context;
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < piece->count; i++) {
        uint64_t word_off = moving->to + (piece->first_index + i) * sizeof(uint64_t);

        if (piece->entries[i] != QED_ENTRY_UNALLOCATED)
            ret = qed_plan_move(moving->repair->plan, word_off, piece->entries[i], 0, error);
    }
    return ret;
}

/* Copy a table as it is and let its L1 entry name the copy. */
static int move_table(struct repair *repair, const struct qed_scan_table *table,
                      struct qed_error *error)
{
    const struct qed_geometry *g = repair->geometry;
    struct moving moving = {.repair = repair};
    uint64_t word_off = g->l1_table_offset + table->l1_index * sizeof(uint64_t);
    int ret = repair_pass_named(repair, g->table_bytes, error);

    if (ret == QED_OK)
        ret = qed_plan_allocate(repair->plan, g->table_bytes, g->cluster_size, &moving.to, error);
    if (ret == QED_OK)
        ret = qed_scan_table(repair->image, table, keep_piece, &moving, error);
    if (ret == QED_OK)
        ret = qed_plan_move(repair->plan, word_off, moving.to, repair->level, error);
    repair->l1_changed = true;
    repair->planned++;
    repair->report->copied += g->table_bytes;
    return ret;
}

static bool has_stuck_entry(const struct repair *repair, uint64_t table_off)
{
    uint64_t end = table_off + repair->geometry->table_bytes;

    for (size_t i = qed_moves_first(repair->moves, repair->move_count, table_off);
         i < repair->move_count && repair->moves[i].word_off < end; i++) {
        if (!has_order(repair, &repair->moves[i]))
            return true;
    }
    return false;
}

int repair_move_stuck_tables(struct repair *repair, struct qed_error *error)
{
    const struct qed_scan_list *touching = &repair->found->touching;
    uint64_t bytes = 0;
    int ret = QED_OK;

    if (!repair->stuck.count || repair->l1_waits ||
        repair_stays_read(repair, repair->geometry->l1_table_offset))
        return QED_OK;
    for (size_t i = 0; i < touching->count; i++)
        bytes += has_stuck_entry(repair, touching->tables[i].file_off)
                     ? repair->geometry->table_bytes
                     : 0;
    if (!repair_fits(repair, bytes)) {
        repair->report->space_missing += bytes;
        return QED_OK;
    }
    for (size_t i = 0; ret == QED_OK && i < touching->count; i++) {
        if (has_stuck_entry(repair, touching->tables[i].file_off))
            ret = move_table(repair, &touching->tables[i], error);
    }
    return ret;
}

int repair_pass_named(struct repair *repair, uint64_t len, struct qed_error *error)
{
    const struct qed_geometry *g = repair->geometry;
    uint64_t place = blocks_for(qed_plan_full_length(repair->plan), g->cluster_shift)
                     << g->cluster_shift;
    int ret = QED_OK;

    for (uint64_t at = place; ret == QED_OK && repair->named.count && at < place + len;
         at += g->cluster_size) {
        if (!qed_scan_list_find(&repair->named, at))
            continue;
        place = at + g->cluster_size;
        ret = qed_plan_extend(repair->plan, place, error);
    }
    return ret;
}
