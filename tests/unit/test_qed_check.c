/*
 * What a check finds, by hand and against a slow count of every reference.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_check.h"

#include "support/io_fault.h"
#include "support/io_mem.h"
#include "support/unit.h"

#define C UINT64_C(4096)
#define SPAN (512 * C)
#define L1 C
#define T0 (2 * C)
#define T1 (3 * C)
#define D (4 * C)

static struct qed_scan_options one_thread(void)
{
    return (struct qed_scan_options){.queue = IO_QUEUE_SYNC, .threads = 1};
}

/* An image of four spans; the first two have empty tables, and the file `clusters` clusters. */
static struct io *new_image(uint64_t clusters)
{
    struct unit_image spec = {.image_size = 4 * SPAN, .clusters = clusters};
    struct io *io = unit_image_new(&spec);

    unit_put_entry(io, L1, 0, T0);
    unit_put_entry(io, L1, 1, T1);
    return io;
}

static struct qed_check_result run_check(struct io *io, size_t limit)
{
    struct qed_scan_options options = one_thread();
    struct qed_image *image = unit_open(io, false);
    struct qed_error error = QED_ERROR_INIT;
    struct qed_check_result result;

    ck_assert_msg(qed_check(image, &options, limit, &result, &error) == QED_OK, "%s", error.text);
    qed_close(image);
    return result;
}

/* The check finds exactly this problem, with these totals. */
static struct problem check_one(struct io *io, enum problem_id id, uint64_t corruptions,
                                uint64_t leaks)
{
    struct qed_check_result result = run_check(io, 100);
    struct problem problem;

    ck_assert_uint_eq(result.problems.found, 1);
    ck_assert_uint_eq(result.problems.count, 1);
    problem = result.problems.problems[0];
    ck_assert_str_eq(problem_kind(problem.id)->name, problem_kind(id)->name);
    ck_assert_uint_eq(result.totals.corruptions, corruptions);
    ck_assert_uint_eq(result.totals.leaks, leaks);
    qed_check_release(&result);
    io_close(io);
    return problem;
}

START_TEST(a_clean_image_has_no_findings)
{
    struct io *io = new_image(7), *before;
    struct qed_check_result result;

    unit_put_entry(io, T0, 0, D);
    unit_put_entry(io, T0, 1, D + 2 * C);
    unit_put_entry(io, T0, 7, QED_ENTRY_ZERO);
    unit_put_entry(io, T1, 511, D + C);
    before = io_mem_copy(io);
    io_mem_reset_counts(io);
    result = run_check(io, 10);
    ck_assert_uint_eq(result.problems.found, 0);
    ck_assert(result.makes_sense);
    ck_assert_uint_eq(result.totals.total_clusters, 4 * 512);
    ck_assert_uint_eq(result.totals.allocated_clusters, 3);
    ck_assert_uint_eq(result.totals.fragmented_clusters, 1);
    ck_assert_uint_eq(result.totals.corruptions + result.totals.leaks + result.totals.orphans, 0);
    ck_assert(!bitmap_any_set(result.shared, 0, 7));
    ck_assert_uint_eq(result.touching.count, 0);
    ck_assert_uint_eq(result.damaged.count, 0);
    ck_assert_uint_eq(
        io_mem_counts(io).writes + io_mem_counts(io).zeroes + io_mem_counts(io).set_lengths, 0);
    ck_assert(io_mem_equal(io, before));
    qed_check_release(&result);
    qed_check_release(&result);
    io_close(before);
    io_close(io);
}
END_TEST

