/*
 * What a repair does beyond the rows of test_qed_repair_rows: when one flipped bit explains an
 * entry and when not, which of two tables is right, and reports.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_repair.h"

#include <stdlib.h>

#include "support/io_mem.h"
#include "support/mend.h"
#include "support/rows.h"
#include "support/unit.h"

#define C ROWS_CLUSTER
#define BIT(n) (UINT64_C(1) << (n))

static struct check_report repair(const struct rows_image *image)
{
    return rows_repair(image, &mend_all);
}

/* How often each action was taken; action and times in pairs, the others never. */
static void check_done(const struct check_report *report, enum problem_action action,
                       uint64_t times)
{
    for (int i = 0; i < ACTION_COUNT; i++) {
        uint64_t expected = i == (int)action ? times : 0;

        if (report->repair.done[i] != expected)
            ck_abort_msg("%s: %u times", problem_action_name((enum problem_action)i),
                         (unsigned int)report->repair.done[i]);
    }
}

START_TEST(a_sound_image_is_not_written)
{
    struct rows_image image = rows_image_new(1);
    struct io *before = io_mem_copy(image.io);
    struct check_report report;

    io_mem_reset_counts(image.io);
    report = repair(&image);
    ck_assert(io_mem_equal(image.io, before));
    ck_assert_uint_eq(io_mem_counts(image.io).writes, 0);
    check_done(&report, ACTION_NONE, 0);
    check_release(&report);
    io_close(before);
    io_close(image.io);
}
END_TEST

/* ---- flipped bits ---- */

START_TEST(an_l2_entry_is_not_put_right_onto_a_cluster_in_use)
{
    struct rows_image image = rows_image_new(1);
    struct check_report report;

    /* Between its neighbours, one bit away, but another entry has that cluster. */
    rows_put_l2(&image, 0, 2, image.data[2] | BIT(40));
    rows_put_l2(&image, 1, 0, image.data[2]);
    report = repair(&image);
    ck_assert_uint_eq(rows_get_l2(&image, 0, 2), 0);
    check_done(&report, ACTION_CLEAR, 1);
    check_release(&report);
    io_close(image.io);
}
END_TEST

START_TEST(two_flipped_bits_are_too_many)
{
    struct rows_image image = rows_image_new(1);
    struct check_report report;

    rows_put_l2(&image, 0, 2, image.data[2] | BIT(40) | BIT(41));
    rows_put_l1(&image, 1, image.t[1] | BIT(40) | BIT(41));
    report = repair(&image);
    ck_assert_uint_eq(rows_get_l2(&image, 0, 2), 0);
    ck_assert_uint_eq(rows_get_l1(&image, 1), 0);
    check_done(&report, ACTION_CLEAR, 2);
    check_release(&report);
    io_close(image.io);
}
END_TEST

START_TEST(a_flipped_bit_beside_one_neighbour_is_put_right)
{
    struct rows_image image = rows_image_new(1);
    struct check_report report;

    rows_put_l2(&image, 0, 0, image.data[0] | BIT(50));
    rows_put_l2(&image, 0, 5, image.data[5] | BIT(62));
    rows_put_l2(&image, 0, 2, image.data[2] | BIT(45));
    rows_put_l2(&image, 0, 3, image.data[3] | 4); /* its low bits are no evidence against it */
    report = repair(&image);
    ck_assert_uint_eq(rows_get_l2(&image, 0, 0), image.data[0]);
    ck_assert_uint_eq(rows_get_l2(&image, 0, 2), image.data[2]);
    ck_assert_uint_eq(rows_get_l2(&image, 0, 3), image.data[3]);
    ck_assert_uint_eq(rows_get_l2(&image, 0, 5), image.data[5]);
    ck_assert_uint_eq(report.repair.done[ACTION_UNFLIP], 3);
    ck_assert_uint_eq(report.repair.done[ACTION_MASK], 1);
    ck_assert_uint_eq(report.repair.guest_lost, 0);
    ck_assert_uint_eq(report.repair.guest_kept, 4 * C);
    check_release(&report);
    io_close(image.io);
}
END_TEST

