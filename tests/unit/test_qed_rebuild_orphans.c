/*
 * Lost L2 tables go back to their L1 entries: which are found, where they are put, and what is said
 * of it.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_rebuild_orphans.h"

#include "support/disk.h"
#include "support/io_fault.h"
#include "support/io_mem.h"
#include "support/unit.h"

#define C DISK_CLUSTER
#define SPAN DISK_SPAN
#define L1 DISK_L1

START_TEST(nothing_is_adopted_where_nothing_is_lost)
{
    struct disk disk = disk_new(4 * SPAN);
    struct qed_adoption_report report;
    struct qed_plan *plan;

    disk_add_named(&disk, 0, 3);
    disk_add_named(&disk, 2, 3);
    disk_add_data(&disk); /* a leak */
    plan = disk_adopt(disk.io, NULL, &report);
    ck_assert_uint_eq(report.count, 0);
    ck_assert(qed_plan_is_empty(plan));
    disk_finish(&disk, plan, &report);
}
END_TEST

START_TEST(one_orphan_for_one_place_is_certain)
{
    struct disk disk = disk_new(SPAN);
    struct qed_adoption_report report;
    struct qed_plan *plan;
    uint64_t table = disk_add_table(&disk, 5, 7);

    unit_put_entry(disk.io, table, 100, QED_ENTRY_ZERO);
    plan = disk_adopt(disk.io, NULL, &report);
    disk_check_adopted(plan, &report, table, 0, QED_ADOPTION_ONLY_PLACE);
    ck_assert_uint_eq(report.certain, 1);
    ck_assert_uint_eq(report.guessed, 0);
    ck_assert_uint_eq(report.adoptions[0].good, 7);
    ck_assert_uint_eq(report.adoptions[0].zeroes, 1);
    ck_assert_uint_eq(report.adoptions[0].bad, 0);
    ck_assert_uint_eq(report.adoptions[0].guest_bytes, 7 * C);
    ck_assert_uint_eq(report.guest_bytes, 7 * C);
    disk_finish(&disk, plan, &report);
}
END_TEST

START_TEST(an_orphan_between_neighbours_is_certain)
{
    struct disk disk = disk_new(8 * SPAN);
    struct qed_adoption_report report;
    struct qed_plan *plan;
    uint64_t lost;

    disk_add_named(&disk, 1, 3);
    disk_add_named(&disk, 2, 3);
    lost = disk_add_table(&disk, 0, 4);
    disk_add_named(&disk, 4, 3);
    plan = disk_adopt(disk.io, NULL, &report);
    disk_check_adopted(plan, &report, lost, 3, QED_ADOPTION_ONLY_PLACE);
    disk_finish(&disk, plan, &report);
}
END_TEST

START_TEST(an_orphan_with_a_choice_of_places_is_a_guess)
{
    struct disk disk = disk_new(8 * SPAN);
    struct qed_adoption_report report;
    struct qed_plan *plan;
    uint64_t lost;

    disk_add_named(&disk, 1, 3);
    lost = disk_add_table(&disk, 0, 4);
    disk_add_named(&disk, 4, 3);
    plan = disk_adopt(disk.io, NULL, &report);
    disk_check_adopted(plan, &report, lost, 2, QED_ADOPTION_BY_ORDER);
    ck_assert_uint_eq(report.guessed, 1);
    disk_finish(&disk, plan, &report);
}
END_TEST

START_TEST(guesses_can_be_left_out)
{
    struct qed_adoption_options options = {.certain_only = true};
    struct disk disk = disk_new(8 * SPAN);
    struct qed_adoption_report report;
    struct qed_plan *plan;

    disk_add_named(&disk, 1, 3);
    disk_add_table(&disk, 0, 4);
    plan = disk_adopt(disk.io, &options, &report);
    ck_assert_uint_eq(report.count, 1);
    ck_assert_uint_eq(report.guessed, 1);
    ck_assert_uint_eq(report.guest_bytes, 0);
    ck_assert(qed_plan_is_empty(plan));
    disk_finish(&disk, plan, &report);
}
END_TEST

