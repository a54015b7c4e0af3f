/*
 * An l1_table_offset that is wrong and yet plausible is told from one that is right: where the
 * header names what only looks like an L1 table, and where its own has lost much.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_rebuild.h"
#include "support/disk.h"
#include "support/io_fault.h"

#define C DISK_CLUSTER
#define L1 DISK_L1
#define L1_OFFSET 40 /* place of the header field */
#define FEATURES 16

static bool is_elsewhere(struct io *io)
{
    struct qed_error error = QED_ERROR_INIT;
    struct qed_image *image = unit_open(io, false);
    bool is = false;

    ck_assert_msg(qed_rebuild_l1_is_elsewhere(io, &image->header, NULL, &is, &error) == QED_OK,
                  "%s", error.text);
    qed_close(image);
    return is;
}

/* Whether the check says that the tables make no sense: that alone. */
static bool is_nonsense(struct io *io)
{
    struct qed_image *image = unit_open(io, false);
    struct qed_check_result result;
    bool is;

    ck_assert_int_eq(qed_check(image, NULL, 100, &result, NULL), QED_OK);
    is = !result.makes_sense;
    if (is)
        ck_assert_uint_eq(result.problems.found, 1);
    qed_check_release(&result);
    qed_close(image);
    return is;
}

/* The header's offset is doubted, and a rebuild puts it right. */
static void check_wrong(struct io *io, uint64_t wrong, uint64_t right)
{
    struct qed_error error = QED_ERROR_INIT;
    struct qed_rebuild found;

    unit_put64(io, L1_OFFSET, wrong);
    ck_assert(is_elsewhere(io));
    ck_assert(is_nonsense(io));
    ck_assert_msg(qed_rebuild_header(io, NULL, &found, &error) == QED_OK, "%s", error.text);
    ck_assert_uint_eq(found.header.l1_table_offset, right);
    ck_assert_uint_eq(found.change_count, 1);
}

static void check_right(struct io *io)
{
    ck_assert(!is_elsewhere(io));
    ck_assert(!is_nonsense(io));
}

/* The same L1 at the end of the file, with zeroes where it was. */
static uint64_t move_l1(struct disk *disk)
{
    uint64_t to = disk_add_data(disk);

    for (uint64_t i = 0; i < C / 8; i++)
        unit_put_entry(disk->io, to, i, unit_get_entry(disk->io, L1, i));
    unit_fill(disk->io, L1, C, 0);
    unit_put64(disk->io, L1_OFFSET, to);
    return to;
}

/* A disk with one table of so many clusters, one of 60, and one of 20. */
static struct disk new_disk(uint64_t count)
{
    struct disk disk = disk_new(8 * DISK_SPAN);

    disk_add_named(&disk, 0, count);
    disk_add_named(&disk, 1, 60);
    disk_add_named(&disk, 5, 20);
    return disk;
}

START_TEST(a_small_l2_table_is_no_l1_table)
{
    struct disk disk = new_disk((uint64_t)_i);

    check_wrong(disk.io, unit_get_entry(disk.io, L1, 0), L1);
    io_close(disk.io);
}
END_TEST

START_TEST(a_small_l2_table_of_zeroed_clusters_is_no_l1_table)
{
    struct disk disk = new_disk((uint64_t)_i);
    uint64_t table = unit_get_entry(disk.io, L1, 0);

    for (uint64_t i = 0; i < (uint64_t)_i; i++)
        unit_fill(disk.io, unit_get_entry(disk.io, table, i), C, 0);
    check_wrong(disk.io, table, L1);
    io_close(disk.io);
}
END_TEST

START_TEST(a_cluster_of_zeroes_is_no_l1_table)
{
    struct disk disk = new_disk(4);
    uint64_t data = unit_get_entry(disk.io, unit_get_entry(disk.io, L1, 1), 7);

    unit_fill(disk.io, data, C, 0);
    check_wrong(disk.io, data, L1);
    unit_put_entry(disk.io, data, 3, 0x123456789);       /* a few words that mean nothing here, */
    unit_put_entry(disk.io, data, 4, data + 3 * C);      /* name data, */
    unit_put_entry(disk.io, data, 5, UINT64_C(1) << 40); /* or nothing */
    check_wrong(disk.io, data, L1);
    io_close(disk.io);
}
END_TEST