START_TEST(an_l1_entry_is_put_right_onto_lost_tables_only)
{
    struct rows_image image = rows_image_new(1);
    struct check_report report;

    /* What is one bit away is in use by nothing, but it is data, not a table. */
    rows_put_l1(&image, 2, image.data[2] | BIT(40));
    rows_put_l2(&image, 0, 2, 0);
    /* A lost table one bit away that has an entry past the end may be anything. */
    rows_put_l1(&image, 1, image.t[1] | BIT(40));
    rows_put_l2(&image, 1, 400, image.end);
    report = repair(&image);
    ck_assert_uint_eq(rows_get_l1(&image, 1), 0);
    ck_assert_uint_eq(rows_get_l1(&image, 2), 0);
    check_done(&report, ACTION_CLEAR, 2);
    check_release(&report);
    io_close(image.io);
}
END_TEST

START_TEST(a_lost_table_whose_clusters_are_in_use_is_none)
{
    struct rows_image image = rows_image_new(1);
    struct check_report report;

    rows_put_l1(&image, 1, image.t[1] | BIT(40));
    rows_put_l2(&image, 0, 3, image.data[7]);
    report = repair(&image);
    ck_assert_uint_eq(rows_get_l1(&image, 1), 0);
    check_done(&report, ACTION_CLEAR, 1);
    check_release(&report);
    io_close(image.io);
}
END_TEST

/* Lost tables at 9 and 17 clusters, or the first alone: one bit away from 1, in the header. */
static uint64_t l1_entry_beside(unsigned int lost_tables)
{
    struct rows_image image = rows_image_new(1);
    struct check_report report;
    uint64_t entry;

    ck_assert_uint_eq(image.data[4], 9 * C);
    ck_assert_uint_eq(image.end, 17 * C);
    rows_put_l2(&image, 0, 3, 0);
    rows_put_l2(&image, 0, 4, 0);
    unit_fill(image.io, image.data[4], C, 0);
    unit_put_entry(image.io, image.data[4], 7, image.data[3]);
    if (lost_tables == 2) {
        ck_assert_int_eq(io_set_length(image.io, image.end + 2 * C, NULL), QED_OK);
        unit_put_entry(image.io, image.end, 3, image.end + C);
    }
    rows_put_l1(&image, 2, C);
    report = repair(&image);
    entry = rows_get_l1(&image, 2);
    check_done(&report, entry ? ACTION_UNFLIP : ACTION_CLEAR, 1);
    check_release(&report);
    io_close(image.io);
    return entry;
}

START_TEST(of_two_lost_tables_one_bit_away_none_is_taken)
{
    ck_assert_uint_eq(l1_entry_beside(1), 9 * C);
    ck_assert_uint_eq(l1_entry_beside(2), 0);
}
END_TEST

START_TEST(an_empty_table_on_data_is_put_right_by_one_bit)
{
    struct rows_image image = rows_image_new(1);
    struct check_report report;
    uint64_t data = image.data[9];

    ck_assert_uint_eq(image.t[2] ^ data, BIT(12));
    unit_fill(image.io, data, C, 0);
    rows_put_l1(&image, 3, data);
    rows_put_l2(&image, 0, 5, data);
    rows_put_l2(&image, 2, 0, 0);
    report = repair(&image);
    ck_assert_uint_eq(rows_get_l1(&image, 3), image.t[2]);
    check_done(&report, ACTION_UNFLIP, 1);
    check_release(&report);
    io_close(image.io);
}
END_TEST

/* ---- which of two is right ---- */

START_TEST(of_tables_that_overlap_the_better_one_stays)
{
    struct rows_image image = rows_image_new(2);
    struct check_report report;

    rows_put_l2(&image, 0, 600, image.data[8]);
    rows_put_l2(&image, 1, 5, 0);
    rows_put_l2(&image, 0, 1, image.end + C); /* a damaged entry does not make it the worse one */
    rows_put_l1(&image, 2, image.t[0] + C);   /* the rest of it, and the first half of t[1] */
    report = repair(&image);
    ck_assert_uint_eq(rows_get_l1(&image, 0), image.t[0]);
    ck_assert_uint_eq(rows_get_l1(&image, 1), image.t[1]);
    ck_assert_uint_eq(rows_get_l1(&image, 2), 0);
    ck_assert_uint_eq(rows_get_l2(&image, 0, 600), image.data[8]);
    ck_assert_uint_eq(rows_get_l2(&image, 0, 1), 0);
    ck_assert_uint_eq(report.totals.corruptions, 0);
    check_done(&report, ACTION_CLEAR, 2);
    check_release(&report);
    io_close(image.io);
}
END_TEST