START_TEST(two_orphans_between_neighbours_go_in_file_order)
{
    struct disk disk = disk_new(8 * SPAN);
    struct qed_adoption_report report;
    struct qed_plan *plan;
    uint64_t a, b;

    disk_add_named(&disk, 0, 3);
    a = disk_add_table(&disk, 0, 4);
    b = disk_add_table(&disk, 0, 90);
    disk_add_named(&disk, 3, 3);
    plan = disk_adopt(disk.io, NULL, &report);
    disk_check_adopted(plan, &report, a, 1, QED_ADOPTION_BY_ORDER);
    disk_check_adopted(plan, &report, b, 2, QED_ADOPTION_BY_ORDER);
    disk_finish(&disk, plan, &report);
}
END_TEST

START_TEST(an_empty_l1_comes_back_whole)
{
    struct disk disk = disk_new(5 * SPAN + 100 * C);
    struct qed_adoption_report report;
    struct qed_plan *plan;
    uint64_t tables[6];

    for (uint64_t i = 0; i < 6; i++)
        tables[i] = disk_add_table(&disk, 0, 20 + i);
    plan = disk_adopt(disk.io, NULL, &report);
    ck_assert_uint_eq(report.count, 6);
    ck_assert_uint_eq(report.guessed, 6);
    for (uint64_t i = 0; i < 6; i++)
        disk_check_adopted(plan, &report, tables[i], i, QED_ADOPTION_BY_ORDER);
    ck_assert_uint_eq(unit_check(qed_plan_view(plan)).leaks, 0);
    ck_assert_uint_eq(unit_check(qed_plan_view(plan)).corruptions, 0);
    disk_finish(&disk, plan, &report);
}
END_TEST

START_TEST(an_entry_that_doubles_another_is_a_place)
{
    struct disk disk = disk_new(3 * SPAN);
    struct qed_adoption_report report;
    struct qed_plan *plan;
    uint64_t first = disk_add_named(&disk, 0, 4), lost = disk_add_table(&disk, 0, 4);

    disk_add_named(&disk, 2, 3);
    unit_put_entry(disk.io, L1, 1, first);
    plan = disk_adopt(disk.io, NULL, &report);
    disk_check_adopted(plan, &report, lost, 1, QED_ADOPTION_ONLY_PLACE);
    disk_finish(&disk, plan, &report);
}
END_TEST

START_TEST(an_entry_with_one_flipped_bit_is_certain)
{
    struct disk disk = disk_new(8 * SPAN);
    struct qed_adoption_report report;
    struct qed_plan *plan;
    uint64_t lost;

    disk_add_named(&disk, 1, 3);
    lost = disk_add_table(&disk, 0, 4);
    disk_add_table(&disk, 0, 9);
    disk_add_named(&disk, 7, 3);
    unit_put_entry(disk.io, L1, 5, lost ^ UINT64_C(1) << _i);
    plan = disk_adopt(disk.io, NULL, &report);
    disk_check_adopted(plan, &report, lost, 5, QED_ADOPTION_ONE_BIT);
    ck_assert_uint_eq(report.certain, 2); /* 5 parts what is left: 6 is the other's only place */
    disk_finish(&disk, plan, &report);
}
END_TEST

START_TEST(an_entry_that_was_cleared_still_tells)
{
    struct qed_scan_table was = {.l1_index = 5};
    struct qed_scan_list lost_entries = {.tables = &was, .count = 1};
    struct qed_adoption_options options = {.lost = &lost_entries};
    struct disk disk = disk_new(8 * SPAN);
    struct qed_adoption_report report;
    struct qed_plan *plan;
    uint64_t lost;

    disk_add_named(&disk, 1, 3);
    lost = disk_add_table(&disk, 0, 4);
    was.file_off = lost | UINT64_C(1) << 40;
    plan = disk_adopt(disk.io, &options, &report);
    disk_check_adopted(plan, &report, lost, 5, QED_ADOPTION_ONE_BIT);
    disk_finish(&disk, plan, &report);
}
END_TEST

