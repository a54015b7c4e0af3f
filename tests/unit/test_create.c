/*
 * New image files: made whole or not at all.
 * SPDX-License-Identifier: MIT
 */
#include "core/create.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/qed_layout.h"
#include "support/unit.h"

#define C UINT64_C(4096)

static struct create_options sized(const char *format, uint64_t size)
{
    struct create_options options;

    create_options_init(&options);
    options.format = format;
    options.has_size = true;
    options.size = size;
    return options;
}

static int create(const char *path, struct create_options options, struct qed_error *error)
{
    int ret = create_prepare(&options, path, error);

    return ret < 0 ? ret : create_image(path, &options, error);
}

static void check_refused(const char *path, struct create_options options, int code)
{
    struct qed_error error = QED_ERROR_INIT;

    ck_assert_int_eq(create(path, options, &error), code);
    ck_assert_int_eq(error.code, code);
    ck_assert_str_ne(error.text, "");
}

static void check_size(const char *path, const char *format, uint64_t size)
{
    static const struct image_options open_options = {.backing = IMAGE_BACKING_IGNORE};
    struct image *image = NULL;

    ck_assert_int_eq(image_open(&image, path, &open_options, NULL), QED_OK);
    ck_assert_str_eq(image_format(image, 0), format);
    ck_assert_uint_eq(image_size(image), size);
    image_close(image);
}

START_TEST(the_defaults_are_those_of_the_format)
{
    struct create_options options;

    create_options_init(&options);
    ck_assert_str_eq(options.format, "qed");
    ck_assert_uint_eq(options.cluster_size, QED_CLUSTER_SIZE_DEFAULT);
    ck_assert_uint_eq(options.table_size, QED_TABLE_SIZE_DEFAULT);
    ck_assert(!options.has_size);
    ck_assert_ptr_null(options.backing_name);
}
END_TEST

START_TEST(images_of_both_formats_are_made)
{
    ck_assert_int_eq(create("a.qed", sized("qed", 10 << 20), NULL), QED_OK);
    check_size("a.qed", "qed", 10 << 20);
    ck_assert_int_eq(create("a.raw", sized("raw", 10 << 20), NULL), QED_OK);
    check_size("a.raw", "raw", 10 << 20);
    ck_assert(unit_reads_as("a.qed", 0, 10 << 20, 0));
    ck_assert_uint_eq(unit_count_names("."), 2);
}
END_TEST

START_TEST(sizes_are_rounded_up_to_sectors)
{
    static const uint64_t sizes[][2] = {{0, 0}, {1, 512}, {512, 512}, {1000, 1024}};

    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(create("a.qed", sized("qed", sizes[i][0]), NULL), QED_OK);
        check_size("a.qed", "qed", sizes[i][1]);
        ck_assert_int_eq(create("a.raw", sized("raw", sizes[i][0]), NULL), QED_OK);
        check_size("a.raw", "raw", sizes[i][1]);
    }
}
END_TEST

START_TEST(a_size_is_needed_or_a_backing_file)
{
    struct create_options options;

    create_options_init(&options);
    check_refused("a.qed", options, QED_ERR_INVALID);
    unit_create_qed("base.qed", 30 * C, NULL, false);
    options.backing_name = "base.qed";
    options.backing_format = "qed";
    ck_assert_int_eq(create("a.qed", options, NULL), QED_OK);
    check_size("a.qed", "qed", 30 * C);
    options.has_size = true;
    options.size = 50 * C;
    ck_assert_int_eq(create("b.qed", options, NULL), QED_OK);
    check_size("b.qed", "qed", 50 * C);
}
END_TEST

START_TEST(a_backing_file_shows_through)
{
    struct create_options options = sized("qed", 30 * C);

    ck_assert_int_eq(mkdir("d", 0700), 0);
    unit_create_qed("d/base.qed", 30 * C, NULL, false);
    unit_write_qed("d/base.qed", C, C, 5);
    options.backing_name = "base.qed"; /* from the folder of the new image */
    options.backing_format = "qed";
    ck_assert_int_eq(create("d/a.qed", options, NULL), QED_OK);
    ck_assert(unit_reads_as("d/a.qed", C, C, 5));
    check_refused("a.qed", options, QED_ERR_OPEN);
}
END_TEST

START_TEST(the_format_of_a_backing_file_has_to_be_given)
{
    struct qed_error error = QED_ERROR_INIT;
    struct create_options options = sized("qed", 30 * C);

    unit_create_qed("base.qed", 30 * C, NULL, false);
    options.backing_name = "base.qed";
    ck_assert_int_eq(create("a.qed", options, &error), QED_ERR_BACKING);
    ck_assert_str_eq(error.hint, "Detected format of qed.");
    options.backing_format = "raw";
    ck_assert_int_eq(create("a.qed", options, NULL), QED_OK);
    check_size("a.qed", "qed", 30 * C);
    options.backing_format = "vmdk";
    check_refused("b.qed", options, QED_ERR_INVALID);
    options.unsafe_backing = true;
    check_refused("b.qed", options, QED_ERR_INVALID);
}
END_TEST

