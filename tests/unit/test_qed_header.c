/*
 * The header: every field, right and wrong.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_header.h"

#include <stdlib.h>
#include <string.h>

#include "support/io_fault.h"
#include "support/io_mem.h"
#include "support/unit.h"

#define FILE_CLUSTERS 20
#define CLUSTER UINT64_C(65536)

static struct qed_header good_header(void)
{
    return (struct qed_header){.magic = QED_MAGIC,
                               .cluster_size = 65536,
                               .table_size = 4,
                               .header_size = 1,
                               .l1_table_offset = CLUSTER,
                               .image_size = UINT64_C(1) << 40};
}

static void check_accepted(const struct qed_header *header)
{
    struct qed_error error = QED_ERROR_INIT;
    struct qed_geometry geometry;

    ck_assert_msg(qed_header_validate(header, FILE_CLUSTERS * CLUSTER, &geometry, &error) == QED_OK,
                  "%s", error.text);
}

static void check_refused(const struct qed_header *header, int code)
{
    struct qed_geometry geometry = {.image_size = 12345};
    struct qed_error error = QED_ERROR_INIT;

    ck_assert_int_eq(qed_header_validate(header, FILE_CLUSTERS * CLUSTER, &geometry, &error), code);
    ck_assert_int_eq(error.code, code);
    ck_assert_str_ne(error.text, "");
    ck_assert_uint_eq(geometry.image_size, 12345); /* nothing half-checked gets out */
}

START_TEST(fields_stand_where_the_format_says)
{
    uint8_t bytes[QED_HEADER_BYTES], again[QED_HEADER_BYTES];
    struct qed_header header;

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i + 0x81);
    qed_header_decode(&header, bytes);
    ck_assert_uint_eq(header.magic, 0x84838281);
    ck_assert_uint_eq(header.cluster_size, 0x88878685);
    ck_assert_uint_eq(header.table_size, 0x8c8b8a89);
    ck_assert_uint_eq(header.header_size, 0x908f8e8d);
    ck_assert_uint_eq(header.features, UINT64_C(0x9897969594939291));
    ck_assert_uint_eq(header.compat_features, UINT64_C(0xa09f9e9d9c9b9a99));
    ck_assert_uint_eq(header.autoclear_features, UINT64_C(0xa8a7a6a5a4a3a2a1));
    ck_assert_uint_eq(header.l1_table_offset, UINT64_C(0xb0afaeadacabaaa9));
    ck_assert_uint_eq(header.image_size, UINT64_C(0xb8b7b6b5b4b3b2b1));
    ck_assert_uint_eq(header.backing_filename_offset, 0xbcbbbab9);
    ck_assert_uint_eq(header.backing_filename_size, 0xc0bfbebd);
    qed_header_encode(&header, again);
    ck_assert_mem_eq(bytes, again, sizeof(bytes));
}
END_TEST

START_TEST(every_geometry_of_the_format_is_accepted)
{
    for (uint32_t cluster = 4096; cluster <= QED_CLUSTER_SIZE_MAX; cluster *= 2) {
        for (uint32_t table = 1; table <= 16; table *= 2) {
            uint64_t max = qed_image_size_max(cluster, table);
            uint64_t length = (uint64_t)cluster * (1 + table);
            struct qed_header header = {.magic = QED_MAGIC,
                                        .cluster_size = cluster,
                                        .table_size = table,
                                        .header_size = 1,
                                        .l1_table_offset = cluster,
                                        .image_size = max};
            struct qed_geometry g;

            ck_assert_int_eq(qed_header_validate(&header, length, &g, NULL), QED_OK);
            ck_assert_uint_eq(UINT64_C(1) << g.cluster_shift, cluster);
            ck_assert_uint_eq(qed_entries(&g) * 8, (uint64_t)cluster * table);
            ck_assert_uint_eq(g.image_size, max);
            header.image_size = 0;
            ck_assert_int_eq(qed_header_validate(&header, length, &g, NULL), QED_OK);
            header.image_size = max + 512;
            ck_assert_int_eq(qed_header_validate(&header, length, &g, NULL), QED_ERR_HEADER);
            header.image_size = 512;
            ck_assert_int_eq(qed_header_validate(&header, length - 512, &g, NULL), QED_ERR_HEADER);
        }
    }
}
END_TEST

