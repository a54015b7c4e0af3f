/*
 * The arithmetic of geometries.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_layout.h"

#include "format/qed_header.h"
#include "support/unit.h"

/* The geometry that a header of these sizes leads to. */
static struct qed_geometry geometry_of(uint32_t cluster_size, uint32_t table_size,
                                       uint64_t image_size, uint64_t file_length)
{
    struct qed_header header = {.magic = QED_MAGIC,
                                .cluster_size = cluster_size,
                                .table_size = table_size,
                                .header_size = 1,
                                .l1_table_offset = cluster_size,
                                .image_size = image_size};
    struct qed_geometry geometry;

    ck_assert_int_eq(qed_header_validate(&header, file_length, &geometry, NULL), QED_OK);
    return geometry;
}

START_TEST(valid_sizes_are_powers_of_two_in_range)
{
    for (uint64_t size = 0; size <= UINT64_C(1) << 28; size = size ? size * 2 : 1) {
        bool valid = size >= 4096 && size <= UINT64_C(64) << 20;

        ck_assert_int_eq(qed_cluster_size_valid(size), valid);
        ck_assert(!qed_cluster_size_valid(size + 512));
    }
    for (uint64_t size = 0; size <= 40; size++)
        ck_assert_int_eq(qed_table_size_valid(size),
                         size == 1 || size == 2 || size == 4 || size == 8 || size == 16);
    ck_assert(!qed_cluster_size_valid(UINT64_C(1) << 44));
    ck_assert(!qed_table_size_valid((UINT64_C(1) << 32) + 1));
}
END_TEST

START_TEST(the_largest_image_is_what_the_tables_address)
{
    ck_assert_uint_eq(qed_image_size_max(65536, 4), UINT64_C(64) << 40);
    ck_assert_uint_eq(qed_image_size_max(4096, 1), UINT64_C(1) << 30);
    ck_assert_uint_eq(qed_image_size_max(4096, 16), UINT64_C(1) << 38);
    ck_assert_uint_eq(qed_image_size_max(1 << 20, 16), (UINT64_C(1) << 62));
    ck_assert_uint_eq(qed_image_size_max(2 << 20, 16), QED_IMAGE_SIZE_LIMIT);
    ck_assert_uint_eq(qed_image_size_max(64 << 20, 16), QED_IMAGE_SIZE_LIMIT);
    ck_assert_uint_eq(QED_IMAGE_SIZE_LIMIT, UINT64_C(0x7ffffffffffffe00));
}
END_TEST

START_TEST(a_guest_offset_splits_and_joins)
{
    for (uint32_t cluster = 4096; cluster <= QED_CLUSTER_SIZE_MAX; cluster *= 2) {
        for (uint32_t table = 1; table <= 16; table *= 2) {
            uint64_t file_length = (uint64_t)cluster * (1 + table);
            uint64_t entries = (uint64_t)cluster * table / 8;
            uint64_t size = qed_image_size_max(cluster, table);
            struct qed_geometry g = geometry_of(cluster, table, size, file_length);
            struct unit_random random = {cluster + table};

            ck_assert_uint_eq(qed_entries(&g), entries);
            ck_assert_uint_eq(g.table_bytes, (uint64_t)cluster * table);
            ck_assert_uint_eq(qed_l1_entries_used(&g), (size - 1) / (entries * cluster) + 1);
            for (int i = 0; i < 50; i++) {
                uint64_t at = unit_random_below(&random, size);

                ck_assert_uint_eq(qed_l1_index(&g, at), at / (entries * cluster));
                ck_assert_uint_eq(qed_l2_index(&g, at), at / cluster % entries);
                ck_assert_uint_eq(qed_offset_in_cluster(&g, at), at % cluster);
                ck_assert_uint_eq(qed_virt_off(&g, qed_l1_index(&g, at), qed_l2_index(&g, at)),
                                  at - at % cluster);
            }
        }
    }
}
END_TEST

START_TEST(few_l1_entries_are_used_by_a_small_image)
{
    uint64_t span = 512 * 4096;

    ck_assert_uint_eq(qed_l1_entries_used(&(struct qed_geometry){
                          .cluster_shift = 12, .entries_shift = 9, .image_size = 0}),
                      0);
    for (uint64_t n = 1; n < 4; n++) {
        struct qed_geometry g = geometry_of(4096, 1, n * span, 8192);

        ck_assert_uint_eq(qed_l1_entries_used(&g), n);
        g = geometry_of(4096, 1, n * span + 512, 8192);
        ck_assert_uint_eq(qed_l1_entries_used(&g), n + 1);
    }
}
END_TEST

START_TEST(offsets_lie_between_the_header_and_the_last_whole_cluster)
{
    struct qed_geometry g = geometry_of(4096, 2, 4096, 10 * 4096 + 100);

    ck_assert_uint_eq(g.header_bytes, 4096);
    ck_assert_uint_eq(g.file_end, 10 * 4096);
    ck_assert(!qed_data_offset_valid(&g, 0));
    ck_assert(!qed_data_offset_valid(&g, 2048));
    ck_assert(qed_data_offset_valid(&g, 4096));
    ck_assert(!qed_data_offset_valid(&g, 4097));
    ck_assert(qed_data_offset_valid(&g, 9 * 4096));
    ck_assert(!qed_data_offset_valid(&g, 10 * 4096));
    ck_assert(!qed_data_offset_valid(&g, UINT64_MAX - 4095));
    ck_assert(qed_table_offset_valid(&g, 8 * 4096));
    ck_assert(!qed_table_offset_valid(&g, 9 * 4096));
    ck_assert(!qed_table_offset_valid(&g, UINT64_MAX - 4095));
}
END_TEST

START_TEST(a_file_ends_with_whole_clusters_of_sectors)
{
    ck_assert_uint_eq(qed_file_end(0, 4096), 0);
    ck_assert_uint_eq(qed_file_end(4095 - 511, 4096), 0);
    ck_assert_uint_eq(qed_file_end(4096 - 511, 4096), 4096);
    ck_assert_uint_eq(qed_file_end(4096, 4096), 4096);
    ck_assert_uint_eq(qed_file_end(4097, 4096), 4096);
    ck_assert_uint_eq(qed_file_end(INT64_MAX, 65536), UINT64_C(1) << 63);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("qed_layout");

    tcase_add_test(tests, valid_sizes_are_powers_of_two_in_range);
    tcase_add_test(tests, the_largest_image_is_what_the_tables_address);
    tcase_add_test(tests, a_guest_offset_splits_and_joins);
    tcase_add_test(tests, few_l1_entries_are_used_by_a_small_image);
    tcase_add_test(tests, offsets_lie_between_the_header_and_the_last_whole_cluster);
    tcase_add_test(tests, a_file_ends_with_whole_clusters_of_sectors);
    return unit_run(tests);
}
