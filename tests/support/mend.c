/*
 * SPDX-License-Identifier: MIT
 */
#include "support/mend.h"

#include "core/repair.h"

static int check(struct io *io, const struct check_options *options, struct check_report *report,
                 struct qed_error *error)
{
    struct qed_image *image = NULL;
    int ret = qed_open(&image, io, false, error);

    if (ret < 0)
        return ret;
    ret = qed_check(image, &options->scan, options->problem_limit, &report->first, error);
    report->totals = report->first.totals;
    qed_close(image);
    return ret;
}

int mend(struct io *io, enum check_repair what, struct check_report *report,
         struct qed_error *error)
{
    struct check_options options = {.repair = what,
                                    .problem_limit = MEND_LIMIT,
                                    .scan = {.queue = IO_QUEUE_SYNC, .threads = 1}};
    int ret;

    *report = (struct check_report){0};
    ret = check(io, &options, report, error);
    return ret < 0 ? ret : repair_image(io, true, &options, report, error);
}

void mend_forget_given_up(struct guest *before, const struct check_report *report)
{
    const struct problem_list *fixes = &report->repair.fixes;

    for (size_t i = 0; i < fixes->count; i++) {
        const struct problem *fix = &fixes->problems[i];

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
