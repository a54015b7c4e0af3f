/*
 * What is kept of a header beside its geometry, and what takes the place of the rest.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_rebuild.h"

#include <string.h>

#include "base/le.h"
#include "support/unit.h"

#define C UINT64_C(65536)
#define T 4
#define L1 C
#define T0 (5 * C)
#define D0 (9 * C) /* guest offset 0 */
#define GIB (UINT64_C(1) << 30)
#define EIB (UINT64_C(1) << 60)
/* Places of header fields. */
#define FEATURES 16
#define IMAGE_SIZE 48
#define NAME_OFFSET 56
#define NAME_SIZE 60

#define MAPPED (8 * GIB + 20 * C) /* up to the end of the last cluster */

/* One table's worth of clusters at guest offset 0, one's at 8 GiB. */
static struct io *new_image(void)
{
    struct unit_image spec = {
        .image_size = 10 * GIB, .cluster_size = C, .table_size = T, .clusters = 13 + 40};
    struct io *io = unit_image_new(&spec);
    uint64_t second = D0 + 20 * C;

    unit_put_entry(io, L1, 0, T0);
    unit_put_entry(io, L1, 4, second);
    for (uint64_t i = 0; i < 20; i++) {
        unit_put_entry(io, T0, i, D0 + i * C);
        unit_put_entry(io, second, i, second + (T + i) * C);
    }
    return io;
}

static void lose_header(struct io *io)
{
    unit_fill(io, 0, 512, 0);
}

static struct qed_rebuild rebuild_with(struct io *io, const struct qed_rebuild_options *options)
{
    struct qed_error error = QED_ERROR_INIT;
    struct qed_rebuild found;

    ck_assert_msg(qed_rebuild_header(io, options, &found, &error) == QED_OK, "%s", error.text);
    ck_assert_uint_eq(found.header.cluster_size, C);
    ck_assert_uint_eq(found.header.l1_table_offset, L1);
    return found;
}

static struct qed_rebuild rebuild(struct io *io)
{
    return rebuild_with(io, NULL);
}

static bool says(const struct qed_rebuild *found, const char *words)
{
    for (size_t i = 0; i < found->evidence_count; i++) {
        if (strstr(found->evidence[i], words))
            return true;
    }
    return false;
}

static uint64_t size_for(struct io *io, uint64_t stored)
{
    unit_put64(io, IMAGE_SIZE, stored);
    return rebuild(io).header.image_size;
}

static void put32(struct io *io, uint64_t file_off, uint32_t value)
{
    uint8_t bytes[4];

    le32_store(bytes, value);
    ck_assert_int_eq(io_write(io, bytes, sizeof(bytes), file_off, NULL), QED_OK);
}

static void put_name(struct io *io, const char *name)
{
    ck_assert_int_eq(io_write(io, name, strlen(name), QED_HEADER_BYTES, NULL), QED_OK);
    put32(io, NAME_OFFSET, QED_HEADER_BYTES);
    put32(io, NAME_SIZE, (uint32_t)strlen(name));
    unit_put64(io, FEATURES, QED_FEATURE_BACKING_FILE);
}

START_TEST(unknown_features_are_cleared_and_known_ones_kept)
{
    struct io *io = new_image();
    struct qed_rebuild found;

    unit_put64(io, FEATURES, QED_FEATURE_NEED_CHECK | UINT64_C(1) << 40);
    unit_put64(io, FEATURES + 8, 5);
    unit_put64(io, FEATURES + 16, 6);
    found = rebuild(io);
    ck_assert_uint_eq(found.header.features, QED_FEATURE_NEED_CHECK);
    ck_assert_uint_eq(found.header.compat_features, 5);
    ck_assert_uint_eq(found.header.autoclear_features, 6);
    ck_assert_uint_eq(found.change_count, 1);
    ck_assert(says(&found, "feature bits 0x10000000000 mean nothing"));
    io_close(io);
}
END_TEST

