/*
 * The check in passes: the L1 table, which marks where all tables are; every L2 table, counting
 * and marking, on all cores; then, where there is something to name, the tables concerned once
 * more in order. So a data entry on a live table is found whichever of the two comes first, a
 * table's clusters are never called leaks, and reports do not depend on the threads.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_check.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/text.h"
#include "format/qed_check_state.h"
#include "format/qed_intent.h"

enum problem_id qed_check_l1_entry(const struct qed_geometry *geometry, uint64_t entry)
{
    if (entry % QED_CLUSTER_SIZE_MIN != 0)
        return PROBLEM_L1_LOW_BITS;
    if (!qed_cluster_aligned(geometry, entry))
        return PROBLEM_L1_UNALIGNED;
    if (entry < geometry->header_bytes)
        return PROBLEM_L1_IN_HEADER;
    if (qed_table_offset_valid(geometry, entry))
        return PROBLEM_COUNT;
    return entry < geometry->file_length ? PROBLEM_L1_CUT_SHORT : PROBLEM_L1_PAST_END;
}

enum problem_id qed_check_l2_entry(const struct qed_geometry *geometry, uint64_t entry)
{
    if (entry % QED_CLUSTER_SIZE_MIN != 0)
        return PROBLEM_L2_LOW_BITS;
    if (!qed_cluster_aligned(geometry, entry))
        return PROBLEM_L2_UNALIGNED;
    if (entry < geometry->header_bytes)
        return PROBLEM_L2_IN_HEADER;
    if (qed_data_offset_valid(geometry, entry))
        return PROBLEM_COUNT;
    return entry < geometry->file_length ? PROBLEM_L2_CUT_SHORT : PROBLEM_L2_PAST_END;
}

void check_found(struct check *check, const struct problem *problem)
{
    enum problem_severity severity = problem_kind(problem->id)->severity;

    if (severity == SEVERITY_CORRUPTION)
        check->result->totals.corruptions += problem->clusters;
    else if (severity == SEVERITY_LEAK)
        check->result->totals.leaks += problem->clusters;
    problem_list_add(&check->result->problems, problem);
}

struct problem qed_check_l1_problem(const struct qed_geometry *g, enum problem_id id,
                                    uint64_t l1_index, uint64_t entry)
{
    struct problem problem = {.id = id,
                              .has_l1_index = true,
                              .l1_index = l1_index,
                              .has_value = true,
                              .value = entry,
                              .file_off = entry,
                              .file_len = g->table_bytes,
                              .clusters = 1};

    if (l1_index < qed_l1_entries_used(g)) {
        problem.virt_off = qed_virt_off(g, l1_index, 0);
        problem.virt_len =
            min_u64(UINT64_C(1) << qed_l2_span_shift(g), g->image_size - problem.virt_off);
    }
    return problem;
}

struct problem qed_check_l2_problem(const struct qed_geometry *g, enum problem_id id,
                                    uint64_t l1_index, uint64_t l2_index, uint64_t entry)
{
    struct problem problem = qed_check_l1_problem(g, id, l1_index, entry);
    uint64_t in_table = l2_index << g->cluster_shift;

    problem.has_l2_index = true;
    problem.l2_index = l2_index;
    problem.file_len = g->cluster_size;
    if (in_table < problem.virt_len) {
        problem.virt_off += in_table;
        problem.virt_len = min_u64(g->cluster_size, problem.virt_len - in_table);
    } else {
        problem.virt_off = problem.virt_len = 0;
    }
    return problem;
}

int check_mark(struct check *check, uint64_t file_off, uint64_t clusters, uint64_t *already)
{
    uint64_t first = file_off >> check->geometry->cluster_shift;
    uint64_t ignored;
    int ret = bitmap_set_range(check->used, first, clusters, already);

    if (ret < 0 || !*already)
        return ret;
    /*
     * Which of several were set before is not known any more. To take all of them for repeated
     * costs the later passes a look at a few more entries, and no more than that.
     */
    return bitmap_set_range(check->repeated, first, clusters, &ignored);
}

