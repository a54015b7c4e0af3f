/*
 * Names what the first pass has counted: the tables that had something invalid, or that touch a
 * cluster that is used more than once, are read again in (L1, L2) order. The first entry that
 * names a cluster is its owner, each later one a finding. The pass ends when as many findings are
 * kept as the report will show. A third pass looks for the owners of those shown.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include "format/qed_check_state.h"

struct naming {
    struct check *check;
    struct bitmap *seen;      /* of the repeated clusters, those that an entry before has named */
    bool only_repeated;       /* the table is none: its other entries were not counted */
    bool full;                /* nothing later in order would be kept */
    struct problem **unowned; /* kept findings that wait for their owner, by cluster */
    size_t unowned_count;
};

/* Keep a finding that was counted before. */
static void name_problem(struct naming *naming, const struct problem *problem)
{
    struct problem_list *list = &naming->check->result->problems;

    if (!problem_list_would_keep(list, problem)) {
        naming->full = true;
        return;
    }
    problem_list_add(list, problem);
    list->found--;
}

/* The table of a list in file order that lies on a cluster; NULL when there is none. */
static const struct qed_scan_table *table_on(const struct check *check,
                                             const struct qed_scan_list *list, uint64_t file_off)
{
    uint64_t table_bytes = check->geometry->table_bytes;
    size_t low = 0, high = list->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (list->tables[middle].file_off + table_bytes <= file_off)
            low = middle + 1;
        else
            high = middle;
    }
    return low < list->count && list->tables[low].file_off <= file_off ? &list->tables[low] : NULL;
}

/* Which table a data entry lies on. */
static void find_table_owner(const struct check *check, struct problem *problem)
{
    const struct qed_geometry *g = check->geometry;
    const struct qed_scan_table *table = table_on(check, &check->list, problem->value);

    if (range_inside(problem->value, g->cluster_size, g->l1_table_offset,
                     g->l1_table_offset + g->table_bytes)) {
        problem->id = PROBLEM_L2_ON_L1;
        problem->other = OWNER_L1_TABLE;
        return;
    }
    if (!table)
        table = table_on(check, &check->others, problem->value);
    if (table) {
        problem->other = OWNER_L2_TABLE;
        problem->other_l1_index = table->l1_index;
    }
}

static int name_repeated(struct naming *naming, struct problem *problem, struct qed_error *error)
{
    const struct check *check = naming->check;
    uint64_t cluster = problem->value >> check->geometry->cluster_shift;
    uint64_t already;

    if (bitmap_test(check->tables, cluster)) {
        problem->id = PROBLEM_L2_ON_TABLE;
        find_table_owner(check, problem);
        name_problem(naming, problem);
        return QED_OK;
    }
    if (bitmap_set_range(naming->seen, cluster, 1, &already) < 0)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    if (already) {
        problem->id = PROBLEM_L2_SHARED;
        problem->other = OWNER_DATA;
        name_problem(naming, problem);
    }
    return QED_OK;
}

static int name_entry(struct naming *naming, uint64_t l1_index, uint64_t l2_index, uint64_t entry,
                      struct qed_error *error)
{
    const struct check *check = naming->check;
    const struct qed_geometry *g = check->geometry;
    enum problem_id id = qed_check_l2_entry(g, entry);
    struct problem problem = qed_check_l2_problem(check->geometry, id, l1_index, l2_index, entry);

    if (id != PROBLEM_COUNT) {
        if (!naming->only_repeated)
            name_problem(naming, &problem);
        return QED_OK;
    }
    if (!naming->only_repeated && problem.virt_len == 0 && l1_index < qed_l1_entries_used(g)) {
        problem.id = PROBLEM_L2_PAST_SIZE;
        problem.clusters = 0;
        name_problem(naming, &problem);
        problem.clusters = 1;
    }
    if (bitmap_test(check->repeated, entry >> g->cluster_shift))
        return name_repeated(naming, &problem, error);
    return QED_OK;
}

static int name_piece(void *context, const struct qed_scan_piece *piece, struct qed_error *error)
{
    struct naming *naming = context;
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && !naming->full && i < piece->count; i++) {
        if (piece->entries[i] > QED_ENTRY_ZERO)
            ret = name_entry(naming, piece->table->l1_index, piece->first_index + i,
                             piece->entries[i], error);
    }
    return ret;
}

static bool touches_repeated(const struct check *check, const struct table_state *state)
{
    return state->lowest <= state->highest &&
           bitmap_any_set(check->repeated, state->lowest, state->highest + 1);
}

static int name_table(struct naming *naming, size_t number, struct qed_error *error)
{
    struct check *check = naming->check;
    const struct qed_scan_table *table = &check->list.tables[number];
    const struct table_state *state = &check->states[number];

    naming->only_repeated = qed_check_is_nonsense(state->entries, state->misaligned);
    if (naming->only_repeated) {
        struct problem problem = qed_check_l1_problem(check->geometry, PROBLEM_L1_NOT_A_TABLE,
                                                      table->l1_index, table->file_off);

        name_problem(naming, &problem);
    }
    if (!touches_repeated(check, state) &&
        (naming->only_repeated || (!state->invalid && !state->past_size)))
        return QED_OK;
    return qed_scan_table(check->image, table, name_piece, naming, error);
}

