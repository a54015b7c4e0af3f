/*
 * Check and repair of image files, as a command asks for them.
 * SPDX-License-Identifier: MIT
 */
#include "core/check.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "core/image.h"
#include "io/io_file.h"
#include "support/unit.h"

#define C UINT64_C(4096)
#define L1 C

/* An image of four clusters of data behind one table. */
static void make_image(const char *name)
{
    unit_create_qed(name, 100 * C, NULL, false);
    unit_write_qed(name, 0, 4 * C, 9);
}

static struct io *open_file(const char *name)
{
    struct io *io = NULL;

    ck_assert_int_eq(io_file_open(&io, name, true, NULL, NULL), QED_OK);
    return io;
}

static void put_l2_entry(const char *name, uint64_t index, uint64_t value)
{
    struct io *io = open_file(name);

    unit_put_entry(io, unit_get_entry(io, L1, 0), index, value);
    io_close(io);
}

static uint64_t get_l2_entry(const char *name, uint64_t index)
{
    struct io *io = open_file(name);
    uint64_t entry = unit_get_entry(io, unit_get_entry(io, L1, 0), index);

    io_close(io);
    return entry;
}

static void put_header(const char *name, uint64_t file_off, uint64_t value)
{
    struct io *io = open_file(name);

    unit_put64(io, file_off, value);
    io_close(io);
}

static uint64_t get_features(const char *name)
{
    struct io *io = open_file(name);
    uint64_t features = unit_get64(io, 16);

    io_close(io);
    return features;
}

static enum check_verdict check(const char *name, enum check_repair repair,
                                struct check_report *report)
{
    struct check_options options = {.repair = repair, .problem_limit = 100};

    return check_image(name, &options, report, NULL);
}

/* The verdict alone. */
static int verdict(const char *name, enum check_repair repair)
{
    struct check_report report;
    enum check_verdict found = check(name, repair, &report);

    check_release(&report);
    return (int)found;
}

START_TEST(a_clean_image_is_clean)
{
    struct check_report report;

    make_image("a.qed");
    ck_assert_int_eq(check("a.qed", CHECK_REPAIR_NONE, &report), CHECK_CLEAN);
    ck_assert_str_eq(report.format, "qed");
    ck_assert_uint_eq(report.totals.allocated_clusters, 4);
    ck_assert_uint_eq(report.first.problems.found, 0);
    ck_assert(!report.repaired && !report.repair_refused);
    check_release(&report);
    check_release(&report);
}
END_TEST

START_TEST(leaks_and_corruption_have_verdicts_of_their_own)
{
    make_image("a.qed");
    put_l2_entry("a.qed", 3, 0);
    ck_assert_int_eq(verdict("a.qed", CHECK_REPAIR_NONE), CHECK_LEAKS);
    put_l2_entry("a.qed", 50, 7);
    ck_assert_int_eq(verdict("a.qed", CHECK_REPAIR_NONE), CHECK_CORRUPT);
}
END_TEST

START_TEST(a_format_without_check_says_so)
{
    struct check_report report;

    unit_write_file("a.raw", "abc", 3);
    ck_assert_int_eq(check("a.raw", CHECK_REPAIR_NONE, &report), CHECK_NO_CHECK);
    ck_assert_str_eq(report.format, "raw");
    check_release(&report);
    ck_assert_int_eq(verdict("a.raw", CHECK_REPAIR_ALL), CHECK_NO_CHECK);
}
END_TEST

START_TEST(what_cannot_be_opened_has_failed)
{
    struct check_options options = {.format = "qed", .problem_limit = 100};
    struct qed_error error = QED_ERROR_INIT;
    struct check_report report;

    ck_assert_int_eq(check_image("missing", &options, &report, &error), CHECK_FAILED);
    ck_assert_int_eq(error.code, QED_ERR_OPEN);
    check_release(&report);
    unit_write_file("a.raw", "abc", 3);
    ck_assert_int_eq(check_image("a.raw", &options, &report, &error), CHECK_FAILED);
    ck_assert_int_eq(error.code, QED_ERR_FORMAT);
    ck_assert_uint_eq(report.first.problems.found, 0);
    check_release(&report);
}
END_TEST

