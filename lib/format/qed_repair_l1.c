/*
 * L1 entries: those that are invalid, and those whose tables lie on each other or on what is no
 * table. An L1 entry is the only way to up to 2 GiB of guest data, so before one is cleared, a
 * table that nothing refers to and that is one flipped bit away is looked for.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_repair_state.h"

/* So many misaligned entries are no chance: a table at the wrong place, or overwritten. */
#define MISALIGNED_MANY 8

struct l1 {
    struct repair *repair;
    struct qed_scan_list valid; /* entries that name a place where a table can be */
};

/* An entry that is to be replaced, and what its table looked like; look is all zero for none. */
struct suspect {
    uint64_t entry;
    struct table_look look;
};

/* Whether a range is used by more than the table that is about to be dropped. */
static bool in_use_besides(const struct repair *repair, const struct suspect *suspect,
                           uint64_t file_off)
{
    uint64_t len = repair->geometry->table_bytes;
    uint64_t end = file_off + len, bad = suspect->entry;

    if (!qed_table_offset_valid(repair->geometry, bad) || bad + len <= file_off || end <= bad)
        return repair_in_use(repair, file_off, len);
    return bad > file_off ? repair_in_use(repair, file_off, bad - file_off)
                          : bad < file_off && repair_in_use(repair, bad + len, end - bad - len);
}

/*
 * Whether a lost table is at file_off: every entry names a cluster that nothing else does, but for
 * what the suspect has marked: its own place, and a cluster for each entry that looks valid.
 */
static int is_lost_table(struct repair *repair, const struct suspect *suspect, uint64_t file_off,
                         bool *is, struct qed_error *error)
{
    const struct table_look *bad = &suspect->look;
    struct table_look look;
    int ret;

    *is = false;
    if (!qed_table_offset_valid(repair->geometry, file_off) ||
        in_use_besides(repair, suspect, file_off) || repair->looks == 0)
        return QED_OK;
    repair->looks--;
    ret = repair_look(repair, file_off, &look, error);
    *is = ret == QED_OK && look.entries > 0 && look.wrong == 0 &&
          look.owned <= bad->entries - bad->wrong + repair->geometry->table_size * (bad->wrong > 0);
    return ret;
}

/* The one lost table that is one bit away from the entry; 0 for none, or more than one. */
static int find_unflipped(struct repair *repair, const struct suspect *suspect, uint64_t *found,
                          struct qed_error *error)
{
    *found = 0;
    for (unsigned int bit = repair->geometry->cluster_shift; bit < 63; bit++) {
        uint64_t candidate = suspect->entry ^ UINT64_C(1) << bit;
        bool is;
        int ret = is_lost_table(repair, suspect, candidate, &is, error);

        if (ret < 0)
            return ret;
        if (is && *found) {
            *found = 0;
            return QED_OK;
        }
        if (is)
            *found = candidate;
    }
    return QED_OK;
}

static int set_l1_entry(struct repair *repair, const struct problem *problem, uint64_t value,
                        enum problem_action action, struct qed_error *error)
{
    const struct qed_geometry *g = repair->geometry;
    int ret;

    repair->l1_blocked = repair->l1_waits;
    if (repair->l1_waits)
        return repair_report(repair, problem, ACTION_LEAVE, error);
    ret = repair_set_entry(repair, problem, g->l1_table_offset, value, action, error);
    return ret == QED_OK && value ? repair_claim(repair, value, g->table_bytes, error) : ret;
}

/* Put the entry right where one flipped bit explains it, else clear it. */
static int unflip_or_clear(struct repair *repair, enum problem_id id, uint64_t l1_index,
                           uint64_t entry, struct qed_error *error)
{
    struct problem problem = qed_check_l1_problem(repair->geometry, id, l1_index, entry);
    struct suspect suspect = {.entry = entry};
    uint64_t unflipped;
    int ret = QED_OK;

    if (qed_table_offset_valid(repair->geometry, entry))
        ret = repair_look(repair, entry, &suspect.look, error);
    if (ret == QED_OK)
        ret = find_unflipped(repair, &suspect, &unflipped, error);
    if (ret < 0)
        return ret;
    return set_l1_entry(repair, &problem, unflipped, unflipped ? ACTION_UNFLIP : ACTION_CLEAR,
                        error);
}

/* Whether the entry without its low bits names a table that nothing else lays claim to. */
static int can_mask(struct repair *repair, uint64_t masked, bool *can, struct qed_error *error)
{
    const struct qed_geometry *g = repair->geometry;
    struct table_look look;
    int ret;

    *can = false;
    if (!qed_table_offset_valid(g, masked) || repair_in_use(repair, masked, g->table_bytes))
        return QED_OK;
    ret = repair_look(repair, masked, &look, error);
    *can = ret == QED_OK && !repair_look_is_nonsense(&look);
    return ret;
}