/* A page that cannot be read is as good as a damaged one. */
static void check_intent(struct check *check)
{
    const struct qed_image *image = check->image;
    struct qed_intent intent;
    bool valid;

    if (!(image->header.autoclear_features & QED_AUTOCLEAR_INTENT))
        return;
    if (qed_intent_read(&intent, &valid, image->io, &image->header, &image->geometry, NULL) < 0 ||
        !valid)
        check_found(check, &(struct problem){.id = PROBLEM_INTENT});
}

static int check_header(struct check *check, struct qed_error *error)
{
    const struct qed_image *image = check->image;
    const struct qed_header *header = &image->header;
    int ret = io_get_length(image->io, &check->file_length, error);

    if (ret < 0)
        return ret;
    if (header->features & QED_FEATURE_NEED_CHECK)
        check_found(check, &(struct problem){.id = PROBLEM_DIRTY});
    if (header->autoclear_features & ~QED_AUTOCLEAR_KNOWN)
        check_found(check, &(struct problem){.id = PROBLEM_AUTOCLEAR,
                                             .has_value = true,
                                             .value = header->autoclear_features});
    check_intent(check);
    if (header->features & QED_FEATURE_BACKING_FILE &&
        (!image->backing_name || text_has_control_byte(image->backing_name)))
        check_found(check, &(struct problem){.id = PROBLEM_BACKING_NAME});
    if (!(header->features & QED_FEATURE_BACKING_FILE) &&
        header->features & QED_FEATURE_BACKING_NO_PROBE)
        check_found(check, &(struct problem){.id = PROBLEM_BACKING_FLAGS});
    if (check->file_length > check->geometry->file_end)
        check_found(check,
                    &(struct problem){.id = PROBLEM_FILE_LENGTH,
                                      .file_off = check->geometry->file_end,
                                      .file_len = check->file_length - check->geometry->file_end});
    return QED_OK;
}

static int count_l1_piece(void *context, const struct qed_scan_piece *piece,
                          struct qed_error *error)
{
    struct check *check = context;

    (void)error;
    for (size_t i = 0; i < piece->count; i++) {
        check->l1_entries += piece->entries[i] != 0;
        check->l1_misaligned += !qed_cluster_aligned(check->geometry, piece->entries[i]);
    }
    return QED_OK;
}

static bool overlaps(const struct qed_geometry *g, uint64_t a, uint64_t b)
{
    return a < b + g->table_bytes && b < a + g->table_bytes;
}

static int check_l1_entry(struct check *check, uint64_t l1_index, uint64_t entry,
                          struct qed_error *error)
{
    enum problem_id id = qed_check_l1_entry(check->geometry, entry);
    struct problem problem;

    if (id != PROBLEM_COUNT) {
        problem = qed_check_l1_problem(check->geometry, id, l1_index, entry);
        check_found(check, &problem);
        return QED_OK;
    }
    if (l1_index >= qed_l1_entries_used(check->geometry)) {
        problem = qed_check_l1_problem(check->geometry, PROBLEM_L1_PAST_SIZE, l1_index, entry);
        problem.clusters = 0;
        check->l1_past_size++;
        check_found(check, &problem);
    }
    return qed_scan_list_add(&check->all, l1_index, entry, error);
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

/* What a table that lies on clusters of tables before it is, and whose they are. */
static void classify_overlap(const struct check *check, const struct qed_scan_list *sorted,
                             struct problem *problem)
{
    const struct qed_geometry *g = check->geometry;
    const struct qed_scan_table *other = qed_scan_list_find(sorted, problem->value);

