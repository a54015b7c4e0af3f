/*
 * Lost L2 tables go back to their L1 entries: which are found, where they are put, and what is said
 * of it.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_rebuild_orphans.h"

#include <string.h>

#include "support/io_fault.h"
#include "support/io_mem.h"
#include "support/unit.h"

#define C UINT64_C(4096)
#define ENTRIES UINT64_C(512)
#define SPAN (ENTRIES * C)
#define L1 C
#define NO_PLACE UINT64_MAX

/* An image under construction: clusters of 4 KiB, tables of one, the L1 behind the header. */
struct disk {
    struct io *io;
    uint64_t end; /* of the file */
};

static struct disk new_disk(uint64_t image_size)
{
    struct unit_image spec = {.image_size = image_size};

    return (struct disk){.io = unit_image_new(&spec), .end = 2 * C};
}

/* A cluster of guest data that is no table. */
static uint64_t add_data(struct disk *disk)
{
    unit_fill(disk->io, disk->end, C, 0x5b);
    disk->end += C;
    return disk->end - C;
}

/* A table, then data for entries [first, first + count) of it; not named by the L1. */
static uint64_t add_table(struct disk *disk, uint64_t first, uint64_t count)
{
    uint64_t table = disk->end;

    unit_fill(disk->io, table, C, 0);
    disk->end += C;
    for (uint64_t i = 0; i < count; i++)
        unit_put_entry(disk->io, table, first + i, add_data(disk));
    return table;
}

/* The same, named. */
static uint64_t add_named(struct disk *disk, uint64_t l1_index, uint64_t count)
{
    uint64_t table = add_table(disk, 0, count);

    unit_put_entry(disk->io, L1, l1_index, table);
    return table;
}

static const struct qed_adoption *find(const struct qed_adoption_report *report, uint64_t file_off)
{
    for (size_t i = 0; i < report->count; i++) {
        if (report->adoptions[i].file_off == file_off)
            return &report->adoptions[i];
    }
    return NULL;
}

/* Adopt; the plan then has a round that has ended. */
static struct qed_plan *adopt_with(struct io *io, const struct qed_adoption_options *options,
                                   struct qed_adoption_report *report)
{
    struct qed_error error = QED_ERROR_INIT;
    struct qed_plan *plan = NULL;
    struct qed_image *image;
    int ret;

    ck_assert_int_eq(qed_plan_new(&plan, io, NULL), QED_OK);
    image = unit_open(qed_plan_view(plan), false);
    ret = qed_rebuild_adopt(plan, image, options, report, &error);
    ck_assert_msg(ret == QED_OK, "%s", error.text);
    qed_plan_settle(plan);
    qed_close(image);
    return plan;
}

static struct qed_plan *adopt(struct io *io, struct qed_adoption_report *report)
{
    return adopt_with(io, NULL, report);
}

static void check_adopted(struct qed_plan *plan, const struct qed_adoption_report *report,
                          uint64_t table, uint64_t l1_index, enum qed_adoption_ground ground)
{
    const struct qed_adoption *found = find(report, table);

    ck_assert_ptr_nonnull(found);
    ck_assert_int_eq(found->ground, ground);
    if (ground == QED_ADOPTION_NONE)
        return;
    ck_assert_uint_eq(found->l1_index, l1_index);
    ck_assert_uint_eq(unit_get_entry(qed_plan_view(plan), L1, l1_index), table);
}

static void finish(struct qed_plan *plan, struct qed_adoption_report *report, struct disk *disk)
{
    qed_adoption_release(report);
    qed_plan_free(plan);
    io_close(disk->io);
}

START_TEST(nothing_is_adopted_where_nothing_is_lost)
{
    struct disk disk = new_disk(4 * SPAN);
    struct qed_adoption_report report;
    struct qed_plan *plan;

    add_named(&disk, 0, 3);
    add_named(&disk, 2, 3);
    add_data(&disk); /* a leak */
    plan = adopt(disk.io, &report);
    ck_assert_uint_eq(report.count, 0);
    ck_assert(qed_plan_is_empty(plan));
    finish(plan, &report, &disk);
}
END_TEST