/* Of tables 0 to 5 in order, entry a names what entry b does. */
static void check_double(uint64_t a, uint64_t b, uint64_t apart)
{
    struct disk disk = disk_new(6 * SPAN);
    struct qed_adoption_report report;
    struct qed_plan *plan;
    uint64_t tables[6];
    enum qed_adoption_ground ground = QED_ADOPTION_ONLY_PLACE;

    disk.end = apart * C;
    for (uint64_t i = 0; i < 6; i++) {
        tables[i] = disk_add_named(&disk, i, 3);
        disk.end += (apart - 4) * C; /* a leaked hole */
    }
    if (is_power_of_two(tables[a] ^ tables[b]))
        ground = QED_ADOPTION_ONE_BIT;
    unit_put_entry(disk.io, L1, a, tables[b]);
    plan = disk_adopt(disk.io, NULL, &report);
    ck_assert_uint_eq(report.count, 1);
    disk_check_adopted(plan, &report, tables[a], a, ground);
    for (uint64_t i = 0; i < 6; i++)
        ck_assert_uint_eq(unit_get_entry(qed_plan_view(plan), L1, i), tables[i]);
    disk_finish(&disk, plan, &report);
}

START_TEST(of_two_entries_that_name_one_table_the_wrong_one_is_found)
{
    for (uint64_t a = 0; a < 6; a++) {
        for (uint64_t b = 0; b < 6; b++) {
            if (a == b)
                continue;
            check_double(a, b, 64);
            check_double(a, b, 5);
        }
    }
}
END_TEST

/* One bit from what two entries name, but its neighbours say that it was neither's. */
START_TEST(order_counts_for_more_than_a_bit_of_a_double)
{
    struct disk disk = disk_new(9 * SPAN);
    struct qed_adoption_report report;
    struct qed_plan *plan;
    uint64_t table, lost;

    disk.end = 16 * C;
    disk_add_named(&disk, 0, 3);
    disk.end = 32 * C;
    table = disk_add_named(&disk, 1, 3);
    unit_put_entry(disk.io, L1, 3, table);
    disk_add_named(&disk, 5, 3);
    disk.end = 96 * C;
    lost = disk_add_table(&disk, 0, 3);
    disk_add_named(&disk, 7, 3);
    plan = disk_adopt(disk.io, NULL, &report);
    disk_check_adopted(plan, &report, lost, 6, QED_ADOPTION_ONLY_PLACE);
    ck_assert_uint_eq(unit_get_entry(qed_plan_view(plan), L1, 3), table);
    disk_finish(&disk, plan, &report);
}
END_TEST

START_TEST(what_names_clusters_in_use_is_no_orphan)
{
    struct disk disk = disk_new(4 * SPAN);
    struct qed_adoption_report report;
    struct qed_plan *plan;
    uint64_t table = disk_add_named(&disk, 0, 9), copy = disk.end;

    unit_fill(disk.io, copy, C, 0); /* a leaked copy of a table that is there */
    for (uint64_t i = 0; i < 9; i++)
        unit_put_entry(disk.io, copy, i, unit_get_entry(disk.io, table, i));
    plan = disk_adopt(disk.io, NULL, &report);
    ck_assert_uint_eq(report.count, 0);
    disk_finish(&disk, plan, &report);
}
END_TEST

START_TEST(of_two_tables_that_claim_the_same_clusters_the_fuller_one_is_taken)
{
    struct disk disk = disk_new(SPAN);
    struct qed_adoption_report report;
    struct qed_plan *plan;
    uint64_t old = disk.end, table;

    unit_fill(disk.io, old, C, 0);
    disk.end += C;
    table = disk_add_table(&disk, 0, 9);
    for (uint64_t i = 0; i < 7; i++)
        unit_put_entry(disk.io, old, i, unit_get_entry(disk.io, table, i));
    plan = disk_adopt(disk.io, NULL, &report);
    ck_assert_uint_eq(report.count, 1);
    disk_check_adopted(plan, &report, table, 0, QED_ADOPTION_ONLY_PLACE);
    disk_finish(&disk, plan, &report);
}
END_TEST

START_TEST(a_table_that_a_table_names_as_data_is_the_guests)
{
    struct disk disk = disk_new(2 * SPAN);
    struct qed_adoption_report report;
    struct qed_plan *plan;
    uint64_t data = disk.end, outer, inner, empty;

    for (uint64_t i = 0; i < 60; i++) /* what it names, and the outer one does not */
        disk_add_data(&disk);
    outer = disk_add_table(&disk, 0, 20);
    inner = disk.end; /* names more than the outer one does, and the outer one itself */
    unit_fill(disk.io, inner, C, 0);
    for (uint64_t i = 0; i < 60; i++)
        unit_put_entry(disk.io, inner, i, data + i * C);
    unit_put_entry(disk.io, inner, 60, outer);
    empty = inner + C; /* zeroes that the guest wrote */
    unit_fill(disk.io, empty, C, 0);
    unit_put_entry(disk.io, outer, 20, inner);
    unit_put_entry(disk.io, outer, 21, empty);
    plan = disk_adopt(disk.io, NULL, &report);
    ck_assert_uint_eq(report.count, 1);
    ck_assert_uint_eq(report.adoptions[0].file_off, outer);
    ck_assert_uint_eq(report.adoptions[0].good, 22);
    disk_finish(&disk, plan, &report);
}
END_TEST

