/*
 * What is known of an image without reading its tables.
 * SPDX-License-Identifier: MIT
 */
#include "core/info.h"

#include "format/qed_layout.h"
#include "io/io_file.h"
#include "support/unit.h"

#define C UINT64_C(4096)

static struct image *opened(const char *name)
{
    static const struct image_options options = {.backing = IMAGE_BACKING_IGNORE};
    struct image *image = NULL;

    ck_assert_int_eq(image_open(&image, name, &options, NULL), QED_OK);
    return image;
}

START_TEST(the_header_of_a_qed_image_is_told)
{
    struct image *image;
    struct info info;

    unit_create_qed("i.qed", 50 * C, "sub/base.raw", true);
    image = opened("i.qed");
    ck_assert_int_eq(info_get(&info, image, 0, NULL), QED_OK);
    ck_assert_str_eq(info.path, "i.qed");
    ck_assert_str_eq(info.format, "qed");
    ck_assert_uint_eq(info.virtual_size, 50 * C);
    ck_assert_str_eq(info.backing_name, "sub/base.raw");
    ck_assert_str_eq(info.full_backing_name, "sub/base.raw");
    ck_assert_str_eq(info.backing_format, "raw");
    ck_assert(info.is_qed);
    ck_assert(!info.is_dirty);
    ck_assert_uint_eq(info.cluster_size, C);
    ck_assert_uint_eq(info.table_size, 1);
    ck_assert_uint_eq(info.header_size, 1);
    ck_assert_uint_eq(info.l1_table_offset, C);
    ck_assert_uint_eq(info.features, QED_FEATURE_BACKING_FILE | QED_FEATURE_BACKING_NO_PROBE);
    info_release(&info);
    info_release(&info);
    image_close(image);
}
END_TEST

START_TEST(flags_are_told_as_they_are_stored)
{
    struct image *image;
    struct io *io = NULL;
    struct info info;

    unit_create_qed("i.qed", 50 * C, NULL, false);
    ck_assert_int_eq(io_file_open(&io, "i.qed", true, NULL, NULL), QED_OK);
    unit_put64(io, 16, QED_FEATURE_NEED_CHECK);
    unit_put64(io, 24, 0x55);
    unit_put64(io, 32, 0x66);
    io_close(io);
    image = opened("i.qed");
    ck_assert_int_eq(info_get(&info, image, 0, NULL), QED_OK);
    ck_assert(info.is_dirty);
    ck_assert_uint_eq(info.compat_features, 0x55);
    ck_assert_uint_eq(info.autoclear_features, 0x66);
    ck_assert_ptr_null(info.backing_name);
    ck_assert_ptr_null(info.full_backing_name);
    ck_assert_ptr_null(info.backing_format);
    info_release(&info);
    image_close(image);
}
END_TEST

START_TEST(a_raw_image_has_a_size_and_no_more)
{
    struct image *image;
    struct info info;

    unit_write_file("r.raw", "abc", 3);
    image = opened("r.raw");
    ck_assert_int_eq(info_get(&info, image, 0, NULL), QED_OK);
    ck_assert_str_eq(info.format, "raw");
    ck_assert(!info.is_qed);
    ck_assert_uint_eq(info.virtual_size, 512);
    ck_assert_ptr_null(info.backing_name);
    info_release(&info);
    image_close(image);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("info");

    unit_use_folder(tests);
    tcase_add_test(tests, the_header_of_a_qed_image_is_told);
    tcase_add_test(tests, flags_are_told_as_they_are_stored);
    tcase_add_test(tests, a_raw_image_has_a_size_and_no_more);
    return unit_run(tests);
}