START_TEST(one_orphan_for_one_place_is_certain)
{
    struct disk disk = new_disk(SPAN);
    struct qed_adoption_report report;
    struct qed_plan *plan;
    uint64_t table = add_table(&disk, 5, 7);

    unit_put_entry(disk.io, table, 100, QED_ENTRY_ZERO);
    plan = adopt(disk.io, &report);
    check_adopted(plan, &report, table, 0, QED_ADOPTION_ONLY_PLACE);
    ck_assert_uint_eq(report.certain, 1);
    ck_assert_uint_eq(report.guessed, 0);
    ck_assert_uint_eq(report.adoptions[0].good, 7);
    ck_assert_uint_eq(report.adoptions[0].zeroes, 1);
    ck_assert_uint_eq(report.adoptions[0].bad, 0);
    ck_assert_uint_eq(report.adoptions[0].guest_bytes, 7 * C);
    ck_assert_uint_eq(report.guest_bytes, 7 * C);
    finish(plan, &report, &disk);
}
END_TEST

START_TEST(an_orphan_between_neighbours_is_certain)
{
    struct disk disk = new_disk(8 * SPAN);
    struct qed_adoption_report report;
    struct qed_plan *plan;
    uint64_t lost;

    add_named(&disk, 1, 3);
    add_named(&disk, 2, 3);
    lost = add_table(&disk, 0, 4);
    add_named(&disk, 4, 3);
    plan = adopt(disk.io, &report);
    check_adopted(plan, &report, lost, 3, QED_ADOPTION_ONLY_PLACE);
    finish(plan, &report, &disk);
}
END_TEST

START_TEST(an_orphan_with_a_choice_of_places_is_a_guess)
{
    struct disk disk = new_disk(8 * SPAN);
    struct qed_adoption_report report;
    struct qed_plan *plan;
    uint64_t lost;

    add_named(&disk, 1, 3);
    lost = add_table(&disk, 0, 4);
    add_named(&disk, 4, 3);
    plan = adopt(disk.io, &report);
    check_adopted(plan, &report, lost, 2, QED_ADOPTION_BY_ORDER);
    ck_assert_uint_eq(report.guessed, 1);
    finish(plan, &report, &disk);
}
END_TEST

START_TEST(guesses_can_be_left_out)
{
    struct qed_adoption_options options = {.certain_only = true};
    struct disk disk = new_disk(8 * SPAN);
    struct qed_adoption_report report;
    struct qed_plan *plan;

    add_named(&disk, 1, 3);
    add_table(&disk, 0, 4);
    plan = adopt_with(disk.io, &options, &report);
    ck_assert_uint_eq(report.count, 1);
    ck_assert_uint_eq(report.guessed, 1);
    ck_assert_uint_eq(report.guest_bytes, 0);
    ck_assert(qed_plan_is_empty(plan));
    finish(plan, &report, &disk);
}
END_TEST

START_TEST(two_orphans_between_neighbours_go_in_file_order)
{
    struct disk disk = new_disk(8 * SPAN);
    struct qed_adoption_report report;
    struct qed_plan *plan;
    uint64_t a, b;

    add_named(&disk, 0, 3);
    a = add_table(&disk, 0, 4);
    b = add_table(&disk, 0, 90);
    add_named(&disk, 3, 3);
    plan = adopt(disk.io, &report);
    check_adopted(plan, &report, a, 1, QED_ADOPTION_BY_ORDER);
    check_adopted(plan, &report, b, 2, QED_ADOPTION_BY_ORDER);
    finish(plan, &report, &disk);
}
END_TEST

START_TEST(without_order_among_the_known_only_one_place_is_certain)
{
    struct disk disk = new_disk(4 * SPAN);
    struct qed_adoption_report report;
    struct qed_plan *plan;
    uint64_t lost;

    add_named(&disk, 3, 3);
    lost = add_table(&disk, 0, 4);
    add_named(&disk, 0, 3);
    add_named(&disk, 2, 3);
    plan = adopt(disk.io, &report);
    check_adopted(plan, &report, lost, 1, QED_ADOPTION_ONLY_PLACE);
    finish(plan, &report, &disk);
}
END_TEST