    problem->other = OWNER_L2_TABLE;
    if (overlaps(g, problem->value, g->l1_table_offset)) {
        problem->id = PROBLEM_L1_ON_L1;
        problem->other = OWNER_L1_TABLE;
        return;
    }
    if (other->l1_index < problem->l1_index) {
        problem->id = PROBLEM_L1_SAME_TABLE;
        problem->other_l1_index = other->l1_index;
        return;
    }
    problem->id = PROBLEM_L1_OVERLAP;
    problem->other_l1_index = UINT64_MAX;
    for (uint64_t distance = g->cluster_size; distance < g->table_bytes;
         distance += g->cluster_size) {
        other = qed_scan_list_find(sorted, problem->value - distance);
        if (other)
            problem->other_l1_index = min_u64(problem->other_l1_index, other->l1_index);
        other = qed_scan_list_find(sorted, problem->value + distance);
        if (other)
            problem->other_l1_index = min_u64(problem->other_l1_index, other->l1_index);
    }
}

/* Mark the tables in L1 order, and part those that can be read from those that overlap them. */
static int mark_tables(struct check *check, const struct qed_scan_list *sorted,
                       struct qed_error *error)
{
    const struct qed_geometry *g = check->geometry;
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < check->all.count; i++) {
        const struct qed_scan_table *table = &check->all.tables[i];
        struct problem problem;
        uint64_t already, ignored;

        if (check_mark(check, table->file_off, g->table_size, &already) < 0 ||
            bitmap_set_range(check->tables, table->file_off >> g->cluster_shift, g->table_size,
                             &ignored) < 0)
            return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
        if (!already) {
            ret = qed_scan_list_add(&check->list, table->l1_index, table->file_off, error);
            continue;
        }
        problem =
            qed_check_l1_problem(check->geometry, PROBLEM_COUNT, table->l1_index, table->file_off);
        problem.clusters = already;
        check->l1_overlapping++;
        classify_overlap(check, sorted, &problem);
        check_found(check, &problem);
        /* Once for each place, however many entries name it. */
        if (qed_scan_list_find(sorted, table->file_off)->l1_index == table->l1_index)
            ret = qed_scan_list_add(&check->others, table->l1_index, table->file_off, error);
    }
    qed_scan_list_sort(&check->list);
    qed_scan_list_sort(&check->others);
    return ret;
}

static int sort_and_mark_tables(struct check *check, struct qed_error *error)
{
    const struct qed_geometry *g = check->geometry;
    struct qed_scan_list sorted = {0};
    uint64_t already;
    int ret = QED_OK;

    if (check_mark(check, g->l1_table_offset, g->table_size, &already) < 0 ||
        bitmap_set_range(check->tables, g->l1_table_offset >> g->cluster_shift, g->table_size,
                         &already) < 0)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    for (size_t i = 0; ret == QED_OK && i < check->all.count; i++)
        ret = qed_scan_list_add(&sorted, check->all.tables[i].l1_index,
                                check->all.tables[i].file_off, error);
    qed_scan_list_sort(&sorted);
    if (ret == QED_OK)
        ret = mark_tables(check, &sorted, error);
    qed_scan_list_free(&sorted);
    return ret;
}

/* Drop all findings but the one that explains them. */
static void report_nonsense(struct check *check, enum problem_id id)
{
    struct qed_check_result *result = check->result;
    size_t limit = result->problems.limit;

    problem_list_release(&result->problems);
    problem_list_init(&result->problems, limit);
    result->totals.corruptions = result->totals.leaks = result->totals.orphans = 0;
    result->makes_sense = false;
    check_found(check, &(struct problem){.id = id,
                                         .file_off = check->geometry->l1_table_offset,
                                         .file_len = check->geometry->table_bytes,
                                         .clusters = 1});
}

static int unchanged_length(struct check *check, struct qed_error *error)
{
    uint64_t length;
    int ret = io_get_length(check->image->io, &length, error);

    if (ret < 0 || length == check->file_length || check->file_length == UINT64_MAX)
        return ret;
    return qed_fail(error, QED_ERR_CHANGED,
                    "the file %s from %" PRIu64 " to %" PRIu64
                    " bytes while it was checked: something else writes to it",
                    length > check->file_length ? "grew" : "shrank", check->file_length, length);
}

/* Remember which tables a repair has to go through. */
static int list_damaged(struct check *check, struct qed_error *error)
{
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < check->list.count; i++) {
        const struct table_state *state = &check->states[i];

        if (state->invalid)
            ret = qed_scan_list_add(&check->result->damaged, check->list.tables[i].l1_index,
                                    check->list.tables[i].file_off, error);
    }
    return ret;
}