/* A guest's own image: its offsets count from its own start, and name places of this file, too. */
START_TEST(an_l1_table_in_guest_data_is_none)
{
    struct disk disk = new_disk(100);
    uint64_t own = unit_get_entry(disk.io, L1, 0);
    uint64_t data = unit_get_entry(disk.io, _i == 0 ? own : unit_get_entry(disk.io, L1, 5), 7);

    unit_fill(disk.io, data, C, 0);
    unit_put_entry(disk.io, data, 0, own); /* it may lead to nearly all, its own place or not */
    unit_put_entry(disk.io, data, 2, unit_get_entry(disk.io, L1, 1));
    check_wrong(disk.io, data, L1);
    io_close(disk.io);
}
END_TEST

/* A cluster that nothing refers to: the L1 table when it had one entry. */
static uint64_t add_old_l1(struct disk *disk)
{
    uint64_t copy = disk_add_data(disk);

    unit_fill(disk->io, copy, C, 0);
    unit_put_entry(disk->io, copy, 0, unit_get_entry(disk->io, L1, 0));
    return copy;
}

START_TEST(an_old_copy_of_the_l1_table_is_none)
{
    struct disk disk = new_disk(4);
    uint64_t copy = add_old_l1(&disk);

    unit_put_entry(disk.io, copy, 1, unit_get_entry(disk.io, L1, 1));
    check_wrong(disk.io, copy, L1);
    /* Of two that are the same, either will do. */
    unit_put_entry(disk.io, copy, 5, unit_get_entry(disk.io, L1, 5));
    check_right(disk.io);
    io_close(disk.io);
}
END_TEST

/* The header's word is worth so much that it would outweigh what is known of the file. */
START_TEST(leaks_do_not_make_an_old_copy_more_credible)
{
    struct disk disk = new_disk(4);
    uint64_t copy = add_old_l1(&disk);

    for (int i = 0; i < 300; i++)
        disk_add_data(&disk);
    check_wrong(disk.io, copy, L1);
    io_close(disk.io);
}
END_TEST

START_TEST(leaks_and_damage_do_not_hide_the_true_one)
{
    struct disk disk = new_disk(4);
    uint64_t table = unit_get_entry(disk.io, L1, 1);

    for (int i = 0; i < 300; i++)
        disk_add_data(&disk);
    unit_put_entry(disk.io, L1, 7, 0x1234567);
    unit_put_entry(disk.io, table, 3, 0x1234567);
    unit_put_entry(disk.io, table, 4, unit_get_entry(disk.io, table, 5));
    unit_put64(disk.io, FEATURES, QED_FEATURE_NEED_CHECK);
    unit_put64(disk.io, L1_OFFSET, unit_get_entry(disk.io, L1, 0));
    ck_assert(is_elsewhere(disk.io));
    ck_assert(is_nonsense(disk.io));
    io_close(disk.io);
}
END_TEST

/* What the L1 behind the header has lost is no reason to believe another. */
START_TEST(an_l1_table_behind_the_header_is_believed)
{
    struct disk disk = new_disk(100);
    uint64_t guest = unit_get_entry(disk.io, unit_get_entry(disk.io, L1, 5), 7);
    uint64_t copy = disk_add_data(&disk);

    for (uint64_t i = 0; i < C / 8; i++) {
        uint64_t entry = unit_get_entry(disk.io, L1, i);

        unit_put_entry(disk.io, copy, i, entry);
        unit_put_entry(disk.io, guest, i, i == 5 ? 0 : entry);
    }
    check_right(disk.io);
    unit_put_entry(disk.io, L1, 1, 0);
    check_right(disk.io);
    unit_put64(disk.io, FEATURES, QED_FEATURE_NEED_CHECK);
    unit_fill(disk.io, L1, C, 0);
    check_right(disk.io);
    io_close(disk.io);
}
END_TEST

/* A copy of the L1 table at file_off, past the end of the file; what lies before it is in use. */
static void copy_l1(struct disk *disk, uint64_t l1, uint64_t file_off)
{
    uint64_t table = disk_add_table(disk, 0, (file_off - disk->end) / C - 1);

    unit_put_entry(disk->io, l1, 6, table);
    ck_assert_uint_eq(disk_add_data(disk), file_off);
    for (uint64_t i = 0; i < C / 8; i++)
        unit_put_entry(disk->io, file_off, i, unit_get_entry(disk->io, l1, i));
}

