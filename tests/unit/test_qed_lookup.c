/*
 * The next run at a guest offset: by hand, in every geometry, and against a slow model.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_lookup.h"

#include "support/io_fault.h"
#include "support/io_mem.h"
#include "support/unit.h"

#define C UINT64_C(4096)  /* bytes of a cluster and of a table */
#define SPAN (512 * C)    /* guest bytes of an L2 table */
#define L1 C              /* where it is */
#define T0 (2 * C)        /* two L2 tables */
#define T1 (3 * C)
#define D (4 * C)         /* and the clusters behind them */
#define FILE_CLUSTERS 64

/* An image of four spans; the first two have tables. */
static struct io *new_image(void)
{
    struct unit_image spec = {.image_size = 4 * SPAN, .clusters = FILE_CLUSTERS};
    struct io *io = unit_image_new(&spec);

    unit_put_entry(io, L1, 0, T0);
    unit_put_entry(io, L1, 1, T1);
    return io;
}

static void check_run(struct io *io, uint64_t virt_off, uint64_t max_len, enum extent_kind kind,
                      uint64_t length, uint64_t file_off)
{
    struct qed_image *image = unit_open(io, false);
    struct qed_error error = QED_ERROR_INIT;
    struct extent run;

    ck_assert_msg(qed_lookup_run(image, virt_off, max_len, &run, &error) == QED_OK, "%s",
                  error.text);
    ck_assert_uint_eq(run.virt_off, virt_off);
    ck_assert_uint_eq(run.length, length);
    ck_assert_int_eq(run.kind, kind);
    ck_assert_uint_eq(run.depth, 0);
    ck_assert_int_eq(run.has_file_off, kind == EXTENT_DATA);
    if (kind == EXTENT_DATA)
        ck_assert_uint_eq(run.file_off, file_off);
    qed_close(image);
}

static void check_invalid(struct io *io, uint64_t virt_off)
{
    struct qed_image *image = unit_open(io, false);
    struct qed_error error = QED_ERROR_INIT;
    struct extent run;

    ck_assert_int_eq(qed_lookup_run(image, virt_off, 1, &run, &error), QED_ERR_CORRUPT);
    ck_assert_int_eq(error.code, QED_ERR_CORRUPT);
    qed_close(image);
}

START_TEST(an_empty_image_is_one_run)
{
    struct unit_image spec = {.image_size = 4 * SPAN};
    struct io *io = unit_image_new(&spec);

    check_run(io, 0, 4 * SPAN, EXTENT_UNALLOCATED, 4 * SPAN, 0);
    check_run(io, 7, 9, EXTENT_UNALLOCATED, 9, 0);
    check_run(io, SPAN - 1, SPAN, EXTENT_UNALLOCATED, SPAN, 0);
    io_close(io);
}
END_TEST

START_TEST(clusters_that_follow_each_other_are_one_run)
{
    struct io *io = new_image();

    for (uint64_t i = 0; i < 4; i++)
        unit_put_entry(io, T0, 10 + i, D + i * C);
    unit_put_entry(io, T0, 14, D + 5 * C);
    check_run(io, 0, 4 * SPAN, EXTENT_UNALLOCATED, 10 * C, 0);
    check_run(io, 10 * C, SPAN, EXTENT_DATA, 4 * C, D);
    check_run(io, 14 * C, SPAN, EXTENT_DATA, C, D + 5 * C);
    check_run(io, 15 * C, 3 * SPAN, EXTENT_UNALLOCATED, 3 * SPAN, 0);
    io_close(io);
}
END_TEST

START_TEST(a_run_may_begin_and_end_inside_a_cluster)
{
    struct io *io = new_image();

    unit_put_entry(io, T0, 0, D);
    unit_put_entry(io, T0, 1, D + C);
    check_run(io, 100, 4 * SPAN - 100, EXTENT_DATA, 2 * C - 100, D + 100);
    check_run(io, 100, 50, EXTENT_DATA, 50, D + 100);
    check_run(io, 2 * C - 1, 1, EXTENT_DATA, 1, D + 2 * C - 1);
    check_run(io, 2 * C + 1, 10, EXTENT_UNALLOCATED, 10, 0);
    io_close(io);
}
END_TEST

