/*
 * What the guest's first sectors say of its disk's size: a partition table, or a file system on the
 * whole disk. Nothing but numbers is taken from them.
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "base/le.h"
#include "format/qed_lookup.h"
#include "format/qed_rebuild_state.h"

#define START_BYTES 4096 /* of the guest that are looked at */

/* UEFI specification: the header in sector 1 names the sector of its copy, the disk's last one. */
#define GPT_HEADER 512
#define GPT_SIGNATURE "EFI PART"
#define GPT_ALTERNATE 32

/* The PC's partition table: four entries of 16 bytes. */
#define MBR_TABLE 446
#define MBR_ENTRY_BYTES 16
#define MBR_ENTRIES 4
#define MBR_SIGNATURE 510
#define MBR_TYPE_GPT 0xee

/* The ext2, ext3 and ext4 superblock (kernel documentation: filesystems/ext4). */
#define EXT_SUPERBLOCK 1024
#define EXT_BLOCKS_LOW 4
#define EXT_BLOCK_SHIFT 24
#define EXT_MAGIC 56
#define EXT_INCOMPATIBLE 96
#define EXT_64BIT 0x80
#define EXT_BLOCKS_HIGH 336

static bool gpt_end(const uint8_t *start, uint64_t *end)
{
    uint64_t last = le64_load(start + GPT_HEADER + GPT_ALTERNATE), sectors;

    return memcmp(start + GPT_HEADER, GPT_SIGNATURE, strlen(GPT_SIGNATURE)) == 0 &&
           checked_add(last, 1, &sectors) && checked_mul(sectors, QED_SECTOR, end);
}

static bool ext_end(const uint8_t *start, uint64_t *end)
{
    const uint8_t *super = start + EXT_SUPERBLOCK;
    uint64_t blocks = le32_load(super + EXT_BLOCKS_LOW);
    uint32_t shift = le32_load(super + EXT_BLOCK_SHIFT);

    if (super[EXT_MAGIC] != 0x53 || super[EXT_MAGIC + 1] != 0xef || shift > 6)
        return false;
    if (le32_load(super + EXT_INCOMPATIBLE) & EXT_64BIT)
        blocks |= (uint64_t)le32_load(super + EXT_BLOCKS_HIGH) << 32;
    return checked_mul(blocks, UINT64_C(1024) << shift, end);
}

/* The end of the last partition. Boot sectors of file systems look alike at first. */
static bool mbr_end(const uint8_t *start, uint64_t *end)
{
    *end = 0;
    if (start[MBR_SIGNATURE] != 0x55 || start[MBR_SIGNATURE + 1] != 0xaa)
        return false;
    for (int i = 0; i < MBR_ENTRIES; i++) {
        const uint8_t *entry = start + MBR_TABLE + i * MBR_ENTRY_BYTES;
        uint64_t first = le32_load(entry + 8), sectors = le32_load(entry + 12);

        if ((entry[0] & 0x7f) != 0 || entry[4] == MBR_TYPE_GPT)
            return false;
        if (entry[4] != 0 && first > 0)
            *end = max_u64(*end, (first + sectors) * QED_SECTOR);
    }
    return *end > 0;
}

/* The guest's first bytes; zeroes where the image has none. */
static int read_start(struct qed_image *image, uint8_t *start, struct qed_error *error)
{
    uint64_t at = 0;
    int ret = QED_OK;

    memset(start, 0, START_BYTES);
    while (ret == QED_OK && at < START_BYTES) {
        struct extent run;

        ret = qed_lookup_run(image, at, START_BYTES - at, &run, error);
        if (ret == QED_ERR_CORRUPT)
            return QED_OK;
        if (ret == QED_OK && run.kind == EXTENT_DATA)
            ret = io_read_padded(image->io, start + at, (size_t)run.length, run.file_off, error);
        at += run.length;
    }
    return ret;
}

int rebuild_guest_size(struct rebuild *rebuild, const struct rebuild_candidate *best,
                       struct rebuild_guest_size *size, struct qed_error *error)
{
    struct qed_header header = rebuild_bare_header(best);
    struct qed_image image = {.io = rebuild->io};
    uint8_t start[START_BYTES];
    int ret;

    *size = (struct rebuild_guest_size){0};
    header.image_size = qed_image_size_max(best->cluster_size, best->table_size);
    ret = qed_header_validate(&header, rebuild->length, &image.geometry, error);
    if (ret < 0)
        return ret;
    image.tables =
        qed_table_cache_new(rebuild->io, image.geometry.table_bytes, QED_TABLE_CACHE_BYTES);
    if (!image.tables)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    ret = read_start(&image, start, error);
    qed_table_cache_free(image.tables);
    if (ret < 0)
        return ret;
    if (gpt_end(start, &size->bytes))
        size->source = "GPT";
    else if (mbr_end(start, &size->bytes))
        size->source = "partition table";
    else if (ext_end(start, &size->bytes))
        size->source = "file system";
    if (!size->source || size->bytes % QED_SECTOR != 0 || size->bytes > header.image_size)
        *size = (struct rebuild_guest_size){0};
    return QED_OK;
}