START_TEST(entries_are_told_apart_by_what_is_wrong_with_them)
{
    struct qed_geometry g = {.cluster_size = 8192,
                             .table_size = 2,
                             .cluster_shift = 13,
                             .table_bytes = 16384,
                             .header_bytes = 16384,
                             .file_length = 10 * 8192 + 700,
                             .file_end = 10 * 8192};
    static const struct {
        uint64_t entry;
        enum problem_id l1, l2;
    } cases[] = {
        {1, PROBLEM_L1_LOW_BITS, PROBLEM_L2_LOW_BITS},
        {2, PROBLEM_L1_LOW_BITS, PROBLEM_L2_LOW_BITS},
        {16384 + 512, PROBLEM_L1_LOW_BITS, PROBLEM_L2_LOW_BITS},
        {UINT64_MAX, PROBLEM_L1_LOW_BITS, PROBLEM_L2_LOW_BITS},
        {4096, PROBLEM_L1_UNALIGNED, PROBLEM_L2_UNALIGNED},
        {16384 + 4096, PROBLEM_L1_UNALIGNED, PROBLEM_L2_UNALIGNED},
        {UINT64_MAX - 4095, PROBLEM_L1_UNALIGNED, PROBLEM_L2_UNALIGNED},
        {8192, PROBLEM_L1_IN_HEADER, PROBLEM_L2_IN_HEADER},
        {16384, PROBLEM_COUNT, PROBLEM_COUNT},
        {8 * 8192, PROBLEM_COUNT, PROBLEM_COUNT},
        {9 * 8192, PROBLEM_L1_CUT_SHORT, PROBLEM_COUNT},
        {10 * 8192, PROBLEM_L1_CUT_SHORT, PROBLEM_L2_CUT_SHORT},
        {11 * 8192, PROBLEM_L1_PAST_END, PROBLEM_L2_PAST_END},
        {UINT64_MAX - 8191, PROBLEM_L1_PAST_END, PROBLEM_L2_PAST_END},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ck_assert_int_eq((int)qed_check_l1_entry(&g, cases[i].entry), (int)cases[i].l1);
        ck_assert_int_eq((int)qed_check_l2_entry(&g, cases[i].entry), (int)cases[i].l2);
    }
}
END_TEST

START_TEST(an_invalid_l1_entry_is_one_corruption)
{
    struct io *io = new_image(4);
    struct problem problem;

    unit_put_entry(io, L1, 3, 100 * C);
    problem = check_one(io, PROBLEM_L1_PAST_END, 1, 0);
    ck_assert(problem.has_l1_index && !problem.has_l2_index && problem.has_value);
    ck_assert_uint_eq(problem.l1_index, 3);
    ck_assert_uint_eq(problem.value, 100 * C);
    ck_assert_uint_eq(problem.virt_off, 3 * SPAN);
    ck_assert_uint_eq(problem.virt_len, SPAN);
    ck_assert_uint_eq(problem.clusters, 1);
}
END_TEST

START_TEST(an_invalid_l2_entry_is_one_corruption)
{
    struct io *io = new_image(4);
    struct problem problem;

    unit_put_entry(io, T1, 5, D + 512);
    problem = check_one(io, PROBLEM_L2_LOW_BITS, 1, 0);
    ck_assert(problem.has_l1_index && problem.has_l2_index && problem.has_value);
    ck_assert_uint_eq(problem.l1_index, 1);
    ck_assert_uint_eq(problem.l2_index, 5);
    ck_assert_uint_eq(problem.value, D + 512);
    ck_assert_uint_eq(problem.virt_off, SPAN + 5 * C);
    ck_assert_uint_eq(problem.virt_len, C);
}
END_TEST

START_TEST(a_second_use_of_a_cluster_is_told_with_the_first)
{
    struct io *io = new_image(5);
    struct problem problem;

    unit_put_entry(io, T0, 9, D);
    unit_put_entry(io, T1, 4, D);
    problem = check_one(io, PROBLEM_L2_SHARED, 1, 0);
    ck_assert_uint_eq(problem.l1_index, 1);
    ck_assert_uint_eq(problem.l2_index, 4);
    ck_assert_int_eq(problem.other, OWNER_DATA);
    ck_assert_uint_eq(problem.other_l1_index, 0);
    ck_assert_uint_eq(problem.other_l2_index, 9);
}
END_TEST

START_TEST(data_on_a_table_is_told_with_the_table)
{
    struct io *io = new_image(4);
    struct problem problem;

    unit_put_entry(io, T0, 1, T1);
    problem = check_one(io, PROBLEM_L2_ON_TABLE, 1, 0);
    ck_assert_int_eq(problem.other, OWNER_L2_TABLE);
    ck_assert_uint_eq(problem.other_l1_index, 1);
    io = new_image(4);
    unit_put_entry(io, T1, 1, L1);
    problem = check_one(io, PROBLEM_L2_ON_L1, 1, 0);
    ck_assert_int_eq(problem.other, OWNER_L1_TABLE);
}
END_TEST

