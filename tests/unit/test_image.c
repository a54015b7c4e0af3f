/*
 * Chains of real files: opened, refused, read, and asked for their runs.
 * SPDX-License-Identifier: MIT
 */
#include "core/image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/io_file.h"
#include "support/unit.h"

#define C UINT64_C(4096)

static int open_image(struct image **image, const char *name, const char *format,
                      enum image_backing backing, struct qed_error *error)
{
    struct image_options options = {.format = format, .backing = backing};

    *image = NULL;
    return image_open(image, name, &options, error);
}

static struct image *opened(const char *name)
{
    struct qed_error error = QED_ERROR_INIT;
    struct image *image;

    ck_assert_msg(open_image(&image, name, NULL, IMAGE_BACKING_FOLLOW, &error) == QED_OK, "%s",
                  error.text);
    return image;
}

/* Opening fails with that code, and a sentence that has `text` in it. */
static void check_refused(const char *name, enum image_backing backing, int code, const char *text)
{
    struct qed_error error = QED_ERROR_INIT;
    struct image *image;

    ck_assert_int_eq(open_image(&image, name, NULL, backing, &error), code);
    ck_assert_ptr_null(image);
    ck_assert_int_eq(error.code, code);
    ck_assert_msg(strstr(error.text, text), "'%s' has no '%s'", error.text, text);
    for (const char *at = error.text; *at; at++)
        ck_assert_int_ge((unsigned char)*at, 0x20);
}

static void check_run(struct image *image, uint64_t virt_off, enum extent_kind kind,
                      unsigned int depth, uint64_t length)
{
    struct extent run;

    ck_assert_int_eq(image_next_run(image, virt_off, image_size(image) - virt_off, &run, NULL),
                     QED_OK);
    ck_assert_uint_eq(run.virt_off, virt_off);
    ck_assert_int_eq(run.kind, kind);
    ck_assert_uint_eq(run.depth, depth);
    ck_assert_uint_eq(run.length, length);
}

static void make_raw(const char *name, size_t len, uint8_t value)
{
    char *bytes = malloc(len);

    ck_assert_ptr_nonnull(bytes);
    memset(bytes, value, len);
    unit_write_file(name, bytes, len);
    free(bytes);
}

START_TEST(a_chain_is_opened_from_the_top_down)
{
    struct image *image;

    make_raw("base.raw", 16 * C, 0xb0);
    unit_create_qed("mid.qed", 16 * C, "base.raw", true);
    unit_create_qed("top.qed", 16 * C, "mid.qed", false);
    image = opened("top.qed");
    ck_assert_uint_eq(image_depth(image), 3);
    ck_assert_str_eq(image_path(image, 1), "mid.qed");
    ck_assert_str_eq(image_format(image, 0), "qed");
    ck_assert_str_eq(image_format(image, 2), "raw");
    ck_assert_str_eq(image_backing_name(image, 0), "mid.qed");
    ck_assert_str_eq(image_backing_name(image, 1), "base.raw");
    ck_assert_ptr_null(image_backing_name(image, 2));
    ck_assert(!image_backing_is_raw(image, 0));
    ck_assert(image_backing_is_raw(image, 1));
    ck_assert_ptr_nonnull(image_qed(image, 1));
    ck_assert_ptr_null(image_qed(image, 2));
    ck_assert(image_uses_file(image, "base.raw"));
    ck_assert(image_uses_file(image, "./mid.qed"));
    ck_assert(!image_uses_file(image, "missing"));
    ck_assert(image_layers_same_file(image, 1, image, 1));
    ck_assert(!image_layers_same_file(image, 0, image, 1));
    ck_assert_uint_eq(image_layer_size(image, 2), 16 * C);
    ck_assert_uint_ge(image_allocated_bytes(image, 2), 16 * C);
    image_close(image);
    image_close(NULL);
}
END_TEST

