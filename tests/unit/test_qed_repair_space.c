/*
 * Room for copies, and space that is given back.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_repair.h"

#include "support/io_mem.h"
#include "support/mend.h"
#include "support/rows.h"
#include "support/unit.h"

#define C ROWS_CLUSTER

static uint64_t length_of(struct io *io)
{
    uint64_t length = 0;

    ck_assert_int_eq(io_get_length(io, &length, NULL), QED_OK);
    return length;
}

/* The number of clusters that hold something. */
static uint64_t stored(struct io *io)
{
    uint64_t count = 0, length = length_of(io);
    struct io_run run;

    for (uint64_t at = 0; at < length; at += run.length) {
        ck_assert_int_eq(io_next_run(io, at, &run, NULL), QED_OK);
        count += run.is_data ? run.length : 0;
    }
    return count / C;
}

/* ---- no room ---- */

/* Data on a table with a damaged entry, a shared cluster, a shared table. */
static struct rows_image crowded_image(void)
{
    struct rows_image image = rows_image_new(1);

    rows_put_l2(&image, 1, 1, image.t[0]);
    rows_put_l2(&image, 0, 3, image.data[3] | 2);
    rows_put_l2(&image, 1, 5, image.data[0]);
    rows_put_l1(&image, 2, image.t[2]);
    return image;
}

static void check_nothing_copied(const struct qed_repair_options *options)
{
    struct rows_image image = crowded_image();
    struct io *before = io_mem_copy(image.io);
    struct check_report report = rows_repair(&image, options);

    ck_assert_uint_eq(report.repair.copied, 0);
    ck_assert_uint_eq(report.repair.space_missing, 2 * C + 3 * C);
    ck_assert_uint_eq(report.repair.done[ACTION_LEAVE], 4);
    ck_assert_uint_eq(report.totals.corruptions, 4);
    ck_assert_int_eq((int)report.repair.leaks, QED_LEAKS_KEPT_CORRUPT);
    ck_assert(io_mem_equal(image.io, before));
    check_release(&report);
    io_close(before);
    io_close(image.io);
}

START_TEST(without_room_what_is_shared_stays)
{
    struct qed_repair_options options = mend_all;

    options.free_bytes = 2 * C - 1;
    check_nothing_copied(&options);
    options.free_bytes = 0;
    check_nothing_copied(&options);
    options = mend_all;
    options.fixed_length = true;
    check_nothing_copied(&options);
}
END_TEST

START_TEST(what_there_is_room_for_is_copied)
{
    struct rows_image image = crowded_image();
    struct qed_repair_options options = mend_all;
    struct check_report report;

    options.free_bytes = 4 * C; /* for the data, not for the table after that */
    report = rows_repair(&image, &options);
    ck_assert_uint_eq(report.repair.done[ACTION_COPY], 2);
    ck_assert_uint_eq(report.repair.done[ACTION_MASK], 1);
    ck_assert_uint_eq(report.repair.done[ACTION_LEAVE], 1);
    ck_assert_uint_eq(report.repair.copied, 2 * C);
    ck_assert_uint_eq(report.repair.space_missing, 3 * C);
    ck_assert_uint_eq(report.totals.corruptions, 1);
    check_release(&report);
    options.free_bytes = 3 * C;
    report = rows_repair(&image, &options);
    ck_assert_uint_eq(report.repair.done[ACTION_COPY_TABLE], 1);
    ck_assert_uint_eq(report.repair.space_missing, 0);
    ck_assert_uint_eq(report.totals.corruptions, 0);
    check_release(&report);
    io_close(image.io);
}
END_TEST

/* Guest data reads the L1 table, which is damaged, two clusters are one, and two tables. */
static struct rows_image read_l1_image(void)
{
    struct rows_image image = rows_image_new(1);

    rows_put_l2(&image, 1, 1, image.l1);
    rows_put_l2(&image, 1, 5, image.data[0]);
    rows_put_l1(&image, 3, image.t[2] | 2);
    rows_put_l1(&image, 4, image.end);
    rows_put_l1(&image, 5, image.t[0]);
    return image;
}

START_TEST(the_l1_table_waits_while_data_that_reads_it_has_no_room)
{
    struct rows_image image = read_l1_image();
    struct qed_repair_options options = mend_all;
    struct io *before = io_mem_copy(image.io);
    struct check_report report;

    for (int device = 0; device < 2; device++) {
        options.free_bytes = device ? UINT64_MAX : C - 1;
        options.fixed_length = device;
        report = rows_repair(&image, &options);
        ck_assert(report.repair.l1_waits);
        ck_assert_uint_eq(report.repair.space_missing, C);
        ck_assert_uint_eq(report.repair.done[ACTION_LEAVE], 3);
        ck_assert_uint_eq(report.repair.copied, 0);
        ck_assert(io_mem_equal(image.io, before));
        check_release(&report);
    }
    io_close(before);
    io_close(image.io);
}
END_TEST

