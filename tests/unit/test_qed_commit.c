/*
 * How entries reach the disk under each policy: how many flushes that takes, where clusters come
 * from, when marks go, and what is left at the end.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_commit.h"

#include "format/qed_intent.h"
#include "format/qed_write.h"
#include "support/io_fault.h"
#include "support/io_mem.h"
#include "support/unit.h"

#define C UINT64_C(4096)
#define L1 (2 * C)
#define SPAN (512 * C)

struct disk {
    struct io *io, *fault; /* fault is in front of io */
    struct qed_image *image;
    struct qed_writer *writer;
};

static struct disk new_disk(const struct qed_commit_options *commit,
                            const struct io_fault_plan *plan)
{
    static const struct io_fault_plan no_failure = {0};
    struct unit_image spec = {.image_size = 300 * SPAN, .header_size = 2};
    struct qed_writer_options options = {.commit = *commit};
    struct disk disk = {.io = unit_image_new(&spec)};
    struct qed_error error = QED_ERROR_INIT;

    disk.fault = io_fault_new(disk.io, plan ? plan : &no_failure);
    disk.image = unit_open(disk.fault, true);
    if (qed_writer_new(&disk.writer, disk.image, &options, &error) < 0)
        ck_abort_msg("%s", error.text);
    return disk;
}

static void free_disk(struct disk *disk)
{
    qed_writer_free(disk->writer);
    qed_close(disk->image);
    io_close(disk->fault);
    io_close(disk->io);
}

static int put(struct disk *disk, uint64_t virt_off)
{
    static const uint8_t bytes[C] = {1};

    return qed_writer_write(disk->writer, virt_off, bytes, sizeof(bytes), NULL);
}

static void flush(struct disk *disk)
{
    ck_assert_int_eq(qed_writer_flush(disk->writer, NULL), QED_OK);
}

static void put_and_flush(struct disk *disk, uint64_t virt_off)
{
    ck_assert_int_eq(put(disk, virt_off), QED_OK);
    flush(disk);
}

static bool is_marked(const struct disk *disk)
{
    return unit_get64(disk->io, 16) & QED_FEATURE_NEED_CHECK;
}

static size_t flushes(const struct disk *disk)
{
    return io_mem_counts(disk->io).flushes;
}

/* What a flush of the guest costs once the image has tables and the writer is under way. */
START_TEST(in_the_steady_state_a_guest_flush_is_one_flush_or_two_when_ordered)
{
    for (int policy = QED_DURABILITY_NEED_CHECK; policy < QED_DURABILITY_COUNT; policy++) {
        struct qed_commit_options options = {.durability = (enum qed_durability)policy,
                                             .preallocate = 256 << 10};
        struct disk disk = new_disk(&options, NULL);

        put_and_flush(&disk, 0);
        io_mem_reset_counts(disk.io);
        for (uint64_t i = 1; i < 400; i++)
            put_and_flush(&disk, i * C);
        ck_assert_uint_eq(flushes(&disk), policy == QED_DURABILITY_ORDERED ? 2 * 399 : 399);
        /* Under preallocate the file has grown all the same: that has ridden along. */
        ck_assert_uint_gt(io_mem_counts(disk.io).set_lengths, 0);
        free_disk(&disk);
    }
}
END_TEST

START_TEST(an_entry_never_names_space_that_is_not_durable_under_preallocate)
{
    struct qed_commit_options options = {.durability = QED_DURABILITY_PREALLOCATE,
                                         .preallocate = 4 * C};
    struct disk disk = new_disk(&options, NULL);
    const struct io_fault_op *ops;
    size_t count;
    uint64_t length = 3 * C, durable = 3 * C;

    for (uint64_t i = 0; i < 60; i++)
        put_and_flush(&disk, i % 5 * SPAN + i * C);
    ops = io_fault_ops(disk.fault, &count);
    for (size_t i = 0; i < count; i++) {
        if (ops[i].kind == IO_FAULT_SET_LENGTH)
            length = ops[i].len;
        else if (ops[i].kind == IO_FAULT_FLUSH)
            durable = length;
        else if (ops[i].kind == IO_FAULT_WRITE && ops[i].len % C != 0) /* a table */
            ck_assert_uint_eq(durable, length);
    }
    free_disk(&disk);
}
END_TEST