START_TEST(names_are_taken_from_the_folder_of_the_image_that_has_them)
{
    struct image *image;
    char cwd[1024], absolute[1100];

    ck_assert_int_eq(mkdir("a", 0700), 0);
    ck_assert_int_eq(mkdir("b", 0700), 0);
    make_raw("b/base.raw", 4096, 1);
    unit_create_qed("a/mid.qed", C, "../b/base.raw", true);
    unit_create_qed("top.qed", C, "a/mid.qed", false);
    image = opened("top.qed");
    ck_assert_str_eq(image_path(image, 2), "a/../b/base.raw");
    image_close(image);
    ck_assert_ptr_nonnull(getcwd(cwd, sizeof(cwd)));
    snprintf(absolute, sizeof(absolute), "%s/b/base.raw", cwd);
    unit_create_qed("a/abs.qed", C, absolute, true);
    image = opened("a/abs.qed");
    ck_assert_str_eq(image_path(image, 1), absolute);
    image_close(image);
}
END_TEST

START_TEST(each_byte_comes_from_the_first_layer_that_has_it)
{
    struct image *image;
    uint8_t bytes[8 * C];

    make_raw("base.raw", 8 * C, 0xb0);
    unit_create_qed("mid.qed", 8 * C, "base.raw", true);
    unit_create_qed("top.qed", 8 * C, "mid.qed", false);
    unit_write_qed("mid.qed", C, 3 * C, 0x11);
    unit_write_qed("top.qed", 2 * C, C, 0x22);
    image = opened("top.qed");
    check_run(image, 0, EXTENT_DATA, 2, C);
    check_run(image, C, EXTENT_DATA, 1, C);
    check_run(image, 2 * C + 5, EXTENT_DATA, 0, C - 5);
    check_run(image, 3 * C, EXTENT_DATA, 1, C);
    check_run(image, 4 * C, EXTENT_DATA, 2, 4 * C);
    ck_assert_int_eq(image_read(image, 0, bytes, sizeof(bytes), NULL), QED_OK);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        uint8_t expected = i / C == 2 ? 0x22 : i / C == 1 || i / C == 3 ? 0x11 : 0xb0;

        if (bytes[i] != expected)
            ck_abort_msg("byte %zu", i);
    }
    ck_assert_int_eq(image_read(image, 2 * C - 1, bytes, 2, NULL), QED_OK);
    ck_assert_uint_eq(bytes[0], 0x11);
    ck_assert_uint_eq(bytes[1], 0x22);
    image_close(image);
}
END_TEST

START_TEST(past_the_end_of_a_shorter_backing_file_there_are_zeroes)
{
    struct image *image;
    uint8_t bytes[8 * C];

    make_raw("base.raw", 2 * C + 100, 0xb0);
    unit_create_qed("top.qed", 8 * C, "base.raw", true);
    image = opened("top.qed");
    check_run(image, 0, EXTENT_DATA, 1, 2 * C + 100);
    check_run(image, 2 * C + 512, EXTENT_UNALLOCATED, 0, 6 * C - 512);
    memset(bytes, 0xff, sizeof(bytes));
    ck_assert_int_eq(image_read(image, 0, bytes, sizeof(bytes), NULL), QED_OK);
    ck_assert_uint_eq(bytes[2 * C + 99], 0xb0);
    for (size_t i = 2 * C + 100; i < sizeof(bytes); i++) {
        if (bytes[i] != 0)
            ck_abort_msg("byte %zu", i);
    }
    image_close(image);
}
END_TEST

START_TEST(a_short_layer_hides_what_lies_below_its_end)
{
    make_raw("base.raw", 8 * C, 0xb0);
    unit_create_qed("mid.qed", 2 * C, "base.raw", true);
    unit_create_qed("top.qed", 8 * C, "mid.qed", false);
    ck_assert(unit_reads_as("top.qed", 0, 2 * C, 0xb0));
    ck_assert(unit_reads_as("top.qed", 2 * C, 6 * C, 0));
}
END_TEST

