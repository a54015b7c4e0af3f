/*
 * Where clusters and tables come from. Under preallocate the file is made longer ahead of use, so
 * that its length rides on flushes that come anyway, and tables are taken in groups, so that they
 * lie side by side. SPDX-License-Identifier: MIT
 */
#include "format/qed_commit_state.h"

#define TABLES_IN_GROUP_MAX 16
#define GROUP_SHARE 16 /* of what lies ahead, at most that part is one group of tables */

/* The share of the file that is made durable ahead, where that is more than the default. */
#define AHEAD_SHARE 16

/* Bytes that may lie ahead: what a crash may leak, unless requests in flight have taken more. */
static uint64_t ahead_bytes(const struct qed_commit *commit)
{
    const struct qed_geometry *g = &commit->image->geometry;
    uint64_t ahead = commit->options.preallocate;

    if (ahead == 0)
        ahead = min_u64(max_u64(QED_PREALLOCATE_DEFAULT, commit->space.next / AHEAD_SHARE),
                        QED_PREALLOCATE_MAX);
    return max_u64(ahead, 4 * max_u64(g->table_bytes, g->cluster_size));
}

/*
 * Bytes by which the file may be made longer now: half of what may lie ahead, less what a crash
 * would leak already.
 */
static uint64_t room_ahead(const struct qed_commit *commit)
{
    const struct qed_space *space = &commit->space;
    uint64_t ahead = ahead_bytes(commit);
    uint64_t leaked = max_u64(space->length, space->next) - commit->settled_end +
                      (space->tables_end - space->tables_next);
    uint64_t room = leaked < ahead ? min_u64(ahead / 2, ahead - leaked) : 0;

    return round_down(room, commit->image->geometry.cluster_size);
}

void commit_extend_ahead(struct qed_commit *commit)
{
    struct qed_space *space = &commit->space;
    uint64_t left = qed_space_left(space) << commit->image->geometry.cluster_shift;
    uint64_t bytes = room_ahead(commit);

    if (commit_preallocates(commit) && left < ahead_bytes(commit) / 4 && bytes > 0)
        qed_space_grow(space, bytes, true, NULL);
}

/* Have count clusters. Under preallocate a flush comes first: what it settles makes room ahead. */
static int need_clusters(struct qed_commit *commit, uint64_t count, struct qed_error *error)
{
    struct qed_space *space = &commit->space;
    uint64_t bytes;
    int ret;

    if (!commit_preallocates(commit))
        return qed_space_need(space, count, error);
    if (qed_space_left(space) >= count)
        return QED_OK;
    ret = qed_commit_flush(commit, error);
    if (ret < 0 || qed_space_left(space) >= count)
        return ret;
    bytes = (count - qed_space_left(space)) << commit->image->geometry.cluster_shift;
    ret = qed_space_grow(space, max_u64(room_ahead(commit), bytes), true, error);
    return ret == QED_ERR_NO_SPACE ? qed_space_grow(space, bytes, true, error) : ret;
}

int qed_commit_take(struct qed_commit *commit, uint64_t count, uint64_t *file_off, uint64_t *taken,
                    struct qed_error *error)
{
    int ret = commit_check_alive(commit, error);

    /* What lies ahead is not made longer than it may be for the sake of one long write. */
    if (ret == QED_OK)
        ret = need_clusters(commit, commit_preallocates(commit) ? 1 : count, error);
    if (ret < 0)
        return ret;
    *taken = min_u64(count, qed_space_left(&commit->space));
    *file_off = qed_space_take(&commit->space, *taken);
    return QED_OK;
}

/*
 * The first L1 entry from *l1_index on that has a table, or that has none; the number of entries:
 * there is no such.
 */
static int find_l1_entry(struct qed_commit *commit, bool with_table, uint64_t *l1_index,
                         struct qed_error *error)
{
    const struct qed_geometry *g = &commit->image->geometry;
    uint64_t used = qed_l1_entries_used(g);

    while (*l1_index < used) {
        const uint64_t *entries;
        size_t count;
        int ret = qed_table_get(commit->image->tables, g->l1_table_offset, *l1_index, &entries,
                                &count, error);

        if (ret < 0)
            return ret;
        for (size_t i = 0; i < count && *l1_index < used; i++, ++*l1_index) {
            if ((entries[i] != QED_ENTRY_UNALLOCATED) == with_table)
                return QED_OK;
        }
    }
    return QED_OK;
}

int commit_look_for_tables(struct qed_commit *commit, struct qed_error *error)
{
    uint64_t l1_index = 0;
    int ret = find_l1_entry(commit, true, &l1_index, error);

    commit->has_tables = ret == QED_OK && l1_index < qed_l1_entries_used(&commit->image->geometry);
    return ret;
}

/* How many tables to take side by side: not more than there are L1 entries to be given one. */
static int tables_in_group(struct qed_commit *commit, uint64_t *tables, struct qed_error *error)
{
    const struct qed_geometry *g = &commit->image->geometry;
    uint64_t wanted = ahead_bytes(commit) / GROUP_SHARE / g->table_bytes;
    uint64_t l1_index = 0, found = 0;
    int ret = QED_OK;

    wanted = min_u64(wanted, TABLES_IN_GROUP_MAX);
    while (ret == QED_OK && commit_preallocates(commit) && found < wanted) {
        ret = find_l1_entry(commit, false, &l1_index, error);
        if (l1_index++ >= qed_l1_entries_used(g))
            break;
        found++;
    }
    *tables = max_u64(found, 1);
    return ret;
}

int commit_take_table(struct qed_commit *commit, uint64_t *table_off, struct qed_error *error)
{
    struct qed_space *space = &commit->space;
    uint64_t tables;
    int ret = QED_OK;

    if (!qed_space_has_table(space)) {
        ret = tables_in_group(commit, &tables, error);
        if (ret == QED_OK)
            ret = need_clusters(commit, tables * commit->image->geometry.table_size, error);
        if (ret == QED_OK)
            qed_space_take_tables(space, tables);
    }
    if (ret == QED_OK)
        *table_off = qed_space_next_table(space);
    return ret;
}

int commit_use_up_tables(struct qed_commit *commit, struct qed_error *error)
{
    const struct qed_geometry *g = &commit->image->geometry;
    uint64_t l1_index = 0;
    int ret = QED_OK;

    while (ret == QED_OK && qed_space_has_table(&commit->space)) {
        ret = find_l1_entry(commit, false, &l1_index, error);
        if (ret < 0 || l1_index >= qed_l1_entries_used(g))
            break;
        ret = qed_table_set(commit->image->tables, g->l1_table_offset, l1_index,
                            qed_space_next_table(&commit->space), error);
    }
    return ret;
}