START_TEST(tables_on_tables_are_told)
{
    struct io *io = new_image(4);
    struct problem problem;

    unit_put_entry(io, L1, 2, T1);
    problem = check_one(io, PROBLEM_L1_SAME_TABLE, 1, 0);
    ck_assert_uint_eq(problem.l1_index, 2);
    ck_assert_int_eq(problem.other, OWNER_L2_TABLE);
    ck_assert_uint_eq(problem.other_l1_index, 1);
    io = new_image(4);
    unit_put_entry(io, L1, 2, L1);
    problem = check_one(io, PROBLEM_L1_ON_L1, 1, 0);
    ck_assert_int_eq(problem.other, OWNER_L1_TABLE);
}
END_TEST

START_TEST(tables_that_overlap_count_by_the_clusters_they_share)
{
    struct unit_image spec = {.image_size = 1 << 20, .table_size = 4, .clusters = 12};
    struct io *io = unit_image_new(&spec);
    struct problem problem;

    unit_put_entry(io, L1, 0, 5 * C);
    unit_put_entry(io, L1, 5, 8 * C);
    unit_put64(io, 48, UINT64_C(1) << 30);
    problem = check_one(io, PROBLEM_L1_OVERLAP, 1, 0);
    ck_assert_uint_eq(problem.clusters, 1);
    ck_assert_uint_eq(problem.other_l1_index, 0);
}
END_TEST

START_TEST(clusters_that_nothing_refers_to_are_leaks)
{
    struct io *io = new_image(8);
    struct problem problem;

    unit_fill(io, D, C, 0xee);
    unit_put_entry(io, T0, 0, 7 * C);
    problem = check_one(io, PROBLEM_LEAK, 0, 3);
    ck_assert_uint_eq(problem.file_off, D);
    ck_assert_uint_eq(problem.file_len, 3 * C);
    ck_assert_uint_eq(problem.clusters, 3);
    io = new_image(8);
    unit_put_entry(io, T0, 0, D);
    problem = check_one(io, PROBLEM_LEAK_TAIL, 0, 3);
    ck_assert_uint_eq(problem.file_off, 5 * C);
}
END_TEST

START_TEST(a_leak_that_looks_like_a_table_is_named_so)
{
    struct io *io = new_image(6);
    struct problem problem;

    unit_put_entry(io, T0, 0, 5 * C);
    unit_put_entry(io, D, 100, 5 * C);
    problem = check_one(io, PROBLEM_ORPHAN_TABLE, 0, 1);
    ck_assert_uint_eq(problem.file_off, D);
}
END_TEST

START_TEST(the_header_has_notes)
{
    struct io *io = new_image(4);

    unit_put64(io, 16, QED_FEATURE_NEED_CHECK);
    check_one(io, PROBLEM_DIRTY, 0, 0);
    io = new_image(4);
    unit_put64(io, 32, 4);
    check_one(io, PROBLEM_AUTOCLEAR, 0, 0);
    io = new_image(4);
    unit_put64(io, 32, 1);
    check_one(io, PROBLEM_INTENT, 0, 0);
    io = new_image(4);
    unit_fill(io, 4 * C, 100, 1);
    check_one(io, PROBLEM_FILE_LENGTH, 0, 0);
    io = new_image(4);
    unit_put64(io, 16, QED_FEATURE_BACKING_NO_PROBE);
    check_one(io, PROBLEM_BACKING_FLAGS, 0, 0);
    io = new_image(4);
    unit_put64(io, 16, QED_FEATURE_BACKING_FILE);
    unit_put64(io, 56, UINT64_C(3) << 32 | 64);
    ck_assert_int_eq(io_write(io, "a\nb", 3, 64, NULL), QED_OK);
    check_one(io, PROBLEM_BACKING_NAME, 0, 0);
}
END_TEST

START_TEST(entries_past_the_image_size_are_notes)
{
    struct io *io = new_image(5);
    struct problem problem;

    unit_put64(io, 48, SPAN + 3 * C + 512);
    unit_put_entry(io, T1, 3, D); /* the last cluster of the image, in part */
    ck_assert_uint_eq(unit_check(io).corruptions + unit_check(io).leaks, 0);
    unit_put_entry(io, T1, 3, 0);
    unit_put_entry(io, T1, 4, D);
    problem = check_one(io, PROBLEM_L2_PAST_SIZE, 0, 0);
    ck_assert_uint_eq(problem.l2_index, 4);
    ck_assert_uint_eq(problem.virt_len, 0);
    io = new_image(4);
    unit_put64(io, 48, SPAN);
    problem = check_one(io, PROBLEM_L1_PAST_SIZE, 0, 0);
    ck_assert_uint_eq(problem.l1_index, 1);
    ck_assert_uint_eq(problem.virt_len, 0);
}
END_TEST

