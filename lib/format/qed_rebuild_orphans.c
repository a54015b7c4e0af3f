/*
 * Leads through an adoption: what the L1 still names; what else may be a table; which of these are;
 * where each belongs.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_rebuild_orphans.h"

#include <stdlib.h>

#include "format/qed_check.h"
#include "format/qed_rebuild_orphans_state.h"

static int walk(struct adoption *adoption, const struct qed_image *image,
                const struct qed_scan_list *except, struct qed_error *error)
{
    struct qed_scan_options scan = adoption->options->scan;
    int ret = qed_walk_new(&adoption->walk, image->io, &image->geometry, error);

    scan.progress = NULL; /* it tells of the space that nothing names */
    if (ret < 0)
        return ret;
    adoption->walk->except = except;
    adoption->walk->to_the_end = true;
    ret = qed_walk_l1(adoption->walk, error);
    return ret < 0 ? ret : qed_walk_tables(adoption->walk, &scan, error);
}

static int by_l1_index(const void *a, const void *b)
{
    const struct qed_scan_table *x = a, *y = b;

    return (x->l1_index > y->l1_index) - (x->l1_index < y->l1_index);
}

/* L1 entries that name what is no table. */
static int list_nonsense(const struct qed_walk *walk, struct qed_scan_list *nonsense,
                         struct qed_error *error)
{
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < walk->list.count; i++) {
        const struct qed_walk_table *state = &walk->states[i];
        uint64_t entries = state->good + state->zeroes + state->past_end + state->bad;

        if (qed_check_is_nonsense(entries, state->bad))
            ret = qed_scan_list_add(nonsense, walk->list.tables[i].l1_index,
                                    walk->list.tables[i].file_off, error);
    }
    if (nonsense->count > 0)
        qsort(nonsense->tables, nonsense->count, sizeof(*nonsense->tables), by_l1_index);
    return ret;
}

/* What is no table says nothing of what is in use, and its clusters are somebody's data. */
static int walk_what_is_named(struct adoption *adoption, const struct qed_image *image,
                              struct qed_error *error)
{
    struct qed_scan_list nonsense = {0};
    int ret = walk(adoption, image, NULL, error);

    if (ret == QED_OK)
        ret = list_nonsense(adoption->walk, &nonsense, error);
    if (ret == QED_OK && nonsense.count > 0) {
        qed_walk_free(adoption->walk);
        adoption->walk = NULL;
        ret = walk(adoption, image, &nonsense, error);
        if (adoption->walk)
            adoption->walk->except = NULL;
    }
    qed_scan_list_free(&nonsense);
    return ret;
}

/* Guest bytes that an orphan's data clusters hold, in its place. */
static uint64_t bytes_gained(const struct qed_geometry *g, const struct orphan *orphan)
{
    uint64_t start = qed_virt_off(g, orphan->l1_index, 0);

    return min_u64(orphan->good << g->cluster_shift, g->image_size - start);
}

static int report_all(struct adoption *adoption, struct qed_plan *plan,
                      struct qed_adoption_report *report, struct qed_error *error)
{
    const struct qed_geometry *g = &adoption->walk->image.geometry;
    int ret = QED_OK;

    report->adoptions = calloc(adoption->count ? adoption->count : 1, sizeof(*report->adoptions));
    if (!report->adoptions)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    for (size_t i = 0; ret == QED_OK && i < adoption->count; i++) {
        const struct orphan *orphan = &adoption->orphans[i];
        struct qed_adoption *entry = &report->adoptions[report->count++];
        bool is_certain = qed_adoption_is_certain(orphan->ground);

        *entry = (struct qed_adoption){.file_off = orphan->file_off,
                                       .ground = orphan->ground,
                                       .good = orphan->good,
                                       .zeroes = orphan->zeroes,
                                       .bad = orphan->bad};
        if (orphan->ground == QED_ADOPTION_NONE)
            continue;
        entry->l1_index = orphan->l1_index;
        entry->guest_bytes = bytes_gained(g, orphan);
        report->certain += is_certain;
        report->guessed += !is_certain;
        if (adoption->options->certain_only && !is_certain)
            continue;
        report->guest_bytes += entry->guest_bytes;
        ret = qed_plan_set(plan, g->l1_table_offset + orphan->l1_index * sizeof(uint64_t),
                           orphan->file_off, QED_PLAN_SETTLE, error);
    }
    return ret;
}

static bool is_nonsense(const struct qed_geometry *g, const struct qed_scan_table *stray)
{
    enum qed_walk_kind kind = qed_walk_kind(g, stray->file_off, g->table_bytes);

    return kind != QED_WALK_GOOD && kind != QED_WALK_PAST_END;
}

/* Clear L1 entries that are nonsense, if most are. To be called before any is given away. */
static int clear_nonsense(const struct adoption *adoption, struct qed_plan *plan,
                          struct qed_adoption_report *report, struct qed_error *error)
{
    const struct qed_geometry *g = &adoption->walk->image.geometry;
    const struct qed_scan_list *strays = &adoption->walk->strays;
    size_t nonsense = 0;
    int ret = QED_OK;

    for (size_t i = 0; i < strays->count; i++)
        nonsense += is_nonsense(g, &strays->tables[i]);
    if (!qed_check_is_nonsense(adoption->walk->list.count + strays->count, nonsense))
        return QED_OK;
    for (size_t i = 0; ret == QED_OK && i < strays->count; i++) {
        if (!is_nonsense(g, &strays->tables[i]))
            continue;
        report->cleared++;
        ret = qed_plan_set(plan, g->l1_table_offset + strays->tables[i].l1_index * sizeof(uint64_t),
                           QED_ENTRY_UNALLOCATED, QED_PLAN_SETTLE, error);
    }
    return ret;
}

int qed_rebuild_adopt(struct qed_plan *plan, const struct qed_image *image,
                      const struct qed_adoption_options *options,
                      struct qed_adoption_report *report, struct qed_error *error)
{
    static const struct qed_adoption_options defaults;
    struct adoption adoption = {.options = options ? options : &defaults,
                                .old_length = qed_plan_old_length(plan)};
    int ret;

    *report = (struct qed_adoption_report){0};
    ret = walk_what_is_named(&adoption, image, error);
    if (ret == QED_OK)
        ret = adoption_find(&adoption, error);
    if (ret == QED_OK)
        ret = adoption_sift(&adoption, error);
    if (ret == QED_OK)
        ret = adoption_join(&adoption, error);
    if (ret == QED_OK)
        ret = adoption_claim(&adoption, error);
    if (ret == QED_OK)
        ret = adoption_place(&adoption, error);
    if (ret == QED_OK)
        ret = clear_nonsense(&adoption, plan, report, error);
    if (ret == QED_OK)
        ret = report_all(&adoption, plan, report, error);
    qed_walk_free(adoption.walk);
    bitmap_free(adoption.other);
    free(adoption.pieces);
    free(adoption.orphans);
    return ret;
}

void qed_adoption_release(struct qed_adoption_report *report)
{
    free(report->adoptions);
    *report = (struct qed_adoption_report){0};
}
