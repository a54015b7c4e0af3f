/*
 * Leads through the rounds, and keeps the account of what they do.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_repair.h"

#include <stddef.h>

#include "format/qed_rebuild_orphans.h"
#include "format/qed_repair_state.h"

/* What ends a repair that does not come to an end by itself: no damage has so many layers. */
#define ROUNDS_MAX 32
#define LOOKS_MAX (UINT64_C(1) << 14)

#define AUTOCLEAR_AT 32 /* bytes; format specification: header */

struct looking {
    const struct repair *repair;
    struct table_look *look;
    struct bitmap *mended; /* clusters that entries before name without their low bits */
};

/* Count an entry that is not aligned. */
static int look_misaligned(struct looking *looking, uint64_t entry, struct qed_error *error)
{
    const struct qed_geometry *g = looking->repair->geometry;
    uint64_t masked = round_down(entry, g->cluster_size), already;

    looking->look->misaligned++;
    if (!qed_data_offset_valid(g, masked) ||
        repair_in_use(looking->repair, masked, g->cluster_size))
        return QED_OK;
    if (bitmap_set_range(looking->mended, masked >> g->cluster_shift, 1, &already) < 0)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    looking->look->mendable += !already;
    return QED_OK;
}

static int look_piece(void *context, const struct qed_scan_piece *piece, struct qed_error *error)
{
    struct looking *looking = context;
    struct table_look *look = looking->look;
    const struct qed_geometry *g = looking->repair->geometry;
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < piece->count; i++) {
        uint64_t entry = piece->entries[i];
        bool is_valid = qed_data_offset_valid(g, entry);

        look->zeroes += entry == QED_ENTRY_ZERO;
        if (entry <= QED_ENTRY_ZERO)
            continue;
        look->entries++;
        look->wrong += !is_valid;
        if (is_valid)
            look->owned += repair_in_use(looking->repair, entry, g->cluster_size);
        else if (!qed_cluster_aligned(g, entry))
            ret = look_misaligned(looking, entry, error);
    }
    return ret;
}

int repair_look(struct repair *repair, uint64_t file_off, struct table_look *look,
                struct qed_error *error)
{
    struct looking looking = {repair, look, bitmap_new(bitmap_bit_count(repair->found->used))};
    struct qed_scan_table table = {.file_off = file_off};
    int ret = QED_ERR_NO_MEMORY;

    *look = (struct table_look){0};
    if (looking.mended)
        ret = qed_scan_table(repair->image, &table, look_piece, &looking, error);
    else
        qed_fail(error, ret, "out of memory");
    bitmap_free(looking.mended);
    return ret;
}

bool repair_in_use(const struct repair *repair, uint64_t file_off, uint64_t len)
{
    unsigned int shift = repair->geometry->cluster_shift;

    return bitmap_any_set(repair->found->used, file_off >> shift,
                          blocks_for(file_off + len, shift));
}

int repair_claim(struct repair *repair, uint64_t file_off, uint64_t len, struct qed_error *error)
{
    unsigned int shift = repair->geometry->cluster_shift;
    uint64_t ignored;

    if (bitmap_set_range(repair->found->used, file_off >> shift, len >> shift, &ignored) < 0)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    return QED_OK;
}

/* Whether a crash leaves such entries: the space that they name was never made part of the file. */
static bool crash_explains(const struct repair *repair, enum problem_id id)
{
    return qed_needs_check(repair->image) &&
           (id == PROBLEM_L1_PAST_END || id == PROBLEM_L1_CUT_SHORT || id == PROBLEM_L2_PAST_END ||
            id == PROBLEM_L2_CUT_SHORT);
}

int repair_report(struct repair *repair, const struct problem *problem, enum problem_action action,
                  struct qed_error *error)
{
    struct qed_repair_report *report = repair->report;
    struct problem fix = *problem;
    int ret = QED_OK;

    fix.action = action;
    if (action == ACTION_CLEAR) {
        fix.lost_off = fix.virt_off;
        fix.lost_len = fix.virt_len;
    } else if (action != ACTION_LEAVE) {
        ret = qed_repair_account_add(&repair->account, fix.virt_off, fix.virt_len, false, error);
    }
    if (ret == QED_OK)
        ret = qed_repair_account_add(&repair->account, fix.lost_off, fix.lost_len, true, error);
    /* What two entries name is not what both of them always did. */
    if ((action == ACTION_CLEAR && !crash_explains(repair, fix.id)) || action == ACTION_COPY ||
        action == ACTION_COPY_TABLE)
        repair->lost_to_damage = true;
    report->done[action]++;
    repair->planned += action != ACTION_LEAVE;
    problem_list_add(&report->fixes, &fix);
    return ret;
}

