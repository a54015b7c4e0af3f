/*
 * Walks over the runs of an image.
 * SPDX-License-Identifier: MIT
 */
#include "core/map.h"

#include "support/unit.h"

#define C UINT64_C(4096)

struct walk {
    struct extent runs[16];
    size_t count, stop_after;
};

static int note_run(void *context, const struct extent *run)
{
    struct walk *walk = context;

    walk->runs[walk->count++] = *run;
    return walk->count == walk->stop_after ? -77 : 0;
}

static struct walk walk_image(const char *name, uint64_t virt_off, uint64_t len, size_t stop_after,
                              int expected)
{
    static const struct image_options options = {.backing = IMAGE_BACKING_FOLLOW};
    struct walk walk = {.stop_after = stop_after};
    struct image *image = NULL;

    ck_assert_int_eq(image_open(&image, name, &options, NULL), QED_OK);
    ck_assert_int_eq(map_walk(image, virt_off, len, note_run, &walk, NULL), expected);
    image_close(image);
    return walk;
}

static void make_image(void)
{
    unit_create_qed("base.qed", 100 * C, NULL, false);
    unit_write_qed("base.qed", 0, 10 * C, 1);
    unit_create_qed("top.qed", 100 * C, "base.qed", false);
    unit_write_qed("top.qed", 5 * C, C, 2);
}

START_TEST(runs_follow_each_other_to_the_end)
{
    struct walk walk;
    uint64_t at = 0;

    make_image();
    walk = walk_image("top.qed", 0, UINT64_MAX, 0, QED_OK);
    ck_assert_uint_eq(walk.count, 4);
    for (size_t i = 0; i < walk.count; i++) {
        ck_assert_uint_eq(walk.runs[i].virt_off, at);
        at += walk.runs[i].length;
    }
    ck_assert_uint_eq(at, 100 * C);
    ck_assert_uint_eq(walk.runs[0].depth, 1);
    ck_assert_uint_eq(walk.runs[1].depth, 0);
    ck_assert_uint_eq(walk.runs[1].length, C);
    ck_assert_uint_eq(walk.runs[2].depth, 1);
    ck_assert_int_eq(walk.runs[3].kind, EXTENT_UNALLOCATED);
}
END_TEST

START_TEST(a_walk_keeps_to_its_stretch)
{
    struct walk walk;

    make_image();
    walk = walk_image("top.qed", 5 * C + 10, 20, 0, QED_OK);
    ck_assert_uint_eq(walk.count, 1);
    ck_assert_uint_eq(walk.runs[0].virt_off, 5 * C + 10);
    ck_assert_uint_eq(walk.runs[0].length, 20);
    walk = walk_image("top.qed", 99 * C, UINT64_MAX, 0, QED_OK);
    ck_assert_uint_eq(walk.count, 1);
    ck_assert_uint_eq(walk.runs[0].length, C);
    ck_assert_uint_eq(walk_image("top.qed", 100 * C, 5, 0, QED_OK).count, 0);
    ck_assert_uint_eq(walk_image("top.qed", UINT64_MAX, 5, 0, QED_OK).count, 0);
    ck_assert_uint_eq(walk_image("top.qed", 5, 0, 0, QED_OK).count, 0);
}
END_TEST

START_TEST(a_walk_ends_when_it_is_told_to)
{
    make_image();
    ck_assert_uint_eq(walk_image("top.qed", 0, UINT64_MAX, 2, -77).count, 2);
}
END_TEST

START_TEST(an_image_without_bytes_has_no_runs)
{
    unit_create_qed("empty.qed", 0, NULL, false);
    ck_assert_uint_eq(walk_image("empty.qed", 0, UINT64_MAX, 0, QED_OK).count, 0);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("map");

    unit_use_folder(tests);
    tcase_add_test(tests, runs_follow_each_other_to_the_end);
    tcase_add_test(tests, a_walk_keeps_to_its_stretch);
    tcase_add_test(tests, a_walk_ends_when_it_is_told_to);
    tcase_add_test(tests, an_image_without_bytes_has_no_runs);
    return unit_run(tests);
}