/* Not even where a copy lies at a place that is one flipped bit away. */
START_TEST(an_empty_l1_table_behind_the_header_is_believed)
{
    struct disk disk = new_disk(100);

    copy_l1(&disk, L1, L1 | UINT64_C(1) << 20);
    unit_fill(disk.io, L1, C, 0);
    ck_assert(!is_elsewhere(disk.io));
    io_close(disk.io);
}
END_TEST

/* Nor are two that explain nearly the same told apart where no writer puts either. */
START_TEST(an_l1_table_elsewhere_is_believed_if_it_leads_to_most)
{
    struct disk disk = new_disk(100);
    uint64_t l1 = move_l1(&disk);

    copy_l1(&disk, l1, l1 | UINT64_C(1) << 20);
    unit_put_entry(disk.io, l1, 5, 0);
    check_right(disk.io);
    unit_put_entry(disk.io, l1, 0, 0);
    unit_put_entry(disk.io, l1, 6, 0);
    ck_assert(is_elsewhere(disk.io));
    for (int i = 0; i < 300; i++)
        disk_add_data(&disk);
    ck_assert(!is_elsewhere(disk.io)); /* the other does not explain enough */
    io_close(disk.io);
}
END_TEST

START_TEST(an_l1_table_where_no_writer_puts_it_is_believed)
{
    struct disk disk = new_disk(6);
    uint64_t l1 = move_l1(&disk), table = unit_get_entry(disk.io, l1, 1);

    check_right(disk.io);
    for (int i = 0; i < 200; i++)
        disk_add_data(&disk);
    check_right(disk.io);
    /* Behind the header: data, an L2 table, an old L1 table that leads to less. */
    for (uint64_t i = 0; i < C / 8; i++)
        unit_put_entry(disk.io, L1, i, i * 0x0123456789abcdef);
    check_right(disk.io);
    for (uint64_t i = 0; i < C / 8; i++)
        unit_put_entry(disk.io, L1, i, unit_get_entry(disk.io, table, i));
    unit_put_entry(disk.io, l1, 1, L1);
    check_right(disk.io);
    unit_put_entry(disk.io, l1, 1, table);
    unit_fill(disk.io, L1, C, 0);
    unit_put_entry(disk.io, L1, 5, unit_get_entry(disk.io, l1, 5));
    check_right(disk.io);
    /* What leads to more, but to nothing as often, is chance. */
    unit_put_entry(disk.io, l1, 1, 0);
    unit_put_entry(disk.io, L1, 1, table);
    for (uint64_t i = 10; i < 17; i++)
        unit_put_entry(disk.io, L1, i, 0x123456789);
    check_right(disk.io);
    /* Of its own entries most are lost, then all. */
    unit_fill(disk.io, L1, C, 0);
    unit_put_entry(disk.io, l1, 1, 0);
    check_right(disk.io);
    unit_fill(disk.io, l1, C, 0);
    ck_assert(!is_elsewhere(disk.io));
    io_close(disk.io);
}
END_TEST

/* There, an empty table leads to no less than one whose only L2 table was overwritten. */
START_TEST(nothing_behind_the_header_is_not_believed)
{
    struct disk disk = disk_new(8 * DISK_SPAN);
    uint64_t table = disk_add_named(&disk, 0, 60);

    move_l1(&disk);
    unit_fill(disk.io, table, C, 0x5b);
    check_right(disk.io);
    io_close(disk.io);
}
END_TEST

/* The table there is the guest's, and what it leads to is no more than what it lies in. */
START_TEST(guest_data_behind_the_header_is_not_believed)
{
    struct disk disk = new_disk(100);
    uint64_t l1 = move_l1(&disk), table = unit_get_entry(disk.io, l1, 0);

    unit_put_entry(disk.io, table, 200, L1);
    unit_put_entry(disk.io, L1, 0, table);
    unit_put_entry(disk.io, L1, 1, unit_get_entry(disk.io, l1, 1));
    unit_put_entry(disk.io, l1, 1, 0);
    check_right(disk.io);
    io_close(disk.io);
}
END_TEST

