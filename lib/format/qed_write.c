/*
 * The writer. Its state is the image's table cache (entries changed and not yet written) and the
 * end of the file (clusters handed out).
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_write.h"

#include <stdlib.h>
#include <string.h>

#include "format/qed_alloc.h"
#include "format/qed_lookup.h"

#define DIRTY_LIMIT ((size_t)8 << 20)
#define BOUNCE_BYTES ((size_t)1 << 20)
#define ZERO_STEP ((size_t)1 << 20)

struct qed_writer {
    struct qed_image *image;
    qed_read_below_fn *read_below; /* NULL: unallocated clusters read as zeroes */
    void *below_context;
    uint8_t *bounce; /* BOUNCE_BYTES */
};

int qed_writer_new(struct qed_writer **out, struct qed_image *image,
                   qed_read_below_fn *read_below, void *below_context, struct qed_error *error)
{
    struct qed_writer *writer;
    int ret;

    if (qed_needs_check(image))
        return qed_fail(error, QED_ERR_CORRUPT,
                        "Image was not cleanly closed; run 'qedtool check --repair' on it first");
    ret = qed_clear_autoclear(image, error);
    if (ret < 0)
        return ret;
    writer = calloc(1, sizeof(*writer));
    if (writer)
        writer->bounce = malloc(BOUNCE_BYTES);
    if (!writer || !writer->bounce) {
        qed_writer_free(writer);
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    }
    writer->image = image;
    writer->read_below = read_below;
    writer->below_context = below_context;
    *out = writer;
    return QED_OK;
}

void qed_writer_free(struct qed_writer *writer)
{
    if (writer)
        free(writer->bounce);
    free(writer);
}

static bool is_l2_table(void *context, uint64_t table_off)
{
    const struct qed_writer *writer = context;

    return table_off != writer->image->geometry.l1_table_offset;
}

static bool is_l1_table(void *context, uint64_t table_off)
{
    return !is_l2_table(context, table_off);
}

/*
 * Write the gathered entries, L2 before L1. Over a backing file the data is flushed first: an
 * entry that reached the disk before its cluster would hide old, flushed data.
 */
static int write_back(struct qed_writer *writer, struct qed_error *error)
{
    struct qed_table_cache *tables = writer->image->tables;
    int ret = QED_OK;

    if (qed_table_dirty_bytes(tables) == 0)
        return QED_OK;
    if (writer->read_below)
        ret = io_flush(writer->image->io, error);
    if (ret == QED_OK)
        ret = qed_table_write_back(tables, is_l2_table, writer, error);
    if (ret == QED_OK)
        ret = qed_table_write_back(tables, is_l1_table, writer, error);
    return ret;
}

/* The offset of the L2 table for virt_off, made when there is none. */
static int need_l2_table(struct qed_writer *writer, uint64_t virt_off, uint64_t *table_off,
                         struct qed_error *error)
{
    struct qed_image *image = writer->image;
    const struct qed_geometry *g = &image->geometry;
    uint64_t l1_index = qed_l1_index(g, virt_off);
    const uint64_t *entries;
    size_t count;
    int ret = qed_table_get(image->tables, g->l1_table_offset, l1_index, &entries, &count, error);

    if (ret < 0)
        return ret;
    *table_off = entries[0];
    if (*table_off != QED_ENTRY_UNALLOCATED)
        return QED_OK; /* valid: the caller has just looked up through it */
    ret = qed_alloc_table(image, table_off, error);
    if (ret < 0)
        return ret;
    return qed_table_set(image->tables, g->l1_table_offset, l1_index, *table_off, error);
}

/* Let count clusters from virt_off on, inside one L2 table, be entry, entry + step, … */
static int set_entries(struct qed_writer *writer, uint64_t virt_off, uint64_t count,
                       uint64_t entry, uint64_t step, struct qed_error *error)
{
    struct qed_image *image = writer->image;
    uint64_t index = qed_l2_index(&image->geometry, virt_off);
    uint64_t table_off;
    int ret = qed_set_need_check(image, true, error);

    if (ret == QED_OK)
        ret = need_l2_table(writer, virt_off, &table_off, error);
    for (uint64_t i = 0; ret == QED_OK && i < count; i++)
        ret = qed_table_set(image->tables, table_off, index + i, entry + i * step, error);
    if (ret == QED_OK && qed_table_dirty_bytes(image->tables) >= DIRTY_LIMIT)
        ret = write_back(writer, error);
    return ret;
}