START_TEST(an_empty_l1_comes_back_whole)
{
    struct disk disk = new_disk(5 * SPAN + 100 * C);
    struct qed_adoption_report report;
    struct qed_plan *plan;
    uint64_t tables[6];

    for (uint64_t i = 0; i < 6; i++)
        tables[i] = add_table(&disk, 0, 20 + i);
    plan = adopt(disk.io, &report);
    ck_assert_uint_eq(report.count, 6);
    ck_assert_uint_eq(report.guessed, 6);
    for (uint64_t i = 0; i < 6; i++)
        check_adopted(plan, &report, tables[i], i, QED_ADOPTION_BY_ORDER);
    ck_assert_uint_eq(unit_check(qed_plan_view(plan)).leaks, 0);
    ck_assert_uint_eq(unit_check(qed_plan_view(plan)).corruptions, 0);
    finish(plan, &report, &disk);
}
END_TEST

START_TEST(an_entry_that_doubles_another_is_a_place)
{
    struct disk disk = new_disk(3 * SPAN);
    struct qed_adoption_report report;
    struct qed_plan *plan;
    uint64_t first = add_named(&disk, 0, 4), lost = add_table(&disk, 0, 4);

    add_named(&disk, 2, 3);
    unit_put_entry(disk.io, L1, 1, first);
    plan = adopt(disk.io, &report);
    check_adopted(plan, &report, lost, 1, QED_ADOPTION_ONLY_PLACE);
    finish(plan, &report, &disk);
}
END_TEST

START_TEST(an_entry_with_one_flipped_bit_is_certain)
{
    struct disk disk = new_disk(8 * SPAN);
    struct qed_adoption_report report;
    struct qed_plan *plan;
    uint64_t lost;

    add_named(&disk, 1, 3);
    lost = add_table(&disk, 0, 4);
    add_table(&disk, 0, 9);
    add_named(&disk, 7, 3);
    unit_put_entry(disk.io, L1, 5, lost ^ UINT64_C(1) << _i);
    plan = adopt(disk.io, &report);
    check_adopted(plan, &report, lost, 5, QED_ADOPTION_ONE_BIT);
    ck_assert_uint_eq(report.certain, 2); /* 5 parts what is left: 6 is the other's only place */
    finish(plan, &report, &disk);
}
END_TEST

START_TEST(an_entry_that_was_cleared_still_tells)
{
    struct qed_scan_table was = {.l1_index = 5};
    struct qed_scan_list lost_entries = {.tables = &was, .count = 1};
    struct qed_adoption_options options = {.lost = &lost_entries};
    struct disk disk = new_disk(8 * SPAN);
    struct qed_adoption_report report;
    struct qed_plan *plan;
    uint64_t lost;

    add_named(&disk, 1, 3);
    lost = add_table(&disk, 0, 4);
    was.file_off = lost | UINT64_C(1) << 40;
    plan = adopt_with(disk.io, &options, &report);
    check_adopted(plan, &report, lost, 5, QED_ADOPTION_ONE_BIT);
    finish(plan, &report, &disk);
}
END_TEST

/* Of tables 0 to 5 in order, entry a's flipped bit makes it name what entry b names. */
static void check_double(uint64_t a, uint64_t b)
{
    struct disk disk = new_disk(6 * SPAN);
    struct qed_adoption_report report;
    struct qed_plan *plan;
    uint64_t tables[6];

    disk.end = 64 * C;
    for (uint64_t i = 0; i < 6; i++) {
        tables[i] = add_named(&disk, i, 3);
        disk.end += 64 * C - 4 * C; /* a leaked hole: the tables are at multiples of 64 clusters */
    }
    ck_assert(is_power_of_two(tables[a] ^ tables[b]));
    unit_put_entry(disk.io, L1, a, tables[b]);
    plan = adopt(disk.io, &report);
    ck_assert_uint_eq(report.count, 1);
    check_adopted(plan, &report, tables[a], a, QED_ADOPTION_ONE_BIT);
    for (uint64_t i = 0; i < 6; i++)
        ck_assert_uint_eq(unit_get_entry(qed_plan_view(plan), L1, i), tables[i]);
    finish(plan, &report, &disk);
}

START_TEST(of_two_entries_that_name_one_table_the_wrong_one_is_found)
{
    check_double(0, 2);
    check_double(2, 0);
    check_double(1, 5);
    check_double(5, 1);
    check_double(3, 4);
    check_double(4, 3);
}
END_TEST