static int check_passes(struct check *check, struct qed_error *error)
{
    enum problem_id nonsense = PROBLEM_COUNT;
    int ret = check_header(check, error);

    if (ret == QED_OK)
        ret = qed_scan_l1(check->image, count_l1_piece, check, error);
    if (ret < 0)
        return ret;
    if (!check->is_trusted && qed_check_is_nonsense(check->l1_entries, check->l1_misaligned)) {
        report_nonsense(check, PROBLEM_L1_NONSENSE);
        return QED_OK;
    }
    ret = qed_scan_l1(check->image, check_l1_piece, check, error);
    if (ret == QED_OK)
        ret = sort_and_mark_tables(check, error);
    if (ret == QED_OK && !check->is_trusted && check_l1_is_nonsense(check)) {
        report_nonsense(check, PROBLEM_L1_NONSENSE);
        return QED_OK;
    }
    if (ret == QED_OK)
        ret = check_count_tables(check, error);
    if (ret == QED_OK && !check->is_trusted)
        ret = check_sense(check, &nonsense, error);
    if (ret < 0)
        return ret;
    if (nonsense != PROBLEM_COUNT) {
        report_nonsense(check, nonsense);
        return QED_OK;
    }
    ret = check_name_problems(check, error);
    if (ret == QED_OK)
        ret = check_leaks(check, error);
    return ret < 0 ? ret : list_damaged(check, error);
}

/* What a repair needs goes into the result, the rest is released. */
static void check_end(struct check *check)
{
    check->result->used = check->used;
    check->result->tables = check->tables;
    check->result->shared = check->repeated;
    qed_scan_list_free(&check->all);
    qed_scan_list_free(&check->list);
    qed_scan_list_free(&check->others);
    free(check->states);
    free(check->counts);
}

static int run_check(struct qed_image *image, const struct qed_scan_options *options, size_t limit,
                     bool is_trusted, struct qed_check_result *result, struct qed_error *error)
{
    const struct qed_geometry *g = &image->geometry;
    uint64_t clusters = g->file_end >> g->cluster_shift;
    struct check check = {.image = image,
                          .geometry = g,
                          .options = options,
                          .result = result,
                          .is_trusted = is_trusted,
                          .file_length = UINT64_MAX,
                          .used = bitmap_new(clusters),
                          .tables = bitmap_new(clusters),
                          .repeated = bitmap_new(clusters)};
    int ret, length_ret;

    *result = (struct qed_check_result){.makes_sense = true, .is_marked = qed_needs_check(image)};
    result->totals.cluster_size = g->cluster_size;
    result->totals.total_clusters = blocks_for(g->image_size, g->cluster_shift);
    problem_list_init(&result->problems, limit);
    if (check.used && check.tables && check.repeated)
        ret = check_passes(&check, error);
    else
        ret = qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    problem_list_sort(&result->problems);
    /* A changed file explains every other failure. */
    length_ret = ret == QED_ERR_STOPPED ? QED_OK : unchanged_length(&check, error);
    check_end(&check);
    return length_ret < 0 ? length_ret : ret;
}

int qed_check(struct qed_image *image, const struct qed_scan_options *options, size_t limit,
              struct qed_check_result *result, struct qed_error *error)
{
    return run_check(image, options, limit, false, result, error);
}

int qed_check_again(struct qed_image *image, const struct qed_scan_options *options, size_t limit,
                    struct qed_check_result *result, struct qed_error *error)
{
    return run_check(image, options, limit, true, result, error);
}

void qed_check_release(struct qed_check_result *result)
{
    problem_list_release(&result->problems);
    qed_scan_list_free(&result->damaged);
    qed_scan_list_free(&result->touching);
    bitmap_free(result->used);
    bitmap_free(result->tables);
    bitmap_free(result->shared);
    result->used = result->tables = result->shared = NULL;
}