START_TEST(as_many_findings_are_kept_as_were_asked_for_and_the_first)
{
    struct io *io = new_image(4);

    for (uint64_t i = 0; i < 7; i++) {
        unit_put_entry(io, T0, 20 * i, (50 + i) * C);
        unit_put_entry(io, T1, 20 * i, (70 + i) * C);
    }
    for (size_t limit = 0; limit < 20; limit++) {
        struct qed_check_result result = run_check(io, limit);

        ck_assert_uint_eq(result.problems.found, 14);
        ck_assert_uint_eq(result.totals.corruptions, 14);
        ck_assert_uint_eq(result.problems.count, limit < 14 ? limit : 14);
        for (size_t i = 0; i < result.problems.count; i++) {
            ck_assert_uint_eq(result.problems.problems[i].l1_index, i / 7);
            ck_assert_uint_eq(result.problems.problems[i].l2_index, 20 * (i % 7));
        }
        qed_check_release(&result);
    }
    io_close(io);
}
END_TEST

START_TEST(a_crash_before_the_first_l1_entry_leaves_leaks_and_no_corruption)
{
    struct io *io = new_image(6);

    /* What a writer leaves that stops between the L2 tables and the L1 table of its first flush. */
    unit_put64(io, 16, QED_FEATURE_NEED_CHECK);
    unit_put_entry(io, L1, 0, 0);
    unit_put_entry(io, L1, 1, 0);
    unit_put_entry(io, T0, 0, D);
    unit_put_entry(io, T1, 0, 5 * C);
    ck_assert_uint_eq(unit_check(io).corruptions, 0);
    ck_assert_uint_eq(unit_check(io).leaks, 4);
    io_close(io);
}
END_TEST

START_TEST(a_crash_that_lost_the_l2_entries_leaves_leaks_and_no_corruption)
{
    struct unit_image spec = {
        .image_size = 4 * SPAN, .clusters = 9, .features = QED_FEATURE_NEED_CHECK};
    struct io *io = unit_image_new(&spec);

    /* The L1 entries came to the disk, the tables' contents did not: data behind every table. */
    unit_put_entry(io, L1, 0, 3 * C);
    unit_put_entry(io, L1, 1, 5 * C);
    unit_put_entry(io, L1, 2, 7 * C);
    for (uint64_t at = 2 * C; at <= 8 * C; at += 2 * C)
        unit_fill(io, at, C, 0xdd);
    ck_assert_uint_eq(unit_check(io).corruptions, 0);
    ck_assert_uint_eq(unit_check(io).leaks, 4);
    io_close(io);
}
END_TEST

START_TEST(what_is_no_l1_table_is_one_finding)
{
    struct io *io = new_image(6);
    struct qed_check_result result;

    unit_fill(io, L1, C, 0x5b);
    result = run_check(io, 100);
    ck_assert(!result.makes_sense);
    ck_assert_uint_eq(result.totals.corruptions, 1);
    ck_assert_uint_eq(result.problems.found, 1);
    ck_assert_str_eq(problem_kind(result.problems.problems[0].id)->name, "QED-L1-NONSENSE");
    qed_check_release(&result);
    io_close(io);
}
END_TEST

START_TEST(what_is_no_l2_table_is_one_finding)
{
    struct io *io = new_image(5);
    struct problem problem;

    unit_put_entry(io, T0, 0, D);
    unit_fill(io, T1, C, 0x5b);
    problem = check_one(io, PROBLEM_L1_NOT_A_TABLE, 1, 0);
    ck_assert_uint_eq(problem.l1_index, 1);
}
END_TEST

START_TEST(findings_add_up_when_a_table_is_none)
{
    struct io *io = new_image(5);
    struct qed_check_result result;
    uint64_t corruptions = 0;

    unit_put_entry(io, T0, 0, D);
    unit_fill(io, T1, 512, 0x5b);
    unit_put_entry(io, T1, 100, D); /* looks right, and is a second use */
    result = run_check(io, 100);
    for (size_t i = 0; i < result.problems.count; i++)
        corruptions += result.problems.problems[i].clusters;
    ck_assert_uint_eq(result.problems.found, result.problems.count);
    ck_assert_uint_eq(result.totals.corruptions, corruptions);
    qed_check_release(&result);
    io_close(io);
}
END_TEST

