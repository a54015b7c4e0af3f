/*
 * Gives leaked space back: at the end the file is cut, elsewhere holes are punched.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_repair_state.h"

/*
 * Leaks stay where they may be all that is left of guest data: among them tables that were lost, or
 * the clusters of entries that were.
 */
static int decide(struct repair *repair, enum qed_leaks_fate *fate, struct qed_error *error)
{
    const struct qed_check_totals *totals = &repair->found->totals;
    const struct qed_repair_options *options = repair->options;
    bool is_lost = false;
    int ret = QED_OK;

    *fate = QED_LEAKS_GIVEN_BACK;
    if (totals->corruptions)
        *fate = QED_LEAKS_KEPT_CORRUPT;
    else if (totals->orphans)
        *fate = QED_LEAKS_KEPT_ORPHANS;
    else if (repair->lost_to_damage)
        *fate = QED_LEAKS_KEPT_LOST;
    else if (options->fixed_length)
        *fate = QED_LEAKS_KEPT_DEVICE;
    else if (options->scope == QED_REPAIR_ALL)
        ret = repair_find_lost(repair, &is_lost, error);
    if (is_lost)
        *fate = QED_LEAKS_KEPT_PLACES;
    return ret;
}

/* Punch what is stored of a range. */
static int punch(struct repair *repair, uint64_t file_off, uint64_t end, struct qed_error *error)
{
    while (file_off < end) {
        struct io_run run;
        uint64_t step;
        int ret = io_next_run(repair->image->io, file_off, &run, error);

        if (ret < 0)
            return ret;
        step = min_u64(run.length, end - file_off);
        if (step == 0)
            break;
        if (run.is_data)
            ret = qed_plan_punch(repair->plan, file_off, step, error);
        if (ret < 0)
            return ret;
        repair->report->punched += run.is_data ? step : 0;
        file_off += step;
    }
    return QED_OK;
}

int repair_leaks(struct repair *repair, struct qed_error *error)
{
    const struct qed_geometry *g = repair->geometry;
    struct qed_repair_report *report = repair->report;
    const struct bitmap *used = repair->found->used;
    uint64_t end = bitmap_bit_count(used);
    uint64_t at = bitmap_next_clear(used, g->header_bytes >> g->cluster_shift);
    int ret;

    if (!repair->found->totals.leaks)
        return QED_OK;
    ret = decide(repair, &report->leaks, error);
    if (ret < 0 || report->leaks != QED_LEAKS_GIVEN_BACK)
        return ret;
    while (ret == QED_OK && at < end) {
        uint64_t next = bitmap_next_set(used, at);

        if (next == end) {
            qed_plan_cut(repair->plan, at << g->cluster_shift);
            report->cut = g->file_length - (at << g->cluster_shift);
            report->after.leaks -= end - at;
        } else {
            ret = punch(repair, at << g->cluster_shift, next << g->cluster_shift, error);
        }
        at = bitmap_next_clear(used, next);
    }
    return ret;
}