START_TEST(a_backing_file_that_is_not_to_be_opened_need_not_be_there)
{
    struct create_options options = sized("qed", 30 * C);

    options.backing_name = "later.qed";
    options.backing_format = "qed";
    check_refused("a.qed", options, QED_ERR_OPEN);
    options.unsafe_backing = true;
    ck_assert_int_eq(create("a.qed", options, NULL), QED_OK);
    options.has_size = false;
    check_refused("b.qed", options, QED_ERR_INVALID);
}
END_TEST

START_TEST(no_image_replaces_its_own_backing_file)
{
    struct create_options options = sized("qed", 30 * C);

    unit_create_qed("base.qed", 30 * C, NULL, false);
    unit_write_qed("base.qed", 0, C, 5);
    ck_assert_int_eq(symlink("base.qed", "alias"), 0);
    options.backing_name = "./base.qed";
    options.backing_format = "qed";
    check_refused("base.qed", options, QED_ERR_SAME_FILE);
    check_refused("alias", options, QED_ERR_SAME_FILE);
    ck_assert(unit_reads_as("base.qed", 0, C, 5));
}
END_TEST

START_TEST(a_policy_holds_for_new_images)
{
    struct create_options options = sized("qed", 30 * C);

    ck_assert_int_eq(mkdir("d", 0700), 0);
    unit_create_qed("d/base.qed", 30 * C, NULL, false);
    options.backing_name = "d/base.qed";
    options.backing_format = "qed";
    options.backing_policy = IMAGE_BACKING_SAME_DIRECTORY;
    check_refused("a.qed", options, QED_ERR_BACKING);
    options.backing_policy = IMAGE_BACKING_NONE;
    check_refused("a.qed", options, QED_ERR_BACKING);
    options.backing_policy = IMAGE_BACKING_FOLLOW;
    ck_assert_int_eq(create("a.qed", options, NULL), QED_OK);
}
END_TEST

START_TEST(what_is_refused_leaves_the_old_file_alone)
{
    struct create_options options;
    size_t len;
    uint8_t *bytes;

    unit_write_file("old", "old", 3);
    options = sized("qed", 30 * C);
    options.cluster_size = 1000;
    check_refused("old", options, QED_ERR_INVALID);
    check_refused("old", sized("qed", (UINT64_C(64) << 40) + 1), QED_ERR_INVALID);
    options = sized("raw", 30 * C);
    options.backing_name = "base.qed";
    check_refused("old", options, QED_ERR_INVALID);
    options = sized("qed", 30 * C);
    options.backing_name = "a\nb";
    options.backing_format = "raw";
    options.unsafe_backing = true;
    check_refused("old", options, QED_ERR_INVALID);
    bytes = unit_read_file("old", &len);
    ck_assert_uint_eq(len, 3);
    ck_assert_mem_eq(bytes, "old", 3);
    free(bytes);
    ck_assert_uint_eq(unit_count_names("."), 1);
}
END_TEST

START_TEST(a_size_that_no_file_has_is_refused)
{
    check_refused("a.raw", sized("raw", (uint64_t)INT64_MAX + 1), QED_ERR_INVALID);
    check_refused("a.raw", sized("raw", UINT64_MAX), QED_ERR_INVALID);
    check_refused("a.qed", sized("qed", UINT64_MAX), QED_ERR_INVALID);
    ck_assert_uint_eq(unit_count_names("."), 0);
}
END_TEST

START_TEST(an_image_in_use_is_not_replaced)
{
    struct image_options open_options = {.writable = true, .backing = IMAGE_BACKING_FOLLOW};
    struct image *image = NULL;

    unit_create_qed("a.qed", 30 * C, NULL, false);
    ck_assert_int_eq(image_open(&image, "a.qed", &open_options, NULL), QED_OK);
    check_refused("a.qed", sized("qed", C), QED_ERR_IN_USE);
    image_close(image);
    check_size("a.qed", "qed", 30 * C);
    ck_assert_uint_eq(unit_count_names("."), 1);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("create");

    unit_use_folder(tests);
    tcase_add_test(tests, the_defaults_are_those_of_the_format);
    tcase_add_test(tests, images_of_both_formats_are_made);
    tcase_add_test(tests, sizes_are_rounded_up_to_sectors);
    tcase_add_test(tests, a_size_is_needed_or_a_backing_file);
    tcase_add_test(tests, a_backing_file_shows_through);
    tcase_add_test(tests, the_format_of_a_backing_file_has_to_be_given);
    tcase_add_test(tests, a_backing_file_that_is_not_to_be_opened_need_not_be_there);
    tcase_add_test(tests, no_image_replaces_its_own_backing_file);
    tcase_add_test(tests, a_policy_holds_for_new_images);
    tcase_add_test(tests, what_is_refused_leaves_the_old_file_alone);
    tcase_add_test(tests, a_size_that_no_file_has_is_refused);
    tcase_add_test(tests, an_image_in_use_is_not_replaced);
    return unit_run(tests);
}
