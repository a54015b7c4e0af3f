/*
 * A header is rebuilt, given another image size, or kept where only the file's end is missing.
 * SPDX-License-Identifier: MIT
 */
#include "core/repair_header.h"

#include <inttypes.h>

#include "base/checked.h"

/* Work the header out from the tables. */
static int rebuild_header(struct qed_plan *plan, struct io *io, const struct check_options *options,
                          struct check_report *report, struct qed_error *error)
{
    struct qed_rebuild_options rebuild_options = {
        .image_size = options->has_image_size ? options->image_size : 0, .scan = options->scan};
    int ret = qed_rebuild_header(io, &rebuild_options, &report->rebuild, error);

    report->rebuilt = ret == QED_OK;
    return ret < 0 ? ret : qed_rebuild_plan_header(plan, &report->rebuild, error);
}

static int read_header(struct io *io, uint64_t length, struct qed_header *header,
                       struct qed_error *error)
{
    uint8_t bytes[QED_HEADER_BYTES];
    int ret;

    if (length < sizeof(bytes))
        return qed_fail(error, QED_ERR_HEADER,
                        "QED header is cut short (the file has %" PRIu64 " bytes)", length);
    ret = io_read(io, bytes, sizeof(bytes), 0, error);
    if (ret == QED_OK)
        qed_header_decode(header, bytes);
    return ret;
}

/* The header as it is, but for the image size. With is_open, what the guest can read stays. */
static int set_image_size(struct qed_plan *plan, struct io *io, bool is_open,
                          const struct qed_check_totals *totals, uint64_t image_size,
                          struct qed_error *error)
{
    struct qed_header header;
    struct qed_geometry geometry;
    uint64_t mapped = saturating_mul(totals->mapped_end, totals->cluster_size);
    int ret = read_header(io, qed_plan_old_length(plan), &header, error);

    if (ret < 0)
        return ret;
    if (is_open && image_size < min_u64(header.image_size, mapped))
        return qed_fail(error, QED_ERR_INVALID,
                        "with an image size of %" PRIu64
                        " the guest would lose bytes: the tables map them up to %" PRIu64,
                        image_size, mapped);
    header.image_size = image_size;
    ret = qed_header_validate(&header, qed_plan_old_length(plan), &geometry, error);
    return ret < 0 ? ret : qed_plan_set_header(plan, &header, error);
}

/* Where the file ends inside the L1 table alone, make it longer: what is cut off is zeroes. */
static int extend_l1(struct qed_plan *plan, struct io *io, struct qed_error *error)
{
    uint64_t length = qed_plan_old_length(plan), end;
    struct qed_header header;
    struct qed_geometry geometry;
    int ret = read_header(io, qed_plan_old_length(plan), &header, error);

    if (ret < 0)
        return ret;
    if (header.l1_table_offset < length && qed_table_size_valid(header.table_size) &&
        checked_add(header.l1_table_offset, (uint64_t)header.table_size * header.cluster_size,
                    &end) &&
        qed_header_validate(&header, end, &geometry, NULL) == QED_OK)
        return qed_plan_extend(plan, end, error);
    return qed_header_validate(&header, length, &geometry, error);
}

/*
 * The findings so far are about a header that is no more: what is kept of them is what was wrong
 * with it.
 */
static void put_findings_aside(struct check_report *report)
{
    struct problem_list *found = &report->first.problems, *kept = &report->header_problems;

    problem_list_init(kept, found->limit);
    for (size_t i = 0; i < found->count; i++) {
        const struct problem *problem = &found->problems[i];

        if (!problem->has_l1_index && problem_kind(problem->id)->severity >= SEVERITY_CORRUPTION)
            problem_list_add(kept, problem);
    }
    qed_check_release(&report->first);
}

/* Check what the header as it will be makes of the image. */
static int check_mended(struct qed_plan *plan, bool is_open, const struct check_options *options,
                        struct check_report *report, struct qed_error *error)
{
    struct qed_image *image = NULL;
    int ret = qed_open(&image, qed_plan_view(plan), false, error);

    if (ret < 0)
        return ret;
    put_findings_aside(report);
    report->header_action =
        report->rebuilt || options->has_image_size ? ACTION_SET_FIELD : ACTION_EXTEND;
    if (report->rebuilt)
        ret = qed_check_again(image, &options->scan, options->problem_limit, &report->first, error);
    else
        ret = qed_check(image, &options->scan, options->problem_limit, &report->first, error);
    if (!options->dry_run || !is_open)
        report->totals = report->first.totals;
    if (options->dry_run && !is_open)
        report->totals.corruptions += report->header_problems.found;
    qed_close(image);
    return ret;
}

int repair_header(struct qed_plan *plan, struct io *io, bool is_open,
                  const struct check_options *options, struct check_report *report,
                  struct qed_error *error)
{
    bool is_lost = !is_open || !report->first.makes_sense || report->first.l1_is_empty;
    int ret = QED_OK;

    if (options->rebuild && is_lost)
        ret = rebuild_header(plan, io, options, report, error);
    else if (options->has_image_size)
        ret = set_image_size(plan, io, is_open, &report->first.totals, options->image_size, error);
    else if (!is_open)
        ret = extend_l1(plan, io, error);
    qed_plan_settle(plan);
    if (ret < 0 || (is_open && report->first.makes_sense && !qed_plan_changes_anything(plan)))
        return ret;
    if (is_open && !qed_plan_changes_anything(plan) && !report->rebuilt)
        return QED_OK;
    return check_mended(plan, is_open, options, report, error);
}