/* How many clusters from virt_off's on are left in its L2 table. */
static uint64_t clusters_left_in_l2(const struct qed_geometry *g, uint64_t virt_off)
{
    return qed_entries(g) - qed_l2_index(g, virt_off);
}

/* Write whole new clusters; *done is how many bytes. virt_off is aligned, len a cluster or more. */
static int write_new_clusters(struct qed_writer *writer, uint64_t virt_off, const void *buffer,
                              size_t len, size_t *done, struct qed_error *error)
{
    struct qed_image *image = writer->image;
    const struct qed_geometry *g = &image->geometry;
    uint64_t count = min_u64(len >> g->cluster_shift, clusters_left_in_l2(g, virt_off));
    uint64_t file_off;
    int ret = qed_alloc_clusters(image, count, &file_off, error);

    *done = (size_t)(count << g->cluster_shift);
    if (ret == QED_OK)
        ret = io_write(image->io, buffer, *done, file_off, error);
    if (ret == QED_OK)
        ret = set_entries(writer, virt_off, count, file_off, g->cluster_size, error);
    return ret;
}

/* Copy what virt_off reads as today, below the new cluster, to file_off. */
static int copy_up(struct qed_writer *writer, bool is_zero, uint64_t virt_off, uint64_t len,
                   uint64_t file_off, struct qed_error *error)
{
    uint64_t image_size = writer->image->geometry.image_size;

    while (len > 0) {
        size_t step = (size_t)min_u64(len, BOUNCE_BYTES);
        size_t inside = 0;
        int ret = QED_OK;

        if (!is_zero && writer->read_below && virt_off < image_size) {
            inside = (size_t)min_u64(step, image_size - virt_off);
            ret = writer->read_below(writer->below_context, virt_off, writer->bounce, inside,
                                     error);
        }
        memset(writer->bounce + inside, 0, step - inside);
        if (ret == QED_OK)
            ret = io_write(writer->image->io, writer->bounce, step, file_off, error);
        if (ret < 0)
            return ret;
        virt_off += step;
        file_off += step;
        len -= step;
    }
    return QED_OK;
}

/* Write part of one new cluster and fill the rest of it; *done is how many bytes of buffer. */
static int write_part_of_cluster(struct qed_writer *writer, bool is_zero, uint64_t virt_off,
                                 const void *buffer, size_t len, size_t *done,
                                 struct qed_error *error)
{
    const struct qed_geometry *g = &writer->image->geometry;
    uint64_t before = qed_offset_in_cluster(g, virt_off);
    uint64_t start = virt_off - before;
    uint64_t after, file_off;
    int ret = qed_alloc_clusters(writer->image, 1, &file_off, error);

    *done = (size_t)min_u64(len, g->cluster_size - before);
    after = before + *done;
    if (ret == QED_OK)
        ret = copy_up(writer, is_zero, start, before, file_off, error);
    if (ret == QED_OK)
        ret = io_write(writer->image->io, buffer, *done, file_off + before, error);
    if (ret == QED_OK)
        ret = copy_up(writer, is_zero, start + after, g->cluster_size - after, file_off + after,
                      error);
    if (ret == QED_OK)
        ret = set_entries(writer, start, 1, file_off, 0, error);
    return ret;
}

static int check_range(const struct qed_writer *writer, uint64_t virt_off, uint64_t len,
                       struct qed_error *error)
{
    if (range_inside(virt_off, len, 0, writer->image->geometry.image_size))
        return QED_OK;
    return qed_fail(error, QED_ERR_INVALID, "write past the end of the image");
}

