/*
 * Conversions: the target's guest reads what the source's does, whatever lies in between.
 * SPDX-License-Identifier: MIT
 */
#include "core/convert.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/io_file.h"
#include "support/unit.h"

#define C UINT64_C(4096)

static struct convert_options to_format(const char *format)
{
    struct convert_options options = {.sparse_bytes = CONVERT_SPARSE_DEFAULT};

    create_options_init(&options.target);
    options.target.format = format;
    return options;
}

static struct convert_options to_small_qed(void)
{
    struct convert_options options = to_format("qed");

    options.target.cluster_size = C;
    options.target.table_size = 1;
    return options;
}

static void convert(const char *source, const char *target, const struct convert_options *options)
{
    struct qed_error error = QED_ERROR_INIT;

    ck_assert_msg(convert_image(source, target, options, &error) == QED_OK, "%s", error.text);
}

static void check_refused(const char *source, const char *target,
                          const struct convert_options *options, int code)
{
    struct qed_error error = QED_ERROR_INIT;

    ck_assert_int_eq(convert_image(source, target, options, &error), code);
    ck_assert_int_eq(error.code, code);
    ck_assert_str_ne(error.text, "");
}

/* Both images are of one size and read the same. */
static void check_same(const char *a, const char *b)
{
    size_t size_a, size_b;
    uint8_t *bytes_a = unit_read_image(a, &size_a), *bytes_b = unit_read_image(b, &size_b);

    ck_assert_uint_eq(size_a, size_b);
    for (size_t i = 0; i < size_a; i += 512) {
        if (memcmp(bytes_a + i, bytes_b + i, 512) != 0)
            ck_abort_msg("%s and %s differ at %zu", a, b, i);
    }
    free(bytes_a);
    free(bytes_b);
}

static struct qed_check_totals check_file(const char *name)
{
    struct qed_check_totals totals;
    struct io *io = NULL;

    ck_assert_int_eq(io_file_open(&io, name, false, NULL, NULL), QED_OK);
    totals = unit_check(io);
    ck_assert_uint_eq(totals.corruptions, 0);
    ck_assert_uint_eq(totals.leaks, 0);
    io_close(io);
    return totals;
}

/* A raw file with data here and there, and an odd length. */
static void make_raw(const char *name, size_t len, struct unit_random *random)
{
    uint8_t *bytes = calloc(1, len);

    ck_assert_ptr_nonnull(bytes);
    for (int i = 0; i < 30; i++) {
        size_t at = unit_random_below(random, len), n = unit_random_below(random, 3 * C);

        memset(bytes + at, (uint8_t)unit_random(random), n < len - at ? n : len - at);
    }
    unit_write_file(name, bytes, len);
    free(bytes);
}

START_TEST(a_raw_image_survives_the_way_to_qed_and_back)
{
    static const uint64_t geometries[][2] = {{4096, 1}, {4096, 16}, {65536, 4}, {1 << 20, 2}};
    static const uint64_t sparse[] = {0, 512, 1536, 4096, 1 << 20, CONVERT_SPARSE_MAX};
    struct unit_random random = {_i};

    make_raw("source.raw", (5 << 20) + 777, &random);
    for (size_t i = 0; i < 4; i++) {
        struct convert_options options = to_format("qed"), back = to_format("raw");

        options.target.cluster_size = geometries[i][0];
        options.target.table_size = geometries[i][1];
        options.sparse_bytes = sparse[(i + (size_t)_i) % 6];
        back.sparse_bytes = sparse[((size_t)_i * 5 + i) % 6];
        convert("source.raw", "middle.qed", &options);
        check_file("middle.qed");
        check_same("source.raw", "middle.qed");
        convert("middle.qed", "back.raw", &back);
        check_same("source.raw", "back.raw");
    }
}
END_TEST

START_TEST(zeroes_take_no_clusters_unless_they_are_to)
{
    struct convert_options options = to_small_qed();

    unit_create_qed("source.qed", 100 * C, NULL, false);
    unit_write_qed("source.qed", 10 * C, 4 * C, 0);
    unit_write_qed("source.qed", 50 * C, 2 * C, 7);
    convert("source.qed", "target.qed", &options);
    ck_assert_uint_eq(check_file("target.qed").allocated_clusters, 2);
    options.sparse_bytes = 0;
    convert("source.qed", "full.qed", &options);
    ck_assert_uint_eq(check_file("full.qed").allocated_clusters, 100);
    check_same("target.qed", "full.qed");
}
END_TEST

