/*
 * Random images lose L1 entries; what comes back is held against what was there. The guest's data
 * is zeroes, noise, and what looks like tables.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_rebuild_orphans.h"

#include <string.h>

#include "support/io_mem.h"
#include "support/unit.h"

#define C UINT64_C(4096)
#define L1_MAX 12
#define IMAGES 400 /* a seed's */

struct disk {
    struct io *io;
    struct unit_random random;
    uint64_t table_size, entries; /* of a table */
    uint64_t l1_used;             /* entries that the image size reaches */
    uint64_t end;                 /* of the file */
    uint64_t l1[L1_MAX];          /* as written */
};

static uint64_t below(struct disk *disk, uint64_t limit)
{
    return unit_random_below(&disk->random, limit);
}

static struct disk new_disk(uint64_t seed)
{
    struct disk disk = {.random = {.state = seed}};
    struct unit_image spec = {0};

    disk.table_size = UINT64_C(1) << below(&disk, 4);
    disk.entries = disk.table_size * C / sizeof(uint64_t);
    disk.l1_used = 1 + below(&disk, L1_MAX);
    spec.table_size = (uint32_t)disk.table_size;
    spec.image_size = disk.l1_used * disk.entries * C;
    disk.io = unit_image_new(&spec);
    disk.end = (1 + disk.table_size) * C;
    return disk;
}

/* A data cluster; decoys look like a table that names clusters of the file. */
static uint64_t add_data(struct disk *disk, bool decoys)
{
    uint64_t at = disk->end;

    disk->end += C;
    ck_assert_int_eq(io_set_length(disk->io, disk->end, NULL), QED_OK);
    switch (below(disk, decoys ? 40 : 39)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
        break; /* a hole */
    case 39:
        for (uint64_t base = 1 + below(disk, at / C), i = below(disk, 20) + 1; i > 0; i--)
            unit_put_entry(disk->io, at, i, (base + i) * C);
        break;
    default:
        for (uint64_t i = 0; i < 40; i++)
            unit_put_entry(disk->io, at, i, unit_random(&disk->random));
    }
    return at;
}

/* A table as a guest that writes here and there leaves it: data comes before it and after it. */
static void add_table(struct disk *disk, uint64_t l1_index, bool decoys)
{
    uint64_t count = 2 + below(disk, 60), index = below(disk, disk->entries / 2);
    uint64_t first = add_data(disk, decoys), table = disk->end;

    disk->l1[l1_index] = table;
    disk->end += disk->table_size * C;
    ck_assert_int_eq(io_set_length(disk->io, disk->end, NULL), QED_OK);
    unit_put_entry(disk->io, 1 * C, l1_index, table);
    unit_put_entry(disk->io, table, index, first);
    for (uint64_t i = 0; i < count; i++) {
        index = (index + 1 + (below(disk, 4) == 0 ? below(disk, 50) : 0)) % disk->entries;
        if (unit_get_entry(disk->io, table, index) == 0)
            unit_put_entry(disk->io, table, index,
                           below(disk, 9) == 0 ? QED_ENTRY_ZERO : add_data(disk, decoys));
    }
}

static void lose(struct disk *disk, uint64_t l1_index)
{
    unit_put_entry(disk->io, C, l1_index, 0);
}

/* Adopt, and leave what entry l1_index is then. */
static void adopt(struct disk *disk, struct qed_adoption_report *report, uint64_t l1[L1_MAX])
{
    struct qed_error error = QED_ERROR_INIT;
    struct qed_plan *plan = NULL;
    struct qed_image *image;
    int ret;

    ck_assert_int_eq(qed_plan_new(&plan, disk->io, NULL), QED_OK);
    image = unit_open(qed_plan_view(plan), false);
    ret = qed_rebuild_adopt(plan, image, NULL, report, &error);
    ck_assert_msg(ret == QED_OK, "%s", error.text);
    qed_plan_settle(plan);
    for (uint64_t i = 0; i < L1_MAX; i++)
        l1[i] = unit_get_entry(qed_plan_view(plan), C, i);
    qed_close(image);
    qed_plan_free(plan);
}

/*
 * Every entry of the L1 was used, its tables lie in order, and any of them are lost. In images so
 * small, what looks like a table may name so many clusters of one that nothing can tell them apart.
 */
