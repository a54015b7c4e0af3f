/*
 * Recovery after a crash: what is read, what is cleared, what is refused.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_recover.h"

#include <sched.h>
#include <stdatomic.h>

#include "format/qed_intent.h"
#include "support/io_fault.h"
#include "support/io_mem.h"
#include "support/unit.h"

#define C UINT64_C(4096)
#define L1 (2 * C)
#define TABLES 6
#define TABLE(i) ((3 + 2 * (uint64_t)(i)) * C) /* and a cluster of data behind it */
#define CLUSTERS (3 + 2 * TABLES)
#define PAST_END (CLUSTERS * C)

static const struct qed_scan_options options = {.queue = IO_QUEUE_SYNC, .threads = 1};

/* Six tables with one entry each, marked as needing a check. */
static struct io *new_image(void)
{
    struct unit_image spec = {.image_size = 8 * 512 * C,
                              .header_size = 2,
                              .clusters = CLUSTERS,
                              .features = QED_FEATURE_NEED_CHECK};
    struct io *io = unit_image_new(&spec);

    for (uint64_t i = 0; i < TABLES; i++) {
        unit_put_entry(io, L1, i, TABLE(i));
        unit_put_entry(io, TABLE(i), i, TABLE(i) + C);
    }
    return io;
}

/* Give the image a write-intent bitmap with one bit. */
static void mark_table(struct io *io, uint64_t l1_index)
{
    struct qed_image *image = unit_open(io, true);
    struct qed_intent intent;

    qed_intent_init(&intent, &image->geometry);
    qed_intent_mark(&intent, l1_index);
    ck_assert_int_eq(qed_intent_write(&intent, io, NULL), QED_OK);
    unit_put64(io, 32, QED_AUTOCLEAR_INTENT);
    qed_close(image);
}

static struct qed_recovery recover(struct io *io)
{
    struct qed_error error = QED_ERROR_INIT;
    struct qed_image *image = unit_open(io, true);
    struct qed_recovery recovery;
    int ret = qed_recover(image, &options, &recovery, &error);

    ck_assert_msg(ret == QED_OK, "%s", error.text);
    ck_assert(!qed_needs_check(image));
    qed_close(image);
    ck_assert_uint_eq(unit_get64(io, 16) & QED_FEATURE_NEED_CHECK, 0);
    return recovery;
}

/* Recovery is refused, and nothing is changed. */
static void check_refused(struct io *io)
{
    struct io *before = io_mem_copy(io);
    struct qed_image *image = unit_open(io, true);
    struct qed_recovery recovery;

    ck_assert_int_eq(qed_recover(image, &options, &recovery, NULL), QED_ERR_CORRUPT);
    ck_assert(qed_needs_check(image));
    ck_assert(io_mem_equal(io, before));
    qed_close(image);
    io_close(before);
}

START_TEST(without_a_mark_nothing_is_read_or_written)
{
    struct io *io = new_image(), *before;
    struct qed_image *image;
    struct qed_recovery recovery;

    unit_put64(io, 16, 0);
    unit_put_entry(io, TABLE(0), 9, PAST_END);
    before = io_mem_copy(io);
    image = unit_open(io, true);
    io_mem_reset_counts(io);
    ck_assert_int_eq(qed_recover(image, &options, &recovery, NULL), QED_OK);
    ck_assert_int_eq(recovery.kind, QED_RECOVERY_NONE);
    ck_assert_uint_eq(io_mem_counts(io).reads, 0);
    ck_assert(io_mem_equal(io, before));
    qed_close(image);
    io_close(before);
    io_close(io);
}
END_TEST

START_TEST(a_full_recovery_clears_what_points_past_the_end)
{
    struct io *io = new_image();
    struct qed_recovery recovery;

    unit_put_entry(io, TABLE(1), 7, PAST_END);
    unit_put_entry(io, TABLE(1), 511, PAST_END + 1000 * C);
    unit_put_entry(io, TABLE(5), 0, PAST_END + C);
    unit_put_entry(io, TABLE(5), 1, QED_ENTRY_ZERO);
    unit_put_entry(io, L1, 6, PAST_END);
    recovery = recover(io);
    ck_assert_int_eq(recovery.kind, QED_RECOVERY_FULL);
    ck_assert_uint_eq(recovery.tables, TABLES);
    ck_assert_uint_eq(recovery.l2_cleared, 3);
    ck_assert_uint_eq(recovery.l1_cleared, 1);
    ck_assert_uint_eq(unit_get_entry(io, TABLE(1), 7), 0);
    ck_assert_uint_eq(unit_get_entry(io, TABLE(1), 511), 0);
    ck_assert_uint_eq(unit_get_entry(io, TABLE(1), 1), TABLE(1) + C);
    ck_assert_uint_eq(unit_get_entry(io, TABLE(5), 1), QED_ENTRY_ZERO);
    ck_assert_uint_eq(unit_get_entry(io, L1, 6), 0);
    ck_assert_uint_eq(unit_check(io).corruptions, 0);
    io_close(io);
}
END_TEST

