/*
 * Clusters at the end of the file.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_alloc.h"

#include "support/io_fault.h"
#include "support/io_mem.h"
#include "support/unit.h"

#define C UINT64_C(4096)

static uint64_t alloc(struct qed_image *image, uint64_t count)
{
    uint64_t file_off = 0;

    ck_assert_int_eq(qed_alloc_clusters(image, count, &file_off, NULL), QED_OK);
    return file_off;
}

static uint64_t length_of(struct io *io)
{
    uint64_t length;

    ck_assert_int_eq(io_get_length(io, &length, NULL), QED_OK);
    return length;
}

START_TEST(clusters_follow_each_other_and_are_counted)
{
    struct unit_image spec = {.image_size = 1 << 20, .clusters = 5};
    struct io *io = unit_image_new(&spec);
    struct qed_image *image = unit_open(io, true);

    ck_assert_uint_eq(alloc(image, 1), 5 * C);
    ck_assert_uint_eq(alloc(image, 3), 6 * C);
    ck_assert_uint_eq(alloc(image, 1), 9 * C);
    ck_assert_uint_eq(image->geometry.file_end, 10 * C);
    ck_assert_uint_eq(length_of(io), 5 * C); /* the caller writes them */
    qed_close(image);
    io_close(io);
}
END_TEST

START_TEST(what_is_behind_the_last_whole_cluster_is_left_alone)
{
    static const uint64_t tails[] = {1, 512, 4095};

    for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
        struct unit_image spec = {.image_size = 1 << 20, .clusters = 5};
        struct io *io = unit_image_new(&spec);
        struct qed_image *image;

        unit_fill(io, 5 * C, tails[i], 0xff);
        image = unit_open(io, true);
        ck_assert_uint_eq(alloc(image, 1), 6 * C);
        qed_close(image);
        io_close(io);
    }
}
END_TEST

START_TEST(what_was_appended_meanwhile_is_not_handed_out)
{
    struct unit_image spec = {.image_size = 1 << 20, .clusters = 5};
    struct io *io = unit_image_new(&spec);
    struct qed_image *image = unit_open(io, true);

    unit_fill(io, 5 * C, 2 * C, 0xff);
    ck_assert_uint_eq(alloc(image, 1), 7 * C);
    qed_close(image);
    io_close(io);
}
END_TEST

START_TEST(a_new_table_reads_as_zeroes)
{
    struct unit_image spec = {.image_size = 1 << 20, .table_size = 4, .clusters = 6};
    struct io *io = unit_image_new(&spec);
    struct qed_image *image;
    uint64_t table_off = 0;

    unit_fill(io, 6 * C, 100, 0xff);
    image = unit_open(io, true);
    ck_assert_int_eq(qed_alloc_table(image, &table_off, NULL), QED_OK);
    ck_assert_uint_eq(table_off, 7 * C);
    ck_assert_uint_eq(length_of(io), 11 * C);
    for (uint64_t i = 0; i < 4 * C / 8; i++)
        ck_assert_uint_eq(unit_get_entry(io, table_off, i), 0);
    qed_close(image);
    io_close(io);
}
END_TEST

START_TEST(a_file_that_cannot_grow_is_told)
{
    struct unit_image spec = {.image_size = 1 << 20};
    struct io *io = unit_image_new(&spec);
    struct qed_image *image;
    uint64_t file_off = 77;

    ck_assert_int_eq(io_set_length(io, INT64_MAX - 5 * C, NULL), QED_OK);
    image = unit_open(io, true);
    ck_assert_int_eq(qed_alloc_clusters(image, 10, &file_off, NULL), QED_ERR_NO_SPACE);
    ck_assert_int_eq(qed_alloc_clusters(image, UINT64_MAX, &file_off, NULL), QED_ERR_NO_SPACE);
    ck_assert_int_eq(qed_alloc_clusters(image, UINT64_MAX / C, &file_off, NULL), QED_ERR_NO_SPACE);
    ck_assert_uint_eq(file_off, 77);
    qed_close(image);
    io_close(io);
}
END_TEST

START_TEST(failures_of_the_file_are_passed_on)
{
    struct unit_image spec = {.image_size = 1 << 20};
    struct io *io = unit_image_new(&spec);
    struct io_fault_plan plan = {
        .kinds = IO_FAULT_BIT(IO_FAULT_SET_LENGTH), .fail_at = 1, .code = QED_ERR_NO_SPACE};
    struct io *fault = io_fault_new(io, &plan);
    struct qed_image *image = unit_open(fault, true);
    uint64_t first = 0, second = 0;

    ck_assert_int_eq(qed_alloc_table(image, &first, NULL), QED_ERR_NO_SPACE);
    ck_assert_int_eq(qed_alloc_table(image, &second, NULL), QED_OK);
    ck_assert_uint_ge(second, 2 * C);
    ck_assert_uint_eq(length_of(io), second + C);
    qed_close(image);
    io_close(fault);
    io_close(io);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("qed_alloc");

    tcase_add_test(tests, clusters_follow_each_other_and_are_counted);
    tcase_add_test(tests, what_is_behind_the_last_whole_cluster_is_left_alone);
    tcase_add_test(tests, what_was_appended_meanwhile_is_not_handed_out);
    tcase_add_test(tests, a_new_table_reads_as_zeroes);
    tcase_add_test(tests, a_file_that_cannot_grow_is_told);
    tcase_add_test(tests, failures_of_the_file_are_passed_on);
    return unit_run(tests);
}
