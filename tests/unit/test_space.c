/*
 * Estimates against the images that conversions make.
 * SPDX-License-Identifier: MIT
 */
#include "core/space.h"

#include <limits.h>
#include <sys/stat.h>

#include "core/convert.h"
#include "support/unit.h"

#define C UINT64_C(4096)

static const struct image_options follow = {.backing = IMAGE_BACKING_FOLLOW};

static struct create_options to_qed(uint64_t cluster_size, uint64_t table_size)
{
    struct create_options options;

    create_options_init(&options);
    options.cluster_size = cluster_size;
    options.table_size = table_size;
    return options;
}

static struct create_options to_raw(void)
{
    struct create_options options;

    create_options_init(&options);
    options.format = "raw";
    return options;
}

static struct space measure(const char *source, const struct create_options *target,
                            bool store_zeroes)
{
    struct space_options options = {.target = target,
                                    .common_from = UINT_MAX,
                                    .store_zeroes = store_zeroes,
                                    .enough = UINT64_MAX};
    struct image *image = NULL;
    struct space space;

    ck_assert_int_eq(image_open(&image, source, &follow, NULL), QED_OK);
    ck_assert_int_eq(space_measure(image, &options, &space, NULL), QED_OK);
    image_close(image);
    return space;
}

/* The length of what convert makes of source; *taken is its space. */
static uint64_t converted(const char *source, const struct create_options *target,
                          bool store_zeroes, uint64_t *taken)
{
    struct convert_options options = {.sparse_bytes = store_zeroes ? 0 : C, .target = *target};
    struct stat st;

    ck_assert_int_eq(convert_image(source, "target", &options, NULL), QED_OK);
    ck_assert_int_eq(stat("target", &st), 0);
    *taken = (uint64_t)st.st_blocks * 512;
    return (uint64_t)st.st_size;
}

START_TEST(data_that_is_not_zero_takes_what_was_measured)
{
    static const uint64_t geometries[][2] = {{4096, 1}, {4096, 16}, {65536, 4}, {1 << 20, 1}};
    struct unit_random random = {7};
    uint64_t taken;

    unit_create_qed("source.qed", 5000 * C + 512, NULL, false);
    for (int i = 0; i < 20; i++)
        unit_write_qed("source.qed", unit_random_below(&random, 4900 * C),
                       1 + unit_random_below(&random, 20 * C), 0x5a);
    for (size_t i = 0; i < 4; i++) {
        struct create_options target = to_qed(geometries[i][0], geometries[i][1]);
        struct space space = measure("source.qed", &target, false);

        ck_assert_uint_eq(converted("source.qed", &target, false, &taken), space.required);
        ck_assert_uint_le(taken, space.stored + C);
        ck_assert_uint_le(space.stored, space.required);
        ck_assert_uint_lt(space.required, space.fully_allocated);
        ck_assert_uint_eq(converted("source.qed", &target, true, &taken), space.fully_allocated);
        space = measure("source.qed", &target, true);
        ck_assert_uint_eq(space.required, space.fully_allocated);
    }
}
END_TEST

START_TEST(raw_is_as_long_as_the_guest_and_stores_its_data)
{
    struct create_options target = to_raw();
    struct space space;

    unit_create_qed("source.qed", 100 * C + 512, NULL, false);
    unit_write_qed("source.qed", 10 * C + 7, 2 * C, 1); /* three clusters */
    unit_write_qed("source.qed", 100 * C + 1, 1, 1);
    space = measure("source.qed", &target, false);
    ck_assert_uint_eq(space.required, 100 * C + 512);
    ck_assert_uint_eq(space.fully_allocated, 100 * C + 512);
    ck_assert_uint_eq(space.stored, 4 * C);
    ck_assert_uint_eq(measure("source.qed", &target, true).stored, 101 * C);
}
END_TEST