START_TEST(a_few_damaged_entries_are_tolerated)
{
    struct disk disk = disk_new(SPAN);
    struct qed_adoption_report report;
    struct qed_plan *plan;
    uint64_t table = disk_add_table(&disk, 0, 80), few;

    unit_put_entry(disk.io, table, 3, 0x1234567);
    unit_put_entry(disk.io, table, 4, disk.end + 77 * C);
    few = disk_add_table(&disk, 0, 4);
    unit_put_entry(disk.io, few, 3, 0x1234567);
    plan = disk_adopt(disk.io, NULL, &report);
    ck_assert_uint_eq(report.count, 1);
    disk_check_adopted(plan, &report, table, 0, QED_ADOPTION_ONLY_PLACE);
    ck_assert_uint_eq(report.adoptions[0].good, 78);
    ck_assert_uint_eq(report.adoptions[0].bad, 2);
    disk_finish(&disk, plan, &report);
}
END_TEST

START_TEST(where_places_are_few_the_fullest_orphans_get_them)
{
    struct disk disk = disk_new(2 * SPAN);
    struct qed_adoption_report report;
    struct qed_plan *plan;
    uint64_t a = disk_add_table(&disk, 0, 9), b = disk_add_table(&disk, 0, 2),
             c = disk_add_table(&disk, 0, 5);

    plan = disk_adopt(disk.io, NULL, &report);
    disk_check_adopted(plan, &report, a, 0, QED_ADOPTION_BY_ORDER);
    disk_check_adopted(plan, &report, b, 0, QED_ADOPTION_NONE);
    disk_check_adopted(plan, &report, c, 1, QED_ADOPTION_BY_ORDER);
    ck_assert_uint_eq(report.guessed, 2);
    ck_assert_uint_eq(report.guest_bytes, 14 * C);
    disk_finish(&disk, plan, &report);
}
END_TEST

START_TEST(the_image_size_tells_what_cannot_come_last)
{
    struct disk disk = disk_new(SPAN + 10 * C);
    struct qed_adoption_report report;
    struct qed_plan *plan;
    uint64_t small = disk_add_table(&disk, 0, 10), large = disk_add_table(&disk, 0, 11);

    plan = disk_adopt(disk.io, NULL, &report);
    disk_check_adopted(plan, &report, large, 0, QED_ADOPTION_BY_ORDER);
    disk_check_adopted(plan, &report, small, 1, QED_ADOPTION_BY_ORDER);
    disk_finish(&disk, plan, &report);
    disk = disk_new(SPAN + 10 * C);
    large = disk_add_table(&disk, 10, 1);
    plan = disk_adopt(disk.io, NULL, &report);
    disk_check_adopted(plan, &report, large, 0, QED_ADOPTION_ONLY_PLACE);
    disk_finish(&disk, plan, &report);
    disk = disk_new(10 * C);
    large = disk_add_table(&disk, 10, 1);
    plan = disk_adopt(disk.io, NULL, &report);
    disk_check_adopted(plan, &report, large, 0, QED_ADOPTION_NONE);
    ck_assert(qed_plan_is_empty(plan));
    disk_finish(&disk, plan, &report);
}
END_TEST

static bool stop(void *context, uint64_t done, uint64_t total)
{
    (void)context, (void)done, (void)total;
    return true;
}

START_TEST(it_can_be_stopped)
{
    struct qed_adoption_options options = {.scan.progress = stop};
    struct disk disk = disk_new(SPAN);
    struct qed_adoption_report report;
    struct qed_plan *plan = NULL;
    struct qed_image *image;

    disk_add_table(&disk, 0, 3);
    ck_assert_int_eq(qed_plan_new(&plan, disk.io, NULL), QED_OK);
    image = unit_open(qed_plan_view(plan), false);
    ck_assert_int_eq(qed_rebuild_adopt(plan, image, &options, &report, NULL), QED_ERR_STOPPED);
    qed_close(image);
    disk_finish(&disk, plan, &report);
}
END_TEST