START_TEST(with_a_bitmap_only_marked_tables_are_read)
{
    struct io *io = new_image();
    struct qed_recovery recovery;

    mark_table(io, 3);
    unit_put_entry(io, TABLE(3), 8, PAST_END);
    unit_put_entry(io, TABLE(4), 8, PAST_END); /* no crash leaves that here, so nobody looks */
    io_mem_reset_counts(io);
    recovery = recover(io);
    ck_assert_int_eq(recovery.kind, QED_RECOVERY_MARKED);
    ck_assert_uint_eq(recovery.tables, 1);
    ck_assert_uint_eq(recovery.scan.tables, 1);
    ck_assert_uint_eq(recovery.l2_cleared, 1);
    /* Header, page, L1, the table once to look and once to change. */
    ck_assert_uint_le(io_mem_counts(io).bytes_read, 5 * C);
    ck_assert_uint_eq(unit_get_entry(io, TABLE(3), 8), 0);
    ck_assert_uint_eq(unit_get_entry(io, TABLE(4), 8), PAST_END);
    io_close(io);
}
END_TEST

START_TEST(after_recovery_no_bit_is_set)
{
    struct io *io = new_image();
    struct qed_image *image;
    struct qed_intent intent;
    bool valid;

    mark_table(io, 2);
    recover(io);
    image = unit_open(io, false);
    ck_assert_int_eq(qed_intent_read(&intent, &valid, io, &image->header, &image->geometry, NULL),
                     QED_OK);
    ck_assert(valid);
    ck_assert_uint_eq(qed_intent_count(&intent), 0);
    ck_assert_uint_eq(intent.generation, 2);
    qed_close(image);
    io_close(io);
}
END_TEST

START_TEST(a_page_that_is_not_whole_costs_a_full_recovery_and_is_made_whole)
{
    struct io *io = new_image();
    struct qed_recovery recovery;
    struct qed_image *image;
    struct qed_intent intent;
    bool valid;

    mark_table(io, 2);
    unit_fill(io, QED_INTENT_OFFSET + 3 * 512, 512, 0x80);
    unit_put_entry(io, TABLE(4), 8, PAST_END);
    recovery = recover(io);
    ck_assert_int_eq(recovery.kind, QED_RECOVERY_FULL);
    ck_assert_uint_eq(recovery.l2_cleared, 1);
    image = unit_open(io, false);
    ck_assert_int_eq(qed_intent_read(&intent, &valid, io, &image->header, &image->geometry, NULL),
                     QED_OK);
    ck_assert(valid && qed_intent_count(&intent) == 0);
    qed_close(image);
    io_close(io);
}
END_TEST

START_TEST(what_no_crash_leaves_is_refused)
{
    static const struct {
        uint64_t table_off, index, value;
    } damage[] = {
        {TABLE(2), 5, 2},
        {TABLE(2), 5, C},
        {TABLE(2), 5, TABLE(2) + 512},
        {TABLE(2), 5, 0xfff1},
        {L1, 7, 1},
        {L1, 7, C},
        {L1, 7, TABLE(2) + 8},
        {L1, 7, PAST_END + 1},
        {TABLE(2), 5, PAST_END + 512},
    };

    for (size_t i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
        struct io *io = new_image();

        unit_put_entry(io, TABLE(1), 9, PAST_END); /* to be cleared, else */
        unit_put_entry(io, damage[i].table_off, damage[i].index, damage[i].value);
        ck_assert_int_eq(io_set_length(io, PAST_END + 512, NULL), QED_OK); /* and to be completed */
        check_refused(io);
        io_close(io);
    }
}
END_TEST

