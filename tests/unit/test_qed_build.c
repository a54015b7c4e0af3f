/*
 * Images filled in the order of the guest.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_build.h"

#include "format/qed_create.h"
#include "support/io_fault.h"
#include "support/io_mem.h"
#include "support/unit.h"

#define C UINT64_C(4096)
#define SPAN (512 * C) /* guest bytes of a table */

static struct qed_image *new_image(struct io *io)
{
    struct qed_create_options options = {
        .image_size = 100 * SPAN, .cluster_size = C, .table_size = 1};

    ck_assert_int_eq(qed_create(io, &options, NULL), QED_OK);
    return unit_open(io, true);
}

/* Some data in each of ten tables, and zero clusters. */
static int fill(struct qed_build *build)
{
    int ret = QED_OK;

    for (uint64_t i = 0; ret == QED_OK && i < 10; i++) {
        uint64_t file_off;

        ret = qed_build_data(build, i * SPAN + 3 * C, 510, &file_off, NULL);
        if (ret == QED_OK)
            ret = qed_build_zero(build, (i + 1) * SPAN + C, 1, NULL);
    }
    return ret < 0 ? ret : qed_build_finish(build, NULL);
}

START_TEST(tables_follow_the_data_and_the_image_is_clean)
{
    struct io *io = io_mem_new(0);
    struct qed_image *image = new_image(io);
    struct qed_build *build = NULL;
    struct qed_check_totals totals;

    ck_assert_int_eq(qed_build_new(&build, image, NULL), QED_OK);
    ck_assert_int_eq(fill(build), QED_OK);
    qed_build_free(build);
    qed_close(image);
    totals = unit_check(io);
    ck_assert_uint_eq(totals.corruptions, 0);
    ck_assert_uint_eq(totals.leaks, 0);
    ck_assert_uint_eq(totals.allocated_clusters, 5100);
    for (uint64_t i = 0; i < 11; i++)
        ck_assert_uint_eq(unit_get_entry(io, C, i), (2 + 5100 + i) * C);
    ck_assert_uint_eq(unit_get_entry(io, (2 + 5100 + 10) * C, 1), QED_ENTRY_ZERO);
    io_close(io);
}
END_TEST

START_TEST(clusters_out_of_order_are_refused)
{
    struct io *io = io_mem_new(0);
    struct qed_image *image = new_image(io);
    struct qed_build *build = NULL;
    uint64_t file_off;

    ck_assert_int_eq(qed_build_new(&build, image, NULL), QED_OK);
    ck_assert_int_eq(qed_build_data(build, SPAN, 2, &file_off, NULL), QED_OK);
    ck_assert_int_eq(qed_build_data(build, 0, 1, &file_off, NULL), QED_ERR_INVALID);
    ck_assert_int_eq(qed_build_data(build, SPAN + C, 1, &file_off, NULL), QED_ERR_INVALID);
    ck_assert_int_eq(qed_build_zero(build, SPAN, 1, NULL), QED_ERR_INVALID);
    ck_assert_int_eq(qed_build_data(build, SPAN + 2 * C, 1, &file_off, NULL), QED_OK);
    qed_build_free(build);
    qed_close(image);
    io_close(io);
}
END_TEST

START_TEST(every_failure_is_handed_up)
{
    for (size_t fail_at = 1;; fail_at++) {
        struct io_fault_plan plan = {
            .kinds = IO_FAULT_CHANGES, .fail_at = fail_at, .code = QED_ERR_NO_SPACE};
        struct io *below = io_mem_new(0), *io;
        struct qed_image *image = new_image(below);
        struct qed_build *build = NULL;
        bool happened;
        int ret;

        qed_close(image);
        io = io_fault_new(below, &plan);
        image = unit_open(io, true);
        ck_assert_int_eq(qed_build_new(&build, image, NULL), QED_OK);
        ret = fill(build);
        happened = io_fault_happened(io);
        ck_assert_int_eq(ret, happened ? QED_ERR_NO_SPACE : QED_OK);
        qed_build_free(build);
        qed_close(image);
        io_close(io);
        io_close(below);
        if (!happened) {
            ck_assert_uint_gt(fail_at, 11);
            break;
        }
    }
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("qed_build");

    tcase_add_test(tests, tables_follow_the_data_and_the_image_is_clean);
    tcase_add_test(tests, clusters_out_of_order_are_refused);
    tcase_add_test(tests, every_failure_is_handed_up);
    return unit_run(tests);
}