START_TEST(a_broken_header_has_its_fields_named)
{
    struct check_report report;

    make_image("a.qed");
    put_header("a.qed", 48, 1000);
    ck_assert_int_eq(check("a.qed", CHECK_REPAIR_ALL, &report), CHECK_FAILED);
    ck_assert_uint_eq(report.first.problems.count, 1);
    ck_assert_str_eq(problem_kind(report.first.problems.problems[0].id)->name, "QED-IMAGE-SIZE");
    check_release(&report);
    put_header("a.qed", 16, 8);
    ck_assert_int_eq(check("a.qed", CHECK_REPAIR_NONE, &report), CHECK_FAILED);
    ck_assert_uint_eq(report.first.problems.count, 2);
    check_release(&report);
}
END_TEST

/* What was done about the finding of that kind; ACTION_COUNT when there is none. */
static enum problem_action action_of(const struct check_report *report, enum problem_id id)
{
    for (size_t i = 0; i < report->problems.count; i++) {
        if (report->problems.problems[i].id == id)
            return report->problems.problems[i].action;
    }
    return ACTION_COUNT;
}

START_TEST(repair_mends_and_checks_again)
{
    struct check_report report;

    make_image("a.qed");
    put_l2_entry("a.qed", 3, 5000 * C);
    put_l2_entry("a.qed", 1, get_l2_entry("a.qed", 1) | 2);
    put_header("a.qed", 16, 2);
    ck_assert_int_eq(check("a.qed", CHECK_REPAIR_ALL, &report), CHECK_LEAKS);
    ck_assert(report.planned && report.repaired && !report.dry_run && report.mark_cleared);
    ck_assert_uint_eq(report.corruptions_fixed, 2);
    ck_assert_uint_eq(report.first.totals.corruptions, 2);
    ck_assert_uint_eq(report.totals.corruptions, 0);
    ck_assert_int_eq((int)action_of(&report, PROBLEM_L2_PAST_END), ACTION_CLEAR);
    ck_assert_int_eq((int)action_of(&report, PROBLEM_L2_LOW_BITS), ACTION_MASK);
    ck_assert_int_eq((int)action_of(&report, PROBLEM_DIRTY), ACTION_CLEAR_BITS);
    /* What entry 3 named is a leak that came to light with the repair, and a hole by now. */
    ck_assert_int_eq((int)report.repair.leaks, QED_LEAKS_GIVEN_BACK);
    ck_assert_uint_eq(report.repair.punched, C);
    ck_assert_uint_eq(report.totals.leaks, 1);
    check_release(&report);
    ck_assert_uint_eq(get_l2_entry("a.qed", 3), 0);
    ck_assert_uint_eq(get_features("a.qed"), 0);
    ck_assert(unit_reads_as("a.qed", 0, 3 * C, 9));
}
END_TEST

START_TEST(a_shared_cluster_is_copied)
{
    struct check_report report;

    make_image("a.qed");
    put_l2_entry("a.qed", 7, get_l2_entry("a.qed", 2));
    ck_assert_int_eq(check("a.qed", CHECK_REPAIR_ALL, &report), CHECK_CLEAN);
    ck_assert_int_eq((int)action_of(&report, PROBLEM_L2_SHARED), ACTION_COPY);
    ck_assert_uint_eq(report.repair.copied, C);
    check_release(&report);
    ck_assert_uint_ne(get_l2_entry("a.qed", 7), get_l2_entry("a.qed", 2));
    ck_assert(unit_reads_as("a.qed", 7 * C, C, 9));
    ck_assert_int_eq(verdict("a.qed", CHECK_REPAIR_NONE), CHECK_CLEAN);
}
END_TEST

/* Two L1 entries with one table, and a lost table that may be one of them. */
static void make_image_for_rebuild(const char *name)
{
    struct io *io;
    uint64_t end;

    make_image(name);
    io = open_file(name);
    ck_assert_int_eq(io_get_length(io, &end, NULL), QED_OK);
    ck_assert_int_eq(io_set_length(io, end + 2 * C, NULL), QED_OK);
    unit_put_entry(io, end, 0, end + C);
    unit_put_entry(io, L1, 1, unit_get_entry(io, L1, 0));
    io_close(io);
}

START_TEST(what_repair_cannot_mend_keeps_the_image_dirty)
{
    struct check_report report;

    make_image_for_rebuild("a.qed");
    put_l2_entry("a.qed", 4, 7);
    ck_assert_int_eq(check("a.qed", CHECK_REPAIR_ALL, &report), CHECK_CORRUPT);
    ck_assert_uint_eq(report.corruptions_fixed, 1);
    ck_assert_uint_eq(report.totals.corruptions, 1);
    ck_assert(report.repair.tables_wait && !report.mark_cleared);
    ck_assert_int_eq((int)action_of(&report, PROBLEM_L1_SAME_TABLE), ACTION_LEAVE);
    ck_assert_int_eq((int)action_of(&report, PROBLEM_ORPHAN_TABLE), ACTION_NONE);
    check_release(&report);
    ck_assert_uint_eq(get_features("a.qed"), 2);
}
END_TEST