START_TEST(a_cluster_of_several_runs_counts_once)
{
    struct create_options target = to_qed(65536, 1);

    unit_create_qed("source.qed", 64 * C, NULL, false);
    for (uint64_t i = 1; i < 16; i += 2)
        unit_write_qed("source.qed", i * C, 1, 1);
    unit_write_qed("source.qed", 47 * C, 2, 1);
    ck_assert_uint_eq(measure("source.qed", &target, false).required, (1 + 1 + 2 + 1) * 65536);
    ck_assert_uint_eq(measure("source.qed", &target, false).stored, 2 * 65536 + 3 * C);
}
END_TEST

START_TEST(preallocation_is_measured)
{
    struct create_options target = to_qed(C, 1);
    struct space space;
    uint64_t taken;

    unit_create_qed("source.qed", 1000 * C, NULL, false);
    unit_write_qed("source.qed", 10 * C, 5 * C, 1);
    target.preallocation = "metadata";
    space = measure("source.qed", &target, false);
    ck_assert_uint_eq(space.required, (2 + 2 + 1000) * C);
    ck_assert_uint_eq(space.stored, (2 + 2 + 5) * C);
    ck_assert_uint_eq(converted("source.qed", &target, false, &taken), space.required);
    target.preallocation = "full";
    space = measure("source.qed", &target, false);
    ck_assert_uint_eq(space.stored, (2 + 2 + 1000) * C);
    ck_assert_uint_eq(converted("source.qed", &target, false, &taken), space.stored);
}
END_TEST

START_TEST(layers_that_stay_below_take_no_space)
{
    struct create_options target = to_qed(C, 1);
    struct space_options options = {.target = &target, .common_from = 1, .enough = UINT64_MAX};
    struct image *image = NULL;
    struct space space;

    unit_create_qed("base.qed", 100 * C, NULL, false);
    unit_write_qed("base.qed", 0, 50 * C, 1);
    unit_create_qed("top.qed", 100 * C, "base.qed", false);
    unit_write_qed("top.qed", 10 * C, 3 * C, 2);
    ck_assert_int_eq(image_open(&image, "top.qed", &follow, NULL), QED_OK);
    ck_assert_int_eq(space_measure(image, &options, &space, NULL), QED_OK);
    ck_assert_uint_eq(space.required, (2 + 1 + 3) * C);
    options.common_from = UINT_MAX;
    ck_assert_int_eq(space_measure(image, &options, &space, NULL), QED_OK);
    ck_assert_uint_eq(space.required, (2 + 1 + 50) * C);
    image_close(image);
}
END_TEST

static bool stop_at_once(void *context)
{
    (void)context;
    return true;
}

START_TEST(a_walk_can_be_stopped)
{
    struct create_options target = to_raw();
    struct space_options options = {
        .target = &target, .common_from = UINT_MAX, .enough = UINT64_MAX, .stop = stop_at_once};
    struct image *image = NULL;
    struct space space;

    unit_create_qed("source.qed", 100 * C, NULL, false);
    ck_assert_int_eq(image_open(&image, "source.qed", &follow, NULL), QED_OK);
    ck_assert_int_eq(space_measure(image, &options, &space, NULL), QED_ERR_STOPPED);
    image_close(image);
}
END_TEST

START_TEST(more_than_any_file_has_is_told)
{
    struct create_options target = to_qed(1 << 26, 16);

    target.size = QED_IMAGE_SIZE_LIMIT;
    ck_assert_uint_eq(space_fully_allocated(&target), UINT64_MAX);
    target.size = 0;
    ck_assert_uint_eq(space_fully_allocated(&target), UINT64_C(17) << 26);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("space");

    unit_use_folder(tests);
    tcase_add_test(tests, data_that_is_not_zero_takes_what_was_measured);
    tcase_add_test(tests, raw_is_as_long_as_the_guest_and_stores_its_data);
    tcase_add_test(tests, a_cluster_of_several_runs_counts_once);
    tcase_add_test(tests, preallocation_is_measured);
    tcase_add_test(tests, layers_that_stay_below_take_no_space);
    tcase_add_test(tests, a_walk_can_be_stopped);
    tcase_add_test(tests, more_than_any_file_has_is_told);
    return unit_run(tests);
}
