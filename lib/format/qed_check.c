/*
 * Two passes: the L1 table, which marks where all tables are; then every L2 table, whose entries
 * are held against that and against each other. So a data entry on a live table is found whichever
 * of the two comes first, and a table's clusters are never called leaks. The state is two bitmaps
 * of host clusters: in use, and in use by a table.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_check.h"

#include "format/qed_scan.h"

struct check {
    struct qed_image *image;
    const struct qed_geometry *geometry;
    struct qed_check_totals *totals;
    problem_fn *report;
    void *context;
    struct bitmap *used, *tables;
    struct bitmap *shared;     /* the caller's; may be NULL */
    struct qed_scan_list list; /* every L2 table that can be scanned, in L1 order */
    uint64_t last_l1_index;  /* of the L2 piece before, with */
    uint64_t last_data_entry; /* its last data entry, 0 for none; for the fragmentation count */
};

enum problem_id qed_check_l1_entry(const struct qed_geometry *geometry, uint64_t entry)
{
    if (!qed_cluster_aligned(geometry, entry))
        return PROBLEM_L1_UNALIGNED;
    if (entry < geometry->header_bytes)
        return PROBLEM_L1_IN_HEADER;
    return qed_table_offset_valid(geometry, entry) ? PROBLEM_COUNT : PROBLEM_L1_PAST_END;
}

enum problem_id qed_check_l2_entry(const struct qed_geometry *geometry, uint64_t entry)
{
    if (!qed_cluster_aligned(geometry, entry))
        return PROBLEM_L2_UNALIGNED;
    if (entry < geometry->header_bytes)
        return PROBLEM_L2_IN_HEADER;
    return qed_data_offset_valid(geometry, entry) ? PROBLEM_COUNT : PROBLEM_L2_PAST_END;
}

static void found(struct check *check, const struct problem *problem)
{
    const struct problem_kind *kind = problem_kind(problem->id);

    if (kind->severity == SEVERITY_CORRUPTION) {
        check->totals->corruptions += problem->clusters;
    } else if (kind->severity == SEVERITY_LEAK) {
        check->totals->leaks += problem->clusters;
    }
    if (check->report)
        check->report(check->context, problem);
}

static void found_l1(struct check *check, enum problem_id id, uint64_t l1_index, uint64_t entry,
                     uint64_t clusters)
{
    const struct qed_geometry *g = check->geometry;
    struct problem problem = {.id = id,
                              .has_l1_index = true,
                              .l1_index = l1_index,
                              .entry = entry,
                              .file_off = entry,
                              .file_len = g->table_bytes,
                              .clusters = clusters};

    if (l1_index < qed_l1_entries_used(g)) {
        problem.virt_off = qed_virt_off(g, l1_index, 0);
        problem.virt_len = min_u64(UINT64_C(1) << qed_l2_span_shift(g),
                                   g->image_size - problem.virt_off);
    }
    found(check, &problem);
}

static void found_l2(struct check *check, enum problem_id id, uint64_t l1_index,
                     uint64_t l2_index, uint64_t entry)
{
    const struct qed_geometry *g = check->geometry;
    struct problem problem = {.id = id,
                              .has_l1_index = true,
                              .has_l2_index = true,
                              .l1_index = l1_index,
                              .l2_index = l2_index,
                              .entry = entry,
                              .file_off = entry,
                              .file_len = g->cluster_size,
                              .clusters = 1};
    uint64_t virt_off;

    if (l1_index < qed_l1_entries_used(g)) {
        virt_off = qed_virt_off(g, l1_index, l2_index);
        if (virt_off < g->image_size) {
            problem.virt_off = virt_off;
            problem.virt_len = min_u64(g->cluster_size, g->image_size - virt_off);
        }
    }
    found(check, &problem);
}

/* Mark clusters from file_off on as used, and as a table's; *already counts those that were. */
static int mark(struct check *check, uint64_t file_off, bool is_table, uint64_t *already,
                struct qed_error *error)
{
    uint64_t cluster = file_off >> check->geometry->cluster_shift;
    uint64_t count = is_table ? check->geometry->table_size : 1;
    uint64_t ignored;
    int ret = bitmap_set_range(check->used, cluster, count, already);

    if (ret == QED_OK && is_table)
        ret = bitmap_set_range(check->tables, cluster, count, &ignored);
    if (ret == QED_OK && *already && check->shared)
        ret = bitmap_set_range(check->shared, cluster, count, &ignored);
    return ret < 0 ? qed_fail(error, ret, "out of memory") : QED_OK;
}

static bool overlaps_l1_table(const struct qed_geometry *g, uint64_t file_off)
{
    return file_off < g->l1_table_offset + g->table_bytes &&
           g->l1_table_offset < file_off + g->table_bytes;
}

static int check_l1_entry(struct check *check, uint64_t l1_index, uint64_t entry,
                          struct qed_error *error)
{
    const struct qed_geometry *g = check->geometry;
    enum problem_id id = qed_check_l1_entry(g, entry);
    uint64_t already;
    int ret;

