/*
 * Every row of the table of repairs: what is done, what the report says of it, and what the guest
 * reads before and after.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_repair.h"

#include <inttypes.h>
#include <stdio.h>

#include "support/io_mem.h"
#include "support/mend.h"
#include "support/rows.h"
#include "support/unit.h"

#define FAIL(row, ...)                        \
    do {                                      \
        fprintf(stderr, "%s: ", (row)->name); \
        ck_abort_msg(__VA_ARGS__);            \
    } while (0)

/* The fix of a finding of that kind with that action; NULL when there is none. */
static const struct problem *find_fix(const struct qed_repair_report *report, enum problem_id id,
                                      enum problem_action action)
{
    for (size_t i = 0; i < report->fixes.count; i++) {
        const struct problem *fix = &report->fixes.problems[i];

        if (fix->id == id && fix->action == action)
            return fix;
    }
    return NULL;
}

static void check_report_of(const struct row *row, const struct rows_image *image,
                            const struct check_report *report)
{
    const struct qed_repair_report *repair = &report->repair;
    int64_t span = (int64_t)image->span, cluster = (int64_t)ROWS_CLUSTER;
    int64_t lost = row->lost.spans * span + row->lost.clusters * cluster + row->lost.bytes;
    int64_t kept = row->kept.spans * span + row->kept.clusters * cluster + row->kept.bytes;
    uint64_t left = row->left * image->table_bytes / ROWS_CLUSTER;

    if (row->id != PROBLEM_COUNT && !find_fix(repair, row->id, row->action))
        FAIL(row, "%s is not listed", problem_kind(row->id)->name);
    if (row->id == PROBLEM_COUNT && repair->fixes.count > 0)
        FAIL(row, "something is done");
    if (repair->done[row->action] != row->times)
        FAIL(row, "%s: %" PRIu64 " times", problem_action_name(row->action),
             repair->done[row->action]);
    if ((int64_t)repair->guest_lost != lost || (int64_t)repair->guest_kept != kept)
        FAIL(row, "%" PRIu64 " lost, %" PRIu64 " kept", repair->guest_lost, repair->guest_kept);
    if (repair->leaks != row->fate)
        FAIL(row, "leaks: %d", (int)repair->leaks);
    if (report->totals.corruptions != left || repair->after.corruptions != left)
        FAIL(row, "%" PRIu64 " corruptions are left", report->totals.corruptions);
}

static void check_guest(const struct row *row, struct guest *before, struct guest *after,
                        const struct check_report *report)
{
    uint64_t lost;

    mend_forget_given_up(before, report);
    lost = guest_first_loss(before, after);
    if (lost != UINT64_MAX)
        FAIL(row, "guest byte 0x%" PRIx64 " is lost", lost);
    if (!row->left && after->unreadable)
        FAIL(row, "%zu clusters cannot be read", after->unreadable);
}

static void check_row(const struct row *row, uint32_t table_size)
{
    struct rows_image image = rows_image_new(table_size);
    struct guest before, after;
    struct check_report report;

    row->damage(&image);
    guest_read(image.io, &before);
    ck_assert_int_eq(mend(image.io, CHECK_REPAIR_ALL, &report, NULL), QED_OK);
    guest_read(image.io, &after);
    check_report_of(row, &image, &report);
    check_guest(row, &before, &after, &report);
    if (!row->left && unit_get64(image.io, 16) != 0)
        FAIL(row, "the mark is still there");
    guest_release(&before);
    guest_release(&after);
    check_release(&report);
    io_close(image.io);
}

START_TEST(each_gets_what_the_table_says)
{
    for (size_t i = 0; i < rows_count; i++)
        check_row(&rows[i], 1U << _i);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("qed_repair_rows");

    tcase_add_loop_test(tests, each_gets_what_the_table_says, 0, 2);
    return unit_run(tests);
}
