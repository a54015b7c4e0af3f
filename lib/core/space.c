/*
 * Counts the clusters, blocks and tables that the source's data runs touch, all of them as ranges
 * of the guest.
 * SPDX-License-Identifier: MIT
 */
#include "core/space.h"

#include "base/checked.h"
#include "core/preallocate.h"
#include "io/io_file.h"
#include "io/io_transfer.h"

#define BLOCK_SHIFT 12 /* what file systems store: an assumption, and a page of a table */
#define BLOCK_BYTES (UINT64_C(1) << BLOCK_SHIFT)
#define ENTRIES_IN_BLOCK_SHIFT (BLOCK_SHIFT - 3)
#define RUNS_AFTER_ENOUGH ((size_t)1 << 20)

/* Blocks of 2^shift guest bytes that ascending ranges touch. */
struct tally {
    unsigned int shift;
    uint64_t next, count; /* the first block not counted yet; how many were */
};

struct counts {
    struct tally blocks, clusters, tables, table_blocks, l1_blocks;
};

static uint64_t add(uint64_t a, uint64_t b)
{
    uint64_t sum;

    return checked_add(a, b, &sum) ? sum : UINT64_MAX;
}

static uint64_t subtract(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static void tally_range(struct tally *tally, uint64_t virt_off, uint64_t len)
{
    uint64_t first = max_u64(virt_off >> tally->shift, tally->next);
    uint64_t end = blocks_for(virt_off + len, tally->shift);

    if (first >= end)
        return;
    tally->count += end - first;
    tally->next = end;
}

static void count_range(struct counts *counts, uint64_t virt_off, uint64_t len)
{
    tally_range(&counts->blocks, virt_off, len);
    tally_range(&counts->clusters, virt_off, len);
    tally_range(&counts->tables, virt_off, len);
    tally_range(&counts->table_blocks, virt_off, len);
    tally_range(&counts->l1_blocks, virt_off, len);
}

static void start_counts(struct counts *counts, const struct create_options *target)
{
    unsigned int cluster = 0, span = 0; /* raw has neither */

    if (!create_is_raw(target)) {
        cluster = (unsigned int)__builtin_ctzll(target->cluster_size);
        span = 2 * cluster + (unsigned int)__builtin_ctzll(target->table_size) - 3;
    }
    *counts = (struct counts){.blocks.shift = BLOCK_SHIFT,
                              .clusters.shift = cluster,
                              .tables.shift = span,
                              .table_blocks.shift = cluster + ENTRIES_IN_BLOCK_SHIFT,
                              .l1_blocks.shift = span + ENTRIES_IN_BLOCK_SHIFT};
}

static uint64_t stored_so_far(const struct counts *counts, const struct create_options *target)
{
    uint64_t data;

    if (create_is_raw(target))
        return saturating_mul(counts->blocks.count, BLOCK_BYTES);
    data = saturating_mul(counts->clusters.count, target->cluster_size);
    return add(data, saturating_mul(1 + counts->table_blocks.count + counts->l1_blocks.count,
                                    BLOCK_BYTES));
}

static bool takes_space(const struct extent *run, const struct space_options *options)
{
    return run->kind == EXTENT_DATA && run->depth < options->common_from;
}

static int count_runs(struct image *source, const struct space_options *options,
                      struct counts *counts, struct qed_error *error)
{
    uint64_t size = image_size(source), at = 0;
    size_t runs_left = RUNS_AFTER_ENOUGH;

    if (options->store_zeroes) {
        count_range(counts, 0, size);
        return QED_OK;
    }
    while (at < size) {
        struct extent run;
        int ret = image_next_run(source, at, size - at, &run, error);

        if (ret < 0)
            return ret;
        if (options->stop && options->stop(options->stop_context))
            return qed_fail(error, QED_ERR_STOPPED, "interrupted");
        if (stored_so_far(counts, options->target) > options->enough && runs_left-- == 0) {
            count_range(counts, at, size - at);
            return QED_OK;
        }
        if (takes_space(&run, options))
            count_range(counts, at, run.length);
        at += run.length;
    }
    return QED_OK;
}

uint64_t space_fully_allocated(const struct create_options *options)
{
    struct qed_places places;

    if (create_is_raw(options))
        return create_round_size(options->size);
    return preallocation_places(options, &places, NULL) == QED_OK ? places.file_end : UINT64_MAX;
}

/* The length of a QED image with so many clusters and tables. */
static uint64_t qed_length(const struct counts *counts, const struct create_options *target)
{
    uint64_t tables = saturating_mul(1 + counts->tables.count, target->table_size);

    return saturating_mul(add(1, add(tables, counts->clusters.count)), target->cluster_size);
}

/* With every cluster in its place there are all tables, and holes also within clusters. */
static uint64_t stored_with_places(const struct counts *counts, const struct create_options *target)
{
    struct qed_places places;

    if (preallocation_places(target, &places, NULL) < 0)
        return UINT64_MAX;
    return add(places.data_off, saturating_mul(counts->blocks.count, BLOCK_BYTES));
}

static void settle(struct space *space, const struct counts *counts,
                   const struct create_options *target, enum preallocation mode)
{
    space->required = space->fully_allocated;
    if (!create_is_raw(target) && mode == PREALLOCATION_OFF)
        space->required = qed_length(counts, target);
    if (mode >= PREALLOCATION_FALLOC)
        space->stored = space->fully_allocated;
    else if (mode == PREALLOCATION_METADATA)
        space->stored = stored_with_places(counts, target);
    else
        space->stored = stored_so_far(counts, target);
}

int space_measure(struct image *source, const struct space_options *options, struct space *space,
                  struct qed_error *error)
{
    struct create_options target = *options->target;
    enum preallocation mode;
    struct counts counts;
    int ret = preallocation_mode(&target, &mode, error);

    target.size = image_size(source);
    target.has_size = true;
    start_counts(&counts, &target);
    space->fully_allocated = space_fully_allocated(&target);
    if (ret == QED_OK && mode < PREALLOCATION_FALLOC)
        ret = count_runs(source, options, &counts, error);
    if (ret == QED_OK)
        settle(space, &counts, &target, mode);
    return ret;
}

int space_check(struct image *source, struct target *target, const struct space_options *options,
                bool *is_short, uint64_t *needed, uint64_t *left)
{
    const struct qed_geometry *geometry = target_geometry(target);
    struct create_options create = *options->target;
    struct space_options looking = *options;
    struct io *io = target_io(target);
    uint64_t taken = io_file_allocated_bytes(io), most;
    struct space space;
    int ret;

    *is_short = false;
    *left = io_file_free_space(io);
    if (geometry) {
        create.cluster_size = geometry->cluster_size;
        create.table_size = geometry->table_size;
    }
    create.size = image_size(source);
    most = subtract(space_fully_allocated(&create), taken);
    if (io_file_is_block_device(io) || most <= *left)
        return QED_OK;
    looking.target = &create;
    looking.enough = *left;
    ret = space_measure(source, &looking, &space, NULL);
    if (ret < 0) /* what is wrong with the source is found again by who copies it */
        return ret == QED_ERR_STOPPED ? ret : QED_OK;
    *needed = min_u64(space.stored, most);
    *is_short = *needed > *left && (options->store_zeroes || !target_may_share(target) ||
                                    !io_can_clone(io, image_io(source, 0)));
    return QED_OK;
}
