/*
 * New images.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_create.h"

#include <stdlib.h>
#include <string.h>

#include "format/qed_lookup.h"
#include "support/io_fault.h"
#include "support/io_mem.h"
#include "support/unit.h"

static struct qed_create_options defaults(void)
{
    return (struct qed_create_options){
        .image_size = UINT64_C(10) << 30, .cluster_size = 65536, .table_size = 4};
}

START_TEST(every_geometry_is_made_and_opened)
{
    for (uint64_t cluster = 4096; cluster <= QED_CLUSTER_SIZE_MAX; cluster *= 2) {
        for (uint64_t table = 1; table <= 16; table *= 2) {
            struct qed_create_options options = {
                .image_size = qed_image_size_max((uint32_t)cluster, (uint32_t)table),
                .cluster_size = cluster,
                .table_size = table};
            struct io *io = io_mem_new(0);
            struct qed_image *image;
            struct extent run;
            uint64_t length;

            ck_assert_int_eq(qed_create(io, &options, NULL), QED_OK);
            ck_assert_int_eq(io_get_length(io, &length, NULL), QED_OK);
            ck_assert_uint_eq(length, cluster * (1 + table));
            image = unit_open(io, false);
            ck_assert_uint_eq(image->geometry.image_size, options.image_size);
            ck_assert_uint_eq(image->geometry.cluster_size, cluster);
            ck_assert_uint_eq(image->geometry.table_size, table);
            ck_assert_uint_eq(image->header.features, 0);
            ck_assert_int_eq(qed_lookup_run(image, 0, 512, &run, NULL), QED_OK);
            ck_assert_int_eq(run.kind, EXTENT_UNALLOCATED);
            qed_close(image);
            io_close(io);
        }
    }
}
END_TEST

START_TEST(the_fields_are_those_that_were_asked_for)
{
    struct qed_create_options options = defaults();
    struct io *io = io_mem_new(0);
    struct qed_image *image;

    options.backing_name = "a b/base.img";
    ck_assert_int_eq(qed_create(io, &options, NULL), QED_OK);
    image = unit_open(io, false);
    ck_assert_str_eq(qed_backing_name(image), "a b/base.img");
    ck_assert_uint_eq(image->header.features, QED_FEATURE_BACKING_FILE);
    ck_assert_uint_eq(image->header.header_size, 1);
    ck_assert_uint_eq(image->header.l1_table_offset, 65536);
    ck_assert_uint_eq(image->header.compat_features, 0);
    ck_assert_uint_eq(image->header.autoclear_features, 0);
    ck_assert(!qed_needs_check(image));
    qed_close(image);
    io_close(io);
}
END_TEST

START_TEST(a_raw_backing_file_is_marked_as_such)
{
    struct qed_create_options options = defaults();
    struct io *io = io_mem_new(0);
    struct qed_image *image;

    options.backing_name = "base.img";
    options.backing_is_raw = true;
    ck_assert_int_eq(qed_create(io, &options, NULL), QED_OK);
    image = unit_open(io, false);
    ck_assert_uint_eq(image->header.features,
                      QED_FEATURE_BACKING_FILE | QED_FEATURE_BACKING_NO_PROBE);
    qed_close(image);
    io_close(io);
}
END_TEST

START_TEST(names_up_to_the_longest_are_stored)
{
    char name[QED_BACKING_NAME_MAX_WRITTEN + 2];
    struct qed_create_options options = defaults();
    struct io *io = io_mem_new(0);
    struct qed_image *image;

    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    options.backing_name = name;
    options.cluster_size = 4096;
    options.image_size = 1 << 20;
    ck_assert_int_eq(qed_create_validate(&options, NULL), QED_ERR_INVALID);
    name[sizeof(name) - 2] = '\0';
    ck_assert_int_eq(qed_create(io, &options, NULL), QED_OK);
    image = unit_open(io, false);
    ck_assert_str_eq(qed_backing_name(image), name);
    qed_close(image);
    io_close(io);
}
END_TEST

static void check_refused(const struct qed_create_options *options)
{
    struct qed_error error = QED_ERROR_INIT;
    struct io *io = io_mem_new(0);

    ck_assert_int_eq(qed_create_validate(options, &error), QED_ERR_INVALID);
    ck_assert_str_ne(error.text, "");
    ck_assert_int_eq(qed_create(io, options, NULL), QED_ERR_INVALID);
    ck_assert_uint_eq(io_mem_counts(io).writes + io_mem_counts(io).set_lengths, 0);
    io_close(io);
}

START_TEST(what_the_format_cannot_hold_is_refused_untouched)
{
    static const uint64_t clusters[] = {0, 1, 2048, 4097, 3 << 16, UINT64_C(1) << 27,
                                        (UINT64_C(1) << 32) + 65536, UINT64_MAX};
    static const uint64_t tables[] = {0, 3, 17, 32, (UINT64_C(1) << 32) + 4, UINT64_MAX};
    static const uint64_t sizes[] = {1, 511, 1000, (UINT64_C(64) << 40) + 512, UINT64_MAX,
                                     UINT64_MAX - 511, UINT64_C(1) << 63};
    static const char *const names[] = {"a\nb", "\x1b[31m", "x\x7f"};
    struct qed_create_options options;

#define REFUSED(field, values)                                                                    \
    for (size_t i = 0; i < sizeof(values) / sizeof((values)[0]); i++) {                           \
        options = defaults();                                                                     \
        options.field = (values)[i];                                                              \
        check_refused(&options);                                                                  \
    }
    REFUSED(cluster_size, clusters)
    REFUSED(table_size, tables)
    REFUSED(image_size, sizes)
    REFUSED(backing_name, names)
#undef REFUSED
    options = defaults();
    options.image_size = 0;
    ck_assert_int_eq(qed_create_validate(&options, NULL), QED_OK);
}
END_TEST

START_TEST(the_header_is_written_last)
{
    struct qed_create_options options = defaults();
    bool failed = true;

    options.backing_name = "base.img";
    for (size_t fail_at = 1; failed; fail_at++) {
        struct io *io = io_mem_new(0);
        struct io_fault_plan plan = {.fail_at = fail_at, .code = QED_ERR_NO_SPACE};
        struct io *fault = io_fault_new(io, &plan);
        struct qed_image *image = NULL;
        int ret = qed_create(fault, &options, NULL);

        failed = io_fault_happened(fault);
        ck_assert_int_eq(ret, failed ? QED_ERR_NO_SPACE : QED_OK);
        ck_assert_int_eq(qed_open(&image, io, false, NULL), failed ? QED_ERR_FORMAT : QED_OK);
        qed_close(image);
        io_close(fault);
        io_close(io);
        ck_assert(failed || fail_at > 3);
    }
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("qed_create");

    tcase_add_test(tests, every_geometry_is_made_and_opened);
    tcase_add_test(tests, the_fields_are_those_that_were_asked_for);
    tcase_add_test(tests, a_raw_backing_file_is_marked_as_such);
    tcase_add_test(tests, names_up_to_the_longest_are_stored);
    tcase_add_test(tests, what_the_format_cannot_hold_is_refused_untouched);
    tcase_add_test(tests, the_header_is_written_last);
    return unit_run(tests);
}