START_TEST(a_dry_run_tells_the_same_and_writes_nothing)
{
    struct check_options options = {
        .repair = CHECK_REPAIR_ALL, .dry_run = true, .problem_limit = 100};
    struct check_report dry, wet;
    size_t len_before, len_after;
    uint8_t *before, *after;

    make_image("a.qed");
    put_l2_entry("a.qed", 3, 5000 * C);
    put_l2_entry("a.qed", 7, get_l2_entry("a.qed", 2));
    before = unit_read_file("a.qed", &len_before);
    ck_assert_int_eq(chmod("a.qed", 0400), 0);
    ck_assert_int_eq((int)check_image("a.qed", &options, &dry, NULL), CHECK_CORRUPT);
    after = unit_read_file("a.qed", &len_after);
    ck_assert_uint_eq(len_before, len_after);
    ck_assert_mem_eq(before, after, len_before);
    ck_assert(dry.planned && dry.dry_run && !dry.repaired);
    ck_assert_uint_eq(dry.corruptions_fixed, 0);
    ck_assert_uint_eq(dry.totals.corruptions, 2);
    ck_assert_int_eq(chmod("a.qed", 0600), 0);
    check("a.qed", CHECK_REPAIR_ALL, &wet);
    ck_assert_uint_eq(dry.problems.count, wet.problems.count);
    for (size_t i = 0; i < dry.problems.count; i++) {
        ck_assert_int_eq((int)dry.problems.problems[i].id, (int)wet.problems.problems[i].id);
        ck_assert_int_eq((int)dry.problems.problems[i].action,
                         (int)wet.problems.problems[i].action);
    }
    ck_assert_uint_eq(dry.repair.guest_lost, wet.repair.guest_lost);
    ck_assert_uint_eq(dry.repair.after.corruptions, wet.totals.corruptions);
    ck_assert_uint_eq(dry.repair.after.leaks, wet.totals.leaks);
    check_release(&dry);
    check_release(&wet);
    free(before);
    free(after);
}
END_TEST

START_TEST(leaks_alone_are_given_back)
{
    struct check_report report;
    struct io *io;
    uint64_t end;

    make_image("a.qed");
    put_l2_entry("a.qed", 1, 0);
    io = open_file("a.qed");
    ck_assert_int_eq(io_get_length(io, &end, NULL), QED_OK);
    unit_fill(io, end, C, 0x11);
    io_close(io);
    ck_assert_int_eq(check("a.qed", CHECK_REPAIR_LEAKS, &report), CHECK_LEAKS);
    ck_assert_uint_eq(report.leaks_fixed, 1); /* the other one is a hole, and still a leak */
    ck_assert_uint_eq(report.totals.leaks, 1);
    ck_assert_uint_eq(report.repair.punched, C);
    ck_assert_uint_eq(report.repair.cut, C);
    ck_assert_int_eq((int)action_of(&report, PROBLEM_LEAK), ACTION_PUNCH);
    ck_assert_int_eq((int)action_of(&report, PROBLEM_LEAK_TAIL), ACTION_CUT);
    check_release(&report);
    ck_assert(unit_reads_as("a.qed", 0, C, 9));
    ck_assert(unit_reads_as("a.qed", 2 * C, 2 * C, 9));
}
END_TEST

START_TEST(an_l1_table_that_was_lost_is_told_whatever_the_repair_has_marked)
{
    struct io *io;

    make_image_for_rebuild("a.qed");
    io = open_file("a.qed");
    unit_put_entry(io, L1, 0, 0);
    unit_put_entry(io, L1, 1, 0);
    io_close(io);
    put_header("a.qed", 32, 4);
    ck_assert_int_eq(verdict("a.qed", CHECK_REPAIR_ALL), CHECK_CORRUPT);
}
END_TEST

START_TEST(a_mark_that_may_explain_lost_tables_stays)
{
    struct check_report report;
    struct io *io;

    make_image_for_rebuild("a.qed");
    io = open_file("a.qed");
    unit_put_entry(io, L1, 0, 0);
    unit_put_entry(io, L1, 1, 0);
    io_close(io);
    put_header("a.qed", 16, 2);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(check("a.qed", CHECK_REPAIR_ALL, &report), CHECK_LEAKS);
        ck_assert(!report.mark_cleared);
        check_release(&report);
        ck_assert_int_eq(verdict("a.qed", CHECK_REPAIR_NONE), CHECK_LEAKS);
        ck_assert_uint_eq(get_features("a.qed"), 2);
    }
}
END_TEST

