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

int main(void)
{
    TCase *tests = tcase_create("qed_rebuild_orphans_random");

    tcase_add_loop_test(tests, what_lay_in_order_and_without_gaps_comes_back_whole, 0, 4);
    tcase_add_loop_test(tests, what_is_called_certain_is_right, 0, 2);
    return unit_run(tests);
}
