/*
 * Targets: new ones appear when they are finished, existing ones are written in place.
 * SPDX-License-Identifier: MIT
 */
#include "core/target.h"

#include <unistd.h>

#include "support/unit.h"

#define C UINT64_C(4096)

static struct create_options sized(const char *format, uint64_t size)
{
    struct create_options options;

    create_options_init(&options);
    options.format = format;
    options.has_size = true;
    options.size = size;
    options.cluster_size = C;
    options.table_size = 1;
    return options;
}

static struct target *open_target(const char *path, const struct create_options *options,
                                  bool existing)
{
    struct qed_error error = QED_ERROR_INIT;
    struct target *target = NULL;

    ck_assert_msg(target_open(&target, path, options, existing, IMAGE_BACKING_FOLLOW, &error) ==
                      QED_OK,
                  "%s", error.text);
    return target;
}

START_TEST(a_new_target_appears_when_it_is_finished)
{
    static const char *const formats[] = {"qed", "raw"};

    for (size_t i = 0; i < 2; i++) {
        struct create_options options = sized(formats[i], 20 * C);
        struct target *target = open_target(formats[i], &options, false);

        ck_assert_str_eq(target_path(target), formats[i]);
        ck_assert_uint_eq(target_unit(target), C);
        ck_assert_ptr_null(target_base(target));
        ck_assert_int_eq(target_write(target, 5 * C + 3, "abc", 3, NULL), QED_OK);
        ck_assert_int_ne(access(formats[i], F_OK), 0);
        ck_assert_int_eq(target_finish(target, NULL), QED_OK);
        target_close(target);
        ck_assert(unit_reads_as(formats[i], 5 * C + 4, 1, 'b'));
        ck_assert(unit_reads_as(formats[i], 5 * C + 6, 14 * C, 0));
    }
    ck_assert_uint_eq(unit_count_names("."), 2);
}
END_TEST

START_TEST(a_new_target_that_is_not_finished_leaves_nothing)
{
    struct create_options options = sized("qed", 20 * C);
    struct target *target;

    unit_write_file("old", "old", 3);
    target = open_target("old", &options, false);
    ck_assert_int_eq(target_write(target, 0, "abc", 3, NULL), QED_OK);
    target_close(target);
    target_close(NULL);
    ck_assert_uint_eq(unit_count_names("."), 1);
    ck_assert(unit_reads_as("old", 0, 1, 'o'));
}
END_TEST

START_TEST(zeroes_are_stored_when_they_are_to_be)
{
    struct create_options options = sized("qed", 20 * C);
    struct target *target = open_target("t.qed", &options, false);
    static const struct image_options reading = {.backing = IMAGE_BACKING_FOLLOW};
    struct image *image = NULL;
    struct extent run;

    ck_assert_int_eq(target_zero(target, 0, 4 * C, false, NULL), QED_OK);
    ck_assert_int_eq(target_zero(target, 4 * C, 4 * C, true, NULL), QED_OK);
    ck_assert_int_eq(target_finish(target, NULL), QED_OK);
    target_close(target);
    ck_assert_int_eq(image_open(&image, "t.qed", &reading, NULL), QED_OK);
    ck_assert_int_eq(image_next_run(image, 0, 20 * C, &run, NULL), QED_OK);
    ck_assert_int_eq(run.kind, EXTENT_UNALLOCATED);
    ck_assert_uint_eq(run.length, 4 * C);
    ck_assert_int_eq(image_next_run(image, 4 * C, 16 * C, &run, NULL), QED_OK);
    ck_assert_int_eq(run.kind, EXTENT_DATA);
    ck_assert_uint_eq(run.length, 4 * C);
    image_close(image);
}
END_TEST

START_TEST(the_base_of_a_new_target_shows_through)
{
    struct create_options options = sized("qed", 20 * C);
    struct target *target;

    unit_create_qed("base.qed", 10 * C, NULL, false);
    unit_write_qed("base.qed", 0, 10 * C, 7);
    options.backing_name = "base.qed";
    options.backing_format = "qed";
    target = open_target("t.qed", &options, false);
    ck_assert_ptr_nonnull(target_base(target));
    ck_assert_uint_eq(image_size(target_base(target)), 10 * C);
    ck_assert_int_eq(target_write(target, 10 * C - 1, "ab", 2, NULL), QED_OK);
    ck_assert_int_eq(target_zero(target, 2 * C, C, false, NULL), QED_OK);
    ck_assert_int_eq(target_finish(target, NULL), QED_OK);
    target_close(target);
    ck_assert(unit_reads_as("t.qed", 0, 2 * C, 7));
    ck_assert(unit_reads_as("t.qed", 2 * C, C, 0));
    ck_assert(unit_reads_as("t.qed", 3 * C, 7 * C - 1, 7));
    ck_assert(unit_reads_as("t.qed", 10 * C - 1, 1, 'a'));
    ck_assert(unit_reads_as("t.qed", 10 * C, 1, 'b'));
    ck_assert(unit_reads_as("t.qed", 10 * C + 1, 9 * C, 0));
}
END_TEST

START_TEST(an_existing_target_tells_of_no_base)
{
    struct create_options options = sized("qed", 10 * C);
    struct target *target;

    unit_create_qed("base.qed", 10 * C, NULL, false);
    unit_write_qed("base.qed", 0, 10 * C, 7);
    unit_create_qed("t.qed", 10 * C, "base.qed", false);
    target = open_target("t.qed", &options, true);
    ck_assert_ptr_null(target_base(target));
    ck_assert_int_eq(target_write(target, C + 5, "x", 1, NULL), QED_OK);
    ck_assert_int_eq(target_finish(target, NULL), QED_OK);
    target_close(target);
    ck_assert(unit_reads_as("t.qed", C, 5, 7));
    ck_assert(unit_reads_as("t.qed", C + 5, 1, 'x'));
    ck_assert(unit_reads_as("t.qed", C + 6, C, 7));
}
END_TEST

START_TEST(an_existing_target_of_another_format_is_refused)
{
    struct create_options options = sized("qed", 512);
    struct target *target = NULL;

    unit_write_file("t.raw", "abc", 3);
    ck_assert_int_eq(target_open(&target, "t.raw", &options, true, IMAGE_BACKING_FOLLOW, NULL),
                     QED_ERR_FORMAT);
    ck_assert_ptr_null(target);
    unit_create_qed("t.qed", 10 * C, "base.qed", false);
    ck_assert_int_eq(target_open(&target, "t.qed", &options, true, IMAGE_BACKING_NONE, NULL),
                     QED_ERR_BACKING);
    ck_assert_ptr_null(target);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("target");

    unit_use_folder(tests);
    tcase_add_test(tests, a_new_target_appears_when_it_is_finished);
    tcase_add_test(tests, a_new_target_that_is_not_finished_leaves_nothing);
    tcase_add_test(tests, zeroes_are_stored_when_they_are_to_be);
    tcase_add_test(tests, the_base_of_a_new_target_shows_through);
    tcase_add_test(tests, an_existing_target_tells_of_no_base);
    tcase_add_test(tests, an_existing_target_of_another_format_is_refused);
    return unit_run(tests);
}