START_TEST(runs_go_on_from_one_table_to_the_next)
{
    struct io *io = new_image();

    unit_put_entry(io, T0, 511, D);
    unit_put_entry(io, T1, 0, D + C);
    check_run(io, 511 * C, 2 * C, EXTENT_DATA, 2 * C, D);
    check_run(io, 511 * C, SPAN, EXTENT_DATA, 2 * C, D);
    check_run(io, C, SPAN, EXTENT_UNALLOCATED, 510 * C, 0);
    check_run(io, 513 * C, SPAN, EXTENT_UNALLOCATED, SPAN, 0);
    unit_put_entry(io, T0, 511, QED_ENTRY_ZERO);
    unit_put_entry(io, T1, 0, QED_ENTRY_ZERO);
    check_run(io, 511 * C, SPAN, EXTENT_ZERO, 2 * C, 0);
    io_close(io);
}
END_TEST

START_TEST(spans_without_a_table_join_what_is_unallocated)
{
    struct io *io = new_image();

    unit_put_entry(io, L1, 1, 0);
    unit_put_entry(io, L1, 3, T1);
    unit_put_entry(io, T0, 0, D);
    unit_put_entry(io, T1, 511, D + C);
    check_run(io, C, 4 * SPAN - C, EXTENT_UNALLOCATED, 4 * SPAN - 2 * C, 0);
    check_run(io, SPAN + 5, 3 * SPAN - 5, EXTENT_UNALLOCATED, 3 * SPAN - C - 5, 0);
    check_run(io, 2 * SPAN, SPAN, EXTENT_UNALLOCATED, SPAN, 0);
    io_close(io);
}
END_TEST

START_TEST(zero_clusters_are_runs_of_their_own)
{
    struct io *io = new_image();

    unit_put_entry(io, T0, 0, D);
    for (uint64_t i = 1; i < 6; i++)
        unit_put_entry(io, T0, i, QED_ENTRY_ZERO);
    unit_put_entry(io, T0, 6, D + C);
    check_run(io, 0, SPAN, EXTENT_DATA, C, D);
    check_run(io, C, SPAN, EXTENT_ZERO, 5 * C, 0);
    check_run(io, C + 77, SPAN, EXTENT_ZERO, 5 * C - 77, 0);
    check_run(io, 6 * C, SPAN, EXTENT_DATA, C, D + C);
    io_close(io);
}
END_TEST

START_TEST(invalid_l2_entries_end_a_run_and_are_told_when_asked_for)
{
    static const uint64_t bad[] = {2,           511,         512,           C - 1,
                                   D + 512,     D + 1,       0x800,         FILE_CLUSTERS * C,
                                   UINT64_MAX,  UINT64_C(1) << 63,          UINT64_MAX - 4095};
    struct io *io = new_image();

    unit_put_entry(io, T0, 0, D);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        unit_put_entry(io, T0, 1, bad[i]);
        check_run(io, 0, SPAN, EXTENT_DATA, C, D);
        check_invalid(io, C);
        check_invalid(io, C + 5);
        check_run(io, 2 * C, C, EXTENT_UNALLOCATED, C, 0);
    }
    unit_put_entry(io, T0, 0, (FILE_CLUSTERS - 1) * C);
    unit_put_entry(io, T0, 1, FILE_CLUSTERS * C); /* continues, but past the end */
    check_run(io, 0, SPAN, EXTENT_DATA, C, (FILE_CLUSTERS - 1) * C);
    check_invalid(io, C);
    io_close(io);
}
END_TEST

START_TEST(invalid_l1_entries_end_a_run_and_are_told_when_asked_for)
{
    static const uint64_t bad[] = {1, 2, 512, C - 512, T0 + 8, FILE_CLUSTERS * C, UINT64_MAX,
                                   UINT64_C(1) << 63};
    struct io *io = new_image();

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        unit_put_entry(io, L1, 2, bad[i]);
        check_run(io, 0, 4 * SPAN, EXTENT_UNALLOCATED, 2 * SPAN, 0);
        check_invalid(io, 2 * SPAN);
        check_invalid(io, 3 * SPAN - 1);
        check_run(io, 3 * SPAN, SPAN, EXTENT_UNALLOCATED, SPAN, 0);
    }
    io_close(io);
}
END_TEST

/*
 * Data in the last cluster of the first table and the first of the second, side by side in a file
 * that is as sparse as can be.
 */
