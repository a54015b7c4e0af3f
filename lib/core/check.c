/*
 * Opens the image, checks it, and has it repaired.
 * SPDX-License-Identifier: MIT
 */
#include "core/check.h"

#include "core/image.h"
#include "core/repair.h"
#include "io/io_file.h"

static enum check_verdict verdict_of(const struct qed_check_totals *totals)
{
    if (totals->corruptions)
        return CHECK_CORRUPT;
    return totals->leaks ? CHECK_LEAKS : CHECK_CLEAN;
}

static int check_passes(struct qed_image *qed, const struct check_options *options,
                        struct check_report *report, struct qed_error *error)
{
    int ret = qed_check(qed, &options->scan, options->problem_limit, &report->first, error);

    report->totals = report->first.totals;
    if (ret == QED_OK && options->repair != CHECK_REPAIR_NONE)
        ret = repair_image(qed->io, options, report, error);
    return ret;
}

/* The image cannot be opened for its header: find every field that is to blame. */
static void inspect_header(const char *path, size_t limit, struct problem_list *problems)
{
    uint8_t bytes[QED_HEADER_BYTES];
    struct io *io = NULL;
    uint64_t length;

    problem_list_init(problems, limit);
    if (io_file_open(&io, path, false, NULL, NULL) == QED_OK &&
        io_get_length(io, &length, NULL) == QED_OK &&
        io_read_padded(io, bytes, sizeof(bytes), 0, NULL) == QED_OK)
        qed_header_inspect(bytes, length, problem_list_add, problems);
    io_close(io);
    problem_list_sort(problems);
}

enum check_verdict check_image(const char *path, const struct check_options *options,
                               struct check_report *report, struct qed_error *error)
{
    struct image_options open_options = {.format = options->format,
                                         .writable = options->repair != CHECK_REPAIR_NONE &&
                                                     !options->dry_run,
                                         .share = options->share,
                                         .backing = IMAGE_BACKING_IGNORE};
    enum check_verdict verdict = CHECK_FAILED;
    struct image *image = NULL;
    struct qed_image *qed;
    int ret;

    *report = (struct check_report){0};
    ret = image_open(&image, path, &open_options, error);
    if (ret == QED_ERR_HEADER || ret == QED_ERR_UNSUPPORTED)
        inspect_header(path, options->problem_limit, &report->first.problems);
    if (ret < 0)
        return CHECK_FAILED;
    report->format = image_format(image, 0);
    qed = image_qed(image, 0);
    if (!qed) {
        verdict = CHECK_NO_CHECK;
    } else {
        ret = check_passes(qed, options, report, error);
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
    qed_check_release(&report->first);
    problem_list_release(&report->problems);
    qed_repair_release(&report->repair);
}
