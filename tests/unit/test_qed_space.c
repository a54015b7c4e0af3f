/*
 * Clusters at the end of the file.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_space.h"

#include "support/io_fault.h"
#include "support/io_mem.h"
#include "support/unit.h"

#define C UINT64_C(4096)

static struct qed_space begin(struct qed_image *image)
{
    struct qed_space space;

    ck_assert_int_eq(qed_space_init(&space, image, NULL), QED_OK);
    return space;
}

static uint64_t take(struct qed_space *space, uint64_t count)
{
    ck_assert_int_eq(qed_space_need(space, count, NULL), QED_OK);
    ck_assert_uint_ge(qed_space_left(space), count);
    return qed_space_take(space, count);
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
    struct qed_space space = begin(image);

    ck_assert_uint_eq(qed_space_left(&space), 0);
    ck_assert_uint_eq(take(&space, 1), 5 * C);
    ck_assert_uint_eq(take(&space, 3), 6 * C);
    ck_assert_uint_eq(take(&space, 1), 9 * C);
    ck_assert_uint_eq(image->geometry.file_end, length_of(io));
    ck_assert_uint_eq(length_of(io), 5 * C + QED_SPACE_STEP);
    ck_assert_int_eq(qed_space_trim(&space, NULL), QED_OK);
    ck_assert_uint_eq(length_of(io), 10 * C);
    ck_assert_uint_eq(image->geometry.file_end, 10 * C);
    qed_close(image);
    io_close(io);
}
END_TEST

START_TEST(many_clusters_make_the_file_as_long_as_they_need)
{
    struct unit_image spec = {.image_size = 1 << 20, .clusters = 5};
    struct io *io = unit_image_new(&spec);
    struct qed_image *image = unit_open(io, true);
    struct qed_space space = begin(image);

    ck_assert_uint_eq(take(&space, 1000), 5 * C);
    ck_assert_uint_eq(length_of(io), 1005 * C);
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
        struct qed_space space;

        unit_fill(io, 5 * C, tails[i], 0xff);
        image = unit_open(io, true);
        space = begin(image);
        ck_assert_uint_eq(take(&space, 1), 6 * C);
        ck_assert_int_eq(qed_space_trim(&space, NULL), QED_OK);
        ck_assert_uint_eq(length_of(io), 7 * C);
        qed_close(image);
        io_close(io);
    }
}
END_TEST

START_TEST(tables_of_a_group_lie_side_by_side_and_read_as_zeroes)
{
    struct unit_image spec = {.image_size = 1 << 20, .table_size = 4, .clusters = 6};
    struct io *io = unit_image_new(&spec);
    struct qed_image *image;
    struct qed_space space;

    unit_fill(io, 6 * C, 100, 0xff);
    image = unit_open(io, true);
    space = begin(image);
    ck_assert(!qed_space_has_table(&space));
    ck_assert_int_eq(qed_space_need(&space, 12, NULL), QED_OK);
    qed_space_take_tables(&space, 3);
    for (uint64_t table = 0; table < 3; table++) {
        ck_assert(qed_space_has_table(&space));
        ck_assert_uint_eq(qed_space_next_table(&space), (7 + 4 * table) * C);
        for (uint64_t i = 0; i < 4 * C / 8; i++)
            ck_assert_uint_eq(unit_get_entry(io, (7 + 4 * table) * C, i), 0);
    }
    ck_assert(!qed_space_has_table(&space));
    ck_assert_uint_eq(take(&space, 1), 19 * C);
    qed_close(image);
    io_close(io);
}
END_TEST

START_TEST(a_file_that_cannot_grow_is_told)
{
    struct unit_image spec = {.image_size = 1 << 20};
    struct io *io = unit_image_new(&spec);
    struct qed_image *image;
    struct qed_space space;

    ck_assert_int_eq(io_set_length(io, INT64_MAX - 5 * C, NULL), QED_OK);
    image = unit_open(io, true);
    space = begin(image);
    ck_assert_int_eq(qed_space_need(&space, 10, NULL), QED_ERR_NO_SPACE);
    ck_assert_int_eq(qed_space_need(&space, UINT64_MAX, NULL), QED_ERR_NO_SPACE);
    ck_assert_int_eq(qed_space_need(&space, UINT64_MAX / C, NULL), QED_ERR_NO_SPACE);
    ck_assert_int_eq(qed_space_grow(&space, UINT64_MAX, false, NULL), QED_ERR_NO_SPACE);
    ck_assert_uint_eq(length_of(io), INT64_MAX - 5 * C);
    qed_close(image);
    io_close(io);
}
END_TEST

START_TEST(a_failure_leaves_the_file_as_long_as_it_was)
{
    struct unit_image spec = {.image_size = 1 << 20};
    struct io *io = unit_image_new(&spec);
    uint64_t before = length_of(io);
    struct io_fault_plan plan = {
        .kinds = IO_FAULT_BIT(IO_FAULT_SET_LENGTH), .fail_at = 1, .code = QED_ERR_NO_SPACE};
    struct io *fault = io_fault_new(io, &plan);
    struct qed_image *image = unit_open(fault, true);
    struct qed_space space = begin(image);

    ck_assert_int_eq(qed_space_need(&space, 1, NULL), QED_ERR_NO_SPACE);
    ck_assert_uint_eq(length_of(io), before);
    ck_assert_uint_eq(take(&space, 1), before);
    qed_close(image);
    io_close(fault);
    io_close(io);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("qed_space");

    tcase_add_test(tests, clusters_follow_each_other_and_are_counted);
    tcase_add_test(tests, many_clusters_make_the_file_as_long_as_they_need);
    tcase_add_test(tests, what_is_behind_the_last_whole_cluster_is_left_alone);
    tcase_add_test(tests, tables_of_a_group_lie_side_by_side_and_read_as_zeroes);
    tcase_add_test(tests, a_file_that_cannot_grow_is_told);
    tcase_add_test(tests, a_failure_leaves_the_file_as_long_as_it_was);
    return unit_run(tests);
}