START_TEST(a_chain_is_made_flat)
{
    struct convert_options options = to_small_qed();
    struct unit_random random = {3};

    make_raw("base.raw", 60 * C + 100, &random);
    unit_create_qed("mid.qed", 80 * C, "base.raw", true);
    unit_write_qed("mid.qed", 20 * C + 9, 5 * C, 0x21);
    unit_create_qed("top.qed", 100 * C, "mid.qed", false);
    unit_write_qed("top.qed", 22 * C, C, 0x22);
    unit_write_qed("top.qed", 70 * C, C, 0);
    convert("top.qed", "flat.qed", &options);
    check_same("top.qed", "flat.qed");
    ck_assert_int_eq(unlink("base.raw"), 0);
    ck_assert(unit_reads_as("flat.qed", 22 * C, C, 0x22));
    check_file("flat.qed");
}
END_TEST

START_TEST(over_a_backing_file_only_the_difference_is_stored)
{
    struct convert_options options = to_small_qed();

    unit_create_qed("base.qed", 100 * C, NULL, false);
    unit_write_qed("base.qed", 0, 50 * C, 0x41);
    convert("base.qed", "copy.raw", &(struct convert_options){.target = {.format = "raw"}});
    unit_write_qed("base.qed", 60 * C, C, 0x42); /* what the copy has not: zeroes there */
    options.target.backing_name = "base.qed";
    options.target.backing_format = "qed";
    convert("copy.raw", "over.qed", &options);
    check_same("copy.raw", "over.qed");
    ck_assert_uint_eq(check_file("over.qed").allocated_clusters, 0);
    ck_assert(unit_reads_as("over.qed", 60 * C, C, 0));
}
END_TEST

START_TEST(layers_that_source_and_target_share_are_not_copied)
{
    struct convert_options options = to_small_qed();

    unit_create_qed("base.qed", 100 * C, NULL, false);
    unit_write_qed("base.qed", 0, 50 * C, 0x41);
    unit_create_qed("top.qed", 100 * C, "base.qed", false);
    unit_write_qed("top.qed", 10 * C, C, 0x55);
    unit_write_qed("top.qed", 20 * C, C, 0x41); /* the same as below */
    options.target.backing_name = "base.qed";
    options.target.backing_format = "qed";
    convert("top.qed", "over.qed", &options);
    check_same("top.qed", "over.qed");
    ck_assert_uint_eq(check_file("over.qed").allocated_clusters, 1);
}
END_TEST

START_TEST(random_chains_are_converted_over_random_backing_files)
{
    struct unit_random random = {(uint64_t)_i + 100};
    struct convert_options options = to_small_qed();

    options.sparse_bytes = _i % 3 ? C : 0;
    options.target.cluster_size = _i % 2 ? C : 4 * C;
    make_raw("base.raw", (size_t)(1 + unit_random_below(&random, 200 * C)), &random);
    unit_create_qed("other.qed", unit_random_below(&random, 400) * 512, "base.raw", true);
    unit_create_qed("source.qed", (50 + unit_random_below(&random, 100)) * C + 512, "base.raw",
                    true);
    for (int i = 0; i < 10; i++) {
        uint64_t at = unit_random_below(&random, 50 * C);

        unit_write_qed("source.qed", at, 1 + unit_random_below(&random, 51 * C - at) % (3 * C),
                       (uint8_t)unit_random_below(&random, 3));
    }
    options.target.backing_name = _i % 4 == 0 ? "other.qed" : _i % 4 == 1 ? NULL : "base.raw";
    options.target.backing_format = _i % 4 == 0 ? "qed" : "raw";
    if (!options.target.backing_name)
        options.target.backing_format = NULL;
    convert("source.qed", "target.qed", &options);
    check_same("source.qed", "target.qed");
    check_file("target.qed");
}
END_TEST

START_TEST(an_image_that_is_there_is_overwritten_in_place)
{
    struct convert_options options = to_format("qed");

    options.existing = true;
    unit_create_qed("source.qed", 20 * C, NULL, false);
    unit_write_qed("source.qed", 3 * C + 10, 5 * C, 0x61);
    unit_create_qed("target.qed", 30 * C, NULL, false);
    unit_write_qed("target.qed", 0, 30 * C, 0x77);
    convert("source.qed", "target.qed", &options);
    ck_assert(unit_reads_as("target.qed", 0, 3 * C + 10, 0));
    ck_assert(unit_reads_as("target.qed", 3 * C + 10, 5 * C, 0x61));
    ck_assert(unit_reads_as("target.qed", 8 * C + 10, 12 * C - 10, 0));
    ck_assert(unit_reads_as("target.qed", 20 * C, 10 * C, 0x77));
    check_file("target.qed");
}
END_TEST

