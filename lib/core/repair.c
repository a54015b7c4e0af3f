/*
 * The steps of a repair, and the findings with what was done about each.
 * SPDX-License-Identifier: MIT
 */
#include "core/repair.h"

#include <stdlib.h>

#include "base/checked.h"
#include "core/repair_below.h"
#include "core/repair_header.h"
#include "core/undo.h"
#include "format/qed_apply.h"
#include "io/io_file.h"

/* Whether some of the range is going to be a hole. */
static bool is_punched(const struct qed_plan *plan, uint64_t file_off, uint64_t len)
{
    size_t count;
    const struct qed_plan_run *punches = qed_plan_punches(plan, &count);
    size_t at = qed_plan_find_run(punches, count, file_off);

    return at < count && punches[at].from < file_off + len;
}

/* What becomes of leaked clusters; nothing where entries name them again, or a hole is there. */
static enum problem_action leak_action(const struct check_report *report,
                                       const struct qed_plan *plan, const struct problem *finding)
{
    if (report->repair.leaks == QED_LEAKS_NONE)
        return ACTION_NONE;
    if (report->repair.leaks != QED_LEAKS_GIVEN_BACK)
        return ACTION_LEAVE;
    if (finding->file_off + finding->file_len > qed_plan_cut_length(plan))
        return ACTION_CUT;
    return is_punched(plan, finding->file_off, finding->file_len) ? ACTION_PUNCH : ACTION_NONE;
}

/* What becomes of the end of a file that lies inside a cluster. */
static enum problem_action length_action(const struct qed_plan *plan)
{
    uint64_t length = qed_plan_old_length(plan);

    if (qed_plan_cut_length(plan) < length)
        return ACTION_CUT;
    return qed_plan_full_length(plan) > length ? ACTION_EXTEND : ACTION_NONE;
}

/* What becomes of a finding that is about no entry. */
static enum problem_action other_action(const struct check_report *report,
                                        const struct qed_plan *plan, const struct problem *finding)
{
    switch (finding->id) {
    case PROBLEM_LEAK:
    case PROBLEM_LEAK_TAIL:
        return leak_action(report, plan, finding);
    case PROBLEM_FILE_LENGTH:
        return length_action(plan);
    case PROBLEM_DIRTY:
        return report->mark_cleared ? ACTION_CLEAR_BITS : ACTION_NONE;
    default:
        return ACTION_NONE;
    }
}

/* Whether a fix is about what a finding is about: the same place, and one of a kind. */
static bool settles(const struct problem *fix, const struct problem *finding)
{
    return problem_compare_place(fix, finding) == 0 &&
           (fix->id == finding->id ||
            (fix->has_l1_index && problem_kind(finding->id)->severity == SEVERITY_CORRUPTION));
}

/* Orphaned tables that have been given a place, by where they are in the file. */
struct adopted {
    uint64_t *file_offs; /* sorted */
    size_t count;
};

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static int list_adopted(struct adopted *adopted, const struct problem_list *fixes,
                        struct qed_error *error)
{
    *adopted = (struct adopted){.file_offs = malloc((fixes->count + 1) * sizeof(uint64_t))};
    if (!adopted->file_offs)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < fixes->count; i++) {
        if (fixes->problems[i].id == PROBLEM_ORPHAN_TABLE)
            adopted->file_offs[adopted->count++] = fixes->problems[i].file_off;
    }
    qsort(adopted->file_offs, adopted->count, sizeof(uint64_t), by_number);
    return QED_OK;
}

/* Whether an orphaned table has been given a place: that report names the place, too. */
static bool is_adopted(const struct adopted *adopted, const struct problem *finding)
{
    return finding->id == PROBLEM_ORPHAN_TABLE &&
           bsearch(&finding->file_off, adopted->file_offs, adopted->count, sizeof(uint64_t),
                   by_number);
}

/* What was wrong with the header before it was mended. */
static void join_header_problems(struct check_report *report)
{
    for (size_t i = 0; i < report->header_problems.count; i++) {
        struct problem problem = report->header_problems.problems[i];

        problem.action = report->header_action;
        problem_list_add(&report->problems, &problem);
    }
}

/* What a fix does about a finding. */
static void take_over(struct problem *finding, const struct problem *fix)
{
    finding->action = fix->action;
    finding->lost_off = fix->lost_off;
    finding->lost_len = fix->lost_len;
}

/* Put the actions to the findings; fixes of what came to light on the way are findings, too. */
static int join_fixes(struct check_report *report, const struct qed_plan *plan,
                      struct qed_error *error)
{
    const struct problem_list *found = &report->first.problems, *fixes = &report->repair.fixes;
    struct adopted adopted;
    size_t i = 0, j = 0;
    int ret = list_adopted(&adopted, fixes, error);

    if (ret < 0)
        return ret;
    problem_list_init(&report->problems, found->limit);
    join_header_problems(report);
    while (i < found->count || j < fixes->count) {
        const struct problem *fix = j < fixes->count ? &fixes->problems[j] : NULL;
        struct problem next;

        if (i < found->count && (!fix || problem_compare(&found->problems[i], fix) <= 0 ||
                                 settles(fix, &found->problems[i]))) {
            next = found->problems[i++];
            next.action = other_action(report, plan, &next);
            if (fix && settles(fix, &next))
                take_over(&next, &fixes->problems[j++]);
            else if (is_adopted(&adopted, &next))
                continue;
        } else {
            next = fixes->problems[j++];
        }
        problem_list_add(&report->problems, &next);
    }
    report->problems.found =
        max_u64(found->found + report->header_problems.count, report->problems.found);
    problem_list_sort(&report->problems);
    free(adopted.file_offs);
    return QED_OK;
}

