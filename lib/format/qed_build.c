/*
 * Tables are gathered, and written side by side when there are many or at the end; of each only
 * what is not zero. L1 entries are kept until the end. SPDX-License-Identifier: MIT
 */
#include "format/qed_build.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/le.h"
#include "base/zero.h"
#include "format/qed_scan.h"

#define CLUSTER_BYTES_MAX ((uint32_t)1 << 20)
#define TABLE_BYTES_MAX ((uint64_t)8 << 20)
#define PAGE_BYTES ((size_t)4096)
#define ENTRY_BYTES sizeof(uint64_t)

struct gathered {
    uint64_t l1_index;
    uint8_t *entries; /* as they are stored; a table */
};

struct qed_build {
    struct qed_image *image;
    struct gathered *gathered; /* in L1 order */
    size_t count, most;
    uint64_t next; /* guest offset behind the last call's */
    struct qed_scan_list written; /* in L1 order */
};

bool qed_build_fits(const struct qed_geometry *geometry)
{
    return geometry->cluster_size <= CLUSTER_BYTES_MAX && geometry->table_bytes <= TABLE_BYTES_MAX;
}

int qed_build_new(struct qed_build **out, struct qed_image *image, struct qed_error *error)
{
    struct qed_build *build = calloc(1, sizeof(*build));

    if (build) {
        build->image = image;
        build->most = QED_BUILD_MEMORY / (size_t)image->geometry.table_bytes;
        build->gathered = calloc(build->most, sizeof(*build->gathered));
    }
    if (!build || !build->gathered) {
        free(build);
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    }
    *out = build;
    return QED_OK;
}

static void forget_gathered(struct qed_build *build)
{
    for (size_t i = 0; i < build->count; i++)
        free(build->gathered[i].entries);
    build->count = 0;
}

void qed_build_free(struct qed_build *build)
{
    if (!build)
        return;
    forget_gathered(build);
    free(build->gathered);
    qed_scan_list_free(&build->written);
    free(build);
}

/* Take clusters behind what was taken before, whatever length the file has by now. */
static int take(struct qed_build *build, uint64_t count, uint64_t *file_off,
                struct qed_error *error)
{
    struct qed_geometry *g = &build->image->geometry;
    uint64_t bytes, end;

    *file_off = g->file_end;
    if (!checked_mul(count, g->cluster_size, &bytes) || !checked_add(*file_off, bytes, &end) ||
        end > INT64_MAX)
        return qed_fail(error, QED_ERR_NO_SPACE, "the file cannot grow any longer");
    g->file_end = end;
    return QED_OK;
}

/* Write what is not zero of a table, in runs of pages. */
static int write_table(struct io *io, const uint8_t *entries, size_t len, uint64_t file_off,
                       struct qed_error *error)
{
    size_t at = 0;
    int ret = QED_OK;

    while (ret == QED_OK && at < len) {
        bool is_zero;
        size_t step = zero_run(entries + at, len - at, PAGE_BYTES, &is_zero);

        if (!is_zero)
            ret = io_write(io, entries + at, step, file_off + at, error);
        at += step;
    }
    return ret;
}

/* Write the gathered tables to the end of the file. */
static int write_gathered(struct qed_build *build, struct qed_error *error)
{
    const struct qed_geometry *g = &build->image->geometry;
    uint64_t file_off;
    int ret = take(build, build->count * g->table_size, &file_off, error);

    for (size_t i = 0; ret == QED_OK && i < build->count; i++) {
        ret = write_table(build->image->io, build->gathered[i].entries, (size_t)g->table_bytes,
                          file_off, error);
        if (ret == QED_OK)
            ret = qed_scan_list_add(&build->written, build->gathered[i].l1_index, file_off, error);
        file_off += g->table_bytes;
    }
    forget_gathered(build);
    return ret;
}

/* The table of an L1 entry, the last one or a new one. */
static int table_for(struct qed_build *build, uint64_t l1_index, uint8_t **entries,
                     struct qed_error *error)
{
    struct gathered *last = build->count ? &build->gathered[build->count - 1] : NULL;
    int ret;

    if (last && last->l1_index == l1_index) {
        *entries = last->entries;
        return QED_OK;
    }
    if (build->count == build->most) {
        ret = write_gathered(build, error);
        if (ret < 0)
            return ret;
    }
    *entries = calloc(1, (size_t)build->image->geometry.table_bytes);
    if (!*entries)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    build->gathered[build->count++] = (struct gathered){.l1_index = l1_index, .entries = *entries};
    return QED_OK;
}

/* Let entries be entry, entry + step, … */
static int set_entries(struct qed_build *build, uint64_t virt_off, uint64_t count, uint64_t entry,
                       uint64_t step, struct qed_error *error)
{
    const struct qed_geometry *g = &build->image->geometry;
    int ret = QED_OK;

    if (virt_off < build->next) /* its table may have been written already */
        return qed_fail(error, QED_ERR_INVALID, "clusters come out of the order of the guest");
    build->next = virt_off + (count << g->cluster_shift);
    while (ret == QED_OK && count > 0) {
        uint64_t index = qed_l2_index(g, virt_off);
        uint64_t here = min_u64(count, qed_entries(g) - index);
        uint8_t *entries;

        ret = table_for(build, qed_l1_index(g, virt_off), &entries, error);
        for (uint64_t i = 0; ret == QED_OK && i < here; i++, entry += step)
            le64_store(entries + (index + i) * ENTRY_BYTES, entry);
        virt_off += here << g->cluster_shift;
        count -= here;
    }
    return ret;
}

int qed_build_data(struct qed_build *build, uint64_t virt_off, uint64_t count, uint64_t *file_off,
                   struct qed_error *error)
{
    int ret = take(build, count, file_off, error);

    return ret < 0 ? ret
                   : set_entries(build, virt_off, count, *file_off,
                                 build->image->geometry.cluster_size, error);
}

int qed_build_zero(struct qed_build *build, uint64_t virt_off, uint64_t count,
                   struct qed_error *error)
{
    return set_entries(build, virt_off, count, QED_ENTRY_ZERO, 0, error);
}

static int write_l1(struct qed_build *build, struct qed_error *error)
{
    uint64_t l1_off = build->image->geometry.l1_table_offset;
    const struct qed_scan_list *written = &build->written;
    uint8_t page[PAGE_BYTES];
    size_t i = 0;
    int ret = QED_OK;

    while (ret == QED_OK && i < written->count) {
        uint64_t first = round_down(written->tables[i].l1_index, PAGE_BYTES / ENTRY_BYTES);

        memset(page, 0, sizeof(page));
        for (; i < written->count && written->tables[i].l1_index - first < PAGE_BYTES / ENTRY_BYTES;
             i++)
            le64_store(page + (written->tables[i].l1_index - first) * ENTRY_BYTES,
                       written->tables[i].file_off);
        ret = io_write(build->image->io, page, sizeof(page), l1_off + first * ENTRY_BYTES, error);
    }
    return ret;
}

int qed_build_finish(struct qed_build *build, struct qed_error *error)
{
    int ret = write_gathered(build, error);

    if (ret == QED_OK)
        ret = write_l1(build, error);
    return ret < 0 ? ret : io_set_length(build->image->io, build->image->geometry.file_end, error);
}