START_TEST(a_failure_to_read_is_never_a_clean_bill)
{
    struct io *io = new_image(8);
    bool failed = true;

    unit_put_entry(io, T0, 0, D);
    unit_put_entry(io, T1, 0, D);
    unit_put_entry(io, T1, 1, 100 * C);
    for (size_t fail_at = 1; failed; fail_at++) {
        struct io_fault_plan plan = {.fail_at = fail_at + 3, .code = QED_ERR_IO};
        struct io *fault = io_fault_new(io, &plan);
        struct qed_scan_options options = one_thread();
        struct qed_image *image = unit_open(fault, false);
        struct qed_check_result result;
        int ret = qed_check(image, &options, 10, &result, NULL);

        failed = io_fault_happened(fault);
        ck_assert_int_eq(ret, failed ? QED_ERR_IO : QED_OK);
        ck_assert(failed || result.totals.corruptions == 2);
        qed_check_release(&result);
        qed_close(image);
        io_close(fault);
        ck_assert(failed || fail_at > 6);
    }
    io_close(io);
}
END_TEST

static void cut_file(struct io *below)
{
    ck_assert_int_eq(io_set_length(below, 5 * C, NULL), QED_OK);
}

static void grow_file(struct io *below)
{
    ck_assert_int_eq(io_set_length(below, 9 * C, NULL), QED_OK);
}

START_TEST(a_file_that_changes_meanwhile_is_told)
{
    for (int grows = 0; grows < 2; grows++) {
        struct io *io = new_image(8);
        struct io_fault_plan plan = {.kinds = IO_FAULT_BIT(IO_FAULT_READ),
                                     .fail_at = 4,
                                     .before = grows ? grow_file : cut_file};
        struct io *fault = io_fault_new(io, &plan);
        struct qed_scan_options options = one_thread();
        struct qed_image *image = unit_open(fault, false);
        struct qed_check_result result;

        unit_put_entry(io, T0, 0, 7 * C);
        unit_put_entry(io, T1, 0, 6 * C);
        ck_assert_int_eq(qed_check(image, &options, 10, &result, NULL), QED_ERR_CHANGED);
        ck_assert(io_fault_happened(fault));
        qed_check_release(&result);
        qed_close(image);
        io_close(fault);
        io_close(io);
    }
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("qed_check");

    tcase_add_test(tests, a_clean_image_has_no_findings);
    tcase_add_test(tests, entries_are_told_apart_by_what_is_wrong_with_them);
    tcase_add_test(tests, an_invalid_l1_entry_is_one_corruption);
    tcase_add_test(tests, an_invalid_l2_entry_is_one_corruption);
    tcase_add_test(tests, a_second_use_of_a_cluster_is_told_with_the_first);
    tcase_add_test(tests, data_on_a_table_is_told_with_the_table);
    tcase_add_test(tests, tables_on_tables_are_told);
    tcase_add_test(tests, tables_that_overlap_count_by_the_clusters_they_share);
    tcase_add_test(tests, clusters_that_nothing_refers_to_are_leaks);
    tcase_add_test(tests, a_leak_that_looks_like_a_table_is_named_so);
    tcase_add_test(tests, the_header_has_notes);
    tcase_add_test(tests, entries_past_the_image_size_are_notes);
    tcase_add_test(tests, as_many_findings_are_kept_as_were_asked_for_and_the_first);
    tcase_add_test(tests, a_crash_before_the_first_l1_entry_leaves_leaks_and_no_corruption);
    tcase_add_test(tests, a_crash_that_lost_the_l2_entries_leaves_leaks_and_no_corruption);
    tcase_add_test(tests, what_is_no_l1_table_is_one_finding);
    tcase_add_test(tests, what_is_no_l2_table_is_one_finding);
    tcase_add_test(tests, findings_add_up_when_a_table_is_none);
    tcase_add_test(tests, a_failure_to_read_is_never_a_clean_bill);
    tcase_add_test(tests, a_file_that_changes_meanwhile_is_told);
    return unit_run(tests);
}
