/*
 * First pass, repair, second pass; the findings kept are those of the first.
 * SPDX-License-Identifier: MIT
 */
#include "core/check.h"

#include <stdlib.h>

#include "core/image.h"
#include "format/qed_repair.h"

struct collector {
    struct check_report *report;
    size_t room, limit;
};

static void collect(void *context, const struct problem *problem)
{
    struct collector *collector = context;
    struct check_report *report = collector->report;

    report->problems_found++;
    if (report->problem_count == collector->limit)
        return;
    if (report->problem_count == collector->room) {
        size_t room = collector->room ? collector->room * 2 : 16;
        struct problem *problems = realloc(report->problems, room * sizeof(*problems));

        if (!problems)
            return; /* still counted */
        report->problems = problems;
        collector->room = room;
    }
    report->problems[report->problem_count++] = *problem;
}

static int by_place(const void *a, const void *b)
{
    return problem_compare(a, b);
}

static enum check_verdict verdict_of(const struct qed_check_totals *totals)
{
    if (totals->corruptions)
        return CHECK_CORRUPT;
    return totals->leaks ? CHECK_LEAKS : CHECK_CLEAN;
}

/* Mend what the first pass found, if anything, and leave the totals of a second pass. */
static int repair(struct qed_image *qed, struct check_report *report, const struct bitmap *shared,
                  struct qed_error *error)
{
    int ret = QED_OK;

    if (report->totals.corruptions) {
        ret = qed_repair(qed, shared, &report->corruptions_fixed, error);
        if (ret == QED_OK && report->corruptions_fixed)
            ret = qed_check(qed, &report->totals, NULL, NULL, NULL, error);
    }
    if (ret == QED_OK && qed_needs_check(qed) && report->totals.corruptions == 0) {
        ret = qed_repair_finish(qed, error);
        report->dirty_cleared = ret == QED_OK;
    }
    return ret;
}

static int check_passes(struct qed_image *qed, const struct check_options *options,
                        struct check_report *report, struct qed_error *error)
{
    struct collector collector = {.report = report, .limit = options->problem_limit};
    struct bitmap *shared = qed_check_bitmap(qed);
    int ret;

    if (!shared)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    ret = qed_check(qed, &report->totals, collect, &collector, shared, error);
    if (report->problem_count)
        qsort(report->problems, report->problem_count, sizeof(*report->problems), by_place);
    if (ret == QED_OK && options->repair)
        ret = repair(qed, report, shared, error);
    bitmap_free(shared);
    return ret;
}

enum check_verdict check_image(const char *path, const struct check_options *options,
                               struct check_report *report, struct qed_error *error)
{
    struct image_options open_options = {.format = options->format,
                                         .writable = options->repair,
                                         .backing = IMAGE_BACKING_IGNORE};
    enum check_verdict verdict = CHECK_FAILED;
    struct image *image = NULL;
    struct qed_image *qed;

    *report = (struct check_report){0};
    if (image_open(&image, path, &open_options, error) < 0)
        return CHECK_FAILED;
    report->format = image_format(image, 0);
    qed = image_qed(image, 0);
    if (!qed) {
        verdict = CHECK_NO_CHECK;
    } else {
        int ret = check_passes(qed, options, report, error);

        if (ret < 0)
            qed_fail_prefix(error, ret, "'%s'", path);
        else
            verdict = verdict_of(&report->totals);
    }
    image_close(image);
    return verdict;
}

void check_release(struct check_report *report)
{
    free(report->problems);
    report->problems = NULL;
    report->problem_count = 0;
}