int repair_set_entry(struct repair *repair, const struct problem *problem, uint64_t table_off,
                     uint64_t value, enum problem_action action, struct qed_error *error)
{
    uint64_t index = problem->has_l2_index ? problem->l2_index : problem->l1_index;
    enum qed_plan_step step = QED_PLAN_MEND;
    int ret;

    if (action == ACTION_COPY || action == ACTION_COPY_TABLE)
        step = QED_PLAN_MOVE;
    else if (!problem->has_l2_index)
        step = QED_PLAN_L1;
    else if (action == ACTION_CLEAR)
        step = QED_PLAN_EARLY;
    repair->l1_changed = repair->l1_changed || !problem->has_l2_index;
    ret = repair_report(repair, problem, action, error);
    if (ret == QED_OK && !problem->has_l2_index && problem->value >= repair->geometry->file_end)
        ret = qed_scan_list_add(&repair->gone, index, problem->value, error);
    if (ret == QED_OK && action == ACTION_CLEAR && !problem->has_l2_index && repair->options->adopt)
        ret = qed_scan_list_add(&repair->lost, index, problem->value, error);
    if (ret < 0)
        return ret;
    table_off += index * sizeof(uint64_t);
    if (step == QED_PLAN_MOVE)
        return qed_plan_move(repair->plan, table_off, value, repair->move_level, error);
    return qed_plan_set(repair->plan, table_off, value, step, error);
}

static int clear_autoclear(struct repair *repair, struct qed_error *error)
{
    uint64_t bits = repair->image->header.autoclear_features, known = bits & QED_AUTOCLEAR_KNOWN;
    struct problem problem = {.id = PROBLEM_AUTOCLEAR};
    int ret = QED_OK;

    if (bits != known)
        ret = repair_report(repair, &problem, ACTION_CLEAR_BITS, error);
    /* The bit of a write-intent bitmap is a change, too: it goes meanwhile (qed_apply.h). */
    if (ret == QED_OK && (bits != known || (known && qed_plan_changes_anything(repair->plan))))
        ret = qed_plan_set(repair->plan, AUTOCLEAR_AT, known, QED_PLAN_SETTLE, error);
    return ret;
}

/* Put lost tables back into the L1, and report each. */
static int repair_adopt(struct repair *repair, struct qed_error *error)
{
    struct qed_adoption_options options = {.lost = &repair->lost, .scan = repair->options->scan};
    struct qed_adoption_report adopted;
    int ret;

    /* Once: copies that a later round makes say nothing of where tables were. */
    if (!repair->options->adopt || repair->has_adopted || !repair->found->totals.leaks)
        return QED_OK;
    repair->l1_blocked = repair->l1_waits && repair->found->totals.orphans;
    if (repair->l1_waits)
        return QED_OK;
    repair->has_adopted = true;
    ret = qed_rebuild_adopt(repair->plan, repair->image, &options, &adopted, error);
    for (size_t i = 0; ret == QED_OK && i < adopted.count; i++) {
        const struct qed_adoption *adoption = &adopted.adoptions[i];
        struct problem problem = qed_check_l1_problem(repair->geometry, PROBLEM_ORPHAN_TABLE,
                                                      adoption->l1_index, adoption->file_off);

        if (adoption->ground == QED_ADOPTION_NONE)
            continue;
        repair->l1_changed = true;
        ret = repair_report(
            repair, &problem,
            qed_adoption_is_certain(adoption->ground) ? ACTION_ADOPT : ACTION_ADOPT_GUESS, error);
    }
    qed_adoption_release(&adopted);
    return ret;
}

/* Plan the first kind of thing that there is to do. */
static int plan_round(struct repair *repair, struct qed_error *error)
{
    static int (*const steps[])(struct repair *, struct qed_error *) = {
        repair_l1,       repair_adopt,     repair_mend_l2, repair_relink,
        repair_clear_l2, repair_cut_short, repair_shared};
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && !repair->planned && !repair->l1_blocked &&
                       i < sizeof(steps) / sizeof(steps[0]);
         i++)
        ret = steps[i](repair, error);
    if (ret == QED_OK && repair->l1_blocked)
        ret = repair_leave_l1_readers(repair, error);
    bitmap_free(repair->read_tables);
    repair->read_tables = NULL;
    return ret;
}