START_TEST(fields_out_of_range_are_refused)
{
    static const uint32_t clusters[] = {0, 1, 512, 2048, 4097, 65535, 3 << 16, 1 << 27, UINT32_MAX};
    static const uint32_t tables[] = {0, 3, 5, 12, 17, 32, 1U << 31, UINT32_MAX};
    static const uint32_t headers[] = {0, FILE_CLUSTERS + 1, UINT32_MAX};
    static const uint64_t l1s[] = {0,       1,           512,
                                   4096,    CLUSTER - 1, CLUSTER + 4096,
                                   17 * CLUSTER,         FILE_CLUSTERS * CLUSTER,
                                   UINT64_C(1) << 62,    UINT64_MAX - 65535,
                                   UINT64_MAX};
    static const uint64_t sizes[] = {1, 511, 1000, (UINT64_C(64) << 40) + 512,
                                     UINT64_C(1) << 63, UINT64_MAX, UINT64_MAX - 511};
    struct qed_header header;

#define REFUSED(field, values)                                                                    \
    for (size_t i = 0; i < sizeof(values) / sizeof((values)[0]); i++) {                           \
        header = good_header();                                                                   \
        header.field = (values)[i];                                                               \
        check_refused(&header, QED_ERR_HEADER);                                                   \
    }
    REFUSED(cluster_size, clusters)
    REFUSED(table_size, tables)
    REFUSED(header_size, headers)
    REFUSED(l1_table_offset, l1s)
    REFUSED(image_size, sizes)
#undef REFUSED
    header = good_header();
    header.l1_table_offset = 16 * CLUSTER;
    check_accepted(&header);
    header.header_size = 16;
    check_accepted(&header);
    header.header_size = 17;
    check_refused(&header, QED_ERR_HEADER);
}
END_TEST

START_TEST(another_magic_is_another_format)
{
    static const uint32_t magics[] = {0, 0x00444550, 0x01444551, 0x51454400, UINT32_MAX};

    for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++) {
        struct qed_header header = good_header();

        header.magic = magics[i];
        check_refused(&header, QED_ERR_FORMAT);
    }
}
END_TEST

START_TEST(unknown_features_forbid_and_the_others_do_not)
{
    struct qed_header header = good_header();

    header.backing_filename_offset = 64;
    header.backing_filename_size = 1;
    for (unsigned int bit = 0; bit < 64; bit++) {
        header.features = UINT64_C(1) << bit;
        if (bit < 3)
            check_accepted(&header);
        else
            check_refused(&header, QED_ERR_UNSUPPORTED);
    }
    header.features = QED_FEATURES_KNOWN;
    header.compat_features = UINT64_MAX;
    header.autoclear_features = UINT64_MAX;
    check_accepted(&header);
}
END_TEST