START_TEST(a_dirty_image_without_damage_is_marked_clean)
{
    make_image("a.qed");
    put_header("a.qed", 16, 2);
    ck_assert_int_eq(verdict("a.qed", CHECK_REPAIR_NONE), CHECK_CLEAN);
    ck_assert_uint_eq(get_features("a.qed"), 2);
    ck_assert_int_eq(verdict("a.qed", CHECK_REPAIR_ALL), CHECK_CLEAN);
    ck_assert_uint_eq(get_features("a.qed"), 0);
}
END_TEST

START_TEST(a_check_without_repair_changes_nothing)
{
    size_t len_before, len_after;
    uint8_t *before, *after;

    make_image("a.qed");
    put_l2_entry("a.qed", 3, 5000 * C);
    put_header("a.qed", 16, 2);
    put_header("a.qed", 32, 2);
    before = unit_read_file("a.qed", &len_before);
    ck_assert_int_eq(chmod("a.qed", 0400), 0);
    ck_assert_int_eq(verdict("a.qed", CHECK_REPAIR_NONE), CHECK_CORRUPT);
    after = unit_read_file("a.qed", &len_after);
    ck_assert_uint_eq(len_before, len_after);
    ck_assert_mem_eq(before, after, len_before);
    free(before);
    free(after);
}
END_TEST

START_TEST(the_backing_file_is_not_needed)
{
    unit_create_qed("a.qed", 100 * C, "nowhere/base.raw", true);
    unit_write_qed("a.qed", 0, C, 1);
    ck_assert_int_eq(verdict("a.qed", CHECK_REPAIR_ALL), CHECK_CLEAN);
}
END_TEST

START_TEST(no_repair_is_tried_where_tables_make_no_sense)
{
    struct check_report report;
    struct io *io;

    make_image("a.qed");
    io = open_file("a.qed");
    unit_fill(io, L1, C, 0x5b);
    io_close(io);
    ck_assert_int_eq(check("a.qed", CHECK_REPAIR_ALL, &report), CHECK_CORRUPT);
    ck_assert(report.repair_refused);
    ck_assert(!report.repaired);
    check_release(&report);
}
END_TEST

START_TEST(an_image_in_use_is_not_repaired)
{
    struct image_options reader = {.backing = IMAGE_BACKING_FOLLOW};
    struct image *image = NULL;
    struct check_report report;
    struct qed_error error = QED_ERROR_INIT;
    struct check_options options = {.repair = CHECK_REPAIR_ALL};

    make_image("a.qed");
    ck_assert_int_eq(image_open(&image, "a.qed", &reader, NULL), QED_OK);
    ck_assert_int_eq(check_image("a.qed", &options, &report, &error), CHECK_FAILED);
    ck_assert_int_eq(error.code, QED_ERR_IN_USE);
    check_release(&report);
    ck_assert_int_eq(verdict("a.qed", CHECK_REPAIR_NONE), CHECK_CLEAN);
    image_close(image);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("check");

    unit_use_folder(tests);
    tcase_add_test(tests, a_clean_image_is_clean);
    tcase_add_test(tests, leaks_and_corruption_have_verdicts_of_their_own);
    tcase_add_test(tests, a_format_without_check_says_so);
    tcase_add_test(tests, what_cannot_be_opened_has_failed);
    tcase_add_test(tests, a_broken_header_has_its_fields_named);
    tcase_add_test(tests, repair_mends_and_checks_again);
    tcase_add_test(tests, a_shared_cluster_is_copied);
    tcase_add_test(tests, what_repair_cannot_mend_keeps_the_image_dirty);
    tcase_add_test(tests, a_dry_run_tells_the_same_and_writes_nothing);
    tcase_add_test(tests, leaks_alone_are_given_back);
    tcase_add_test(tests, an_l1_table_that_was_lost_is_told_whatever_the_repair_has_marked);
    tcase_add_test(tests, a_mark_that_may_explain_lost_tables_stays);
    tcase_add_test(tests, a_dirty_image_without_damage_is_marked_clean);
    tcase_add_test(tests, a_check_without_repair_changes_nothing);
    tcase_add_test(tests, the_backing_file_is_not_needed);
    tcase_add_test(tests, no_repair_is_tried_where_tables_make_no_sense);
    tcase_add_test(tests, an_image_in_use_is_not_repaired);
    return unit_run(tests);
}