static int by_cluster(const void *a, const void *b)
{
    const struct problem *x = *(struct problem *const *)a, *y = *(struct problem *const *)b;

    if (x->value != y->value)
        return x->value < y->value ? -1 : 1;
    return problem_compare(x, y);
}

/* The first of the findings that wait for the owner of a cluster; NULL when none does. */
static struct problem **find_unowned(struct naming *naming, uint64_t entry)
{
    size_t low = 0, high = naming->unowned_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (naming->unowned[middle]->value < entry)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == naming->unowned_count || naming->unowned[low]->value != entry)
        return NULL;
    return &naming->unowned[low];
}

static int own_piece(void *context, const struct qed_scan_piece *piece, struct qed_error *error)
{
    struct naming *naming = context;
    struct problem **end = naming->unowned + naming->unowned_count;

    (void)error;
    for (size_t i = 0; i < piece->count; i++) {
        uint64_t entry = piece->entries[i];
        struct problem **at;

        if (entry <= QED_ENTRY_ZERO || !qed_data_offset_valid(naming->check->geometry, entry) ||
            !bitmap_test(naming->check->repeated, entry >> naming->check->geometry->cluster_shift))
            continue;
        at = find_unowned(naming, entry);
        for (; at && at < end && (*at)->value == entry; at++) {
            if ((*at)->other_l1_index != UINT64_MAX)
                break; /* found before */
            (*at)->other_l1_index = piece->table->l1_index;
            (*at)->other_l2_index = piece->first_index + i;
        }
    }
    return QED_OK;
}

/* Tables of the list, by number, in L1 order. */
struct by_l1 {
    uint64_t l1_index;
    size_t number;
};

static int by_l1_index(const void *a, const void *b)
{
    const struct by_l1 *x = a, *y = b;

    return (x->l1_index > y->l1_index) - (x->l1_index < y->l1_index);
}

static struct by_l1 *tables_in_l1_order(const struct check *check)
{
    struct by_l1 *order = malloc((check->list.count ? check->list.count : 1) * sizeof(*order));

    for (size_t i = 0; order && i < check->list.count; i++)
        order[i] = (struct by_l1){.l1_index = check->list.tables[i].l1_index, .number = i};
    if (order)
        qsort(order, check->list.count, sizeof(*order), by_l1_index);
    return order;
}

/* Find out which entry was the first to name each cluster that a kept finding is about. */
static int find_owners(struct naming *naming, const struct by_l1 *order, struct qed_error *error)
{
    struct check *check = naming->check;
    struct problem_list *list = &check->result->problems;
    int ret = QED_OK;

    naming->unowned = malloc((list->count ? list->count : 1) * sizeof(*naming->unowned));
    if (!naming->unowned)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < list->count; i++) {
        if (list->problems[i].id != PROBLEM_L2_SHARED)
            continue;
        list->problems[i].other_l1_index = UINT64_MAX;
        naming->unowned[naming->unowned_count++] = &list->problems[i];
    }
    qsort(naming->unowned, naming->unowned_count, sizeof(*naming->unowned), by_cluster);
    for (size_t i = 0; ret == QED_OK && naming->unowned_count && i < check->list.count; i++) {
        const struct table_state *state = &check->states[order[i].number];

        if (touches_repeated(check, state))
            ret = qed_scan_table(check->image, &check->list.tables[order[i].number], own_piece,
                                 naming, error);
    }
    free(naming->unowned);
    return ret;
}

/* For a repair: the tables that have to do with clusters that are used more than once. */
static int list_touching(struct check *check, const struct by_l1 *order, struct qed_error *error)
{
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < check->list.count; i++) {
        const struct qed_scan_table *table = &check->list.tables[order[i].number];

        if (touches_repeated(check, &check->states[order[i].number]))
            ret = qed_scan_list_add(&check->result->touching, table->l1_index, table->file_off,
                                    error);
    }
    return ret;
}

int check_name_problems(struct check *check, struct qed_error *error)
{
    struct naming naming = {.check = check, .seen = bitmap_new(bitmap_bit_count(check->used))};
    struct by_l1 *order = tables_in_l1_order(check);
    int ret = QED_OK;

    if (!naming.seen || !order)
        ret = qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    for (size_t i = 0; ret == QED_OK && !naming.full && i < check->list.count; i++)
        ret = name_table(&naming, order[i].number, error);
    if (ret == QED_OK)
        ret = find_owners(&naming, order, error);
    if (ret == QED_OK)
        ret = list_touching(check, order, error);
    free(order);
    bitmap_free(naming.seen);
    return ret;
}