int qed_writer_write(struct qed_writer *writer, uint64_t virt_off, const void *buffer, size_t len,
                     struct qed_error *error)
{
    struct qed_image *image = writer->image;
    const char *at = buffer;
    int ret = check_range(writer, virt_off, len, error);

    while (ret == QED_OK && len > 0) {
        struct extent run;
        size_t done = 0;

        ret = qed_lookup_run(image, virt_off, len, &run, error);
        if (ret < 0)
            break;
        done = (size_t)run.length;
        if (run.kind == EXTENT_DATA)
            ret = io_write(image->io, at, done, run.file_off, error);
        else if (qed_offset_in_cluster(&image->geometry, virt_off) == 0 &&
                 run.length >= image->geometry.cluster_size)
            ret = write_new_clusters(writer, virt_off, at, done, &done, error);
        else
            ret = write_part_of_cluster(writer, run.kind == EXTENT_ZERO, virt_off, at, done,
                                        &done, error);
        at += done;
        virt_off += done;
        len -= done;
    }
    return ret;
}

/* Write zeroes as data to part of a cluster that the backing file shows through. */
static int zero_part_of_cluster(struct qed_writer *writer, uint64_t virt_off, uint64_t len,
                                uint64_t *done, struct qed_error *error)
{
    const struct qed_geometry *g = &writer->image->geometry;
    uint64_t left = g->cluster_size - qed_offset_in_cluster(g, virt_off);
    size_t step = (size_t)min_u64(min_u64(len, left), ZERO_STEP);
    void *zeroes = calloc(1, step);
    int ret;

    if (!zeroes)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    ret = qed_writer_write(writer, virt_off, zeroes, step, error);
    free(zeroes);
    *done = step;
    return ret;
}

/* Make zero clusters of whole clusters, the last one up to the image's end; *done in bytes. */
static int zero_clusters(struct qed_writer *writer, uint64_t virt_off, uint64_t len,
                         uint64_t *done, struct qed_error *error)
{
    const struct qed_geometry *g = &writer->image->geometry;
    uint64_t count = min_u64(blocks_for(len, g->cluster_shift), clusters_left_in_l2(g, virt_off));

    *done = min_u64(len, count << g->cluster_shift);
    return set_entries(writer, virt_off, count, QED_ENTRY_ZERO, 0, error);
}

/* Zero the start of an unallocated run of len bytes over a backing file; *done in bytes. */
static int zero_over_backing(struct qed_writer *writer, uint64_t virt_off, uint64_t len,
                             uint64_t *done, struct qed_error *error)
{
    const struct qed_geometry *g = &writer->image->geometry;

    if (qed_offset_in_cluster(g, virt_off) == 0) {
        if (virt_off + len == g->image_size)
            return zero_clusters(writer, virt_off, len, done, error);
        if (len >= g->cluster_size)
            return zero_clusters(writer, virt_off, round_down(len, g->cluster_size), done, error);
    }
    return zero_part_of_cluster(writer, virt_off, len, done, error);
}

int qed_writer_zero(struct qed_writer *writer, uint64_t virt_off, uint64_t len,
                    struct qed_error *error)
{
    int ret = check_range(writer, virt_off, len, error);

    while (ret == QED_OK && len > 0) {
        struct extent run;
        uint64_t done;

        ret = qed_lookup_run(writer->image, virt_off, len, &run, error);
        if (ret < 0)
            break;
        done = run.length;
        if (run.kind == EXTENT_DATA)
            ret = io_zero(writer->image->io, run.file_off, run.length, error);
        else if (run.kind == EXTENT_UNALLOCATED && writer->read_below)
            ret = zero_over_backing(writer, virt_off, run.length, &done, error);
        virt_off += done;
        len -= done;
    }
    return ret;
}

int qed_writer_flush(struct qed_writer *writer, struct qed_error *error)
{
    int ret = write_back(writer, error);

    return ret < 0 ? ret : io_flush(writer->image->io, error);
}

int qed_writer_finish(struct qed_writer *writer, struct qed_error *error)
{
    int ret = qed_writer_flush(writer, error);

    return ret < 0 ? ret : qed_set_need_check(writer->image, false, error);
}