START_TEST(of_three_in_a_row_no_more_than_the_middle_one_is_given_up)
{
    struct rows_image image = rows_image_new(2);
    struct check_report report;
    uint64_t low = image.end, middle = low + C, high = low + 2 * C;

    /* Entries: 2 in the first, 3 in the middle one, 4 in the last. */
    ck_assert_int_eq(io_set_length(image.io, low + 10 * C, NULL), QED_OK);
    unit_put_entry(image.io, low, 0, low + 4 * C);
    unit_put_entry(image.io, middle, 0, low + 5 * C);
    unit_put_entry(image.io, high, 0, low + 6 * C);
    unit_put_entry(image.io, high, 1, low + 7 * C);
    unit_put_entry(image.io, high + C, 0, low + 8 * C);
    unit_put_entry(image.io, high + C, 1, low + 9 * C);
    rows_put_l1(&image, 2, low);
    rows_put_l1(&image, 4, middle);
    rows_put_l1(&image, 5, high);
    report = repair(&image);
    ck_assert_uint_eq(rows_get_l1(&image, 2), low);
    ck_assert_uint_eq(rows_get_l1(&image, 4), 0);
    ck_assert_uint_eq(rows_get_l1(&image, 5), high);
    ck_assert_uint_eq(report.totals.corruptions, 0);
    check_release(&report);
    io_close(image.io);
}
END_TEST

START_TEST(a_file_that_was_cut_does_not_make_a_table_the_worse_one)
{
    struct rows_image image = rows_image_new(2);
    struct check_report report;

    for (uint64_t i = 10; i < 60; i++)
        rows_put_l2(&image, 0, i, image.end + i * C);
    rows_put_l1(&image, 2, image.t[0] + C); /* empty: what follows t[0] is the start of t[1] */
    rows_put_l1(&image, 1, 0);
    unit_fill(image.io, image.t[1], C, 0);
    report = repair(&image);
    ck_assert_uint_eq(rows_get_l1(&image, 0), image.t[0]);
    ck_assert_uint_eq(rows_get_l1(&image, 2), 0);
    check_release(&report);
    io_close(image.io);
}
END_TEST

START_TEST(zero_clusters_of_a_table_without_sense_are_kept_over_a_backing_file)
{
    for (int backing = 0; backing < 2; backing++) {
        struct rows_image image = rows_image_new(1);
        struct check_report report;

        if (backing) {
            unit_put64(image.io, 16, QED_FEATURE_BACKING_FILE);
            unit_put64(image.io, 56, 64 | UINT64_C(4) << 32);
            ck_assert_int_eq(io_write(image.io, "base", 4, 64, NULL), QED_OK);
        }
        for (uint64_t i = 0; i < 20; i++)
            rows_put_l2(&image, 1, i, UINT64_C(0x6161616161616161));
        rows_put_l2(&image, 1, 300, QED_ENTRY_ZERO);
        report = repair(&image);
        ck_assert_uint_eq(rows_get_l1(&image, 1), backing ? image.t[1] : 0);
        ck_assert_uint_eq(report.totals.corruptions, 0);
        check_release(&report);
        io_close(image.io);
    }
}
END_TEST

/* ---- the whole ---- */

START_TEST(what_makes_no_sense_is_left_alone)
{
    for (int i = 0; i < 2; i++) {
        struct rows_image image = rows_image_new(1);
        struct io *before;
        struct check_report report;

        unit_fill(image.io, i ? image.t[0] : image.l1, C, 0x5b);
        unit_fill(image.io, i ? image.t[1] : image.l1, C, 0x5b);
        before = io_mem_copy(image.io);
        report = repair(&image);
        ck_assert(!report.first.makes_sense);
        ck_assert(io_mem_equal(image.io, before));
        check_release(&report);
        io_close(before);
        io_close(image.io);
    }
}
END_TEST