/* Do something with the image as it stands in the view. */
static int with_image(struct repair *repair,
                      int (*plan)(struct repair *repair, struct qed_error *error),
                      struct qed_error *error)
{
    int ret = qed_open(&repair->image, qed_plan_view(repair->plan), false, error);

    if (ret < 0)
        return ret;
    repair->geometry = &repair->image->geometry;
    ret = plan(repair, error);
    qed_close(repair->image);
    return ret;
}

static int check_again(struct repair *repair, struct qed_error *error)
{
    qed_check_release(repair->found);
    return qed_check_again(repair->image, &repair->options->scan, 0, repair->found, error);
}

/* Plan a round, and see what it leads to. */
static int do_round(struct repair *repair, struct qed_error *error)
{
    int ret;

    repair->planned = 0;
    ret = with_image(repair, plan_round, error);
    if (ret < 0 || !repair->planned)
        return ret;
    qed_plan_settle(repair->plan);
    return with_image(repair, check_again, error);
}

static int plan_rest(struct repair *repair, struct qed_error *error)
{
    int ret = QED_OK;

    if (repair->options->scope == QED_REPAIR_ALL)
        ret = clear_autoclear(repair, error);
    return ret < 0 ? ret : repair_leaks(repair, error);
}

/* Take over what a repair uses up of a check; its findings stay. */
static void take_over(struct qed_check_result *found, struct qed_check_result *first)
{
    *found = *first;
    problem_list_init(&found->problems, 0);
    first->used = first->tables = first->shared = NULL;
    first->damaged = first->touching = (struct qed_scan_list){0};
}

static int plan_rounds(struct repair *repair, struct qed_error *error)
{
    int ret = QED_OK;

    repair->planned = 1;
    repair->looks = LOOKS_MAX;
    for (int i = 0;
         ret == QED_OK && repair->planned && repair->found->makes_sense && i < ROUNDS_MAX; i++)
        ret = do_round(repair, error);
    return ret;
}

static void reset_report(struct repair *repair)
{
    *repair->report = (struct qed_repair_report){.after = repair->found->totals};
    problem_list_init(&repair->report->fixes, repair->options->problem_limit);
    qed_repair_account_free(&repair->account);
    qed_scan_list_free(&repair->lost);
    repair->level = repair->level_used = 0;
}

/*
 * Where the L1 table is changed and entries that read it as data turn out to get no copy, plan
 * again without a change of it: what could be read before reads the same.
 */
static int plan_all(struct repair *repair, struct qed_error *error)
{
    struct qed_plan *before = NULL;
    int ret = qed_plan_save(repair->plan, &before, error);

    if (ret == QED_OK)
        ret = plan_rounds(repair, error);
    if (ret == QED_OK && repair->l1_changed && repair->l1_is_read) {
        qed_plan_go_back(repair->plan, &before);
        repair->l1_waits = true;
        repair->has_adopted = repair->lost_to_damage = false;
        ret = with_image(repair, check_again, error);
        problem_list_release(&repair->report->fixes);
        reset_report(repair);
        if (ret == QED_OK)
            ret = plan_rounds(repair, error);
    }
    qed_plan_free(before);
    return ret;
}

int qed_repair_plan(struct qed_plan *plan, struct qed_check_result *first,
                    const struct qed_repair_options *options, struct qed_repair_report *report,
                    struct qed_error *error)
{
    struct qed_check_result found = {.totals = first->totals};
    struct repair repair = {.plan = plan, .options = options, .report = report, .found = &found};
    int ret = QED_OK;

    reset_report(&repair);
    if (!first->makes_sense)
        return QED_OK;
    take_over(&found, first);
    if (options->scope == QED_REPAIR_ALL)
        ret = plan_all(&repair, error);
    report->after = found.totals;
    if (ret == QED_OK && found.makes_sense)
        ret = with_image(&repair, plan_rest, error);
    if (ret == QED_OK)
        ret = qed_repair_account_sum(&repair.account, &report->guest_lost, &report->guest_kept,
                                     error);
    qed_plan_settle(plan);
    qed_repair_account_free(&repair.account);
    qed_scan_list_free(&repair.lost);
    repair_forget_moves(&repair);
    qed_scan_list_free(&repair.gone);
    qed_check_release(&found);
    problem_list_sort(&report->fixes);
    return ret;
}

void qed_repair_release(struct qed_repair_report *report)
{
    problem_list_release(&report->fixes);
}