static uint64_t fewer(uint64_t before, uint64_t after)
{
    return before > after ? before - after : 0;
}

/* Check the file as it is now. A mark that the repair itself has set excuses nothing. */
static int verify(struct io *io, const struct check_options *options,
                  const struct check_report *report, struct qed_check_totals *totals,
                  struct qed_error *error)
{
    struct qed_image *image = NULL;
    struct qed_check_result result;
    int ret = qed_open(&image, io, false, error);

    if (ret < 0)
        return ret;
    if (!report->first.is_marked)
        image->header.features &= ~QED_FEATURE_NEED_CHECK;
    ret = qed_check_again(image, &options->scan, 0, &result, error);
    *totals = result.totals;
    qed_check_release(&result);
    qed_close(image);
    return ret;
}

/* Change what is planned to be, and check what that led to. */
static int change(struct qed_plan *plan, struct io *io, const struct check_options *options,
                  struct check_report *report, struct qed_error *error)
{
    int ret = qed_apply(plan, io, error);

    report->repaired = true;
    return ret < 0 ? ret : verify(io, options, report, &report->totals, error);
}

/*
 * Whether the mark of an unclean shutdown may stand for tables that the crash has lost: without it
 * an empty L1 table would have to be taken for damage.
 */
static bool mark_explains(const struct check_report *report, const struct qed_check_totals *totals)
{
    return report->first.is_marked && totals->l1_may_be_lost;
}

static int carry_out(struct qed_plan *plan, struct io *io, const struct check_options *options,
                     struct check_report *report, struct qed_error *error)
{
    bool clear_mark;
    int ret = QED_OK;

    if (qed_plan_changes_anything(plan))
        ret = change(plan, io, options, report, error);
    if (ret < 0 || report->totals.corruptions)
        return ret;
    clear_mark = options->repair == CHECK_REPAIR_ALL && !mark_explains(report, &report->totals);
    ret = qed_apply_finish(plan, io, clear_mark, error);
    report->totals.leaks = min_u64(report->totals.leaks, report->repair.after.leaks);
    return ret;
}

/* Save what is going to change, then change it. */
static int save_and_carry_out(struct qed_plan *plan, struct io *io,
                              const struct check_options *options, struct check_report *report,
                              struct qed_error *error)
{
    int ret = QED_OK;

    if (options->undo_path)
        ret = undo_save_to(options->undo_path, plan, io, error);
    return ret < 0 ? ret : carry_out(plan, io, options, report, error);
}

static int plan_and_do(struct qed_plan *plan, struct io *io, const struct check_options *options,
                       struct check_report *report, struct qed_error *error)
{
    struct qed_repair_options repair_options = {
        .scope = options->repair == CHECK_REPAIR_LEAKS ? QED_REPAIR_LEAKS : QED_REPAIR_ALL,
        .adopt = options->rebuild,
        .fixed_length = io_file_is_block_device(io),
        .free_bytes = io_file_free_space(io),
        .problem_limit = options->problem_limit,
        .scan = options->scan};
    struct repair_below *below = NULL;
    int ret = repair_below_new(&below, report->path, options->backing, qed_plan_view(plan), error);

    if (ret < 0)
        return ret;
    repair_options.read_below = below ? repair_below_read : NULL;
    repair_options.below_context = below;
    ret = qed_repair_plan(plan, &report->first, &repair_options, &report->repair, error);
    report->backing_missing = repair_below_is_missing(below);
    repair_below_free(below);
    report->planned = true;
    report->dry_run = options->dry_run;
    report->mark_cleared = report->first.is_marked && options->repair == CHECK_REPAIR_ALL &&
                           !report->repair.after.corruptions &&
                           !mark_explains(report, &report->repair.after);
    if (ret < 0 || options->dry_run || (qed_plan_is_empty(plan) && !report->mark_cleared))
        return ret;
    return save_and_carry_out(plan, io, options, report, error);
}

int repair_image(struct io *io, bool is_open, const struct check_options *options,
                 struct check_report *report, struct qed_error *error)
{
    uint64_t corruptions = report->first.totals.corruptions, leaks = report->first.totals.leaks;
    struct qed_plan *plan = NULL;
    int ret = qed_plan_new(&plan, io, error);

    if (ret == QED_OK)
        ret = repair_header(plan, io, is_open, options, report, error);
    if (!is_open)
        corruptions = report->header_problems.found + report->first.totals.corruptions;
    report->repair_refused = ret == QED_OK && !report->first.makes_sense;
    if (ret == QED_OK && !report->repair_refused)
        ret = plan_and_do(plan, io, options, report, error);
    if (ret == QED_OK && !options->dry_run) {
        report->corruptions_fixed = fewer(corruptions, report->totals.corruptions);
        report->leaks_fixed = fewer(leaks, report->totals.leaks);
    }
    if (report->planned) {
        int join_ret = join_fixes(report, plan, ret == QED_OK ? error : NULL);

        ret = ret == QED_OK ? join_ret : ret;
    }
    qed_plan_free(plan);
    return ret;
}