    if (id != PROBLEM_COUNT) {
        found_l1(check, id, l1_index, entry, 1);
        return QED_OK;
    }
    ret = mark(check, entry, true, &already, error);
    if (ret < 0)
        return ret;
    if (already)
        found_l1(check, overlaps_l1_table(g, entry) ? PROBLEM_L1_ON_L1 : PROBLEM_L1_SHARED,
                 l1_index, entry, already);
    /* A table whose every cluster was taken is read as what it overlaps. */
    if (already < g->table_size)
        ret = qed_scan_list_add(&check->list, l1_index, entry, error);
    return ret;
}

static int check_l1_piece(void *context, const struct qed_scan_piece *piece,
                          struct qed_error *error)
{
    struct check *check = context;

    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < piece->count; i++) {
        if (piece->entries[i] != QED_ENTRY_UNALLOCATED)
            ret = check_l1_entry(check, piece->first_index + i, piece->entries[i], error);
    }
    return ret;
}

static int check_l2_entry(struct check *check, uint64_t l1_index, uint64_t l2_index,
                          uint64_t entry, struct qed_error *error)
{
    const struct qed_geometry *g = check->geometry;
    enum problem_id id = qed_check_l2_entry(g, entry);
    uint64_t already;
    int ret;

    check->totals->allocated_clusters++;
    if (check->last_data_entry && check->last_data_entry + g->cluster_size != entry)
        check->totals->fragmented_clusters++;
    check->last_data_entry = entry;
    if (id != PROBLEM_COUNT) {
        found_l2(check, id, l1_index, l2_index, entry);
        return QED_OK;
    }
    ret = mark(check, entry, false, &already, error);
    if (ret == QED_OK && already) {
        bool on_table = bitmap_test(check->tables, entry >> g->cluster_shift);

        found_l2(check, on_table ? PROBLEM_L2_ON_TABLE : PROBLEM_L2_SHARED, l1_index, l2_index,
                 entry);
    }
    return ret;
}

static int check_l2_piece(void *context, const struct qed_scan_piece *piece,
                          struct qed_error *error)
{
    struct check *check = context;
    int ret = QED_OK;

    if (piece->table->l1_index != check->last_l1_index)
        check->last_data_entry = 0;
    check->last_l1_index = piece->table->l1_index;
    for (size_t i = 0; ret == QED_OK && i < piece->count; i++) {
        if (piece->entries[i] > QED_ENTRY_ZERO)
            ret = check_l2_entry(check, piece->table->l1_index, piece->first_index + i,
                                 piece->entries[i], error);
    }
    return ret;
}

static int check_header(struct check *check, struct qed_error *error)
{
    const struct qed_header *header = &check->image->header;
    uint64_t length;
    int ret = io_get_length(check->image->io, &length, error);

    if (ret < 0)
        return ret;
    if (header->features & QED_FEATURE_NEED_CHECK)
        found(check, &(struct problem){.id = PROBLEM_DIRTY});
    if (header->autoclear_features & ~QED_AUTOCLEAR_KNOWN)
        found(check, &(struct problem){.id = PROBLEM_AUTOCLEAR,
                                       .entry = header->autoclear_features});
    if (length > check->geometry->file_end)
        found(check, &(struct problem){.id = PROBLEM_FILE_LENGTH,
                                       .file_off = check->geometry->file_end,
                                       .file_len = length - check->geometry->file_end});
    return QED_OK;
}

static void check_leaks(struct check *check)
{
    const struct qed_geometry *g = check->geometry;
    uint64_t end = bitmap_bit_count(check->used);
    uint64_t at = bitmap_next_clear(check->used, g->header_bytes >> g->cluster_shift);

    while (at < end) {
        uint64_t next = bitmap_next_set(check->used, at);

        found(check, &(struct problem){.id = PROBLEM_LEAK,
                                       .file_off = at << g->cluster_shift,
                                       .file_len = (next - at) << g->cluster_shift,
                                       .clusters = next - at});
        at = bitmap_next_clear(check->used, next);
    }
}

static int check_passes(struct check *check, struct qed_error *error)
{
    uint64_t already;
    int ret = check_header(check, error);

    if (ret == QED_OK)
        ret = mark(check, check->geometry->l1_table_offset, true, &already, error);
    if (ret == QED_OK)
        ret = qed_scan_l1(check->image, check_l1_piece, check, error);
    check->last_l1_index = UINT64_MAX;
    if (ret == QED_OK)
        ret = qed_scan_l2(check->image, &check->list, check_l2_piece, check, error);
    if (ret == QED_OK)
        check_leaks(check);
    return ret;
}

struct bitmap *qed_check_bitmap(const struct qed_image *image)
{
    return bitmap_new(image->geometry.file_end >> image->geometry.cluster_shift);
}

int qed_check(struct qed_image *image, struct qed_check_totals *totals, problem_fn *report,
              void *context, struct bitmap *shared, struct qed_error *error)
{
    const struct qed_geometry *g = &image->geometry;
    struct check check = {.image = image,
                          .geometry = g,
                          .totals = totals,
                          .report = report,
                          .context = context,
                          .used = qed_check_bitmap(image),
                          .tables = qed_check_bitmap(image),
                          .shared = shared};
    int ret;

    *totals = (struct qed_check_totals){
        .total_clusters = blocks_for(g->image_size, g->cluster_shift)};
    if (check.used && check.tables)
        ret = check_passes(&check, error);
    else
        ret = qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    bitmap_free(check.used);
    bitmap_free(check.tables);
    qed_scan_list_free(&check.list);
    return ret;
}