static int repair_invalid(struct repair *repair, enum problem_id id, uint64_t l1_index,
                          uint64_t entry, struct qed_error *error)
{
    const struct qed_geometry *g = repair->geometry;
    uint64_t masked = round_down(entry, g->cluster_size);
    struct problem problem = qed_check_l1_problem(g, id, l1_index, entry);
    bool can;
    int ret;

    /* To be extended in a later round, unless somebody else owns what is there. */
    if (id == PROBLEM_L1_CUT_SHORT &&
        (entry >= g->file_end || !repair_in_use(repair, entry, g->file_end - entry)))
        return QED_OK;
    if (id == PROBLEM_L1_LOW_BITS || id == PROBLEM_L1_UNALIGNED) {
        ret = can_mask(repair, masked, &can, error);
        if (ret < 0)
            return ret;
        if (can)
            return set_l1_entry(repair, &problem, masked, ACTION_MASK, error);
    }
    return unflip_or_clear(repair, id, l1_index, entry, error);
}

static int l1_piece(void *context, const struct qed_scan_piece *piece, struct qed_error *error)
{
    struct l1 *l1 = context;
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < piece->count; i++) {
        uint64_t entry = piece->entries[i], index = piece->first_index + i;
        enum problem_id id;

        if (entry == QED_ENTRY_UNALLOCATED)
            continue;
        id = qed_check_l1_entry(l1->repair->geometry, entry);
        if (id == PROBLEM_COUNT)
            ret = qed_scan_list_add(&l1->valid, index, entry, error);
        else
            ret = repair_invalid(l1->repair, id, index, entry, error);
    }
    return ret;
}

size_t repair_place_end(const struct qed_scan_list *list, size_t first)
{
    size_t end = first + 1;

    while (end < list->count && list->tables[end].file_off == list->tables[first].file_off)
        end++;
    return end;
}

int repair_drop_place(struct repair *repair, const struct qed_scan_list *list, size_t first,
                      size_t end, enum problem_id id, struct qed_error *error)
{
    int ret = QED_OK;

    for (size_t i = first; ret == QED_OK && i < end; i++)
        ret =
            unflip_or_clear(repair, id, list->tables[i].l1_index, list->tables[i].file_off, error);
    return ret;
}

/* Whether all that it holds is read the same when the L1 entry is cleared. */
static bool holds_nothing(const struct repair *repair, const struct table_look *look)
{
    return repair_look_good(look) == 0 && (look->zeroes == 0 || !repair->image->backing_name);
}

/*
 * What is no table: where data entries name its clusters, it is theirs; where it holds nothing,
 * nothing is lost with it. Else the valid entries are kept, the others cleared later. An empty one
 * on somebody's data, or one of which much is nonsense, may be a flipped entry.
 */
static int judge_table(struct repair *repair, const struct qed_scan_list *list, size_t first,
                       size_t end, struct qed_error *error)
{
    const struct qed_geometry *g = repair->geometry;
    const struct qed_scan_table *table = &list->tables[first];
    uint64_t cluster = table->file_off >> g->cluster_shift, unflipped = 0;
    bool shared = bitmap_any_set(repair->found->shared, cluster, cluster + g->table_size);
    struct problem problem =
        qed_check_l1_problem(g, PROBLEM_L1_NOT_A_TABLE, table->l1_index, table->file_off);
    struct suspect suspect = {.entry = table->file_off};
    const struct table_look *look = &suspect.look;
    int ret = repair_look(repair, table->file_off, &suspect.look, error);

    if (ret < 0)
        return ret;
    if (end - first > 1) /* shared by L1 entries: copies of nonsense help nobody */
        return repair_look_is_nonsense(look)
                   ? repair_drop_place(repair, list, first + 1, end, PROBLEM_L1_SAME_TABLE, error)
                   : QED_OK;
    if (look->misaligned - look->mendable >= MISALIGNED_MANY || (shared && look->entries == 0))
        ret = find_unflipped(repair, &suspect, &unflipped, error);
    if (ret < 0)
        return ret;
    if (unflipped)
        return set_l1_entry(repair, &problem, unflipped, ACTION_UNFLIP, error);
    if ((repair_look_is_nonsense(look) && shared) ||
        (holds_nothing(repair, look) && look->entries > 0 &&
         (shared || repair_look_is_nonsense(look))))
        return repair_drop_place(repair, list, first, end, PROBLEM_L1_NOT_A_TABLE, error);
    return QED_OK;
}

static bool has_invalid_entries(const struct repair *repair, uint64_t file_off)
{
    return qed_scan_list_find(&repair->found->damaged, file_off) != NULL;
}

static int judge_tables(struct repair *repair, const struct qed_scan_list *list,
                        struct qed_error *error)
{
    const struct qed_geometry *g = repair->geometry;
    size_t next;
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < list->count; i = next) {
        uint64_t cluster = list->tables[i].file_off >> g->cluster_shift;

        next = repair_place_end(list, i);
        if (has_invalid_entries(repair, list->tables[i].file_off) ||
            bitmap_any_set(repair->found->shared, cluster, cluster + g->table_size))
            ret = judge_table(repair, list, i, next, error);
    }
    return ret;
}

int repair_l1(struct repair *repair, struct qed_error *error)
{
    struct l1 l1 = {.repair = repair};
    int ret = qed_scan_l1(repair->image, l1_piece, &l1, error);

    qed_scan_list_sort(&l1.valid);
    if (ret == QED_OK && !repair->planned && !repair->l1_blocked)
        ret = repair_overlaps(repair, &l1.valid, error);
    if (ret == QED_OK && !repair->planned && !repair->l1_blocked)
        ret = judge_tables(repair, &l1.valid, error);
    qed_scan_list_free(&l1.valid);
    return ret;
}