START_TEST(an_image_is_its_own_backing_file_under_no_name)
{
    unit_create_qed("self.qed", C, "./self.qed", false);
    check_refused("self.qed", IMAGE_BACKING_FOLLOW, QED_ERR_LOOP, "'./self.qed' creates an inf");
    unit_create_qed("a.qed", C, "b.qed", false);
    unit_create_qed("b.qed", C, "c.qed", false);
    ck_assert_int_eq(symlink("a.qed", "c.qed"), 0);
    check_refused("a.qed", IMAGE_BACKING_FOLLOW, QED_ERR_LOOP, "infinite loop");
    check_refused("b.qed", IMAGE_BACKING_FOLLOW, QED_ERR_LOOP, "infinite loop");
}
END_TEST

START_TEST(a_chain_is_64_images_deep_at_most)
{
    char name[16], below[16];
    struct image *image;

    unit_create_qed("0.qed", C, NULL, false);
    for (int i = 1; i <= IMAGE_CHAIN_MAX; i++) {
        snprintf(name, sizeof(name), "%d.qed", i);
        snprintf(below, sizeof(below), "%d.qed", i - 1);
        unit_create_qed(name, C, below, false);
    }
    image = opened("63.qed");
    ck_assert_uint_eq(image_depth(image), IMAGE_CHAIN_MAX);
    image_close(image);
    check_refused("64.qed", IMAGE_BACKING_FOLLOW, QED_ERR_BACKING, "deeper than 64");
}
END_TEST

START_TEST(a_backing_file_said_to_be_raw_is_not_probed)
{
    struct image *image;

    unit_create_qed("inner.qed", 4 * C, NULL, false);
    unit_write_qed("inner.qed", 0, C, 0x33);
    unit_create_qed("raw.qed", 4 * C, "inner.qed", true);
    unit_create_qed("probed.qed", 4 * C, "inner.qed", false);
    image = opened("raw.qed");
    ck_assert_str_eq(image_format(image, 1), "raw");
    image_close(image);
    image = opened("probed.qed");
    ck_assert_str_eq(image_format(image, 1), "qed");
    image_close(image);
    ck_assert(unit_reads_as("probed.qed", 0, C, 0x33));
}
END_TEST

START_TEST(the_format_that_was_asked_for_is_taken)
{
    struct qed_error error = QED_ERROR_INIT;
    struct image *image;

    unit_create_qed("i.qed", 4 * C, NULL, false);
    ck_assert_int_eq(open_image(&image, "i.qed", "raw", IMAGE_BACKING_FOLLOW, NULL), QED_OK);
    ck_assert_uint_eq(image_size(image), 2 * C);
    image_close(image);
    make_raw("r.raw", 1000, 5);
    ck_assert_int_eq(open_image(&image, "r.raw", "qed", IMAGE_BACKING_FOLLOW, &error),
                     QED_ERR_FORMAT);
    ck_assert_int_eq(open_image(&image, "r.raw", "vmdk", IMAGE_BACKING_FOLLOW, &error),
                     QED_ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(error.text, "Unknown driver 'vmdk'"));
}
END_TEST

START_TEST(protocols_are_no_file_names)
{
    static const char *const names[] = {"nbd:localhost:10809", "http://x/y", "json:{}", "a:b",
                                        "fat:/tmp"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        unit_create_qed("p.qed", C, names[i], false);
        check_refused("p.qed", IMAGE_BACKING_FOLLOW, QED_ERR_BACKING, "protocols");
    }
    ck_assert_int_eq(mkdir("d", 0700), 0);
    make_raw("d/a:b", 512, 1);
    unit_create_qed("f.qed", C, "d/a:b", true);
    image_close(opened("f.qed"));
}
END_TEST