START_TEST(an_image_that_is_there_keeps_its_backing_file)
{
    struct convert_options options = to_format("qed");

    options.existing = true;
    unit_create_qed("base.qed", 30 * C, NULL, false);
    unit_write_qed("base.qed", 0, 30 * C, 0x77);
    unit_create_qed("source.qed", 20 * C, NULL, false);
    unit_write_qed("source.qed", 3 * C, C, 0x61);
    unit_create_qed("target.qed", 30 * C, "base.qed", false);
    convert("source.qed", "target.qed", &options);
    ck_assert(unit_reads_as("target.qed", 0, 3 * C, 0));
    ck_assert(unit_reads_as("target.qed", 3 * C, C, 0x61));
    ck_assert(unit_reads_as("target.qed", 4 * C, 16 * C, 0));
    ck_assert(unit_reads_as("target.qed", 20 * C, 10 * C, 0x77));
    ck_assert_uint_eq(check_file("target.qed").allocated_clusters, 1);
}
END_TEST

START_TEST(a_raw_file_that_is_there_is_overwritten_in_place)
{
    struct convert_options options = to_format("raw");
    uint8_t old[30 * C];

    memset(old, 0x77, sizeof(old));
    options.existing = true;
    unit_create_qed("source.qed", 20 * C, NULL, false);
    unit_write_qed("source.qed", 3 * C, C, 0x61);
    unit_write_file("target.raw", old, sizeof(old));
    convert("source.qed", "target.raw", &options);
    ck_assert(unit_reads_as("target.raw", 0, 3 * C, 0));
    ck_assert(unit_reads_as("target.raw", 3 * C, C, 0x61));
    ck_assert(unit_reads_as("target.raw", 4 * C, 16 * C, 0));
    ck_assert(unit_reads_as("target.raw", 20 * C, 10 * C, 0x77));
}
END_TEST

START_TEST(a_target_that_cannot_hold_the_source_is_refused_untouched)
{
    struct convert_options options = to_format("qed");
    struct io *io = NULL;

    options.existing = true;
    unit_create_qed("source.qed", 20 * C, NULL, false);
    unit_write_qed("source.qed", 3 * C, C, 0x61);
    check_refused("source.qed", "missing.qed", &options, QED_ERR_OPEN);
    unit_create_qed("small.qed", 19 * C, NULL, false);
    check_refused("source.qed", "small.qed", &options, QED_ERR_INVALID);
    ck_assert(unit_reads_as("small.qed", 0, 19 * C, 0));
    unit_create_qed("dirty.qed", 20 * C, NULL, false);
    ck_assert_int_eq(io_file_open(&io, "dirty.qed", true, NULL, NULL), QED_OK);
    unit_put64(io, 16, 2);
    unit_put_entry(io, C, 0, 9); /* which no crash leaves: it cannot be recovered */
    io_close(io);
    check_refused("source.qed", "dirty.qed", &options, QED_ERR_CORRUPT);
    unit_create_qed("dirty.qed", 20 * C, NULL, false);
    ck_assert(unit_reads_as("dirty.qed", 0, 20 * C, 0));
    options.target.format = "raw";
    check_refused("source.qed", "missing.raw", &options, QED_ERR_OPEN);
}
END_TEST

START_TEST(no_image_is_converted_onto_itself)
{
    struct convert_options options = to_small_qed();

    unit_create_qed("base.qed", 20 * C, NULL, false);
    unit_write_qed("base.qed", 0, C, 1);
    unit_create_qed("source.qed", 20 * C, "base.qed", false);
    ck_assert_int_eq(symlink("base.qed", "alias"), 0);
    check_refused("source.qed", "source.qed", &options, QED_ERR_SAME_FILE);
    check_refused("source.qed", "./base.qed", &options, QED_ERR_SAME_FILE);
    check_refused("source.qed", "alias", &options, QED_ERR_SAME_FILE);
    options.existing = true;
    check_refused("source.qed", "base.qed", &options, QED_ERR_SAME_FILE);
    ck_assert(unit_reads_as("source.qed", 0, C, 1));
}
END_TEST

START_TEST(options_that_make_no_sense_are_refused)
{
    static const uint64_t sparse[] = {1, 511, 513, CONVERT_SPARSE_MAX + 512, UINT64_MAX};
    struct convert_options options = to_small_qed();

    unit_create_qed("source.qed", 20 * C, NULL, false);
    for (size_t i = 0; i < sizeof(sparse) / sizeof(sparse[0]); i++) {
        options.sparse_bytes = sparse[i];
        check_refused("source.qed", "target.qed", &options, QED_ERR_INVALID);
    }
    options = to_small_qed();
    options.target.cluster_size = 5;
    check_refused("source.qed", "target.qed", &options, QED_ERR_INVALID);
    ck_assert_uint_eq(unit_count_names("."), 1);
}
END_TEST