START_TEST(tables_lie_side_by_side_under_preallocate)
{
    struct qed_commit_options options = {.durability = QED_DURABILITY_PREALLOCATE,
                                         .preallocate = 1 << 20};
    struct disk disk = new_disk(&options, NULL);
    uint64_t first;

    for (uint64_t i = 0; i < 16; i++)
        ck_assert_int_eq(put(&disk, i * SPAN), QED_OK);
    flush(&disk);
    first = unit_get_entry(disk.io, L1, 0);
    for (uint64_t i = 0; i < 16; i++)
        ck_assert_uint_eq(unit_get_entry(disk.io, L1, i), first + i * C);
    ck_assert_int_eq(put(&disk, 16 * SPAN), QED_OK);
    flush(&disk);
    ck_assert_uint_ne(unit_get_entry(disk.io, L1, 16), first + 16 * C); /* another group */
    free_disk(&disk);
}
END_TEST

START_TEST(a_clean_close_leaves_no_leak_no_tail_and_no_mark)
{
    for (int policy = QED_DURABILITY_AUTO; policy < QED_DURABILITY_COUNT; policy++) {
        struct qed_commit_options options = {.durability = (enum qed_durability)policy};
        struct disk disk = new_disk(&options, NULL);
        struct qed_check_totals totals;
        uint64_t length;

        for (uint64_t i = 0; i < 20; i++)
            put_and_flush(&disk, i % 3 * SPAN + i * C);
        ck_assert_int_eq(qed_writer_finish(disk.writer, NULL), QED_OK);
        totals = unit_check(disk.io);
        ck_assert_uint_eq(totals.corruptions + totals.leaks, 0);
        ck_assert_uint_eq(totals.allocated_clusters, 20);
        ck_assert(!is_marked(&disk));
        ck_assert_int_eq(io_get_length(disk.io, &length, NULL), QED_OK);
        /* Header, L1 and tables: 16 of them were taken at once under preallocate. */
        ck_assert_uint_eq(length, (3 + 20 + (policy == QED_DURABILITY_PREALLOCATE ? 16 : 3)) * C);
        free_disk(&disk);
    }
}
END_TEST

/* How many flushes it takes after which the mark is gone, at most 200. */
static unsigned int flushes_until_unmarked(struct disk *disk)
{
    unsigned int count = 0;

    while (is_marked(disk) && count < 200) {
        flush(disk);
        count++;
    }
    return count;
}

START_TEST(the_mark_rides_away_on_a_flush_of_a_quiet_writer_whose_patience_grows)
{
    static const unsigned int patience[] = {3, 6, 12, 24, 48, 96, 96};

    for (int policy = QED_DURABILITY_NEED_CHECK; policy <= QED_DURABILITY_INTENT; policy += 2) {
        struct qed_commit_options options = {.durability = (enum qed_durability)policy};
        struct disk disk = new_disk(&options, NULL);

        for (size_t i = 0; i < sizeof(patience) / sizeof(patience[0]); i++) {
            put_and_flush(&disk, i * C);
            ck_assert(is_marked(&disk));
            io_mem_reset_counts(disk.io);
            ck_assert_uint_eq(flushes_until_unmarked(&disk), patience[i]);
            ck_assert_uint_eq(flushes(&disk), patience[i]); /* none was added */
        }
        free_disk(&disk);
    }
}
END_TEST

START_TEST(a_busy_writer_keeps_its_mark)
{
    struct qed_commit_options options = {.durability = QED_DURABILITY_NEED_CHECK};
    struct disk disk = new_disk(&options, NULL);

    put_and_flush(&disk, 0);
    for (uint64_t i = 1; i < 50; i++) {
        flush(&disk);
        flush(&disk);
        put_and_flush(&disk, i * C);
        ck_assert(is_marked(&disk));
    }
    io_mem_reset_counts(disk.io);
    put_and_flush(&disk, 50 * C);
    ck_assert_uint_eq(io_mem_counts(disk.io).writes, 2); /* data and entry: the mark is there */
    free_disk(&disk);
}
END_TEST