static void check_geometry(uint64_t cluster, uint64_t table)
{
    uint64_t table_bytes = cluster * table, span = table_bytes / 8 * cluster;
    uint64_t l1 = cluster, t0 = l1 + table_bytes, t1 = t0 + table_bytes, data = t1 + table_bytes;
    struct unit_image spec = {.image_size = min_u64(qed_image_size_max((uint32_t)cluster,
                                                                       (uint32_t)table),
                                                    5 * span),
                              .cluster_size = (uint32_t)cluster,
                              .table_size = (uint32_t)table,
                              .clusters = 1 + 3 * table + 2};
    /* Reading all of a table with 2^27 entries would take long. */
    uint64_t rest = min_u64(spec.image_size - span - cluster, 30000 * cluster);
    struct io *io = unit_image_new(&spec);

    unit_put_entry(io, l1, 0, t0);
    unit_put_entry(io, l1, 1, t1);
    unit_put_entry(io, t0, table_bytes / 8 - 1, data);
    unit_put_entry(io, t1, 0, data + cluster);
    check_run(io, span - cluster + 5, 2 * cluster, EXTENT_DATA, 2 * cluster - 5, data + 5);
    check_run(io, span - cluster - 9, cluster, EXTENT_UNALLOCATED, 9, 0);
    check_run(io, span + cluster, rest, EXTENT_UNALLOCATED, rest, 0);
    check_run(io, spec.image_size - 512, 512, EXTENT_UNALLOCATED, 512, 0);
    io_close(io);
}

START_TEST(every_geometry_is_looked_up)
{
    for (uint64_t table = 1; table <= 16; table *= 2)
        check_geometry(UINT64_C(4096) << _i, table);
}
END_TEST

START_TEST(an_image_as_large_as_can_be_is_looked_up)
{
    uint64_t cluster = 64 << 20, span = UINT64_C(1) << 53;
    struct unit_image spec = {.image_size = QED_IMAGE_SIZE_LIMIT,
                              .cluster_size = 64 << 20,
                              .table_size = 16,
                              .clusters = 40};
    struct io *io = unit_image_new(&spec);
    uint64_t last = QED_IMAGE_SIZE_LIMIT - 512;

    check_run(io, 0, QED_IMAGE_SIZE_LIMIT, EXTENT_UNALLOCATED, QED_IMAGE_SIZE_LIMIT, 0);
    unit_put_entry(io, cluster, last / span, 17 * cluster);
    unit_put_entry(io, 17 * cluster, last / cluster % (1 << 27), 39 * cluster);
    check_run(io, last, 512, EXTENT_DATA, 512, 39 * cluster + last % cluster);
    check_run(io, last / span * span, 512, EXTENT_UNALLOCATED, 512, 0);
    io_close(io);
}
END_TEST

/* What the tables say of one guest cluster; -1: invalid. */
struct slow {
    int kind;
    uint64_t file_off;
};

static struct slow slow_lookup(struct io *io, uint64_t cluster)
{
    uint64_t end = FILE_CLUSTERS * C;
    uint64_t table = unit_get_entry(io, L1, cluster / 512);
    uint64_t entry;

    if (table == 0)
        return (struct slow){.kind = EXTENT_UNALLOCATED};
    if (table % C != 0 || table < C || table > end - C)
        return (struct slow){.kind = -1};
    entry = unit_get_entry(io, table, cluster % 512);
    if (entry < 2)
        return (struct slow){.kind = entry ? EXTENT_ZERO : EXTENT_UNALLOCATED};
    if (entry % C != 0 || entry < C || entry > end - C)
        return (struct slow){.kind = -1};
    return (struct slow){.kind = EXTENT_DATA, .file_off = entry};
}

static void check_against_slow(struct io *io, struct qed_image *image, uint64_t virt_off,
                               uint64_t max_len)
{
    struct slow first = slow_lookup(io, virt_off / C);
    uint64_t length = C - virt_off % C;
    struct extent run;
    int ret = qed_lookup_run(image, virt_off, max_len, &run, NULL);

    if (first.kind < 0) {
        ck_assert_int_eq(ret, QED_ERR_CORRUPT);
        return;
    }
    ck_assert_int_eq(ret, QED_OK);
    while (length < max_len) {
        struct slow next = slow_lookup(io, (virt_off + length) / C);

        if (next.kind != first.kind ||
            (first.kind == EXTENT_DATA &&
             next.file_off != first.file_off + virt_off % C + length))
            break;
        length += C;
    }
    ck_assert_int_eq((int)run.kind, first.kind);
    ck_assert_uint_eq(run.length, min_u64(length, max_len));
    if (first.kind == EXTENT_DATA)
        ck_assert_uint_eq(run.file_off, first.file_off + virt_off % C);
}

