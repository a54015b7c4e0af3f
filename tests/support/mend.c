/*
 * The steps of a repair one after the other.
 * SPDX-License-Identifier: MIT
 */
#include "support/mend.h"

#include <stdlib.h>
#include <string.h>

#include "core/repair.h"
#include "format/qed_apply.h"
#include "support/unit.h"

#define FEATURES_AT 16
#define AUTOCLEAR_AT 32

const struct qed_repair_options mend_all = {.scope = QED_REPAIR_ALL,
                                            .free_bytes = UINT64_MAX,
                                            .problem_limit = MEND_LIMIT,
                                            .scan = {.queue = IO_QUEUE_SYNC, .threads = 1}};

static int check(struct io *io, struct qed_check_result *result, struct qed_error *error)
{
    struct qed_image *image = NULL;
    int ret = qed_open(&image, io, false, error);

    if (ret < 0)
        return ret;
    ret = qed_check(image, &mend_all.scan, MEND_LIMIT, result, error);
    qed_close(image);
    return ret;
}

int mend(struct io *io, enum check_repair what, struct check_report *report,
         struct qed_error *error)
{
    struct check_options options = {
        .repair = what, .problem_limit = MEND_LIMIT, .scan = mend_all.scan};
    int ret;

    *report = (struct check_report){0};
    ret = check(io, &report->first, error);
    report->totals = report->first.totals;
    return ret < 0 ? ret : repair_image(io, true, &options, report, error);
}

static uint8_t *read_all(struct io *io, size_t *len)
{
    uint64_t length;
    uint8_t *bytes;

    if (io_get_length(io, &length, NULL) < 0)
        ck_abort_msg("no length");
    bytes = malloc((size_t)length + 1);
    if (!bytes || io_read(io, bytes, (size_t)length, 0, NULL) < 0)
        ck_abort_msg("cannot read the file");
    bytes[FEATURES_AT] |= QED_FEATURE_NEED_CHECK;
    bytes[AUTOCLEAR_AT] &= (uint8_t)~QED_AUTOCLEAR_INTENT;
    *len = (size_t)length;
    return bytes;
}

/* Carry out a plan; the file is then what the plan's view has shown, but for what the mark changes. */
static int apply(struct qed_plan *plan, struct io *io, struct qed_error *error)
{
    size_t planned_len, len;
    uint8_t *planned = read_all(qed_plan_view(plan), &planned_len), *bytes;
    int ret = qed_apply(plan, io, error);

    if (ret == QED_OK) {
        bytes = read_all(io, &len);
        if (len != planned_len || memcmp(bytes, planned, len) != 0)
            ck_abort_msg("the file is not as planned");
        free(bytes);
    }
    free(planned);
    return ret;
}

static int plan_and_apply(struct qed_plan *plan, struct io *io,
                          const struct qed_repair_options *options, struct check_report *report,
                          struct qed_error *error)
{
    int ret = qed_repair_plan(plan, &report->first, options, &report->repair, error);

    if (ret == QED_OK)
        ret = apply(plan, io, error);
    report->totals = report->repair.after;
    if (ret < 0 || report->totals.corruptions)
        return ret;
    return qed_apply_finish(plan, io, options->scope == QED_REPAIR_ALL, error);
}

int mend_as(struct io *io, const struct qed_repair_options *options, struct check_report *report,
            struct qed_error *error)
{
    struct qed_plan *plan = NULL;
    int ret;

    *report = (struct check_report){0};
    ret = check(io, &report->first, error);
    if (ret == QED_OK)
        ret = qed_plan_new(&plan, io, error);
    if (ret == QED_OK)
        ret = plan_and_apply(plan, io, options, report, error);
    qed_plan_free(plan);
    return ret;
}

void mend_forget_given_up(struct guest *before, const struct check_report *report)
{
    const struct problem_list *fixes = &report->repair.fixes;

    for (size_t i = 0; i < fixes->count; i++) {
        const struct problem *fix = &fixes->problems[i];

        if (fix->action == ACTION_LEAVE)
            continue;
        switch (fix->id) {
        case PROBLEM_L1_NOT_A_TABLE:
        case PROBLEM_L1_ON_L1:
        case PROBLEM_L1_OVERLAP:
            guest_forget(before, fix->virt_off, fix->virt_len);
            break;
        case PROBLEM_L1_SAME_TABLE:
            if (fix->action != ACTION_COPY_TABLE)
                guest_forget(before, fix->virt_off, fix->virt_len);
            break;
        default:
            break;
        }
    }
}