START_TEST(what_names_clusters_in_use_is_no_orphan)
{
    struct disk disk = new_disk(4 * SPAN);
    struct qed_adoption_report report;
    struct qed_plan *plan;
    uint64_t table = add_named(&disk, 0, 9), copy = disk.end;

    unit_fill(disk.io, copy, C, 0); /* a leaked copy of a table that is there */
    for (uint64_t i = 0; i < 9; i++)
        unit_put_entry(disk.io, copy, i, unit_get_entry(disk.io, table, i));
    plan = adopt(disk.io, &report);
    ck_assert_uint_eq(report.count, 0);
    finish(plan, &report, &disk);
}
END_TEST

START_TEST(of_two_tables_that_claim_the_same_clusters_the_fuller_one_is_taken)
{
    struct disk disk = new_disk(SPAN);
    struct qed_adoption_report report;
    struct qed_plan *plan;
    uint64_t old = disk.end, table;

    unit_fill(disk.io, old, C, 0);
    disk.end += C;
    table = add_table(&disk, 0, 9);
    for (uint64_t i = 0; i < 7; i++)
        unit_put_entry(disk.io, old, i, unit_get_entry(disk.io, table, i));
    plan = adopt(disk.io, &report);
    ck_assert_uint_eq(report.count, 1);
    check_adopted(plan, &report, table, 0, QED_ADOPTION_ONLY_PLACE);
    finish(plan, &report, &disk);
}
END_TEST

START_TEST(a_table_that_a_table_names_as_data_is_the_guests)
{
    struct disk disk = new_disk(2 * SPAN);
    struct qed_adoption_report report;
    struct qed_plan *plan;
    uint64_t outer = add_table(&disk, 0, 20), inner = disk.end, empty;

    unit_fill(disk.io, inner, C, 0); /* names more than the outer one does */
    disk.end += C;
    for (uint64_t i = 0; i < 60; i++)
        unit_put_entry(disk.io, inner, i, add_data(&disk));
    unit_put_entry(disk.io, inner, 60, outer);
    unit_put_entry(disk.io, outer, 20, inner);
    empty = disk.end; /* zeroes that the guest wrote, behind what looks like a table */
    unit_fill(disk.io, empty, C, 0);
    unit_put_entry(disk.io, outer, 21, empty);
    for (uint64_t i = 0; i < 60; i++)
        unit_put_entry(disk.io, outer, 30 + i, inner + (i + 1) * C);
    plan = adopt(disk.io, &report);
    ck_assert_uint_eq(report.count, 1);
    ck_assert_uint_eq(report.adoptions[0].file_off, outer);
    ck_assert_uint_eq(report.adoptions[0].good, 82);
    finish(plan, &report, &disk);
}
END_TEST

START_TEST(a_few_damaged_entries_are_tolerated)
{
    struct disk disk = new_disk(SPAN);
    struct qed_adoption_report report;
    struct qed_plan *plan;
    uint64_t table = add_table(&disk, 0, 80), few;

    unit_put_entry(disk.io, table, 3, 0x1234567);
    unit_put_entry(disk.io, table, 4, disk.end + 77 * C);
    few = add_table(&disk, 0, 4);
    unit_put_entry(disk.io, few, 3, 0x1234567);
    plan = adopt(disk.io, &report);
    ck_assert_uint_eq(report.count, 1);
    check_adopted(plan, &report, table, 0, QED_ADOPTION_ONLY_PLACE);
    ck_assert_uint_eq(report.adoptions[0].good, 78);
    ck_assert_uint_eq(report.adoptions[0].bad, 2);
    finish(plan, &report, &disk);
}
END_TEST

START_TEST(where_places_are_few_the_fullest_orphans_get_them)
{
    struct disk disk = new_disk(2 * SPAN);
    struct qed_adoption_report report;
    struct qed_plan *plan;
    uint64_t a = add_table(&disk, 0, 9), b = add_table(&disk, 0, 2), c = add_table(&disk, 0, 5);

    plan = adopt(disk.io, &report);
    check_adopted(plan, &report, a, 0, QED_ADOPTION_BY_ORDER);
    check_adopted(plan, &report, b, NO_PLACE, QED_ADOPTION_NONE);
    check_adopted(plan, &report, c, 1, QED_ADOPTION_BY_ORDER);
    ck_assert_uint_eq(report.guessed, 2);
    ck_assert_uint_eq(report.guest_bytes, 14 * C);
    finish(plan, &report, &disk);
}
END_TEST