START_TEST(with_room_for_all_the_l1_table_is_put_right)
{
    struct rows_image image = read_l1_image();
    struct qed_repair_options options = mend_all;
    struct check_report report;
    struct guest old, new;

    guest_read(image.io, &old);
    options.free_bytes = 2 * C; /* for the data, not for the table */
    report = rows_repair(&image, &options);
    guest_read(image.io, &new);
    ck_assert_uint_eq(guest_first_loss(&old, &new), UINT64_MAX);
    ck_assert_uint_eq(rows_get_l1(&image, 3), image.t[2]);
    ck_assert_uint_eq(rows_get_l1(&image, 4), 0);
    ck_assert_uint_eq(report.repair.done[ACTION_COPY], 2);
    ck_assert_uint_eq(report.repair.done[ACTION_LEAVE], 1);
    ck_assert(!report.repair.l1_waits);
    ck_assert_uint_gt(report.repair.space_missing, 0);
    guest_release(&old);
    guest_release(&new);
    check_release(&report);
    io_close(image.io);
}
END_TEST

START_TEST(a_device_does_not_grow)
{
    struct rows_image image = rows_image_new(1);
    struct qed_repair_options options = mend_all;
    struct check_report report;

    options.fixed_length = true;
    rows_put_l2(&image, 0, 2, image.data[2] | 4);
    ck_assert_int_eq(io_set_length(image.io, image.end - 1024, NULL), QED_OK);
    report = rows_repair(&image, &options);
    ck_assert_uint_eq(rows_get_l2(&image, 0, 2), image.data[2]);
    ck_assert_uint_eq(rows_get_l2(&image, 2, 100), image.data[10]);
    ck_assert_uint_eq(report.repair.done[ACTION_LEAVE], 1);
    ck_assert_uint_eq(report.totals.corruptions, 1);
    ck_assert_uint_eq(length_of(image.io), image.end - 1024);
    check_release(&report);
    io_close(image.io);
}
END_TEST

/* ---- leaks ---- */

/* Leaks in the middle of the file, at its end, and a hole among them. */
static struct rows_image leaky_image(void)
{
    struct rows_image image = rows_image_new(1);

    rows_put_l2(&image, 0, 0, 0);
    rows_put_l2(&image, 1, 0, 0);
    rows_put_l2(&image, 1, 5, 0);
    ck_assert_int_eq(io_zero(image.io, image.data[8], C, NULL), QED_OK);
    ck_assert_int_eq(io_set_length(image.io, image.end + 3 * C + 100, NULL), QED_OK);
    unit_fill(image.io, image.end, C, 0x99);
    return image;
}

static void check_given_back(enum qed_repair_scope scope)
{
    struct rows_image image = leaky_image();
    struct qed_repair_options options = mend_all;
    uint64_t before = stored(image.io);
    struct guest old, new;
    struct check_report report;

    guest_read(image.io, &old);
    options.scope = scope;
    report = rows_repair(&image, &options);
    guest_read(image.io, &new);
    ck_assert_uint_eq(guest_first_loss(&old, &new), UINT64_MAX);
    ck_assert_uint_eq(guest_first_loss(&new, &old), UINT64_MAX);
    ck_assert_int_eq((int)report.repair.leaks, QED_LEAKS_GIVEN_BACK);
    ck_assert_uint_eq(report.repair.punched, 2 * C); /* one of the three was a hole */
    ck_assert_uint_eq(report.repair.cut, 3 * C + 100);
    ck_assert_uint_eq(length_of(image.io), image.end);
    ck_assert_uint_eq(stored(image.io), before - 3);
    ck_assert_uint_eq(report.first.totals.leaks, 6);
    ck_assert_uint_eq(report.repair.after.leaks, 3);
    ck_assert_uint_eq(unit_check(image.io).leaks, 3);
    guest_release(&old);
    guest_release(&new);
    check_release(&report);
    io_close(image.io);
}

START_TEST(leaks_are_given_back)
{
    check_given_back(QED_REPAIR_LEAKS);
    check_given_back(QED_REPAIR_ALL);
}
END_TEST

/* A repair of leaks alone that must not do anything. */
static void check_kept(const struct rows_image *image, const struct qed_repair_options *options,
                       enum qed_leaks_fate fate)
{
    struct io *before = io_mem_copy(image->io);
    struct check_report report = rows_repair(image, options);

