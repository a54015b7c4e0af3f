/*
 * What tables account for under a geometry that need not be the file's.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_walk.h"

#include "support/io_mem.h"
#include "support/unit.h"

#define C UINT64_C(4096)
#define L1 C
#define T0 (2 * C)
#define T1 (3 * C)
#define D (4 * C)

static struct io *new_image(uint64_t clusters)
{
    struct unit_image spec = {.image_size = 8 * 512 * C, .clusters = clusters};
    struct io *io = unit_image_new(&spec);

    unit_put_entry(io, L1, 0, T0);
    unit_put_entry(io, L1, 1, T1);
    return io;
}

static struct qed_walk *new_walk(struct io *io)
{
    struct qed_image *image = unit_open(io, false);
    struct qed_walk *walk = NULL;

    ck_assert_int_eq(qed_walk_new(&walk, io, &image->geometry, NULL), QED_OK);
    qed_close(image);
    return walk;
}

static struct qed_walk *walk_all(struct io *io)
{
    struct qed_walk *walk = new_walk(io);

    ck_assert_int_eq(qed_walk_l1(walk, NULL), QED_OK);
    ck_assert_int_eq(qed_walk_tables(walk, NULL, NULL), QED_OK);
    return walk;
}

START_TEST(entries_are_told_apart)
{
    struct io *io = new_image(10);
    struct qed_walk *walk = new_walk(io);
    const struct qed_geometry *g = &walk->image.geometry;

    ck_assert_int_eq(qed_walk_kind(g, 0, C), QED_WALK_UNALLOCATED);
    ck_assert_int_eq(qed_walk_kind(g, 1, C), QED_WALK_ZERO);
    ck_assert_int_eq(qed_walk_kind(g, C - 1, C), QED_WALK_BAD);
    ck_assert_int_eq(qed_walk_kind(g, C, C), QED_WALK_GOOD);
    ck_assert_int_eq(qed_walk_kind(g, C + 512, C), QED_WALK_BAD);
    ck_assert_int_eq(qed_walk_kind(g, 9 * C, C), QED_WALK_GOOD);
    ck_assert_int_eq(qed_walk_kind(g, 9 * C, 2 * C), QED_WALK_PAST_END);
    ck_assert_int_eq(qed_walk_kind(g, 10 * C, C), QED_WALK_PAST_END);
    ck_assert_int_eq(qed_walk_kind(g, 39 * C, C), QED_WALK_PAST_END);
    ck_assert_int_eq(qed_walk_kind(g, 40 * C, C), QED_WALK_BAD);
    ck_assert_int_eq(qed_walk_kind(g, UINT64_MAX - C + 1, C), QED_WALK_BAD);
    qed_walk_free(walk);
    io_close(io);
}
END_TEST

START_TEST(tables_are_counted_and_marked)
{
    struct io *io = new_image(12);
    struct qed_walk *walk;
    struct qed_walk_free free_space;

    unit_put_entry(io, T0, 0, D);
    unit_put_entry(io, T0, 1, D + C);
    unit_put_entry(io, T0, 7, D + C); /* twice */
    unit_put_entry(io, T0, 8, T1);    /* a table */
    unit_put_entry(io, T0, 100, 1);
    unit_put_entry(io, T0, 101, 12 * C);
    unit_put_entry(io, T1, 5, D + 3 * C);
    unit_put_entry(io, T1, 6, 77);
    unit_fill(io, D + 5 * C, 10, 1); /* a leak */
    walk = walk_all(io);
    ck_assert_uint_eq(walk->list.count, 2);
    ck_assert_uint_eq(walk->strays.count, 0);
    ck_assert_uint_eq(walk->states[0].good, 4);
    ck_assert_uint_eq(walk->states[0].odd, 3);
    ck_assert_uint_eq(walk->states[0].zeroes, 1);
    ck_assert_uint_eq(walk->states[0].past_end, 1);
    ck_assert_uint_eq(walk->states[0].bad, 0);
    ck_assert_uint_eq(walk->states[0].repeated, 2);
    ck_assert_uint_eq(walk->states[0].index_end, 101);
    ck_assert_uint_eq(walk->states[1].good, 1);
    ck_assert_uint_eq(walk->states[1].bad, 1);
    ck_assert_uint_eq(walk->states[1].index_end, 6);
    ck_assert(bitmap_test(walk->tables, 1) && bitmap_test(walk->tables, 3));
    ck_assert(!bitmap_test(walk->tables, 4));
    ck_assert(bitmap_test(walk->used, 7) && !bitmap_test(walk->used, 6));
    ck_assert(bitmap_test(walk->repeated, 5) && bitmap_test(walk->repeated, 3));
    ck_assert(!bitmap_test(walk->repeated, 4));
    ck_assert_int_eq(qed_walk_free_space(walk, 1, &free_space, NULL), QED_OK);
    ck_assert_uint_eq(free_space.stored, 1);
    ck_assert_uint_eq(free_space.holes, 4);
    qed_walk_free(walk);
    io_close(io);
}
END_TEST

START_TEST(the_other_l1_entries_are_strays)
{
    struct qed_scan_table third = {.l1_index = 1};
    struct qed_scan_list except = {.tables = &third, .count = 1};
    struct io *io = new_image(10);
    struct qed_walk *walk;

    unit_put_entry(io, L1, 2, T0);
    unit_put_entry(io, L1, 3, L1);
    unit_put_entry(io, L1, 4, 20 * C);
    unit_put_entry(io, L1, 5, 1);
    walk = walk_all(io);
    ck_assert_uint_eq(walk->list.count, 2);
    ck_assert_uint_eq(walk->strays.count, 4);
    for (uint64_t i = 0; i < 4; i++)
        ck_assert_uint_eq(walk->strays.tables[i].l1_index, 2 + i);
    ck_assert_uint_eq(walk->l1_overlaps, 2);
    ck_assert_uint_eq(walk->l1_past_end, 1);
    qed_walk_free(walk);
    walk = new_walk(io);
    walk->except = &except;
    ck_assert_int_eq(qed_walk_l1(walk, NULL), QED_OK);
    ck_assert_uint_eq(walk->list.count, 1);
    ck_assert_uint_eq(walk->strays.tables[0].l1_index, 1);
    ck_assert_uint_eq(walk->strays.tables[0].file_off, T1);
    qed_walk_free(walk);
    io_close(io);
}
END_TEST