START_TEST(the_image_size_tells_what_cannot_come_last)
{
    struct disk disk = new_disk(SPAN + 10 * C);
    struct qed_adoption_report report;
    struct qed_plan *plan;
    uint64_t small = add_table(&disk, 0, 10), large = add_table(&disk, 0, 11);

    plan = adopt(disk.io, &report);
    check_adopted(plan, &report, large, 0, QED_ADOPTION_BY_ORDER);
    check_adopted(plan, &report, small, 1, QED_ADOPTION_BY_ORDER);
    finish(plan, &report, &disk);
    disk = new_disk(SPAN + 10 * C);
    large = add_table(&disk, 10, 1);
    plan = adopt(disk.io, &report);
    check_adopted(plan, &report, large, 0, QED_ADOPTION_ONLY_PLACE);
    finish(plan, &report, &disk);
    disk = new_disk(10 * C);
    large = add_table(&disk, 10, 1);
    plan = adopt(disk.io, &report);
    check_adopted(plan, &report, large, NO_PLACE, QED_ADOPTION_NONE);
    ck_assert(qed_plan_is_empty(plan));
    finish(plan, &report, &disk);
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
    struct disk disk = new_disk(SPAN);
    struct qed_adoption_report report;
    struct qed_plan *plan = NULL;
    struct qed_image *image;

    add_table(&disk, 0, 3);
    ck_assert_int_eq(qed_plan_new(&plan, disk.io, NULL), QED_OK);
    image = unit_open(qed_plan_view(plan), false);
    ck_assert_int_eq(qed_rebuild_adopt(plan, image, &options, &report, NULL), QED_ERR_STOPPED);
    qed_close(image);
    finish(plan, &report, &disk);
}
END_TEST

START_TEST(an_l1_that_makes_no_sense_is_refused)
{
    struct unit_image spec = {.image_size = SPAN, .table_size = 16, .clusters = 40};
    struct qed_adoption_report report;
    struct qed_plan *plan = NULL;
    struct qed_image *image;
    struct disk disk = {.io = unit_image_new(&spec)};

    unit_fill(disk.io, L1, 16 * C, 0x5b);
    ck_assert_int_eq(qed_plan_new(&plan, disk.io, NULL), QED_OK);
    image = unit_open(qed_plan_view(plan), false);
    ck_assert_int_eq(qed_rebuild_adopt(plan, image, NULL, &report, NULL), QED_ERR_CORRUPT);
    qed_close(image);
    finish(plan, &report, &disk);
}
END_TEST

START_TEST(every_failure_to_read_is_told)
{
    bool failed = true;

    for (size_t fail_at = 1; failed; fail_at++) {
        struct io_fault_plan fails = {.fail_at = fail_at, .code = QED_ERR_IO};
        struct disk disk = new_disk(4 * SPAN);
        struct qed_adoption_report report = {0};
        struct qed_plan *plan = NULL;
        struct qed_image *image;
        struct io *fault;
        int ret;

        add_named(&disk, 0, 3);
        add_table(&disk, 0, 4);
        add_table(&disk, 0, 5);
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
        finish(plan, &report, &disk);
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
    tcase_add_test(tests, without_order_among_the_known_only_one_place_is_certain);
    tcase_add_test(tests, an_empty_l1_comes_back_whole);
    tcase_add_test(tests, an_entry_that_doubles_another_is_a_place);
    tcase_add_loop_test(tests, an_entry_with_one_flipped_bit_is_certain, 0, 64);
    tcase_add_test(tests, an_entry_that_was_cleared_still_tells);
    tcase_add_test(tests, of_two_entries_that_name_one_table_the_wrong_one_is_found);
    tcase_add_test(tests, what_names_clusters_in_use_is_no_orphan);
    tcase_add_test(tests, of_two_tables_that_claim_the_same_clusters_the_fuller_one_is_taken);
    tcase_add_test(tests, a_table_that_a_table_names_as_data_is_the_guests);
    tcase_add_test(tests, a_few_damaged_entries_are_tolerated);
    tcase_add_test(tests, where_places_are_few_the_fullest_orphans_get_them);
    tcase_add_test(tests, the_image_size_tells_what_cannot_come_last);
    tcase_add_test(tests, it_can_be_stopped);
    tcase_add_test(tests, an_l1_that_makes_no_sense_is_refused);
    tcase_add_test(tests, every_failure_to_read_is_told);
    return unit_run(tests);
}