START_TEST(a_backing_files_name_is_found)
{
    struct io *io = new_image();
    struct qed_rebuild found;

    put_name(io, "base.img");
    ck_assert_uint_eq(rebuild(io).change_count, 0);
    unit_put64(io, FEATURES, 0); /* the bit is lost */
    ck_assert_uint_eq(rebuild(io).header.features, QED_FEATURE_BACKING_FILE);
    put32(io, NAME_SIZE, 0); /* there is none: QEMU leaves the text */
    ck_assert_uint_eq(rebuild(io).change_count, 0);
    unit_put64(io, FEATURES, QED_FEATURE_BACKING_FILE);
    put32(io, NAME_OFFSET, 12345);
    found = rebuild(io);
    ck_assert_uint_eq(found.header.backing_filename_offset, 64);
    ck_assert_uint_eq(found.header.backing_filename_size, 8);
    put32(io, NAME_OFFSET, 64);
    put32(io, NAME_SIZE, 4);
    found = rebuild(io);
    ck_assert_uint_eq(found.change_count, 0);
    ck_assert(says(&found, "it may be cut short"));
    io_close(io);
}
END_TEST

START_TEST(a_backing_file_without_a_name_is_none)
{
    struct io *io = new_image();

    unit_put64(io, FEATURES, QED_FEATURE_BACKING_FILE | QED_FEATURE_BACKING_NO_PROBE);
    put32(io, NAME_OFFSET, 64);
    put32(io, NAME_SIZE, 8);
    ck_assert_uint_eq(rebuild(io).header.features, 0);
    unit_fill(io, 64, 8, 1); /* an odd name, but one */
    ck_assert_uint_eq(rebuild(io).change_count, 0);
    unit_put64(io, FEATURES, 0); /* not odd enough to be made one */
    ck_assert_uint_eq(rebuild(io).change_count, 0);
    unit_fill(io, 64, 8, 0);
    put32(io, NAME_OFFSET, 0);
    put32(io, NAME_SIZE, 0);
    unit_put64(io, FEATURES, QED_FEATURE_BACKING_NO_PROBE);
    ck_assert_uint_eq(rebuild(io).header.features, 0);
    io_close(io);
}
END_TEST

START_TEST(the_name_behind_a_lost_header_is_found)
{
    struct io *io = new_image();
    struct qed_rebuild found;

    put_name(io, "base.img");
    unit_fill(io, 0, 64, 0);
    found = rebuild(io);
    ck_assert_uint_eq(found.header.features, QED_FEATURE_BACKING_FILE);
    ck_assert_uint_eq(found.header.backing_filename_offset, 64);
    ck_assert_uint_eq(found.header.backing_filename_size, 8);
    ck_assert(says(&found, "its format is not known"));
    unit_fill(io, 80, 1, 'x'); /* part of something else, then */
    found = rebuild(io);
    ck_assert_uint_eq(found.header.features, 0);
    ck_assert(says(&found, "is lost"));
    io_close(io);
}
END_TEST

START_TEST(an_image_size_that_is_given_is_taken)
{
    struct qed_rebuild_options options = {.image_size = 77 * GIB};
    struct io *io = new_image();
    struct qed_rebuild found;

    lose_header(io);
    found = rebuild_with(io, &options);
    ck_assert_uint_eq(found.header.image_size, 77 * GIB);
    ck_assert(!found.image_size_is_a_guess);
    options.image_size = 77 * GIB + 1;
    ck_assert_int_eq(qed_rebuild_header(io, &options, &found, NULL), QED_ERR_INVALID);
    options.image_size = 8192 * 8192 * 4 * GIB;
    ck_assert_int_eq(qed_rebuild_header(io, &options, &found, NULL), QED_ERR_INVALID);
    io_close(io);
}
END_TEST