START_TEST(the_backing_name_lies_inside_the_header)
{
    static const struct {
        uint32_t offset, size;
        bool accepted;
    } cases[] = {
        {64, 0, true},
        {64, 1, true},
        {64, 4095, true},
        {65535, 1, true},
        {65536 - 1023, 1023, true},
        {65536, 0, true},
        {63, 1, false},
        {0, 10, false},
        {64, 4096, false},
        {65535, 2, false},
        {65536, 1, false},
        {65537, 0, false},
        {UINT32_MAX, UINT32_MAX, false},
        {64, UINT32_MAX, false},
        {UINT32_MAX, 64, false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct qed_header header = good_header();

        header.backing_filename_offset = cases[i].offset;
        header.backing_filename_size = cases[i].size;
        check_accepted(&header); /* without the feature the fields mean nothing */
        header.features = QED_FEATURE_BACKING_FILE;
        if (cases[i].accepted)
            check_accepted(&header);
        else
            check_refused(&header, QED_ERR_HEADER);
    }
}
END_TEST

/* Read the header of a file of length bytes that has `header`, and `name` at byte 100. */
static int read_back(const struct qed_header *header, const char *name, size_t name_len,
                     uint64_t length, struct qed_header *found, char **backing_name)
{
    struct io *io = io_mem_new(0);
    struct qed_geometry geometry;
    int ret;

    ck_assert_int_eq(qed_header_write(io, header, NULL), QED_OK);
    ck_assert_int_eq(io_write(io, name, name_len, 100, NULL), QED_OK);
    ck_assert_int_eq(io_set_length(io, length, NULL), QED_OK);
    *backing_name = NULL;
    ret = qed_header_read(io, found, &geometry, backing_name, NULL);
    io_close(io);
    return ret;
}

START_TEST(what_was_written_is_read_with_its_backing_name)
{
    struct qed_header header = good_header(), found;
    char *name;

    header.features = QED_FEATURE_BACKING_FILE | QED_FEATURE_NEED_CHECK;
    header.compat_features = 1;
    header.autoclear_features = 2;
    header.backing_filename_offset = 100;
    header.backing_filename_size = 6;
    ck_assert_int_eq(read_back(&header, "base.imgx", 9, 20 * CLUSTER, &found, &name), QED_OK);
    ck_assert_mem_eq(&found, &header, sizeof(found));
    ck_assert_str_eq(name, "base.i");
    free(name);
    header.features = 0;
    ck_assert_int_eq(read_back(&header, "base.imgx", 9, 20 * CLUSTER, &found, &name), QED_OK);
    ck_assert_ptr_null(name);
    header.features = QED_FEATURE_BACKING_FILE;
    header.backing_filename_size = 0;
    ck_assert_int_eq(read_back(&header, "base.imgx", 9, 20 * CLUSTER, &found, &name), QED_OK);
    ck_assert_ptr_null(name);
}
END_TEST

START_TEST(a_backing_name_with_a_nul_byte_is_refused)
{
    struct qed_header header = good_header(), found;
    char *name;

    header.features = QED_FEATURE_BACKING_FILE;
    header.backing_filename_offset = 100;
    header.backing_filename_size = 6;
    ck_assert_int_eq(read_back(&header, "base\0x", 6, 20 * CLUSTER, &found, &name),
                     QED_ERR_HEADER);
    ck_assert_ptr_null(name);
}
END_TEST

START_TEST(short_files_are_told_apart)
{
    struct qed_header header = good_header(), found;
    static const struct {
        uint64_t length;
        int code;
    } cases[] = {{0, QED_ERR_FORMAT},       {3, QED_ERR_FORMAT},
                 {4, QED_ERR_HEADER},       {63, QED_ERR_HEADER},
                 {64, QED_ERR_HEADER},      {CLUSTER, QED_ERR_HEADER},
                 {5 * CLUSTER - 512, QED_ERR_HEADER}, {5 * CLUSTER, QED_OK}};
    char *name;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        ck_assert_int_eq(read_back(&header, "", 0, cases[i].length, &found, &name), cases[i].code);
}
END_TEST

START_TEST(every_failure_to_read_is_passed_on)
{
    struct unit_image spec = {.image_size = 65536, .features = QED_FEATURE_BACKING_FILE};
    struct io *io = unit_image_new(&spec);
    bool failed = true;

    unit_put64(io, 56, UINT64_C(5) << 32 | 64);
    unit_fill(io, 64, 5, 'x');
    for (size_t fail_at = 1; failed; fail_at++) {
        struct io_fault_plan plan = {.fail_at = fail_at, .code = QED_ERR_IO};
        struct io *fault = io_fault_new(io, &plan);
        struct qed_geometry geometry;
        struct qed_header header;
        char *name = NULL;
        int ret = qed_header_read(fault, &header, &geometry, &name, NULL);

        failed = io_fault_happened(fault);
        ck_assert_int_eq(ret, failed ? QED_ERR_IO : QED_OK);
        if (!failed)
            ck_assert_str_eq(name, "xxxxx");
        free(name);
        io_close(fault);
        ck_assert(failed || fail_at > 3);
    }
    io_close(io);
}
END_TEST

struct reported {
    uint64_t ids; /* a bit for each problem */
    size_t count;
    struct problem last;
};

static void note_problem(void *context, const struct problem *problem)
{
    struct reported *reported = context;

    reported->ids |= UINT64_C(1) << problem->id;
    reported->count++;
    reported->last = *problem;
}

static struct reported inspect(const struct qed_header *header, uint64_t length)
{
    uint8_t bytes[QED_HEADER_BYTES];
    struct reported reported = {0};

    qed_header_encode(header, bytes);
    qed_header_inspect(bytes, length, note_problem, &reported);
    return reported;
}

START_TEST(an_inspection_names_the_field_that_is_wrong)
{
    struct qed_header header = good_header();
    struct reported reported = inspect(&header, FILE_CLUSTERS * CLUSTER);

    ck_assert_uint_eq(reported.count, 0);
#define WRONG(field, number, problem, offset, bytes)                                              \
    header = good_header();                                                                       \
    header.field = number;                                                                        \
    reported = inspect(&header, FILE_CLUSTERS * CLUSTER);                                         \
    ck_assert_uint_eq(reported.count, 1);                                                         \
    ck_assert_int_eq((int)reported.last.id, (int)(problem));                                      \
    ck_assert_uint_eq(reported.last.value, number);                                               \
    ck_assert_uint_eq(reported.last.file_off, offset);                                            \
    ck_assert_uint_eq(reported.last.file_len, bytes)
    WRONG(features, 8, PROBLEM_FEATURES, 16, 8);
    WRONG(cluster_size, 4097, PROBLEM_CLUSTER_SIZE, 4, 4);
    WRONG(table_size, 3, PROBLEM_TABLE_SIZE, 8, 4);
    WRONG(header_size, 0, PROBLEM_HEADER_SIZE, 12, 4);
    WRONG(header_size, 100, PROBLEM_HEADER_SIZE, 12, 4);
    WRONG(l1_table_offset, 5, PROBLEM_L1_OFFSET, 40, 8);
    WRONG(image_size, 1000, PROBLEM_IMAGE_SIZE, 48, 8);
    WRONG(image_size, UINT64_C(1) << 60, PROBLEM_IMAGE_SIZE, 48, 8);
#undef WRONG
    header = good_header();
    header.features = QED_FEATURE_BACKING_FILE;
    header.backing_filename_offset = 70000;
    reported = inspect(&header, FILE_CLUSTERS * CLUSTER);
    ck_assert_uint_eq(reported.ids, UINT64_C(1) << PROBLEM_BACKING_PLACE);
    header = good_header();
    reported = inspect(&header, QED_HEADER_BYTES - 1);
    ck_assert_uint_eq(reported.ids, UINT64_C(1) << PROBLEM_HEADER_CUT_SHORT);
}
END_TEST

START_TEST(an_inspection_names_all_fields_that_are_wrong)
{
    struct qed_header header = good_header();
    struct reported reported;

    header.features = 8;
    header.cluster_size = 5;
    header.image_size = 7;
    header.header_size = 0;
    reported = inspect(&header, FILE_CLUSTERS * CLUSTER);
    ck_assert_uint_eq(reported.ids,
                      UINT64_C(1) << PROBLEM_FEATURES | UINT64_C(1) << PROBLEM_CLUSTER_SIZE |
                          UINT64_C(1) << PROBLEM_IMAGE_SIZE | UINT64_C(1) << PROBLEM_HEADER_SIZE);
}
END_TEST

START_TEST(an_inspection_finds_something_where_validation_refuses)
{
    struct unit_random random = {1};

    for (int i = 0; i < 5000; i++) {
        struct qed_header header = good_header();
        struct qed_geometry geometry;
        uint64_t length = unit_random_below(&random, 20 * CLUSTER);
        bool refused;
        uint32_t *fields[] = {&header.cluster_size, &header.table_size, &header.header_size,
                              &header.backing_filename_offset, &header.backing_filename_size};

        header.features = unit_random_below(&random, 10);
        *fields[unit_random_below(&random, 5)] ^= 1U << unit_random_below(&random, 32);
        if (unit_random_below(&random, 2))
            header.l1_table_offset ^= UINT64_C(1) << unit_random_below(&random, 64);
        if (unit_random_below(&random, 2))
            header.image_size ^= UINT64_C(1) << unit_random_below(&random, 64);
        refused = qed_header_validate(&header, length, &geometry, NULL) < 0;
        if (refused != (inspect(&header, length).count > 0))
            ck_abort_msg("header %d: refused %d", i, refused);
    }
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("qed_header");

    tcase_add_test(tests, fields_stand_where_the_format_says);
    tcase_add_test(tests, every_geometry_of_the_format_is_accepted);
    tcase_add_test(tests, fields_out_of_range_are_refused);
    tcase_add_test(tests, another_magic_is_another_format);
    tcase_add_test(tests, unknown_features_forbid_and_the_others_do_not);
    tcase_add_test(tests, the_backing_name_lies_inside_the_header);
    tcase_add_test(tests, what_was_written_is_read_with_its_backing_name);
    tcase_add_test(tests, a_backing_name_with_a_nul_byte_is_refused);
    tcase_add_test(tests, short_files_are_told_apart);
    tcase_add_test(tests, every_failure_to_read_is_passed_on);
    tcase_add_test(tests, an_inspection_names_the_field_that_is_wrong);
    tcase_add_test(tests, an_inspection_names_all_fields_that_are_wrong);
    tcase_add_test(tests, an_inspection_finds_something_where_validation_refuses);
    return unit_run(tests);
}