START_TEST(a_last_cluster_that_was_cut_short_is_made_whole)
{
    struct io *io = new_image();
    struct qed_recovery recovery;
    uint64_t length;

    unit_fill(io, PAST_END, 700, 0x77);
    unit_put_entry(io, TABLE(1), 9, PAST_END);
    unit_put_entry(io, TABLE(1), 10, PAST_END + C);
    recovery = recover(io);
    ck_assert_uint_eq(recovery.bytes_added, C - 700);
    ck_assert_uint_eq(recovery.l2_cleared, 1);
    ck_assert_int_eq(io_get_length(io, &length, NULL), QED_OK);
    ck_assert_uint_eq(length, PAST_END + C);
    ck_assert_uint_eq(unit_get_entry(io, TABLE(1), 9), PAST_END);
    ck_assert_uint_eq(unit_get_entry(io, TABLE(1), 10), 0);
    ck_assert_uint_eq(unit_check(io).corruptions, 0);
    io_close(io);
}
END_TEST

static atomic_bool was_asked;

static bool stop(void *context, uint64_t done, uint64_t total)
{
    (void)context;
    (void)done;
    (void)total;
    was_asked = true;
    return true;
}

static void wait_until_asked(struct io *below)
{
    (void)below;
    while (!was_asked)
        sched_yield();
}

/* Which of a recovery's reads, from 1 on, is the first of a table that entries are cleared in. */
static size_t first_table_read(struct io *io)
{
    static const struct io_fault_plan no_failure = {0};
    struct io *copy = io_mem_copy(io), *record = io_fault_new(copy, &no_failure);
    const struct io_fault_op *ops;
    size_t count, last, reads = 0;

    recover(record);
    last = io_fault_find(record, 0, IO_FAULT_READ, TABLE(0));
    ops = io_fault_ops(record, &count);
    ck_assert_uint_lt(last, count);
    for (size_t i = 0; i <= last; i++)
        reads += ops[i].kind == IO_FAULT_READ;
    io_close(record);
    io_close(copy);
    return reads;
}

START_TEST(a_recovery_that_is_stopped_changes_nothing)
{
    struct qed_scan_options stopping = options;
    struct io *io = new_image(), *before, *slow;
    struct io_fault_plan plan = {.kinds = IO_FAULT_BIT(IO_FAULT_READ), .before = wait_until_asked};
    struct qed_image *image;
    struct qed_recovery recovery;

    stopping.progress = stop;
    unit_put_entry(io, TABLE(1), 9, PAST_END);
    ck_assert_int_eq(io_set_length(io, PAST_END + 512, NULL), QED_OK); /* to be completed */
    before = io_mem_copy(io);
    plan.fail_at = first_table_read(io);
    slow = io_fault_new(io, &plan);
    image = unit_open(slow, true);
    ck_assert_int_eq(qed_recover(image, &stopping, &recovery, NULL), QED_ERR_STOPPED);
    ck_assert(qed_needs_check(image));
    ck_assert(io_mem_equal(io, before));
    qed_close(image);
    recover(io);
    ck_assert_uint_eq(unit_get_entry(io, TABLE(1), 9), PAST_END); /* valid in the longer file */
    io_close(slow);
    io_close(before);
    io_close(io);
}
END_TEST

START_TEST(a_plan_is_what_recovery_does)
{
    for (int has_page = 0; has_page < 2; has_page++) {
        struct io *io = new_image(), *before;
        struct qed_image *image;
        struct qed_scan_list tables = {0};
        enum qed_recovery_kind kind;

        if (has_page)
            mark_table(io, 4);
        before = io_mem_copy(io);
        image = unit_open(io, false);
        ck_assert_int_eq(qed_recover_plan(image, &kind, &tables, NULL), QED_OK);
        ck_assert_int_eq(kind, has_page ? QED_RECOVERY_MARKED : QED_RECOVERY_FULL);
        ck_assert_uint_eq(tables.count, has_page ? 1 : TABLES);
        ck_assert_uint_eq(tables.tables[0].file_off, TABLE(has_page ? 4 : 0));
        ck_assert(io_mem_equal(io, before));
        qed_scan_list_free(&tables);
        qed_close(image);
        io_close(before);
        io_close(io);
    }
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("qed_recover");

    tcase_add_test(tests, without_a_mark_nothing_is_read_or_written);
    tcase_add_test(tests, a_full_recovery_clears_what_points_past_the_end);
    tcase_add_test(tests, with_a_bitmap_only_marked_tables_are_read);
    tcase_add_test(tests, after_recovery_no_bit_is_set);
    tcase_add_test(tests, a_page_that_is_not_whole_costs_a_full_recovery_and_is_made_whole);
    tcase_add_test(tests, what_no_crash_leaves_is_refused);
    tcase_add_test(tests, a_last_cluster_that_was_cut_short_is_made_whole);
    tcase_add_test(tests, a_recovery_that_is_stopped_changes_nothing);
    tcase_add_test(tests, a_plan_is_what_recovery_does);
    return unit_run(tests);
}