    ck_assert_int_eq((int)report.repair.leaks, (int)fate);
    ck_assert_uint_eq(report.repair.punched + report.repair.cut, 0);
    ck_assert(io_mem_equal(image->io, before));
    check_release(&report);
    io_close(before);
}

START_TEST(leaks_alone_are_kept_where_they_may_be_needed)
{
    struct qed_repair_options options = mend_all, device;
    struct rows_image image = leaky_image();

    options.scope = QED_REPAIR_LEAKS;
    device = options;
    device.fixed_length = true;
    check_kept(&image, &device, QED_LEAKS_KEPT_DEVICE);
    rows_put_l2(&image, 0, 4, image.data[4] | 2);
    check_kept(&image, &options, QED_LEAKS_KEPT_CORRUPT);
    rows_put_l2(&image, 0, 4, image.data[4]);
    rows_put_l1(&image, 1, 0);
    check_kept(&image, &options, QED_LEAKS_KEPT_ORPHANS);
    io_close(image.io);
    image = rows_image_new(1);
    check_kept(&image, &options, QED_LEAKS_NONE);
    io_close(image.io);
}
END_TEST

START_TEST(leaks_alone_leave_header_and_mark)
{
    struct rows_image image = leaky_image();
    struct qed_repair_options options = mend_all;
    struct check_report report;

    options.scope = QED_REPAIR_LEAKS;
    unit_put64(image.io, 16, QED_FEATURE_NEED_CHECK);
    unit_put64(image.io, 32, 6);
    report = rows_repair(&image, &options);
    ck_assert_uint_eq(unit_get64(image.io, 16), QED_FEATURE_NEED_CHECK);
    ck_assert_uint_eq(unit_get64(image.io, 32), 6);
    ck_assert_int_eq((int)report.repair.leaks, QED_LEAKS_GIVEN_BACK);
    check_release(&report);
    io_close(image.io);
}
END_TEST

START_TEST(leaks_between_entries_that_adjoin_are_kept)
{
    struct rows_image image = leaky_image();
    struct qed_repair_options options = mend_all;
    struct check_report report;

    rows_put_l2(&image, 0, 3, 0);
    report = rows_repair(&image, &mend_all);
    ck_assert_int_eq((int)report.repair.leaks, QED_LEAKS_KEPT_PLACES);
    check_release(&report);
    options.scope = QED_REPAIR_LEAKS;
    report = rows_repair(&image, &options);
    ck_assert_int_eq((int)report.repair.leaks, QED_LEAKS_GIVEN_BACK);
    check_release(&report);
    io_close(image.io);
}
END_TEST

START_TEST(leaks_are_kept_where_entries_were_lost_to_damage)
{
    for (int marked = 0; marked < 2; marked++) {
        struct rows_image image = leaky_image();
        struct check_report report;

        rows_put_l2(&image, 2, 0, image.end + 9 * C);
        unit_put64(image.io, 16, marked ? QED_FEATURE_NEED_CHECK : 0);
        report = rows_repair(&image, &mend_all);
        /* In a marked image it is the crash that explains both. */
        ck_assert_int_eq((int)report.repair.leaks,
                         marked ? QED_LEAKS_GIVEN_BACK : QED_LEAKS_KEPT_LOST);
        check_release(&report);
        io_close(image.io);
    }
}
END_TEST

START_TEST(a_crash_does_not_explain_entries_without_sense)
{
    struct rows_image image = leaky_image();
    struct check_report report;

    rows_put_l2(&image, 2, 0, 40);
    unit_put64(image.io, 16, QED_FEATURE_NEED_CHECK);
    report = rows_repair(&image, &mend_all);
    ck_assert_int_eq((int)report.repair.leaks, QED_LEAKS_KEPT_LOST);
    check_release(&report);
    io_close(image.io);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("qed_repair_space");

    tcase_add_test(tests, without_room_what_is_shared_stays);
    tcase_add_test(tests, what_there_is_room_for_is_copied);
    tcase_add_test(tests, the_l1_table_waits_while_data_that_reads_it_has_no_room);
    tcase_add_test(tests, with_room_for_all_the_l1_table_is_put_right);
    tcase_add_test(tests, a_device_does_not_grow);
    tcase_add_test(tests, leaks_are_given_back);
    tcase_add_test(tests, leaks_alone_are_kept_where_they_may_be_needed);
    tcase_add_test(tests, leaks_alone_leave_header_and_mark);
    tcase_add_test(tests, leaks_between_entries_that_adjoin_are_kept);
    tcase_add_test(tests, leaks_are_kept_where_entries_were_lost_to_damage);
    tcase_add_test(tests, a_crash_does_not_explain_entries_without_sense);
    return unit_run(tests);
}
