/*
 * Walks L1 and L2 entries from a guest offset on and joins those that continue each other.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_lookup.h"

#include <inttypes.h>

static int invalid_entry(const char *table, uint64_t virt_off, uint64_t entry,
                         struct qed_error *error)
{
    qed_fail(error, QED_ERR_CORRUPT,
             "Image is corrupt: the %s entry for guest offset %" PRIu64 " is invalid (0x%" PRIx64
             "); run 'qedtool check'",
             table, virt_off, entry);
    return QED_ERR_CORRUPT;
}

static enum extent_kind entry_kind(uint64_t entry)
{
    switch (entry) {
    case QED_ENTRY_UNALLOCATED:
        return EXTENT_UNALLOCATED;
    case QED_ENTRY_ZERO:
        return EXTENT_ZERO;
    default:
        return EXTENT_DATA;
    }
}

/* How many of count entries continue the first one, which is valid. */
static size_t entries_in_run(const struct qed_geometry *geometry, const uint64_t *entries,
                             size_t count)
{
    uint64_t step = entry_kind(entries[0]) == EXTENT_DATA ? geometry->cluster_size : 0;
    size_t n = 1;

    while (n < count && entries[n] == entries[0] + n * step &&
           (step == 0 || qed_data_offset_valid(geometry, entries[n])))
        n++;
    return n;
}

/* The run at virt_off as far as one piece of one L2 table tells. */
static int run_in_l2(struct qed_image *image, uint64_t l2_table_off, uint64_t virt_off,
                     struct extent *run, struct qed_error *error)
{
    const struct qed_geometry *geometry = &image->geometry;
    uint64_t in_cluster = qed_offset_in_cluster(geometry, virt_off);
    const uint64_t *entries;
    size_t count;
    int ret = qed_table_get(image->tables, l2_table_off, qed_l2_index(geometry, virt_off),
                            &entries, &count, error);

    run->length = geometry->cluster_size - in_cluster;
    if (ret < 0)
        return ret;
    *run = (struct extent){
        .virt_off = virt_off, .length = run->length, .kind = entry_kind(entries[0])};
    if (run->kind == EXTENT_DATA) {
        if (!qed_data_offset_valid(geometry, entries[0]))
            return invalid_entry("L2", virt_off, entries[0], error);
        run->has_file_off = true;
        run->file_off = entries[0] + in_cluster;
    }
    count = entries_in_run(geometry, entries, count);
    run->length = ((uint64_t)count << geometry->cluster_shift) - in_cluster;
    return QED_OK;
}

/* The run at virt_off as far as one piece of the tables tells. */
static int run_in_piece(struct qed_image *image, uint64_t virt_off, struct extent *run,
                        struct qed_error *error)
{
    const struct qed_geometry *geometry = &image->geometry;
    uint64_t span = UINT64_C(1) << qed_l2_span_shift(geometry);
    const uint64_t *entries;
    size_t count;
    int ret = qed_table_get(image->tables, geometry->l1_table_offset,
                            qed_l1_index(geometry, virt_off), &entries, &count, error);

    *run = (struct extent){.virt_off = virt_off,
                           .length = span - (virt_off & (span - 1)),
                           .kind = EXTENT_UNALLOCATED};
    if (ret < 0)
        return ret;
    if (entries[0] != QED_ENTRY_UNALLOCATED) {
        if (!qed_table_offset_valid(geometry, entries[0]))
            return invalid_entry("L1", virt_off, entries[0], error);
        return run_in_l2(image, entries[0], virt_off, run, error);
    }
    count = entries_in_run(geometry, entries, count);
    /* An L1 piece may reach past 2^64 guest bytes; max_len cuts the run in the caller. */
    run->length = saturating_mul(count, span) - (virt_off & (span - 1));
    return QED_OK;
}

int qed_lookup_run(struct qed_image *image, uint64_t virt_off, uint64_t max_len,
                   struct extent *run, struct qed_error *error)
{
    uint64_t end = virt_off + max_len;
    struct extent next;
    int ret = run_in_piece(image, virt_off, run, error);

    if (ret < 0) {
        run->length = min_u64(run->length, max_len);
        return ret;
    }
    while (run->length < max_len) {
        ret = run_in_piece(image, virt_off + run->length, &next, error);
        /* The caller meets a failure when it asks for that offset. */
        if (ret < 0 || !extent_continues(run, &next))
            break;
        run->length += next.length;
    }
    run->length = min_u64(run->length, end - virt_off);
    return QED_OK;
}