START_TEST(a_hopeless_l1_is_given_up)
{
    struct unit_image spec = {.image_size = C, .table_size = 16};
    struct io *io = unit_image_new(&spec);
    struct qed_walk *walk = new_walk(io);

    unit_fill(io, L1, 16 * C, 0x5b);
    ck_assert_int_eq(qed_walk_l1(walk, NULL), QED_OK);
    ck_assert(walk->hopeless);
    ck_assert_uint_lt(walk->strays.count, 2000);
    qed_walk_free(walk);
    io_close(io);
}
END_TEST

START_TEST(a_sample_tells_nonsense)
{
    struct io *io = new_image(10);
    struct qed_walk *walk;
    bool promising;

    for (uint64_t i = 0; i < 10; i++)
        unit_put_entry(io, T0, i, (i % 2 ? 77 : i) * C + i % 2);
    walk = new_walk(io);
    ck_assert_int_eq(qed_walk_l1(walk, NULL), QED_OK);
    ck_assert_int_eq(qed_walk_sample(walk, &promising, NULL), QED_OK);
    ck_assert(!promising);
    ck_assert(!bitmap_test(walk->used, 4));
    qed_walk_free(walk);
    unit_fill(io, T0, 80, 0);
    for (uint64_t i = 0; i < 10; i++)
        unit_put_entry(io, T0, i, D + i % 6 * C);
    walk = new_walk(io);
    ck_assert_int_eq(qed_walk_l1(walk, NULL), QED_OK);
    ck_assert_int_eq(qed_walk_sample(walk, &promising, NULL), QED_OK);
    ck_assert(promising);
    qed_walk_free(walk);
    io_close(io);
}
END_TEST

START_TEST(the_budget_is_kept)
{
    uint64_t budget = 0;
    struct io *io = new_image(10);
    struct qed_walk *walk = new_walk(io);

    walk->budget = &budget;
    ck_assert_int_eq(qed_walk_l1(walk, NULL), QED_ERR_STOPPED);
    ck_assert(walk->exhausted);
    qed_walk_free(walk);
    walk = new_walk(io);
    budget = 100000;
    walk->budget = &budget;
    ck_assert_int_eq(qed_walk_l1(walk, NULL), QED_OK);
    ck_assert(!walk->exhausted);
    ck_assert_uint_lt(budget, 100000);
    ck_assert_int_eq(qed_walk_tables(walk, NULL, NULL), QED_ERR_STOPPED);
    ck_assert(walk->exhausted);
    qed_walk_free(walk);
    io_close(io);
}
END_TEST

START_TEST(a_file_of_too_many_clusters_is_refused)
{
    struct qed_geometry geometry = {.cluster_size = 4096, .cluster_shift = 12};
    struct qed_walk *walk = NULL;
    struct io *io = io_mem_new(0);

    geometry.file_end = (QED_WALK_CLUSTERS_MAX + 1) << 12;
    ck_assert_int_eq(qed_walk_new(&walk, io, &geometry, NULL), QED_ERR_UNSUPPORTED);
    ck_assert_ptr_null(walk);
    io_close(io);
}
END_TEST

/* Enough tables for several threads: the sums do not depend on them. */
START_TEST(many_tables_are_walked_in_parallel)
{
    struct qed_scan_options options = {.threads = 4};
    struct unit_image spec = {.image_size = 300 * 512 * C, .clusters = 2 + 300 * 4};
    struct io *io = unit_image_new(&spec);
    struct qed_walk *walk = new_walk(io);
    uint64_t good = 0, repeated = 0;

    for (uint64_t i = 0; i < 300; i++) {
        uint64_t table = (2 + 4 * i) * C;

        unit_put_entry(io, L1, i, table);
        for (uint64_t j = 0; j < 3; j++)
            unit_put_entry(io, table, j, table + (j + 1) * C);
        unit_put_entry(io, table, 9, 3 * C);
    }
    ck_assert_int_eq(qed_walk_l1(walk, NULL), QED_OK);
    ck_assert_int_eq(qed_walk_tables(walk, &options, NULL), QED_OK);
    for (size_t i = 0; i < walk->list.count; i++) {
        good += walk->states[i].good;
        repeated += walk->states[i].repeated;
    }
    ck_assert_uint_eq(good, 1200);
    ck_assert_uint_eq(repeated, 300);
    ck_assert_uint_eq(bitmap_next_clear(walk->used, 1), 2 + 300 * 4);
    qed_walk_free(walk);
    io_close(io);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("qed_walk");

    tcase_add_test(tests, entries_are_told_apart);
    tcase_add_test(tests, tables_are_counted_and_marked);
    tcase_add_test(tests, the_other_l1_entries_are_strays);
    tcase_add_test(tests, a_hopeless_l1_is_given_up);
    tcase_add_test(tests, a_sample_tells_nonsense);
    tcase_add_test(tests, the_budget_is_kept);
    tcase_add_test(tests, a_file_of_too_many_clusters_is_refused);
    tcase_add_test(tests, many_tables_are_walked_in_parallel);
    return unit_run(tests);
}