START_TEST(a_policy_keeps_backing_files_away)
{
    struct image *image;

    ck_assert_int_eq(mkdir("d", 0700), 0);
    make_raw("base.raw", 512, 1);
    make_raw("d/base.raw", 512, 1);
    unit_create_qed("same.qed", C, "base.raw", true);
    unit_create_qed("below.qed", C, "d/base.raw", true);
    unit_create_qed("d/above.qed", C, "../base.raw", true);
    unit_create_qed("chain.qed", C, "below.qed", false);
    unit_create_qed("none.qed", C, NULL, false);
    check_refused("below.qed", IMAGE_BACKING_SAME_DIRECTORY, QED_ERR_BACKING, "folder");
    check_refused("d/above.qed", IMAGE_BACKING_SAME_DIRECTORY, QED_ERR_BACKING, "folder");
    check_refused("chain.qed", IMAGE_BACKING_SAME_DIRECTORY, QED_ERR_BACKING, "d/base.raw");
    check_refused("same.qed", IMAGE_BACKING_NONE, QED_ERR_BACKING, "not allowed");
    ck_assert_int_eq(open_image(&image, "same.qed", NULL, IMAGE_BACKING_SAME_DIRECTORY, NULL),
                     QED_OK);
    image_close(image);
    ck_assert_int_eq(open_image(&image, "none.qed", NULL, IMAGE_BACKING_NONE, NULL), QED_OK);
    image_close(image);
    ck_assert_int_eq(open_image(&image, "below.qed", NULL, IMAGE_BACKING_IGNORE, NULL), QED_OK);
    ck_assert_uint_eq(image_depth(image), 1);
    ck_assert_str_eq(image_backing_name(image, 0), "d/base.raw");
    image_close(image);
}
END_TEST

/* An image whose backing file has a name that no creation would allow. */
static void make_named(const char *image, const char *name)
{
    struct io *io = NULL;

    unit_create_qed(image, C, "placeholder", false);
    ck_assert_int_eq(io_file_open(&io, image, true, NULL, NULL), QED_OK);
    unit_put64(io, 56, (uint64_t)strlen(name) << 32 | 64);
    ck_assert_int_eq(io_write(io, name, strlen(name), 64, NULL), QED_OK);
    io_close(io);
}

START_TEST(control_bytes_in_a_name_are_refused_and_not_printed)
{
    make_named("c.qed", "ev\x1b[31mil\n");
    make_raw("ev\x1b[31mil\n", 512, 1);
    check_refused("c.qed", IMAGE_BACKING_FOLLOW, QED_ERR_BACKING, "ev\\x1b[31mil\\x0a");
}
END_TEST

START_TEST(what_cannot_be_opened_is_named)
{
    check_refused("missing.qed", IMAGE_BACKING_FOLLOW, QED_ERR_OPEN,
                  "Could not open 'missing.qed'");
    unit_create_qed("m.qed", C, "gone.raw", true);
    check_refused("m.qed", IMAGE_BACKING_FOLLOW, QED_ERR_OPEN, "gone.raw");
    ck_assert_int_eq(mkfifo("fifo", 0600), 0);
    unit_create_qed("f.qed", C, "fifo", true);
    check_refused("f.qed", IMAGE_BACKING_FOLLOW, QED_ERR_NOT_FILE, "fifo");
    unit_create_qed("d.qed", C, ".", true);
    check_refused("d.qed", IMAGE_BACKING_FOLLOW, QED_ERR_NOT_FILE, "not a regular file");
    make_raw("other.img", 512, 0);
    unit_write_file("other.img", "QFI\xfb", 4);
    unit_create_qed("q.qed", C, "other.img", false);
    check_refused("q.qed", IMAGE_BACKING_FOLLOW, QED_ERR_UNSUPPORTED, "other.img");
    check_refused("other.img", IMAGE_BACKING_FOLLOW, QED_ERR_UNSUPPORTED, "not supported");
}
END_TEST

