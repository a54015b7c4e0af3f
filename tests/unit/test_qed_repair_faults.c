/*
 * Every kind of repair with every operation on the file failing in turn: the image is no worse for
 * it, and a second repair ends where one that never failed does.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_repair.h"

#include <inttypes.h>
#include <stdio.h>

#include "support/io_fault.h"
#include "support/io_mem.h"
#include "support/mend.h"
#include "support/rows.h"
#include "support/unit.h"

#define FAIL(trial, ...)                                                                    \
    do {                                                                                    \
        fprintf(stderr, "%s, operation %zu: ", (trial)->row->name, (trial)->fault.fail_at); \
        ck_abort_msg(__VA_ARGS__);                                                          \
    } while (0)

struct trial {
    const struct row *row;
    struct rows_image image; /* damaged */
    struct io_fault_plan fault;
    struct guest before, after; /* the repair that does not fail */
    uint64_t corruptions;       /* that it leaves */
    bool reads_tables;          /* entries read tables as data */
};

/* How the operations fail. */
static const struct io_fault_plan kinds[] = {
    {.code = QED_ERR_IO},
    {.code = QED_ERR_IO, .torn = true, .kinds = IO_FAULT_CHANGES},
    {.code = QED_ERR_NO_SPACE, .from_then_on = true, .kinds = IO_FAULT_CHANGES},
};

static void begin(struct trial *trial)
{
    struct io *io = io_mem_copy(trial->image.io);
    struct check_report report;

    guest_read(io, &trial->before);
    if (mend(io, CHECK_REPAIR_ALL, &report, NULL) < 0)
        FAIL(trial, "repair failed");
    guest_read(io, &trial->after);
    mend_forget_given_up(&trial->before, &report);
    trial->corruptions = report.totals.corruptions;
    for (size_t i = 0; i < report.repair.fixes.count; i++) {
        enum problem_id id = report.repair.fixes.problems[i].id;

        trial->reads_tables |= id == PROBLEM_L2_ON_TABLE || id == PROBLEM_L2_ON_L1;
    }
    check_release(&report);
    io_close(io);
}

static void end(struct trial *trial)
{
    guest_release(&trial->before);
    guest_release(&trial->after);
    io_close(trial->image.io);
}

static void check_kept(const struct trial *trial, const struct guest *guest, struct io *io,
                       const char *when)
{
    struct guest now;
    uint64_t lost;

    guest_read(io, &now);
    lost = guest_first_loss(guest, &now);
    if (lost != UINT64_MAX)
        FAIL(trial, "guest byte 0x%" PRIx64 " is lost %s", lost, when);
    guest_release(&now);
}

/* Returns whether an operation failed. */
static bool check_failure(struct trial *trial)
{
    struct io *io = io_mem_copy(trial->image.io), *fault = io_fault_new(io, &trial->fault);
    struct check_report report;
    bool failed;
    int ret = mend(fault, CHECK_REPAIR_ALL, &report, NULL);

    failed = io_fault_happened(fault);
    if (failed != (ret < 0))
        FAIL(trial, "%s", failed ? "the failure is not told" : "there was no failure");
    check_release(&report);
    check_kept(trial, &trial->before, io, "by the failure");
    ret = mend(io, CHECK_REPAIR_ALL, &report, NULL);
    if (ret < 0)
        FAIL(trial, "a second repair failed");
    if (report.totals.corruptions > trial->corruptions)
        FAIL(trial, "%" PRIu64 " corruptions are left", report.totals.corruptions);
    check_release(&report);
    /* There, what points past the end may come to point to where the file has grown. */
    check_kept(trial, trial->reads_tables ? &trial->before : &trial->after, io,
               "by a second repair");
    io_close(fault);
    io_close(io);
    return failed;
}

START_TEST(every_failure_can_be_repaired)
{
    size_t failures = 0;

    for (size_t i = 0; i < rows_count; i++) {
        struct trial trial = {.row = &rows[i], .image = rows_image_new(1), .fault = kinds[_i]};

        rows[i].damage(&trial.image);
        begin(&trial);
        for (trial.fault.fail_at = 1; check_failure(&trial); trial.fault.fail_at++)
            failures++;
        end(&trial);
    }
    printf("%zu failures\n", failures);
    ck_assert_uint_gt(failures, rows_count * 2);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("qed_repair_faults");

    tcase_add_loop_test(tests, every_failure_can_be_repaired, 0,
                        (int)(sizeof(kinds) / sizeof(kinds[0])));
    return unit_run(tests);
}
