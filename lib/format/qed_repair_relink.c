/*
 * Entries whose cluster can be told from their neighbours': writers allocate in order, so between
 * an entry that names cluster c and one, n entries on, that names cluster c + n, with clusters that
 * nothing refers to in between, stood entries that named just these.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_repair_state.h"

struct relinking {
    struct repair *repair;
    bool all;       /* entries that can be read, too: those that are empty or shared */
    bool only_look; /* for a first entry that could be replaced */
    bool found;
};

/* Whether an entry names the cluster after, or before, that of a neighbour in the piece. */
static bool is_in_sequence(const struct qed_geometry *g, const struct qed_scan_piece *piece,
                           size_t i)
{
    uint64_t entry = piece->entries[i];

    return (i > 0 && piece->entries[i - 1] == entry - g->cluster_size) ||
           (i + 1 < piece->count && piece->entries[i + 1] == entry + g->cluster_size);
}

/*
 * Whether an entry may be replaced: it cannot be read; or, with all, it is empty, or shares its
 * cluster and does not stand where a writer would have put it. That one stays: it is not even known
 * to share, for a run is marked as a whole.
 */
static bool is_suspect(const struct relinking *relinking, const struct qed_scan_piece *piece,
                       size_t i)
{
    const struct repair *repair = relinking->repair;
    const struct qed_geometry *g = repair->geometry;
    uint64_t entry = piece->entries[i];
    enum problem_id id;

    if (entry == QED_ENTRY_UNALLOCATED)
        return relinking->all;
    if (entry == QED_ENTRY_ZERO)
        return false;
    id = qed_check_l2_entry(g, entry);
    if (id != PROBLEM_COUNT)
        return id != PROBLEM_L2_CUT_SHORT;
    return relinking->all && bitmap_test(repair->found->shared, entry >> g->cluster_shift) &&
           !is_in_sequence(g, piece, i);
}

static enum problem_id problem_of(const struct repair *repair, uint64_t entry)
{
    enum problem_id id = qed_check_l2_entry(repair->geometry, entry);

    if (entry == QED_ENTRY_UNALLOCATED)
        return PROBLEM_L2_LOST;
    return id == PROBLEM_COUNT ? PROBLEM_L2_SHARED : id;
}

/* Let the entries [first, end) of the piece name the clusters from file_off on. */
static int relink(struct repair *repair, const struct qed_scan_piece *piece, size_t first,
                  size_t end, uint64_t file_off, struct qed_error *error)
{
    const struct qed_geometry *g = repair->geometry;
    int ret = repair_claim(repair, file_off, (uint64_t)(end - first) << g->cluster_shift, error);

    for (size_t i = first; ret == QED_OK && i < end; i++) {
        struct problem problem =
            qed_check_l2_problem(g, problem_of(repair, piece->entries[i]), piece->table->l1_index,
                                 piece->first_index + i, piece->entries[i]);
        uint64_t cluster = file_off + ((uint64_t)(i - first) << g->cluster_shift);

        /* An empty entry names nothing that could be shown. */
        if (problem.id == PROBLEM_L2_LOST)
            problem.file_off = cluster;
        ret = repair_set_entry(repair, &problem, piece->table->file_off, cluster, ACTION_RELINK,
                               error);
    }
    return ret;
}

/* Whether entries a and b name clusters that are n apart, with nothing but lost ones in between. */
static bool frames_lost(const struct repair *repair, uint64_t a, uint64_t b, size_t n)
{
    const struct qed_geometry *g = repair->geometry;

    return qed_data_offset_valid(g, a) && qed_data_offset_valid(g, b) && a < b &&
           (b - a) >> g->cluster_shift == n &&
           !repair_in_use(repair, a + g->cluster_size, b - a - g->cluster_size);
}

static int relink_piece(void *context, const struct qed_scan_piece *piece, struct qed_error *error)
{
    struct relinking *relinking = context;
    struct repair *repair = relinking->repair;
    size_t before = SIZE_MAX; /* the last entry that is not suspect */
    bool frames;
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < piece->count; i++) {
        if (is_suspect(relinking, piece, i))
            continue;
        frames = before != SIZE_MAX && i - before > 1 &&
                 frames_lost(repair, piece->entries[before], piece->entries[i], i - before);
        relinking->found = relinking->found || frames;
        if (frames && !relinking->only_look)
            ret = relink(repair, piece, before + 1, i,
                         piece->entries[before] + repair->geometry->cluster_size, error);
        before = i;
    }
    return ret;
}

static int relink_l1_piece(void *context, const struct qed_scan_piece *piece,
                           struct qed_error *error)
{
    struct relinking *relinking = context;
    struct repair *repair = relinking->repair;
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < piece->count; i++) {
        struct qed_scan_table table = {.l1_index = piece->first_index + i,
                                       .file_off = piece->entries[i]};
        bool is_read;

        if (!table.file_off ||
            qed_check_l1_entry(repair->geometry, table.file_off) != PROBLEM_COUNT)
            continue;
        ret = repair_is_read(repair, &table, &is_read, error);
        if (ret == QED_OK && !is_read)
            ret = qed_scan_table(repair->image, &table, relink_piece, relinking, error);
    }
    return ret;
}

int repair_relink(struct repair *repair, struct qed_error *error)
{
    const struct qed_check_result *found = repair->found;
    struct relinking relinking = {.repair = repair, .all = repair->options->adopt};

    /* What looks like a lost table may be one, with lost clusters around it. */
    if (!found->totals.leaks || found->totals.orphans)
        return QED_OK;
    if (relinking.all)
        return qed_scan_l1(repair->image, relink_l1_piece, &relinking, error);
    return repair_scan_damaged(repair, false, relink_piece, &relinking, error);
}

int repair_find_lost(struct repair *repair, bool *is_lost, struct qed_error *error)
{
    struct relinking relinking = {.repair = repair, .all = true, .only_look = true};
    int ret = qed_scan_l1(repair->image, relink_l1_piece, &relinking, error);

    *is_lost = relinking.found;
    return ret;
}
