/*
 * Where things are in a QED image: the constants of the format, and the arithmetic of one image's
 * geometry. Pure; nothing here reads a file. Source of the rules: QEMU's docs/interop/qed_spec.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_QED_LAYOUT_H
#define FORMAT_QED_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/checked.h"

#define QED_MAGIC UINT32_C(0x00444551) /* "QED\0" */

#define QED_CLUSTER_SIZE_MIN UINT32_C(4096)
#define QED_CLUSTER_SIZE_MAX (UINT32_C(64) << 20)
#define QED_CLUSTER_SIZE_DEFAULT UINT32_C(65536)
#define QED_TABLE_SIZE_MIN UINT32_C(1)
#define QED_TABLE_SIZE_MAX UINT32_C(16)
#define QED_TABLE_SIZE_DEFAULT UINT32_C(4)
#define QED_SECTOR UINT32_C(512)

/* Features: an unknown bit forbids to open the image. */
#define QED_FEATURE_BACKING_FILE UINT64_C(1)
#define QED_FEATURE_NEED_CHECK UINT64_C(2)
#define QED_FEATURE_BACKING_NO_PROBE UINT64_C(4)
#define QED_FEATURES_KNOWN UINT64_C(7)

/* Autoclear features: whoever opens for writing clears the bits it does not know. */
#define QED_AUTOCLEAR_INTENT UINT64_C(1) /* a write-intent bitmap is kept (qed_intent.h) */
#define QED_AUTOCLEAR_KNOWN UINT64_C(1)

/* Entries of an L2 table that are no offsets. */
#define QED_ENTRY_UNALLOCATED UINT64_C(0)
#define QED_ENTRY_ZERO UINT64_C(1)

/* The longest guest: offsets of files and of guests are signed 64-bit numbers to the kernel. */
#define QED_IMAGE_SIZE_LIMIT ((uint64_t)INT64_MAX & ~(uint64_t)(QED_SECTOR - 1))

/* One image's geometry, all of it validated. */
struct qed_geometry {
    uint32_t cluster_size; /* bytes */
    uint32_t table_size;   /* clusters in a table */
    unsigned int cluster_shift;
    unsigned int entries_shift; /* 2^entries_shift entries in a table */
    uint64_t table_bytes;
    uint64_t header_bytes;    /* clusters before this offset are the header's */
    uint64_t l1_table_offset; /* bytes */
    uint64_t image_size;      /* guest bytes */
    uint64_t file_length;     /* of the host file, bytes, when it was opened */
    uint64_t file_end;        /* that in sectors, rounded up, then in whole clusters, down; bytes */
};

static inline bool qed_cluster_size_valid(uint64_t bytes)
{
    return is_power_of_two(bytes) && bytes >= QED_CLUSTER_SIZE_MIN &&
           bytes <= QED_CLUSTER_SIZE_MAX;
}

static inline bool qed_table_size_valid(uint64_t clusters)
{
    return is_power_of_two(clusters) && clusters <= QED_TABLE_SIZE_MAX;
}

/* The most guest bytes that the tables can address: entries^2 clusters, or the limit of offsets. */
static inline uint64_t qed_image_size_max(uint32_t cluster_size, uint32_t table_size)
{
    uint64_t entries = (uint64_t)cluster_size * table_size / sizeof(uint64_t);

    return min_u64(saturating_mul(saturating_mul(entries, entries), cluster_size),
                   QED_IMAGE_SIZE_LIMIT);
}

static inline uint64_t qed_entries(const struct qed_geometry *geometry)
{
    return UINT64_C(1) << geometry->entries_shift;
}

/* How many guest bytes one L2 table maps, as a shift; at most 53. */
static inline unsigned int qed_l2_span_shift(const struct qed_geometry *geometry)
{
    return geometry->entries_shift + geometry->cluster_shift;
}

static inline uint64_t qed_l1_index(const struct qed_geometry *geometry, uint64_t virt_off)
{
    return virt_off >> qed_l2_span_shift(geometry);
}

static inline uint64_t qed_l2_index(const struct qed_geometry *geometry, uint64_t virt_off)
{
    return virt_off >> geometry->cluster_shift & (qed_entries(geometry) - 1);
}

static inline uint64_t qed_offset_in_cluster(const struct qed_geometry *geometry,
                                             uint64_t virt_off)
{
    return virt_off & (geometry->cluster_size - 1);
}

/* The guest offset that entry l2_index of table l1_index maps. */
static inline uint64_t qed_virt_off(const struct qed_geometry *geometry, uint64_t l1_index,
                                    uint64_t l2_index)
{
    return l1_index << qed_l2_span_shift(geometry) | l2_index << geometry->cluster_shift;
}

/* How many L1 entries the guest's size reaches. */
static inline uint64_t qed_l1_entries_used(const struct qed_geometry *geometry)
{
    return blocks_for(geometry->image_size, qed_l2_span_shift(geometry));
}

static inline bool qed_cluster_aligned(const struct qed_geometry *geometry, uint64_t file_off)
{
    return (file_off & (geometry->cluster_size - 1)) == 0;
}

/* Whether [file_off, file_off + len) is aligned and lies between the header and the file's end. */
static inline bool qed_range_valid(const struct qed_geometry *geometry, uint64_t file_off,
                                   uint64_t len)
{
    return qed_cluster_aligned(geometry, file_off) &&
           range_inside(file_off, len, geometry->header_bytes, geometry->file_end);
}

static inline bool qed_data_offset_valid(const struct qed_geometry *geometry, uint64_t file_off)
{
    return qed_range_valid(geometry, file_off, geometry->cluster_size);
}

static inline bool qed_table_offset_valid(const struct qed_geometry *geometry, uint64_t file_off)
{
    return qed_range_valid(geometry, file_off, geometry->table_bytes);
}

/*
 * The end of the whole clusters in a file of length bytes. Lengths count in sectors, rounded up
 * (a block device has nothing finer), then in whole clusters.
 */
static inline uint64_t qed_file_end(uint64_t length, uint32_t cluster_size)
{
    return round_down(blocks_for(length, 9) << 9, cluster_size);
}

#endif