START_TEST(an_image_that_is_written_is_opened_by_nobody_else)
{
    struct image_options writer = {.writable = true, .backing = IMAGE_BACKING_FOLLOW};
    struct image_options sharing = {.share = true, .backing = IMAGE_BACKING_FOLLOW};
    struct image *image = NULL, *other = NULL;

    make_raw("base.raw", C, 1);
    unit_create_qed("w.qed", C, "base.raw", true);
    ck_assert_int_eq(image_open(&image, "w.qed", &writer, NULL), QED_OK);
    check_refused("w.qed", IMAGE_BACKING_FOLLOW, QED_ERR_IN_USE, "w.qed");
    ck_assert_int_eq(image_open(&other, "base.raw", &writer, NULL), QED_ERR_IN_USE);
    ck_assert_int_eq(image_open(&other, "w.qed", &sharing, NULL), QED_OK);
    image_close(other);
    image_close(image);
    image_close(opened("w.qed"));
}
END_TEST

START_TEST(a_corrupt_entry_is_told_where_it_is_met)
{
    struct qed_error error = QED_ERROR_INIT;
    struct extent run;
    struct image *image;
    struct io *io = NULL;
    uint8_t bytes[512];

    unit_create_qed("base.qed", 8 * C, NULL, false);
    unit_write_qed("base.qed", 0, 3 * C, 9);
    ck_assert_int_eq(io_file_open(&io, "base.qed", true, NULL, NULL), QED_OK);
    unit_put_entry(io, unit_get_entry(io, C, 0), 1, 5);
    io_close(io);
    unit_create_qed("top.qed", 8 * C, "base.qed", false);
    image = opened("top.qed");
    check_run(image, 0, EXTENT_DATA, 1, C);
    ck_assert_int_eq(image_next_run(image, C, C, &run, &error), QED_ERR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(error.text, "base.qed"));
    ck_assert_int_eq(image_read(image, C, bytes, 512, NULL), QED_ERR_CORRUPT);
    ck_assert_int_eq(image_read(image, 2 * C, bytes, 512, NULL), QED_OK);
    image_close(image);
}
END_TEST

START_TEST(a_data_cluster_whose_last_sector_is_cut_is_read)
{
    size_t len;

    unit_create_qed("i.qed", 8 * C, NULL, false);
    unit_write_qed("i.qed", 0, C, 0x44);
    free(unit_read_file("i.qed", &len));
    ck_assert_uint_eq(len, 4 * C);
    /* Data is before its table here: bring it to the end of the file. */
    unit_write_qed("i.qed", C, C, 0x55);
    ck_assert_int_eq(truncate("i.qed", (off_t)(5 * C - 100)), 0);
    ck_assert(unit_reads_as("i.qed", C, C - 100, 0x55));
    ck_assert(unit_reads_as("i.qed", 2 * C - 100, 100, 0));
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("image");

    unit_use_folder(tests);
    tcase_add_test(tests, a_chain_is_opened_from_the_top_down);
    tcase_add_test(tests, names_are_taken_from_the_folder_of_the_image_that_has_them);
    tcase_add_test(tests, each_byte_comes_from_the_first_layer_that_has_it);
    tcase_add_test(tests, past_the_end_of_a_shorter_backing_file_there_are_zeroes);
    tcase_add_test(tests, a_short_layer_hides_what_lies_below_its_end);
    tcase_add_test(tests, an_image_is_its_own_backing_file_under_no_name);
    tcase_add_test(tests, a_chain_is_64_images_deep_at_most);
    tcase_add_test(tests, a_backing_file_said_to_be_raw_is_not_probed);
    tcase_add_test(tests, the_format_that_was_asked_for_is_taken);
    tcase_add_test(tests, protocols_are_no_file_names);
    tcase_add_test(tests, a_policy_keeps_backing_files_away);
    tcase_add_test(tests, control_bytes_in_a_name_are_refused_and_not_printed);
    tcase_add_test(tests, what_cannot_be_opened_is_named);
    tcase_add_test(tests, an_image_that_is_written_is_opened_by_nobody_else);
    tcase_add_test(tests, a_corrupt_entry_is_told_where_it_is_met);
    tcase_add_test(tests, a_data_cluster_whose_last_sector_is_cut_is_read);
    return unit_run(tests);
}