static uint32_t bits_set(const struct disk *disk, uint64_t l1_index, bool *is_set)
{
    struct qed_intent intent;
    bool valid;

    ck_assert_int_eq(qed_intent_read(&intent, &valid, disk->io, &disk->image->header,
                                     &disk->image->geometry, NULL),
                     QED_OK);
    ck_assert(valid);
    *is_set = qed_intent_is_marked(&intent, l1_index);
    return qed_intent_count(&intent);
}

START_TEST(bits_are_kept_for_a_while_and_then_dropped)
{
    struct qed_commit_options options = {.durability = QED_DURABILITY_INTENT};
    struct disk disk = new_disk(&options, NULL);
    uint32_t most = 0;

    for (uint64_t i = 0; i < 300; i++) {
        bool is_set;
        uint32_t count;

        put_and_flush(&disk, i * SPAN);
        count = bits_set(&disk, i, &is_set);
        ck_assert(is_set);
        most = count > most ? count : most;
        if (i < 100)
            ck_assert_uint_eq(count, i + 1); /* tables that were written come back */
    }
    ck_assert_uint_le(most, 130);
    ck_assert_uint_ge(most, 100);
    free_disk(&disk);
}
END_TEST

START_TEST(a_bit_that_is_set_costs_nothing)
{
    struct qed_commit_options options = {.durability = QED_DURABILITY_INTENT};
    struct disk disk = new_disk(&options, NULL);

    put_and_flush(&disk, 0);
    put_and_flush(&disk, SPAN);
    io_mem_reset_counts(disk.io);
    put_and_flush(&disk, C);
    put_and_flush(&disk, SPAN + C);
    ck_assert_uint_eq(io_mem_counts(disk.io).writes, 4);
    ck_assert_uint_eq(flushes(&disk), 2);
    free_disk(&disk);
}
END_TEST

START_TEST(intent_needs_room_in_the_header)
{
    struct unit_image spec = {.image_size = SPAN};
    struct qed_commit_options options = {.durability = QED_DURABILITY_INTENT};
    struct io *io = unit_image_new(&spec), *before = io_mem_copy(io);
    struct qed_image *image = unit_open(io, true);
    struct qed_commit *commit = NULL;

    ck_assert_int_eq(qed_commit_new(&commit, image, &options, NULL), QED_ERR_UNSUPPORTED);
    ck_assert_ptr_null(commit);
    ck_assert(io_mem_equal(io, before));
    options.durability = QED_DURABILITY_AUTO;
    ck_assert_int_eq(qed_commit_new(&commit, image, &options, NULL), QED_OK);
    ck_assert_int_eq(qed_commit_durability(commit), QED_DURABILITY_NEED_CHECK);
    qed_commit_free(commit);
    qed_close(image);
    io_close(before);
    io_close(io);
}
END_TEST

START_TEST(an_image_with_a_bitmap_goes_on_with_it_unless_told_otherwise)
{
    struct qed_commit_options options = {.durability = QED_DURABILITY_INTENT};
    struct disk disk = new_disk(&options, NULL);
    struct qed_commit *commit;

    ck_assert_uint_eq(unit_get64(disk.io, 32), QED_AUTOCLEAR_INTENT);
    options.durability = QED_DURABILITY_AUTO;
    ck_assert_int_eq(qed_commit_new(&commit, disk.image, &options, NULL), QED_OK);
    ck_assert_int_eq(qed_commit_durability(commit), QED_DURABILITY_INTENT);
    qed_commit_free(commit);
    options.durability = QED_DURABILITY_NEED_CHECK; /* does not keep it up */
    ck_assert_int_eq(qed_commit_new(&commit, disk.image, &options, NULL), QED_OK);
    ck_assert_uint_eq(unit_get64(disk.io, 32), 0);
    qed_commit_free(commit);
    free_disk(&disk);
}
END_TEST

