/*
 * Random geometries, and tables and data in every order, without a header: the tables alone tell.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_rebuild.h"
#include "support/io_mem.h"
#include "support/unit.h"

#define IMAGES 200 /* a seed's */
#define TABLES_MAX 24
#define TABLES UINT64_C(2000)
#define READS 6

enum layout {
    LAYOUT_AS_WRITTEN,   /* each table's data before it and behind it */
    LAYOUT_TABLES_FIRST, /* then all data */
    LAYOUT_DATA_FIRST,   /* some of it right behind the L1 */
    LAYOUT_SCATTERED,    /* with leaks between */
    LAYOUTS
};

struct disk {
    struct io *io;
    struct unit_random random;
    uint64_t cluster, table_size;
    uint64_t end;
    uint64_t table_bytes_read; /* that a walk of the right geometry reads, at most */
};

static uint64_t below(struct disk *disk, uint64_t limit)
{
    return unit_random_below(&disk->random, limit);
}

static struct disk new_disk(uint64_t seed)
{
    struct disk disk = {.random = {.state = seed}};
    struct unit_image spec = {.image_size = 512};

    disk.cluster = UINT64_C(4096) << below(&disk, 6);
    disk.table_size = UINT64_C(1) << below(&disk, 5);
    spec.cluster_size = (uint32_t)disk.cluster;
    spec.table_size = (uint32_t)disk.table_size;
    disk.io = unit_image_new(&spec);
    disk.end = (1 + disk.table_size) * disk.cluster;
    return disk;
}

static uint64_t add_clusters(struct disk *disk, uint64_t count)
{
    disk->end += count * disk->cluster;
    ck_assert_int_eq(io_set_length(disk->io, disk->end, NULL), QED_OK);
    return disk->end - count * disk->cluster;
}

static uint64_t add_data(struct disk *disk, enum layout layout)
{
    uint64_t at;

    if (layout == LAYOUT_SCATTERED && below(disk, 10) == 0)
        add_clusters(disk, 1 + below(disk, 3));
    at = add_clusters(disk, 1);
    for (uint64_t i = below(disk, 20); i > 0; i--)
        unit_put_entry(disk->io, at, i, unit_random(&disk->random));
    return at;
}

static void add_table(struct disk *disk, uint64_t l1_index, uint64_t table, enum layout layout)
{
    uint64_t count = 4 + below(disk, 30), index = below(disk, 100);

    unit_put_entry(disk->io, disk->cluster, l1_index, table);
    for (uint64_t i = 0; i < count; i++, index += 1 + below(disk, 3))
        unit_put_entry(disk->io, table, index, add_data(disk, layout));
}

static void fill(struct disk *disk, enum layout layout)
{
    uint64_t tables[TABLES_MAX], count = 2 + below(disk, TABLES_MAX - 1), table;

    if (layout == LAYOUT_DATA_FIRST) {
        table = disk->end + 20 * disk->cluster; /* its data comes before it */
        for (uint64_t i = 0; i < 20; i++)
            add_data(disk, layout);
        add_clusters(disk, disk->table_size);
        unit_put_entry(disk->io, disk->cluster, 0, table);
        for (uint64_t i = 0; i < 20; i++)
            unit_put_entry(disk->io, table, i, table - (20 - i) * disk->cluster);
    }
    for (uint64_t i = 0; layout == LAYOUT_TABLES_FIRST && i < count; i++)
        tables[i] = add_clusters(disk, disk->table_size);
    for (uint64_t i = layout == LAYOUT_DATA_FIRST; i < count; i++) {
        table = layout == LAYOUT_TABLES_FIRST ? tables[i] : add_clusters(disk, disk->table_size);
        add_table(disk, i, table, layout);
    }
    disk->table_bytes_read = (count + 1) * disk->table_size * disk->cluster;
}