START_TEST(what_lay_in_order_and_without_gaps_comes_back_whole)
{
    unsigned int whole = 0;

    for (uint64_t seed = 0; seed < IMAGES; seed++) {
        struct disk disk = new_disk(seed * 8 + (uint64_t)_i);
        struct qed_adoption_report report;
        uint64_t l1[L1_MAX], lost = 0;
        bool has_decoys = _i & 1;

        for (uint64_t i = 0; i < disk.l1_used; i++)
            add_table(&disk, i, has_decoys);
        for (uint64_t i = 0; i < disk.l1_used; i++) {
            if (_i & 2 || below(&disk, 3) == 0) {
                lose(&disk, i);
                lost++;
            }
        }
        adopt(&disk, &report, l1);
        whole += report.count == lost && memcmp(l1, disk.l1, sizeof(l1)) == 0;
        if (whole <= seed && !has_decoys)
            ck_abort_msg("seed %u: not whole", (unsigned int)seed);
        qed_adoption_release(&report);
        io_close(disk.io);
    }
    ck_assert_uint_ge(whole, IMAGES * 9 / 10);
}
END_TEST

/* Entries were used here and there. What is called certain is right, and no data is adopted. */
START_TEST(what_is_called_certain_is_right)
{
    unsigned int certain = 0, guessed = 0, right = 0;

    for (uint64_t seed = 0; seed < IMAGES; seed++) {
        struct disk disk = new_disk(seed * 8 + (uint64_t)_i);
        struct qed_adoption_report report;
        uint64_t l1[L1_MAX];

        for (uint64_t i = 0; i < disk.l1_used; i++) {
            if (below(&disk, 4) != 0)
                add_table(&disk, i, _i & 1);
        }
        for (uint64_t i = 0; i < disk.l1_used; i++) {
            uint64_t entry = disk.l1[i];

            if (below(&disk, 3) != 0)
                continue;
            lose(&disk, i);
            if (entry && below(&disk, 2) == 0)
                unit_put_entry(disk.io, C, i, entry ^ UINT64_C(1) << (20 + below(&disk, 44)));
        }
        adopt(&disk, &report, l1);
        for (size_t i = 0; i < report.count; i++) {
            const struct qed_adoption *adoption = &report.adoptions[i];
            bool is_right = adoption->ground != QED_ADOPTION_NONE &&
                            disk.l1[adoption->l1_index] == adoption->file_off;

            certain += qed_adoption_is_certain(adoption->ground);
            guessed += adoption->ground == QED_ADOPTION_BY_ORDER;
            right += is_right && adoption->ground == QED_ADOPTION_BY_ORDER;
            if (qed_adoption_is_certain(adoption->ground) && !is_right)
                ck_abort_msg("seed %u: table %lx is not entry %u's", (unsigned int)seed,
                             (unsigned long)adoption->file_off, (unsigned int)adoption->l1_index);
        }
        qed_adoption_release(&report);
        io_close(disk.io);
    }
    ck_assert_uint_ge(certain, IMAGES);
    ck_assert_uint_ge(right, guessed / 3);
}
END_TEST

/* Entries in the order in which their tables are written; UINT64_MAX ends them. */
static struct disk disk_in_order(uint64_t l1_used, const uint64_t *order)
{
    struct disk disk = {.table_size = 1, .entries = 512, .l1_used = l1_used, .end = 2 * C};
    struct unit_image spec = {.image_size = l1_used * 512 * C};

    disk.io = unit_image_new(&spec);
    for (; *order != UINT64_MAX; order++)
        add_table(&disk, *order, false);
    return disk;
}

/* Lose an entry; how it comes back. */
static enum qed_adoption_ground ground_of(uint64_t l1_used, const uint64_t *order,
                                          uint64_t l1_index)
{
    struct disk disk = disk_in_order(l1_used, order);
    struct qed_adoption_report report;
    enum qed_adoption_ground ground;
    uint64_t l1[L1_MAX];

    lose(&disk, l1_index);
    adopt(&disk, &report, l1);
    ck_assert_uint_eq(report.count, 1);
    ground = report.adoptions[0].ground;
    if (ground != QED_ADOPTION_NONE)
        ck_assert_uint_eq(l1[l1_index], disk.l1[l1_index]);
    qed_adoption_release(&report);
    io_close(disk.io);
    return ground;
}

/* A guest that was partitioned writes the end of its disk early. */
START_TEST(one_table_out_of_order_does_no_harm)
{
    static const uint64_t full[] = {0, 7, 1, 2, 3, 4, 5, 6, UINT64_MAX};
    static const uint64_t sparse[] = {0, 9, 1, 2, 4, 5, 7, 8, UINT64_MAX};

    for (uint64_t i = 0; i < 8; i++)
        ck_assert_int_eq(ground_of(8, full, i),
                         i == 7 ? QED_ADOPTION_BY_ORDER : QED_ADOPTION_ONLY_PLACE);
    ck_assert_int_eq(ground_of(10, sparse, 1), QED_ADOPTION_BY_ORDER);
    ck_assert_int_eq(ground_of(10, sparse, 5), QED_ADOPTION_BY_ORDER);
    /* Its place in the file says between 0 and 1, and there are other entries that it could be. */
    ck_assert_int_eq(ground_of(10, sparse, 9), QED_ADOPTION_NONE);
}
END_TEST