/* Entries in short runs of one kind, so that there is something to join. */
static void put_random_entries(struct io *io, uint64_t table, struct unit_random *random)
{
    uint64_t i = 0;

    while (i < 512) {
        uint64_t kind = unit_random_below(random, 6);
        uint64_t start = D + unit_random_below(random, FILE_CLUSTERS - 4) * C;

        for (uint64_t n = 1 + unit_random_below(random, 12); n > 0 && i < 512; n--, i++) {
            if (kind < 2)
                unit_put_entry(io, table, i, kind);
            else if (kind == 2)
                unit_put_entry(io, table, i, unit_random(random));
            else
                unit_put_entry(io, table, i, start);
            start += C;
        }
    }
}

START_TEST(random_tables_are_what_a_slow_walk_says)
{
    struct unit_random random = {_i};
    struct io *io = new_image();
    struct qed_image *image;

    put_random_entries(io, T0, &random);
    put_random_entries(io, T1, &random);
    unit_put_entry(io, L1, 2 + unit_random_below(&random, 2), T0);
    if (_i % 2)
        unit_put_entry(io, L1, unit_random_below(&random, 4), unit_random(&random));
    image = unit_open(io, false);
    for (int i = 0; i < 150; i++) {
        uint64_t virt_off = unit_random_below(&random, 4 * SPAN);

        check_against_slow(io, image, virt_off,
                           1 + unit_random_below(&random, 4 * SPAN - virt_off));
    }
    qed_close(image);
    io_close(io);
}
END_TEST

START_TEST(a_failure_to_read_ends_a_run_and_is_met_when_asked_for)
{
    struct io *io = new_image();
    struct extent run;

    for (size_t fail_at = 1; fail_at <= 3; fail_at++) { /* the L1 table, then two L2 tables */
        struct io_fault_plan plan = {.kinds = IO_FAULT_BIT(IO_FAULT_READ),
                                     .fail_at = fail_at + 1,
                                     .code = QED_ERR_IO,
                                     .from_then_on = true};
        struct io *fault = io_fault_new(io, &plan);
        struct qed_image *image = unit_open(fault, false);
        uint64_t first_lost = fail_at == 3 ? SPAN : 0;

        if (first_lost) {
            ck_assert_int_eq(qed_lookup_run(image, 0, 4 * SPAN, &run, NULL), QED_OK);
            ck_assert_uint_eq(run.length, first_lost);
        }
        ck_assert_int_eq(qed_lookup_run(image, first_lost, 4 * SPAN - first_lost, &run, NULL),
                         QED_ERR_IO);
        ck_assert_uint_eq(run.length, fail_at == 1 ? SPAN : C); /* what the entry stands for */
        qed_close(image);
        io_close(fault);
    }
    io_close(io);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("qed_lookup");

    tcase_add_test(tests, an_empty_image_is_one_run);
    tcase_add_test(tests, clusters_that_follow_each_other_are_one_run);
    tcase_add_test(tests, a_run_may_begin_and_end_inside_a_cluster);
    tcase_add_test(tests, runs_go_on_from_one_table_to_the_next);
    tcase_add_test(tests, spans_without_a_table_join_what_is_unallocated);
    tcase_add_test(tests, zero_clusters_are_runs_of_their_own);
    tcase_add_test(tests, invalid_l2_entries_end_a_run_and_are_told_when_asked_for);
    tcase_add_test(tests, invalid_l1_entries_end_a_run_and_are_told_when_asked_for);
    tcase_add_loop_test(tests, every_geometry_is_looked_up, 0, 15);
    tcase_add_test(tests, an_image_as_large_as_can_be_is_looked_up);
    tcase_add_loop_test(tests, random_tables_are_what_a_slow_walk_says, 0, 20);
    tcase_add_test(tests, a_failure_to_read_ends_a_run_and_is_met_when_asked_for);
    return unit_run(tests);
}