START_TEST(the_tables_alone_tell_the_geometry)
{
    enum layout layout = (enum layout)_i;

    for (uint64_t seed = 0; seed < IMAGES; seed++) {
        struct disk disk = new_disk(seed * LAYOUTS + (uint64_t)_i);
        struct qed_error error = QED_ERROR_INIT;
        struct qed_rebuild found;

        fill(&disk, layout);
        unit_fill(disk.io, 0, 512, 0);
        io_mem_reset_counts(disk.io);
        if (qed_rebuild_header(disk.io, NULL, &found, &error) < 0)
            ck_abort_msg("seed %u: %s", (unsigned int)seed, error.text);
        if (found.header.cluster_size != disk.cluster ||
            found.header.table_size != disk.table_size ||
            found.header.l1_table_offset != disk.cluster || found.header.header_size != 1)
            ck_abort_msg("seed %u: %u x %u", (unsigned int)seed, found.header.cluster_size,
                         found.header.table_size);
        ck_assert_uint_ge(found.confidence, layout == LAYOUT_SCATTERED ? 75 : 95);
        ck_assert_uint_le(io_mem_counts(disk.io).bytes_read,
                          8 * (disk.end + disk.table_bytes_read));
        io_close(disk.io);
    }
}
END_TEST

/* An image of clusters of holes: tables of so many entries, and before each so much data. */
static struct disk new_sparse_disk(uint64_t cluster, uint64_t table_size, uint64_t tables,
                                   uint64_t entries, uint64_t before)
{
    struct unit_image spec = {
        .image_size = 512, .cluster_size = (uint32_t)cluster, .table_size = (uint32_t)table_size};
    struct disk disk = {.io = unit_image_new(&spec),
                        .cluster = cluster,
                        .table_size = table_size,
                        .end = (1 + table_size) * cluster};

    for (uint64_t i = 0; i < tables; i++) {
        uint64_t first = add_clusters(&disk, before), table = add_clusters(&disk, table_size);

        unit_put_entry(disk.io, cluster, i, table);
        for (uint64_t j = 0; j < before; j++)
            unit_put_entry(disk.io, table, j, first + j * cluster);
        first = add_clusters(&disk, entries - before);
        for (uint64_t j = before; j < entries; j++)
            unit_put_entry(disk.io, table, j, first + (j - before) * cluster);
    }
    unit_fill(disk.io, 0, 512, 0);
    io_mem_reset_counts(disk.io);
    return disk;
}

static void check_geometry(struct disk *disk, unsigned int confidence)
{
    struct qed_rebuild found;

    ck_assert_int_eq(qed_rebuild_header(disk->io, NULL, &found, NULL), QED_OK);
    ck_assert_uint_eq(found.header.cluster_size, disk->cluster);
    ck_assert_uint_eq(found.header.table_size, disk->table_size);
    ck_assert_uint_eq(found.header.l1_table_offset, disk->cluster);
    ck_assert_uint_ge(found.confidence, confidence);
}

/* Twice the size leaves hardly a conflict among so many entries, but one at every table. */
START_TEST(a_table_size_too_large_is_told_by_its_pattern)
{
    uint64_t table_size = UINT64_C(1) << _i;
    struct disk disk = new_sparse_disk(4096, table_size, 3, 500 * table_size, 16);

    check_geometry(&disk, 98);
    io_close(disk.io);
}
END_TEST

/* What need not be tried is not: the tables are read a few times at most. */
START_TEST(many_tables_are_read_few_times)
{
    struct disk disk = new_sparse_disk(65536, 4, 0, 0, 0);
    uint64_t first = add_clusters(&disk, 4 * TABLES), data = add_clusters(&disk, 20 * TABLES);

    for (uint64_t i = 0; i < TABLES; i++) {
        unit_put_entry(disk.io, disk.cluster, i, first + i * 4 * disk.cluster);
        for (uint64_t j = 0; j < 20; j++)
            unit_put_entry(disk.io, first + i * 4 * disk.cluster, j,
                           data + (i * 20 + j) * disk.cluster);
    }
    check_geometry(&disk, 98);
    ck_assert_uint_lt(io_mem_counts(disk.io).bytes_read, READS * TABLES * IO_MEM_PAGE);
    io_close(disk.io);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("qed_rebuild_random");

    tcase_add_loop_test(tests, the_tables_alone_tell_the_geometry, 0, LAYOUTS);
    tcase_add_loop_test(tests, a_table_size_too_large_is_told_by_its_pattern, 0, 4);
    tcase_add_test(tests, many_tables_are_read_few_times);
    return unit_run(tests);
}