START_TEST(as_many_fixes_are_listed_as_are_asked_for)
{
    struct rows_image image = rows_image_new(1);
    struct qed_repair_options options = mend_all;
    struct check_report report;

    options.problem_limit = 3;
    for (uint64_t i = 0; i < 10; i++)
        rows_put_l2(&image, 1, 100 + i, 8 * (i + 1));
    rows_put_l2(&image, 0, 0, image.data[0] | 1);
    report = rows_repair(&image, &options);
    ck_assert_uint_eq(report.repair.fixes.count, 3);
    ck_assert_uint_eq(report.repair.fixes.found, 11);
    ck_assert_uint_eq(report.repair.done[ACTION_CLEAR], 10);
    ck_assert_uint_eq(report.repair.guest_lost, 10 * C);
    ck_assert_uint_eq(report.repair.fixes.problems[0].l1_index, 0);
    ck_assert_uint_eq(report.repair.fixes.problems[1].l2_index, 100);
    ck_assert_uint_eq(report.repair.fixes.problems[2].l2_index, 101);
    ck_assert_uint_eq(report.totals.corruptions, 0);
    check_release(&report);
    io_close(image.io);
}
END_TEST

START_TEST(many_tables_are_repaired)
{
    uint64_t tables = 300; /* of 64 KiB: more than are kept in memory at once */
    struct unit_image spec = {
        .image_size = UINT64_C(8192) * C * 300, .table_size = 16, .clusters = 17 + 301 * 16};
    struct rows_image image = {.io = unit_image_new(&spec)};
    struct check_report report;

    for (uint64_t i = 0; i < tables; i++) {
        uint64_t table = (17 + 16 * i) * C;

        unit_put_entry(image.io, C, i, table | (i % 2));
        unit_put_entry(image.io, table, i, spec.clusters * C);
        unit_put_entry(image.io, table, 8000, (17 + 300 * 16 + i % 16) * C | 2);
    }
    report = repair(&image);
    for (uint64_t i = 0; i < tables; i++) {
        uint64_t table = (17 + 16 * i) * C;

        if (unit_get_entry(image.io, C, i) != table || unit_get_entry(image.io, table, i) != 0)
            ck_abort_msg("table %u", (unsigned int)i);
    }
    ck_assert_uint_eq(report.repair.done[ACTION_MASK], tables / 2 + 16);
    ck_assert_uint_eq(report.repair.done[ACTION_CLEAR], tables + tables - 16);
    ck_assert_uint_eq(unit_check(image.io).corruptions, 0);
    check_release(&report);
    io_close(image.io);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("qed_repair");

    tcase_add_test(tests, a_sound_image_is_not_written);
    tcase_add_test(tests, an_l2_entry_is_not_put_right_onto_a_cluster_in_use);
    tcase_add_test(tests, two_flipped_bits_are_too_many);
    tcase_add_test(tests, a_flipped_bit_beside_one_neighbour_is_put_right);
    tcase_add_test(tests, an_l1_entry_is_put_right_onto_lost_tables_only);
    tcase_add_test(tests, a_lost_table_whose_clusters_are_in_use_is_none);
    tcase_add_test(tests, of_two_lost_tables_one_bit_away_none_is_taken);
    tcase_add_test(tests, an_empty_table_on_data_is_put_right_by_one_bit);
    tcase_add_test(tests, of_tables_that_overlap_the_better_one_stays);
    tcase_add_test(tests, of_three_in_a_row_no_more_than_the_middle_one_is_given_up);
    tcase_add_test(tests, a_file_that_was_cut_does_not_make_a_table_the_worse_one);
    tcase_add_test(tests, zero_clusters_of_a_table_without_sense_are_kept_over_a_backing_file);
    tcase_add_test(tests, what_makes_no_sense_is_left_alone);
    tcase_add_test(tests, as_many_fixes_are_listed_as_are_asked_for);
    tcase_add_test(tests, many_tables_are_repaired);
    return unit_run(tests);
}