START_TEST(an_l1_table_anywhere_is_found)
{
    struct disk disk = new_disk(4);
    uint64_t small = unit_get_entry(disk.io, L1, 0);

    check_wrong(disk.io, small, move_l1(&disk));
    io_close(disk.io);
}
END_TEST

static bool stop(void *context, uint64_t done, uint64_t total)
{
    unsigned int *calls = context;

    ck_assert_uint_le(done, total);
    return --*calls == 0;
}

START_TEST(it_can_be_stopped)
{
    unsigned int calls = 1000000;
    struct qed_scan_options scan = {.progress = stop, .progress_context = &calls};
    struct disk disk = new_disk(4);
    struct qed_image *image = NULL;
    bool is = false;

    unit_put64(disk.io, L1_OFFSET, unit_get_entry(disk.io, L1, 0));
    move_l1(&disk);
    unit_put64(disk.io, L1_OFFSET, unit_get_entry(disk.io, unit_get64(disk.io, L1_OFFSET), 0));
    image = unit_open(disk.io, false);
    ck_assert_int_eq(qed_rebuild_l1_is_elsewhere(disk.io, &image->header, &scan, &is, NULL),
                     QED_OK);
    ck_assert(is);
    for (unsigned int all = 1000000 - calls; all > 0; all--) {
        calls = all;
        ck_assert_int_eq(qed_rebuild_l1_is_elsewhere(disk.io, &image->header, &scan, &is, NULL),
                         QED_ERR_STOPPED);
        ck_assert(!is);
    }
    qed_close(image);
    io_close(disk.io);
}
END_TEST

START_TEST(every_failure_to_read_is_told)
{
    struct disk disk = new_disk(4);
    struct qed_image *image = NULL;
    bool failed = true;

    if (_i)
        move_l1(&disk); /* so that it comes to the pass over the file */
    unit_put64(disk.io, L1_OFFSET, unit_get_entry(disk.io, unit_get64(disk.io, L1_OFFSET), 0));
    image = unit_open(disk.io, false);
    for (size_t fail_at = 1; failed; fail_at++) {
        struct io_fault_plan plan = {.fail_at = fail_at, .code = QED_ERR_IO};
        struct io *fault = io_fault_new(disk.io, &plan);
        bool is;
        int ret = qed_rebuild_l1_is_elsewhere(fault, &image->header, NULL, &is, NULL);

        failed = io_fault_happened(fault);
        ck_assert_int_eq(ret, failed ? QED_ERR_IO : QED_OK);
        ck_assert(is == !failed);
        io_close(fault);
        ck_assert(failed || fail_at > 20);
    }
    qed_close(image);
    io_close(disk.io);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("qed_rebuild_l1");

    tcase_add_loop_test(tests, a_small_l2_table_is_no_l1_table, 1, 20);
    tcase_add_loop_test(tests, a_small_l2_table_of_zeroed_clusters_is_no_l1_table, 1, 20);
    tcase_add_test(tests, a_cluster_of_zeroes_is_no_l1_table);
    tcase_add_loop_test(tests, an_l1_table_in_guest_data_is_none, 0, 2);
    tcase_add_test(tests, an_old_copy_of_the_l1_table_is_none);
    tcase_add_test(tests, leaks_do_not_make_an_old_copy_more_credible);
    tcase_add_test(tests, leaks_and_damage_do_not_hide_the_true_one);
    tcase_add_test(tests, an_l1_table_behind_the_header_is_believed);
    tcase_add_test(tests, an_empty_l1_table_behind_the_header_is_believed);
    tcase_add_test(tests, an_l1_table_elsewhere_is_believed_if_it_leads_to_most);
    tcase_add_test(tests, an_l1_table_where_no_writer_puts_it_is_believed);
    tcase_add_test(tests, nothing_behind_the_header_is_not_believed);
    tcase_add_test(tests, guest_data_behind_the_header_is_not_believed);
    tcase_add_test(tests, an_l1_table_anywhere_is_found);
    tcase_add_test(tests, it_can_be_stopped);
    tcase_add_loop_test(tests, every_failure_to_read_is_told, 0, 2);
    return unit_run(tests);
}
