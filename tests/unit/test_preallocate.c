/*
 * Modes of preallocation, and what they leave.
 * SPDX-License-Identifier: MIT
 */
#include "core/preallocate.h"

#include <stdio.h>
#include <sys/stat.h>

#include "core/target.h"
#include "support/unit.h"

#define C UINT64_C(4096)

static struct create_options with(const char *format, const char *preallocation)
{
    struct create_options options;

    create_options_init(&options);
    options.format = format;
    options.has_size = true;
    options.size = 300 * C + 5;
    options.cluster_size = C;
    options.table_size = 1;
    options.preallocation = preallocation;
    return options;
}

static uint64_t taken(const char *name)
{
    struct stat st;

    ck_assert_int_eq(stat(name, &st), 0);
    return (uint64_t)st.st_blocks * 512;
}

START_TEST(modes_are_those_of_the_format)
{
    static const struct {
        const char *format, *name, *backing;
        int ret;
        enum preallocation mode;
    } cases[] = {
        {"qed", NULL, NULL, QED_OK, PREALLOCATION_OFF},
        {"qed", "off", NULL, QED_OK, PREALLOCATION_OFF},
        {"qed", "metadata", NULL, QED_OK, PREALLOCATION_METADATA},
        {"qed", "falloc", NULL, QED_OK, PREALLOCATION_FALLOC},
        {"qed", "full", NULL, QED_OK, PREALLOCATION_FULL},
        {"qed", "Full", NULL, QED_ERR_INVALID, PREALLOCATION_OFF},
        {"qed", "", NULL, QED_ERR_INVALID, PREALLOCATION_OFF},
        {"qed", "off", "base", QED_OK, PREALLOCATION_OFF},
        {"qed", "metadata", "base", QED_ERR_INVALID, PREALLOCATION_OFF},
        {"raw", "off", NULL, QED_OK, PREALLOCATION_OFF},
        {"raw", "metadata", NULL, QED_ERR_INVALID, PREALLOCATION_OFF},
        {"raw", "falloc", NULL, QED_OK, PREALLOCATION_FALLOC},
        {"raw", "full", NULL, QED_OK, PREALLOCATION_FULL},
        {"raw", "none", NULL, QED_ERR_INVALID, PREALLOCATION_OFF},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct create_options options = with(cases[i].format, cases[i].name);
        enum preallocation mode;

        options.backing_name = cases[i].backing;
        ck_assert_int_eq(preallocation_mode(&options, &mode, NULL), cases[i].ret);
        ck_assert_int_eq(mode, cases[i].mode);
    }
}
END_TEST

START_TEST(new_images_have_the_space_that_was_asked_for)
{
    static const struct {
        const char *format, *mode;
        uint64_t least, most;
    } cases[] = {
        {"qed", "off", 0, 8 * C},
        {"qed", "metadata", 3 * C, 12 * C},
        {"qed", "falloc", 304 * C, 320 * C},
        {"qed", "full", 304 * C, 320 * C},
        {"raw", "falloc", 300 * C, 316 * C},
        {"raw", "full", 300 * C, 316 * C},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct create_options options = with(cases[i].format, cases[i].mode);
        struct qed_error error = QED_ERROR_INIT;

        ck_assert_msg(create_image("a", &options, &error) == QED_OK, "%s", error.text);
        ck_assert_uint_ge(taken("a"), cases[i].least);
        ck_assert_uint_le(taken("a"), cases[i].most);
        ck_assert(unit_reads_as("a", 0, 300 * C + 512, 0));
    }
}
END_TEST

START_TEST(targets_take_data_at_its_place_with_and_without_placing)
{
    for (int placing = 0; placing < 2; placing++) {
        struct create_options options = with("qed", "metadata");
        struct target *target = NULL;
        uint64_t file_off;
        bool can = false;

        ck_assert_int_eq(target_open(&target, "t.qed", &options, false, IMAGE_BACKING_FOLLOW, NULL),
                         QED_OK);
        ck_assert_uint_eq(target_unit(target), 4096);
        ck_assert(!target_needs_order(target));
        ck_assert(target_may_share(target));
        if (placing) {
            ck_assert_int_eq(target_start_placing(target, &can, NULL), QED_OK);
            ck_assert(can);
            ck_assert_int_eq(target_place(target, 200 * C, C, &file_off, NULL), QED_OK);
            ck_assert_uint_eq(file_off, (2 + 1 + 200) * C);
        }
        ck_assert_int_eq(target_write(target, 200 * C + 1, "abc", 3, NULL), QED_OK);
        ck_assert_int_eq(target_zero(target, 0, 100 * C, false, NULL), QED_OK);
        ck_assert_int_eq(target_finish(target, NULL), QED_OK);
        target_close(target);
        ck_assert(unit_reads_as("t.qed", 200 * C + 2, 1, 'b'));
        ck_assert(unit_reads_as("t.qed", 0, 200 * C, 0));
        ck_assert_uint_le(taken("t.qed"), 16 * C);
    }
}
END_TEST

START_TEST(space_of_ones_own_is_not_shared)
{
    static const char *const modes[] = {"falloc", "full"};

    for (size_t i = 0; i < 2; i++) {
        struct create_options options = with("qed", modes[i]);
        struct target *target = NULL;

        ck_assert_int_eq(target_open(&target, "t.qed", &options, false, IMAGE_BACKING_FOLLOW, NULL),
                         QED_OK);
        ck_assert(!target_may_share(target));
        target_close(target);
    }
    ck_assert_uint_eq(unit_count_names("."), 0);
}
END_TEST

static bool stop_at(void *context)
{
    size_t *left = context;

    return (*left)-- == 0;
}

START_TEST(a_new_image_can_be_stopped_and_leaves_nothing)
{
    static const char *const formats[] = {"qed", "raw"};

    for (size_t i = 0; i < 2; i++) {
        struct create_options options = with(formats[i], "full");
        size_t stops = 0, left;
        int ret;

        options.size = UINT64_C(200) << 20;
        options.stop = stop_at;
        options.stop_context = &left;
        do {
            left = stops++;
            ret = create_image("a", &options, NULL);
            ck_assert_uint_eq(unit_count_names("."), ret == QED_OK ? i + 1 : i);
        } while (ret == QED_ERR_STOPPED);
        ck_assert_int_eq(ret, QED_OK);
        ck_assert_uint_gt(stops, 3);
        ck_assert_int_eq(rename("a", formats[i]), 0);
    }
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("preallocate");

    unit_use_folder(tests);
    tcase_add_test(tests, modes_are_those_of_the_format);
    tcase_add_test(tests, new_images_have_the_space_that_was_asked_for);
    tcase_add_test(tests, targets_take_data_at_its_place_with_and_without_placing);
    tcase_add_test(tests, space_of_ones_own_is_not_shared);
    tcase_add_test(tests, a_new_image_can_be_stopped_and_leaves_nothing);
    return unit_run(tests);
}