START_TEST(an_l1_that_was_overwritten_is_made_anew)
{
    struct disk disk = disk_new(4 * SPAN);
    struct qed_adoption_report report;
    struct qed_plan *plan;
    uint64_t tables[4];

    for (uint64_t i = 0; i < 4; i++)
        tables[i] = disk_add_table(&disk, 0, 5);
    unit_fill(disk.io, L1, C, 0x5b);
    unit_put_entry(disk.io, L1, 2, tables[2]);
    plan = disk_adopt(disk.io, NULL, &report);
    ck_assert_uint_eq(report.cleared, 511);
    ck_assert_uint_eq(report.guessed, 3);
    for (uint64_t i = 0; i < 512; i++)
        ck_assert_uint_eq(unit_get_entry(qed_plan_view(plan), L1, i), i < 4 ? tables[i] : 0);
    ck_assert_uint_eq(unit_check(qed_plan_view(plan)).corruptions, 0);
    ck_assert_uint_eq(unit_check(qed_plan_view(plan)).leaks, 0);
    disk_finish(&disk, plan, &report);
}
END_TEST

START_TEST(every_failure_to_read_is_told)
{
    bool failed = true;

    for (size_t fail_at = 1; failed; fail_at++) {
        struct io_fault_plan fails = {.fail_at = fail_at, .code = QED_ERR_IO};
        struct disk disk = disk_new(4 * SPAN);
        struct qed_adoption_report report = {0};
        struct qed_plan *plan = NULL;
        struct qed_image *image;
        struct io *fault;
        int ret;

        disk_add_named(&disk, 0, 3);
        disk_add_table(&disk, 0, 4);
        disk_add_table(&disk, 0, 5);
        ck_assert_int_eq(qed_plan_new(&plan, disk.io, NULL), QED_OK);
        image = unit_open(disk.io, false);
        fault = io_fault_new(disk.io, &fails);
        image->io = fault;
        ret = qed_rebuild_adopt(plan, image, NULL, &report, NULL);
        failed = io_fault_happened(fault);
        ck_assert_int_eq(ret, failed ? QED_ERR_IO : QED_OK);
        ck_assert(failed || fail_at > 15);
        ck_assert_uint_eq(report.count, failed ? 0 : 2);
        qed_close(image);
        io_close(fault);
        disk_finish(&disk, plan, &report);
    }
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("qed_rebuild_orphans");

    tcase_add_test(tests, nothing_is_adopted_where_nothing_is_lost);
    tcase_add_test(tests, one_orphan_for_one_place_is_certain);
    tcase_add_test(tests, an_orphan_between_neighbours_is_certain);
    tcase_add_test(tests, an_orphan_with_a_choice_of_places_is_a_guess);
    tcase_add_test(tests, guesses_can_be_left_out);
    tcase_add_test(tests, two_orphans_between_neighbours_go_in_file_order);
    tcase_add_test(tests, an_empty_l1_comes_back_whole);
    tcase_add_test(tests, an_entry_that_doubles_another_is_a_place);
    tcase_add_loop_test(tests, an_entry_with_one_flipped_bit_is_certain, 0, 64);
    tcase_add_test(tests, an_entry_that_was_cleared_still_tells);
    tcase_add_test(tests, of_two_entries_that_name_one_table_the_wrong_one_is_found);
    tcase_add_test(tests, order_counts_for_more_than_a_bit_of_a_double);
    tcase_add_test(tests, what_names_clusters_in_use_is_no_orphan);
    tcase_add_test(tests, of_two_tables_that_claim_the_same_clusters_the_fuller_one_is_taken);
    tcase_add_test(tests, a_table_that_a_table_names_as_data_is_the_guests);
    tcase_add_test(tests, a_few_damaged_entries_are_tolerated);
    tcase_add_test(tests, where_places_are_few_the_fullest_orphans_get_them);
    tcase_add_test(tests, the_image_size_tells_what_cannot_come_last);
    tcase_add_test(tests, it_can_be_stopped);
    tcase_add_test(tests, an_l1_that_was_overwritten_is_made_anew);
    tcase_add_test(tests, every_failure_to_read_is_told);
    return unit_run(tests);
}