START_TEST(an_image_size_that_cannot_be_is_one_bit_off)
{
    struct io *io = new_image();

    ck_assert_uint_eq(size_for(io, 10 * GIB + 1), 10 * GIB);
    ck_assert_uint_eq(size_for(io, 10 * GIB + (UINT64_C(1) << 60)), 10 * GIB);
    ck_assert_uint_eq(size_for(io, 2 * GIB), 10 * GIB);
    ck_assert_uint_eq(size_for(io, 100 * GIB), 100 * GIB); /* why not */
    ck_assert_uint_eq(size_for(io, 512), 16 * GIB + 512);
    ck_assert_uint_eq(size_for(io, 777), MAPPED); /* no single bit */
    io_close(io);
}
END_TEST

/* A GPT, a partition table and an ext4 superblock that end where the image did. */
static void put_gpt(struct io *io, uint64_t at, uint64_t size)
{
    ck_assert_int_eq(io_write(io, "EFI PART", 8, at + 512, NULL), QED_OK);
    unit_put64(io, at + 512 + 32, size / 512 - 1);
}

static void put_mbr(struct io *io, uint64_t at, uint64_t size)
{
    uint64_t entry = at + 446 + 16; /* the second */

    unit_fill(io, at, 512, 0);
    unit_fill(io, at + 510, 1, 0x55);
    unit_fill(io, at + 511, 1, 0xaa);
    unit_fill(io, entry + 4, 1, 0x83);
    put32(io, entry + 8, 2048);
    put32(io, entry + 12, (uint32_t)(size / 512 - 2048));
}

static void put_ext4(struct io *io, uint64_t at, uint64_t size)
{
    unit_fill(io, at + 1024, 1024, 0);
    put32(io, at + 1024 + 4, (uint32_t)(size / 4096));
    put32(io, at + 1024 + 24, 2);
    put32(io, at + 1024 + 56, 0xef53);
    put32(io, at + 1024 + 96, 0x80);
    put32(io, at + 1024 + 336, (uint32_t)(size / 4096 >> 32));
}

START_TEST(the_guest_tells_its_size)
{
    static void (*const put[])(struct io * io, uint64_t at, uint64_t size) = {put_gpt, put_mbr,
                                                                              put_ext4};
    struct io *io = new_image();
    struct qed_rebuild found;

    put[_i](io, D0, 42 * GIB);                           /* guest offset 0 */
    ck_assert_uint_eq(size_for(io, 10 * GIB), 42 * GIB); /* one bit */
    ck_assert_uint_eq(size_for(io, 50 * GIB), 50 * GIB); /* it was given more */
    ck_assert_uint_eq(size_for(io, 11 * GIB), 11 * GIB); /* not for us to say */
    ck_assert_uint_eq(size_for(io, 1 * GIB), 65 * GIB);  /* least of one bit that is enough */
    lose_header(io);
    found = rebuild(io);
    ck_assert_uint_eq(found.header.image_size, 42 * GIB);
    ck_assert(found.image_size_is_a_guess);
    io_close(io);
}
END_TEST

START_TEST(nonsense_of_the_guest_is_not_believed)
{
    struct io *io = new_image();

    lose_header(io);
    put_gpt(io, D0, EIB);
    ck_assert_uint_eq(rebuild(io).header.image_size, MAPPED);
    put_gpt(io, D0, 0);
    ck_assert_uint_eq(rebuild(io).header.image_size, MAPPED);
    unit_fill(io, D0, 4096, 0xff);
    ck_assert_uint_eq(rebuild(io).header.image_size, MAPPED);
    io_close(io);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("qed_rebuild_fields");

    tcase_add_test(tests, unknown_features_are_cleared_and_known_ones_kept);
    tcase_add_test(tests, a_backing_files_name_is_found);
    tcase_add_test(tests, a_backing_file_without_a_name_is_none);
    tcase_add_test(tests, the_name_behind_a_lost_header_is_found);
    tcase_add_test(tests, an_image_size_that_is_given_is_taken);
    tcase_add_test(tests, an_image_size_that_cannot_be_is_one_bit_off);
    tcase_add_loop_test(tests, the_guest_tells_its_size, 0, 3);
    tcase_add_test(tests, nonsense_of_the_guest_is_not_believed);
    return unit_run(tests);
}
