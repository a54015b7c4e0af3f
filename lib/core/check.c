/*
 * Opens the image, checks it, and has it repaired.
 * SPDX-License-Identifier: MIT
 */
#include "core/check.h"

#include "core/image.h"
#include "core/repair.h"
#include "format/driver.h"
#include "io/io_file.h"
#include "io/io_lock.h"

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
        ret = repair_image(qed->io, true, options, report, error);
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

static bool writes(const struct check_options *options)
{
    return options->repair != CHECK_REPAIR_NONE && !options->dry_run;
}

/* Repair an image whose header keeps it from being opened. */
static int repair_unopened(const char *path, const struct check_options *options,
                           struct check_report *report, struct qed_error *error)
{
    struct io *io = NULL;
    int ret = io_file_open(&io, path, writes(options), NULL, error);

    report->format = qed_driver.name;
    if (ret == QED_OK && !options->share)
        ret = io_lock(io, path, writes(options), error);
    if (ret == QED_OK) {
        ret = repair_image(io, false, options, report, error);
        if (ret < 0)
            qed_fail_prefix(error, ret, "Could not open '%s'", path);
    }
    io_close(io);
    return ret;
}

/* Whether a header that keeps the image from being opened is to be mended. */
static bool mends_header(const struct check_options *options, int open_status)
{
    return options->repair == CHECK_REPAIR_ALL &&
           (open_status == QED_ERR_HEADER || open_status == QED_ERR_UNSUPPORTED ||
            (open_status == QED_ERR_FORMAT && options->rebuild));
}

/*
 * Open, check, repair. A raw image that is to be rebuilt is taken for a QED image that has lost its
 * magic.
 */
static int open_and_check(const char *path, const struct check_options *options,
                          struct check_report *report, bool *no_check, struct qed_error *error)
{
    struct image_options open_options = {.format = options->format,
                                         .writable = writes(options),
                                         .share = options->share,
                                         .backing = IMAGE_BACKING_IGNORE};
    struct image *image = NULL;
    int ret = image_open(&image, path, &open_options, error);

    if (ret == QED_ERR_HEADER || ret == QED_ERR_UNSUPPORTED)
        inspect_header(path, options->problem_limit, &report->first.problems);
    if (mends_header(options, ret))
        return repair_unopened(path, options, report, error);
    if (ret < 0)
        return ret;
    report->format = image_format(image, 0);
    *no_check = !image_qed(image, 0);
    if (!*no_check) {
        ret = check_passes(image_qed(image, 0), options, report, error);
        if (ret < 0)
            qed_fail_prefix(error, ret, "'%s'", path);
    }
    image_close(image);
    if (!*no_check || !options->rebuild || options->format)
        return ret;
    *no_check = false;
    return repair_unopened(path, options, report, error);
}

enum check_verdict check_image(const char *path, const struct check_options *options,
                               struct check_report *report, struct qed_error *error)
{
    bool no_check = false;
    int ret;

    *report = (struct check_report){.path = path, .rebuild_asked = options->rebuild};
    ret = open_and_check(path, options, report, &no_check, error);
    if (ret < 0)
        return CHECK_FAILED;
    return no_check ? CHECK_NO_CHECK : verdict_of(&report->totals);
}

void check_release(struct check_report *report)
{
    qed_check_release(&report->first);
    problem_list_release(&report->header_problems);
    problem_list_release(&report->problems);
    qed_repair_release(&report->repair);
}