START_TEST(tables_in_no_order_tell_nothing)
{
    static const uint64_t order[] = {5, 1, 4, 0, 3, UINT64_MAX};

    ck_assert_int_eq(ground_of(6, order, 0), QED_ADOPTION_BY_ORDER);
    ck_assert_int_eq(ground_of(6, (const uint64_t[]){5, 1, 4, 0, 3, 2, UINT64_MAX}, 4),
                     QED_ADOPTION_ONLY_PLACE);
}
END_TEST

/* A table that the plan has copied to the end of the file says nothing of order. */
START_TEST(copies_in_the_plan_do_no_harm)
{
    static const uint64_t order[] = {0, 2, 3, 4, UINT64_MAX};
    struct disk disk = disk_in_order(7, order);
    struct qed_adoption_report report;
    struct qed_plan *plan = NULL;
    struct qed_image *image;
    uint64_t copy = 0;

    lose(&disk, 2);
    unit_put_entry(disk.io, C, 1, disk.l1[0]); /* which a repair mends so: */
    ck_assert_int_eq(qed_plan_new(&plan, disk.io, NULL), QED_OK);
    ck_assert_int_eq(qed_plan_copy(plan, disk.l1[0], C, C, &copy, NULL), QED_OK);
    ck_assert_int_eq(qed_plan_set(plan, C + 8, copy, QED_PLAN_MOVE, NULL), QED_OK);
    qed_plan_settle(plan);
    image = unit_open(qed_plan_view(plan), false);
    ck_assert_int_eq(qed_rebuild_adopt(plan, image, NULL, &report, NULL), QED_OK);
    qed_plan_settle(plan);
    ck_assert_uint_eq(unit_get_entry(qed_plan_view(plan), C, 1), copy);
    ck_assert_uint_eq(report.count, 1);
    ck_assert_uint_eq(report.adoptions[0].l1_index, 2);
    ck_assert_int_eq(report.adoptions[0].ground, QED_ADOPTION_ONLY_PLACE);
    qed_adoption_release(&report);
    qed_close(image);
    qed_plan_free(plan);
    io_close(disk.io);
}
END_TEST

/* A table of four clusters at cluster 6, data at 5 and behind it, leaks of zeroes between. */
static enum qed_adoption_ground ground_for(uint64_t first_entry, uint64_t leaks)
{
    struct unit_image spec = {.image_size = 2048 * C, .table_size = 4, .clusters = 10 + leaks};
    struct disk disk = {.io = unit_image_new(&spec)};
    struct qed_adoption_report report;
    enum qed_adoption_ground ground;
    uint64_t l1[L1_MAX];

    unit_fill(disk.io, 5 * C, C, 0x5b);
    unit_fill(disk.io, (10 + leaks) * C, C, 0x5b);
    unit_put_entry(disk.io, 6 * C, first_entry, 5 * C);
    unit_put_entry(disk.io, 6 * C, first_entry + 1, (10 + leaks) * C);
    adopt(&disk, &report, l1);
    ck_assert_uint_eq(report.count, 1);
    ground = report.adoptions[0].ground;
    if (qed_adoption_is_certain(ground))
        ck_assert_uint_eq(l1[0], 6 * C);
    qed_adoption_release(&report);
    io_close(disk.io);
    return ground;
}

START_TEST(a_table_that_may_start_elsewhere_is_a_guess)
{
    ck_assert_int_eq(ground_for(0, 0), QED_ADOPTION_ONLY_PLACE);
    ck_assert_int_eq(ground_for(600, 0), QED_ADOPTION_ONLY_PLACE);
    ck_assert_int_eq(ground_for(1600, 0), QED_ADOPTION_ONLY_PLACE);
    ck_assert_int_eq(ground_for(0, 2), QED_ADOPTION_ONLY_PLACE);
    ck_assert_int_eq(ground_for(600, 2), QED_ADOPTION_BY_ORDER);
    ck_assert_int_eq(ground_for(600, 4), QED_ADOPTION_BY_ORDER);
    ck_assert_int_eq(ground_for(1600, 7), QED_ADOPTION_BY_ORDER);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("qed_rebuild_orphans_random");

    tcase_add_loop_test(tests, what_lay_in_order_and_without_gaps_comes_back_whole, 0, 4);
    tcase_add_loop_test(tests, what_is_called_certain_is_right, 0, 2);
    tcase_add_test(tests, one_table_out_of_order_does_no_harm);
    tcase_add_test(tests, tables_in_no_order_tell_nothing);
    tcase_add_test(tests, copies_in_the_plan_do_no_harm);
    tcase_add_test(tests, a_table_that_may_start_elsewhere_is_a_guess);
    return unit_run(tests);
}