START_TEST(no_space_fails_the_write_and_nothing_else)
{
    for (int policy = QED_DURABILITY_NEED_CHECK; policy < QED_DURABILITY_COUNT; policy++) {
        struct qed_commit_options options = {
            .durability = (enum qed_durability)policy, .preallocate = 4 * C, .step = C};
        struct io_fault_plan plan = {.kinds = IO_FAULT_BIT(IO_FAULT_SET_LENGTH),
                                     .fail_at = 4,
                                     .code = QED_ERR_NO_SPACE,
                                     .from_then_on = true};
        struct disk disk = new_disk(&options, &plan);
        struct qed_check_totals totals;
        uint64_t done = 0;
        int ret;

        do {
            ret = put(&disk, done * C);
            done += ret == QED_OK;
        } while (ret == QED_OK && done < 50);
        ck_assert_int_eq(ret, QED_ERR_NO_SPACE);
        ck_assert_uint_gt(done, 0);
        ck_assert_int_eq(put(&disk, 0), QED_OK); /* in place */
        flush(&disk);
        totals = unit_check(disk.io);
        ck_assert_uint_eq(totals.corruptions, 0);
        ck_assert_uint_eq(totals.allocated_clusters, done);
        free_disk(&disk);
    }
}
END_TEST

START_TEST(where_the_chunk_does_not_fit_less_is_taken)
{
    struct qed_commit_options options = {.durability = QED_DURABILITY_PREALLOCATE,
                                         .preallocate = 64 << 10};
    struct io_fault_plan plan = {
        .kinds = IO_FAULT_BIT(IO_FAULT_SET_LENGTH), .fail_at = 1, .code = QED_ERR_NO_SPACE};
    struct disk disk = new_disk(&options, &plan);

    put_and_flush(&disk, 0);
    ck_assert(io_fault_happened(disk.fault));
    ck_assert_uint_eq(unit_check(disk.io).allocated_clusters, 1);
    free_disk(&disk);
}
END_TEST

START_TEST(after_a_flush_that_failed_nothing_more_is_written)
{
    for (int policy = QED_DURABILITY_NEED_CHECK; policy < QED_DURABILITY_COUNT; policy++) {
        struct qed_commit_options options = {.durability = (enum qed_durability)policy};
        struct io_fault_plan plan = {
            .kinds = IO_FAULT_BIT(IO_FAULT_FLUSH), .fail_at = 6, .code = QED_ERR_IO};
        struct disk disk = new_disk(&options, &plan);
        uint64_t done = 0;
        int ret = QED_OK;

        for (; ret == QED_OK && done < 50; done++) {
            ret = put(&disk, done * C);
            if (ret == QED_OK)
                ret = qed_writer_flush(disk.writer, NULL);
        }
        ck_assert_int_eq(ret, QED_ERR_IO);
        io_mem_reset_counts(disk.io);
        ck_assert_int_eq(put(&disk, 60 * C), QED_ERR_IO);
        ck_assert_int_eq(qed_writer_flush(disk.writer, NULL), QED_ERR_IO);
        ck_assert_int_eq(qed_writer_finish(disk.writer, NULL), QED_ERR_IO);
        ck_assert_uint_eq(io_mem_counts(disk.io).writes, 0);
        ck_assert_uint_eq(flushes(&disk), 0);
        free_disk(&disk);
    }
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("qed_commit");

    tcase_add_test(tests, in_the_steady_state_a_guest_flush_is_one_flush_or_two_when_ordered);
    tcase_add_test(tests, an_entry_never_names_space_that_is_not_durable_under_preallocate);
    tcase_add_test(tests, tables_lie_side_by_side_under_preallocate);
    tcase_add_test(tests, a_clean_close_leaves_no_leak_no_tail_and_no_mark);
    tcase_add_test(tests, the_mark_rides_away_on_a_flush_of_a_quiet_writer_whose_patience_grows);
    tcase_add_test(tests, a_busy_writer_keeps_its_mark);
    tcase_add_test(tests, bits_are_kept_for_a_while_and_then_dropped);
    tcase_add_test(tests, a_bit_that_is_set_costs_nothing);
    tcase_add_test(tests, intent_needs_room_in_the_header);
    tcase_add_test(tests, an_image_with_a_bitmap_goes_on_with_it_unless_told_otherwise);
    tcase_add_test(tests, no_space_fails_the_write_and_nothing_else);
    tcase_add_test(tests, where_the_chunk_does_not_fit_less_is_taken);
    tcase_add_test(tests, after_a_flush_that_failed_nothing_more_is_written);
    return unit_run(tests);
}
