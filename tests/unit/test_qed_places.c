/*
 * Images in which every cluster has its place.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_places.h"

#include <stdlib.h>

#include "format/qed_lookup.h"
#include "support/io_fault.h"
#include "support/io_mem.h"
#include "support/unit.h"

static int make(struct io *io, const struct qed_create_options *options, struct qed_places *places,
                qed_places_stop_fn *stop, void *context)
{
    int ret = qed_create(io, options, NULL);

    ck_assert(qed_places_plan(places, options));
    if (ret == QED_OK)
        ret = io_set_length(io, places->file_end, NULL);
    return ret < 0 ? ret : qed_places_write(places, io, stop, context, NULL);
}

/* The image is clean and its guest one run of data at data_off. */
static void check_whole(struct io *io, const struct qed_places *places, uint64_t image_size)
{
    struct qed_image *image = unit_open(io, false);
    struct qed_check_totals totals = unit_check(io);
    uint64_t at = 0;

    ck_assert_uint_eq(totals.corruptions, 0);
    ck_assert_uint_eq(totals.leaks, 0);
    ck_assert_uint_eq(totals.allocated_clusters, places->clusters);
    while (at < image_size) {
        struct extent run;

        ck_assert_int_eq(qed_lookup_run(image, at, image_size - at, &run, NULL), QED_OK);
        ck_assert_int_eq(run.kind, EXTENT_DATA);
        ck_assert_uint_eq(run.file_off, places->data_off + at);
        at += run.length;
    }
    qed_close(image);
}

START_TEST(every_cluster_has_its_place_in_every_geometry)
{
    for (uint64_t cluster = 4096; cluster <= (1 << 20); cluster *= 4) {
        for (uint64_t table = 1; table <= 16; table *= 4) {
            uint64_t span = cluster * (cluster * table / 8);
            uint64_t sizes[] = {0,          512,  cluster,    cluster + 512,         7 * cluster,
                                span - 512, span, span + 512, 2 * span + 3 * cluster};
            size_t count = span <= (UINT64_C(64) << 30) ? 9 : 5;

            for (size_t i = 0; i < count; i++) {
                struct qed_create_options options = {
                    .image_size = sizes[i], .cluster_size = cluster, .table_size = table};
                struct io *io = io_mem_new(0);
                struct qed_places places;

                ck_assert_int_eq(make(io, &options, &places, NULL, NULL), QED_OK);
                check_whole(io, &places, sizes[i]);
                io_close(io);
            }
        }
    }
}
END_TEST

START_TEST(tables_lie_side_by_side_behind_the_l1)
{
    struct qed_create_options options = {
        .image_size = 1100 * 4096, .cluster_size = 4096, .table_size = 1};
    struct io *io = io_mem_new(0);
    struct qed_places places;

    ck_assert_int_eq(make(io, &options, &places, NULL, NULL), QED_OK);
    ck_assert_uint_eq(places.tables, 3);
    ck_assert_uint_eq(places.clusters, 1100);
    for (uint64_t i = 0; i < 3; i++)
        ck_assert_uint_eq(unit_get_entry(io, 4096, i), (2 + i) * 4096);
    ck_assert_uint_eq(unit_get_entry(io, 4096, 3), 0);
    ck_assert_uint_eq(unit_get_entry(io, 4 * 4096, 75), (5 + 2 * 512 + 75) * 4096);
    ck_assert_uint_eq(unit_get_entry(io, 4 * 4096, 76), 0);
    ck_assert_uint_eq(places.file_end, (5 + 1100) * 4096);
    io_close(io);
}
END_TEST

START_TEST(an_image_that_no_file_can_hold_is_told)
{
    struct qed_create_options options = {
        .image_size = QED_IMAGE_SIZE_LIMIT, .cluster_size = 1 << 26, .table_size = 16};
    struct qed_places places;

    ck_assert(!qed_places_plan(&places, &options));
    options.image_size = UINT64_C(64) << 40;
    options.cluster_size = 65536;
    options.table_size = 4;
    ck_assert(qed_places_plan(&places, &options));
    ck_assert_uint_eq(places.tables, 32768);
    ck_assert_uint_eq(places.data_off, 65536 + 32769 * UINT64_C(262144));
}
END_TEST

START_TEST(every_failure_is_handed_up)
{
    struct qed_create_options options = {
        .image_size = UINT64_C(300000) * 4096, .cluster_size = 4096, .table_size = 2};
    struct qed_places places;

    for (size_t fail_at = 1;; fail_at++) {
        struct io_fault_plan plan = {.fail_at = fail_at, .code = QED_ERR_NO_SPACE};
        struct io *below = io_mem_new(0), *io = io_fault_new(below, &plan);
        int ret = make(io, &options, &places, NULL, NULL);
        bool happened = io_fault_happened(io);

        ck_assert_int_eq(ret, happened ? QED_ERR_NO_SPACE : QED_OK);
        io_close(io);
        io_close(below);
        if (!happened) {
            ck_assert_uint_gt(fail_at, 5);
            break;
        }
    }
}
END_TEST

static bool stop_at(void *context)
{
    size_t *left = context;

    return (*left)-- == 0;
}

START_TEST(writing_stops_when_it_is_asked_to)
{
    struct qed_create_options options = {
        .image_size = UINT64_C(300000) * 4096, .cluster_size = 4096, .table_size = 2};
    struct qed_places places;

    for (size_t steps = 0; steps < 4; steps++) {
        struct io *io = io_mem_new(0);
        size_t left = steps;

        ck_assert_int_eq(make(io, &options, &places, stop_at, &left), QED_ERR_STOPPED);
        io_close(io);
    }
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("qed_places");

    tcase_add_test(tests, every_cluster_has_its_place_in_every_geometry);
    tcase_add_test(tests, tables_lie_side_by_side_behind_the_l1);
    tcase_add_test(tests, an_image_that_no_file_can_hold_is_told);
    tcase_add_test(tests, every_failure_is_handed_up);
    tcase_add_test(tests, writing_stops_when_it_is_asked_to);
    return unit_run(tests);
}
