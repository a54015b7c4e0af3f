/*
 * Images that lose tables.
 * SPDX-License-Identifier: MIT
 */
#include "support/disk.h"

#define C DISK_CLUSTER

struct disk disk_new(uint64_t image_size)
{
    struct unit_image spec = {.image_size = image_size};

    return (struct disk){.io = unit_image_new(&spec), .end = 2 * C};
}

uint64_t disk_add_data(struct disk *disk)
{
    unit_fill(disk->io, disk->end, C, 0x5b);
    disk->end += C;
    return disk->end - C;
}

uint64_t disk_add_table(struct disk *disk, uint64_t first, uint64_t count)
{
    uint64_t table = disk->end;

    unit_fill(disk->io, table, C, 0);
    disk->end += C;
    for (uint64_t i = 0; i < count; i++)
        unit_put_entry(disk->io, table, first + i, disk_add_data(disk));
    return table;
}

uint64_t disk_add_named(struct disk *disk, uint64_t l1_index, uint64_t count)
{
    uint64_t table = disk_add_table(disk, 0, count);

    unit_put_entry(disk->io, DISK_L1, l1_index, table);
    return table;
}

struct qed_plan *disk_adopt(struct io *io, const struct qed_adoption_options *options,
                            struct qed_adoption_report *report)
{
    struct qed_error error = QED_ERROR_INIT;
    struct qed_plan *plan = NULL;
    struct qed_image *image;
    int ret;

    ck_assert_int_eq(qed_plan_new(&plan, io, NULL), QED_OK);
    image = unit_open(qed_plan_view(plan), false);
    ret = qed_rebuild_adopt(plan, image, options, report, &error);
    ck_assert_msg(ret == QED_OK, "%s", error.text);
    qed_plan_settle(plan);
    qed_close(image);
    return plan;
}

static const struct qed_adoption *find(const struct qed_adoption_report *report, uint64_t file_off)
{
    for (size_t i = 0; i < report->count; i++) {
        if (report->adoptions[i].file_off == file_off)
            return &report->adoptions[i];
    }
    return NULL;
}

void disk_check_adopted(struct qed_plan *plan, const struct qed_adoption_report *report,
                        uint64_t table, uint64_t l1_index, enum qed_adoption_ground ground)
{
    const struct qed_adoption *found = find(report, table);

    ck_assert_ptr_nonnull(found);
    ck_assert_int_eq(found->ground, ground);
    if (ground == QED_ADOPTION_NONE)
        return;
    ck_assert_uint_eq(found->l1_index, l1_index);
    ck_assert_uint_eq(unit_get_entry(qed_plan_view(plan), DISK_L1, l1_index), table);
}

void disk_finish(struct disk *disk, struct qed_plan *plan, struct qed_adoption_report *report)
{
    qed_adoption_release(report);
    qed_plan_free(plan);
    io_close(disk->io);
}