struct progress {
    uint64_t last, total, stop_at;
    bool backwards;
};

static bool note_progress(void *context, uint64_t done, uint64_t total)
{
    struct progress *progress = context;

    progress->backwards = progress->backwards || done < progress->last || done > total;
    progress->last = done;
    progress->total = total;
    return done >= progress->stop_at;
}

START_TEST(progress_goes_up_to_the_size)
{
    struct convert_options options = to_small_qed();
    struct progress progress = {.stop_at = UINT64_MAX};
    struct unit_random random = {8};

    make_raw("source.raw", 9 << 20, &random);
    options.progress = note_progress;
    options.progress_context = &progress;
    convert("source.raw", "target.qed", &options);
    ck_assert(!progress.backwards);
    ck_assert_uint_eq(progress.last, 9 << 20);
    ck_assert_uint_eq(progress.total, 9 << 20);
}
END_TEST

START_TEST(a_conversion_that_is_stopped_leaves_no_target)
{
    struct convert_options options = to_small_qed();
    struct progress progress = {.stop_at = 1};
    struct unit_random random = {8};

    make_raw("source.raw", 9 << 20, &random);
    unit_write_file("old.qed", "old", 3);
    options.progress = note_progress;
    options.progress_context = &progress;
    check_refused("source.raw", "target.qed", &options, QED_ERR_STOPPED);
    check_refused("source.raw", "old.qed", &options, QED_ERR_STOPPED);
    ck_assert_uint_lt(progress.last, 9 << 20);
    ck_assert_uint_eq(unit_count_names("."), 2);
}
END_TEST

START_TEST(a_corrupt_source_leaves_no_target)
{
    struct convert_options options = to_small_qed();
    struct io *io = NULL;

    unit_create_qed("source.qed", 20 * C, NULL, false);
    unit_write_qed("source.qed", 0, C, 1);
    ck_assert_int_eq(io_file_open(&io, "source.qed", true, NULL, NULL), QED_OK);
    unit_put_entry(io, unit_get_entry(io, C, 0), 7, 9);
    io_close(io);
    check_refused("source.qed", "target.qed", &options, QED_ERR_CORRUPT);
    ck_assert_uint_eq(unit_count_names("."), 1);
}
END_TEST

START_TEST(the_smallest_images_are_converted)
{
    struct convert_options options = to_small_qed();

    unit_write_file("empty.raw", "", 0);
    convert("empty.raw", "empty.qed", &options);
    check_same("empty.raw", "empty.qed");
    unit_write_file("byte.raw", "x", 1);
    convert("byte.raw", "byte.qed", &options);
    check_same("byte.raw", "byte.qed");
    ck_assert(unit_reads_as("byte.qed", 0, 1, 'x'));
    ck_assert(unit_reads_as("byte.qed", 1, 511, 0));
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("convert");

    unit_use_folder(tests);
    tcase_add_loop_test(tests, a_raw_image_survives_the_way_to_qed_and_back, 0, 3);
    tcase_add_test(tests, zeroes_take_no_clusters_unless_they_are_to);
    tcase_add_test(tests, a_chain_is_made_flat);
    tcase_add_test(tests, over_a_backing_file_only_the_difference_is_stored);
    tcase_add_test(tests, layers_that_source_and_target_share_are_not_copied);
    tcase_add_loop_test(tests, random_chains_are_converted_over_random_backing_files, 0, 24);
    tcase_add_test(tests, an_image_that_is_there_is_overwritten_in_place);
    tcase_add_test(tests, an_image_that_is_there_keeps_its_backing_file);
    tcase_add_test(tests, a_raw_file_that_is_there_is_overwritten_in_place);
    tcase_add_test(tests, a_target_that_cannot_hold_the_source_is_refused_untouched);
    tcase_add_test(tests, no_image_is_converted_onto_itself);
    tcase_add_test(tests, options_that_make_no_sense_are_refused);
    tcase_add_test(tests, progress_goes_up_to_the_size);
    tcase_add_test(tests, a_conversion_that_is_stopped_leaves_no_target);
    tcase_add_test(tests, a_corrupt_source_leaves_no_target);
    tcase_add_test(tests, the_smallest_images_are_converted);
    return unit_run(tests);
}
