/*
 * The list of what was lost, and what is read beside it: raw files that have become shorter and QED
 * images with invalid entries, against a plain array of what must be lost.
 * SPDX-License-Identifier: MIT
 */
#include "core/salvage.h"

#include <stdlib.h>
#include <string.h>

#include "io/io_file.h"
#include "support/unit.h"

#define C UINT64_C(4096)
#define CLUSTERS 300

static struct salvage *attach(struct image **image, const char *name)
{
    struct salvage *salvage = NULL;

    ck_assert_int_eq(image_open(image, name, &(struct image_options){.format = "qed"}, NULL),
                     QED_OK);
    ck_assert_int_eq(salvage_new(&salvage, NULL), QED_OK);
    ck_assert_int_eq(salvage_attach(salvage, *image, NULL, NULL, NULL), QED_OK);
    return salvage;
}

/* A QED file of CLUSTERS clusters of data, some of whose entries are made invalid. */
static void make_damaged(struct unit_random *random, bool *lost)
{
    struct io *io = NULL;

    unit_create_qed("a.qed", CLUSTERS * C, NULL, false);
    unit_write_qed("a.qed", 0, CLUSTERS * C, 0x5a);
    ck_assert_int_eq(io_file_open(&io, "a.qed", true, NULL, NULL), QED_OK);
    for (size_t i = 0; i < CLUSTERS; i++) {
        lost[i] = unit_random_below(random, 3) == 0;
        if (lost[i])
            unit_put_entry(io, unit_get_entry(io, C, 0), i, 9 + i);
    }
    io_close(io);
}

/* Ranges are sorted, apart, and just what is marked. */
static void check_list(const struct salvage *salvage, const bool *lost)
{
    size_t count, at = 0;
    const struct salvage_range *ranges = salvage_ranges(salvage, &count);
    uint64_t sum = 0;

    for (size_t i = 0; i < CLUSTERS; i++) {
        if (!lost[i])
            continue;
        sum += C;
        if (i > 0 && lost[i - 1])
            continue;
        ck_assert_uint_lt(at, count);
        ck_assert_uint_eq(ranges[at].virt_off, i * C);
        ck_assert_int_eq(ranges[at].code, QED_ERR_CORRUPT);
        for (at++; i + 1 < CLUSTERS && lost[i + 1]; i++)
            sum += C;
        ck_assert_uint_eq(ranges[at - 1].virt_off + ranges[at - 1].length, (i + 1) * C);
    }
    ck_assert_uint_eq(at, count);
    ck_assert_uint_eq(salvage_lost_bytes(salvage), sum);
}

START_TEST(what_is_read_in_any_order_is_listed_once)
{
    struct unit_random random = {(uint64_t)_i + 7};
    struct image *image = NULL;
    struct salvage *salvage;
    bool lost[CLUSTERS];
    static uint8_t buffer[CLUSTERS * C];

    make_damaged(&random, lost);
    salvage = attach(&image, "a.qed");
    for (int i = 0; i < 60; i++) {
        uint64_t at = unit_random_below(&random, CLUSTERS);
        uint64_t count = 1 + unit_random_below(&random, CLUSTERS - at);

        ck_assert_int_eq(salvage_read(salvage, at * C, buffer, (size_t)(count * C), NULL), QED_OK);
        for (uint64_t j = 0; j < count; j++)
            ck_assert_int_eq(buffer[j * C + 17], lost[at + j] ? 0 : 0x5a);
    }
    ck_assert_int_eq(salvage_read(salvage, 0, buffer, sizeof(buffer), NULL), QED_OK);
    check_list(salvage, lost);
    salvage_free(salvage);
    image_close(image);
}
END_TEST

START_TEST(an_invalid_l1_entry_stands_for_its_whole_table)
{
    struct image *image = NULL;
    struct salvage *salvage;
    struct extent run;
    struct io *io = NULL;
    size_t count;

    unit_create_qed("a.qed", 4 * 512 * C, NULL, false);
    unit_write_qed("a.qed", 0, C, 1);
    unit_write_qed("a.qed", 1024 * C, C, 2);
    ck_assert_int_eq(io_file_open(&io, "a.qed", true, NULL, NULL), QED_OK);
    unit_put_entry(io, C, 1, 77);
    io_close(io);
    salvage = attach(&image, "a.qed");
    ck_assert_int_eq(salvage_next_run(salvage, 512 * C + 100, 3 * 512 * C - 100, &run, NULL),
                     QED_OK);
    ck_assert_int_eq(run.kind, EXTENT_UNALLOCATED);
    ck_assert_uint_eq(run.length, 512 * C - 100);
    ck_assert_uint_eq(salvage_ranges(salvage, &count)[0].virt_off, 512 * C + 100);
    ck_assert_uint_eq(count, 1);
    ck_assert_int_eq(salvage_next_run(salvage, 1024 * C, C, &run, NULL), QED_OK);
    ck_assert_int_eq(run.kind, EXTENT_DATA);
    salvage_free(salvage);
    image_close(image);
}
END_TEST

START_TEST(what_is_below_does_not_show_through)
{
    struct image *image = NULL;
    struct salvage *salvage;
    struct io *io = NULL;
    uint8_t buffer[2 * C], zeroes[C] = {0};

    unit_create_qed("base.qed", 8 * C, NULL, false);
    unit_write_qed("base.qed", 0, 8 * C, 0x11);
    unit_create_qed("a.qed", 8 * C, "base.qed", false);
    unit_write_qed("a.qed", 0, C, 0x22);
    ck_assert_int_eq(io_file_open(&io, "a.qed", true, NULL, NULL), QED_OK);
    unit_put_entry(io, unit_get_entry(io, C, 0), 0, 9);
    io_close(io);
    salvage = attach(&image, "a.qed");
    ck_assert_int_eq(salvage_read(salvage, 0, buffer, sizeof(buffer), NULL), QED_OK);
    ck_assert_int_eq(memcmp(buffer, zeroes, C), 0);
    ck_assert_int_eq(buffer[C], 0x11);
    salvage_free(salvage);
    image_close(image);
}
END_TEST

static bool always(void *context)
{
    (void)context;
    return true;
}

START_TEST(it_can_be_stopped)
{
    struct image *image = NULL;
    struct salvage *salvage = NULL;
    struct unit_random random = {3};
    bool lost[CLUSTERS];
    static uint8_t buffer[CLUSTERS * C];

    make_damaged(&random, lost);
    ck_assert_int_eq(image_open(&image, "a.qed", &(struct image_options){.format = "qed"}, NULL),
                     QED_OK);
    ck_assert_int_eq(salvage_new(&salvage, NULL), QED_OK);
    ck_assert_int_eq(salvage_attach(salvage, image, always, NULL, NULL), QED_OK);
    ck_assert_int_eq(salvage_read(salvage, 0, buffer, sizeof(buffer), NULL), QED_ERR_STOPPED);
    salvage_free(salvage);
    image_close(image);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("salvage");

    unit_use_folder(tests);
    tcase_add_loop_test(tests, what_is_read_in_any_order_is_listed_once, 0, 10);
    tcase_add_test(tests, an_invalid_l1_entry_stands_for_its_whole_table);
    tcase_add_test(tests, what_is_below_does_not_show_through);
    tcase_add_test(tests, it_can_be_stopped);
    return unit_run(tests);
}
