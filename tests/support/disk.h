/*
 * A small image under construction by hand, which loses tables; and what an adoption makes of it.
 * Everything here ends the test where it fails.
 * SPDX-License-Identifier: MIT
 */
#ifndef SUPPORT_DISK_H
#define SUPPORT_DISK_H

#include "format/qed_rebuild_orphans.h"
#include "support/unit.h"

/* Clusters of 4 KiB, tables of one, the L1 behind the header. */
#define DISK_CLUSTER UINT64_C(4096)
#define DISK_SPAN (512 * DISK_CLUSTER) /* guest bytes that one table maps */
#define DISK_L1 DISK_CLUSTER

struct disk {
    struct io *io;
    uint64_t end; /* of the file */
};

struct disk disk_new(uint64_t image_size);

/* Append a cluster of guest data that is no table; returns where. */
uint64_t disk_add_data(struct disk *disk);

/* Append a table, then data for entries [first, first + count) of it; not named by the L1. */
uint64_t disk_add_table(struct disk *disk, uint64_t first, uint64_t count);

/* The same from entry 0 on, named. */
uint64_t disk_add_named(struct disk *disk, uint64_t l1_index, uint64_t count);

/* Adopt what is lost in io; the plan then has a round that has ended. */
struct qed_plan *disk_adopt(struct io *io, const struct qed_adoption_options *options,
                            struct qed_adoption_report *report);

/* Assert what is reported of a table, and that the plan does it. */
void disk_check_adopted(struct qed_plan *plan, const struct qed_adoption_report *report,
                        uint64_t table, uint64_t l1_index, enum qed_adoption_ground ground);

void disk_finish(struct disk *disk, struct qed_plan *plan, struct qed_adoption_report *report);

#endif
