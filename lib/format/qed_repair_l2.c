/*
 * L2 entries that are invalid.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_repair_state.h"

/* An entry at hand, with its neighbours in the table. */
struct place {
    const struct qed_scan_piece *piece;
    size_t at;
};

/*
 * Whether a neighbour names a cluster, its low bits aside, or would but for one flipped bit; not
 * for the same bit as ours: that is the distance between the parts of a file that was cut, not
 * chance.
 */
static bool names_nearly(const struct qed_geometry *g, uint64_t neighbour, uint64_t cluster,
                         uint64_t our_bit)
{
    uint64_t named = round_down(neighbour, g->cluster_size), bit = named ^ cluster;

    return named && (bit == 0 || (is_power_of_two(bit) && bit != our_bit));
}

/* Whether a cluster continues what the entry before or after this one names. */
static bool continues_neighbour(const struct qed_geometry *g, const struct place *place,
                                uint64_t cluster)
{
    const struct qed_scan_piece *piece = place->piece;
    uint64_t bit = piece->entries[place->at] ^ cluster;
    bool after = place->at > 0 &&
                 names_nearly(g, piece->entries[place->at - 1], cluster - g->cluster_size, bit);
    bool before = place->at + 1 < piece->count &&
                  names_nearly(g, piece->entries[place->at + 1], cluster + g->cluster_size, bit);

    return after || before;
}

/*
 * The cluster that is one bit away from the entry, that nothing refers to, and that continues what
 * a neighbour names; 0 when there is none. A chance of one bit alone would be no evidence: in a
 * file that was cut, many clusters are one bit away from many entries.
 */
static uint64_t find_unflipped(const struct repair *repair, const struct place *place)
{
    const struct qed_geometry *g = repair->geometry;
    uint64_t entry = place->piece->entries[place->at];

    for (unsigned int bit = g->cluster_shift; bit < 63; bit++) {
        uint64_t candidate = entry ^ UINT64_C(1) << bit;

        if (qed_data_offset_valid(g, candidate) &&
            !repair_in_use(repair, candidate, g->cluster_size) &&
            continues_neighbour(g, place, candidate))
            return candidate;
    }
    return 0;
}

/* What an invalid entry is to be, and by what action. */
static uint64_t mended_entry(const struct repair *repair, const struct place *place,
                             enum problem_id id, enum problem_action *action)
{
    const struct qed_geometry *g = repair->geometry;
    uint64_t entry = place->piece->entries[place->at];
    uint64_t masked = round_down(entry, g->cluster_size), unflipped;

    *action = ACTION_MASK;
    if ((id == PROBLEM_L2_LOW_BITS || id == PROBLEM_L2_UNALIGNED) &&
        qed_data_offset_valid(g, masked) && !repair_in_use(repair, masked, g->cluster_size))
        return masked;
    *action = ACTION_UNFLIP;
    if ((entry & QED_ENTRY_ZERO) && is_power_of_two(entry ^ QED_ENTRY_ZERO))
        return QED_ENTRY_ZERO;
    unflipped = find_unflipped(repair, place);
    if (unflipped)
        return unflipped;
    *action = ACTION_CLEAR;
    return QED_ENTRY_UNALLOCATED;
}

/* Put an entry right, or else clear it if that is asked for. */
static int repair_entry(struct repair *repair, const struct place *place, enum problem_id id,
                        bool clear, struct qed_error *error)
{
    const struct qed_geometry *g = repair->geometry;
    const struct qed_scan_piece *piece = place->piece;
    struct problem problem = qed_check_l2_problem(
        g, id, piece->table->l1_index, piece->first_index + place->at, piece->entries[place->at]);
    enum problem_action action;
    uint64_t value = mended_entry(repair, place, id, &action);
    int ret;

    if (action == ACTION_CLEAR && !clear)
        return QED_OK;
    ret = repair_set_entry(repair, &problem, piece->table->file_off, value, action, error);
    if (ret == QED_OK && value > QED_ENTRY_ZERO)
        ret = repair_claim(repair, value, g->cluster_size, error);
    return ret;
}

static int repair_piece(struct repair *repair, const struct qed_scan_piece *piece, bool clear,
                        struct qed_error *error)
{
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < piece->count; i++) {
        struct place place = {.piece = piece, .at = i};
        enum problem_id id;

        if (piece->entries[i] <= QED_ENTRY_ZERO)
            continue;
        id = qed_check_l2_entry(repair->geometry, piece->entries[i]);
        if (id != PROBLEM_COUNT && id != PROBLEM_L2_CUT_SHORT)
            ret = repair_entry(repair, &place, id, clear, error);
    }
    return ret;
}

static int mend_piece(void *context, const struct qed_scan_piece *piece, struct qed_error *error)
{
    return repair_piece(context, piece, false, error);
}

static int clear_piece(void *context, const struct qed_scan_piece *piece, struct qed_error *error)
{
    return repair_piece(context, piece, true, error);
}

int repair_scan_damaged(struct repair *repair, bool read, qed_scan_fn *fn, void *context,
                        struct qed_error *error)
{
    const struct qed_scan_list *damaged = &repair->found->damaged;
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < damaged->count; i++) {
        bool is_read;

        ret = repair_is_read(repair, &damaged->tables[i], &is_read, error);
        if (ret == QED_OK && is_read == read)
            ret = qed_scan_table(repair->image, &damaged->tables[i], fn, context, error);
    }
    return ret;
}

int repair_mend_l2(struct repair *repair, struct qed_error *error)
{
    return repair_scan_damaged(repair, false, mend_piece, repair, error);
}

int repair_clear_l2(struct repair *repair, struct qed_error *error)
{
    return repair_scan_damaged(repair, false, clear_piece, repair, error);
}

/* Whether the end of the file goes through an entry: what is there of it names anything. */
static bool is_cut(const struct repair *repair, const struct qed_scan_piece *piece, size_t at)
{
    uint64_t file_off = piece->table->file_off + (piece->first_index + at) * sizeof(uint64_t);

    return repair->geometry->file_length - file_off < sizeof(uint64_t);
}

static int clear_cut(struct repair *repair, const struct qed_scan_piece *piece, size_t at,
                     struct qed_error *error)
{
    struct problem problem =
        qed_check_l2_problem(repair->geometry, PROBLEM_L2_PAST_END, piece->table->l1_index,
                             piece->first_index + at, piece->entries[at]);

    return repair_set_entry(repair, &problem, piece->table->file_off, QED_ENTRY_UNALLOCATED,
                            ACTION_CLEAR, error);
}

static int past_end_piece(void *context, const struct qed_scan_piece *piece,
                          struct qed_error *error)
{
    struct repair *repair = context;
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < piece->count; i++) {
        struct place place = {.piece = piece, .at = i};

        if (piece->entries[i] == QED_ENTRY_UNALLOCATED)
            continue;
        if (is_cut(repair, piece, i))
            ret = clear_cut(repair, piece, i, error);
        else if (piece->entries[i] != QED_ENTRY_ZERO &&
                 qed_check_l2_entry(repair->geometry, piece->entries[i]) == PROBLEM_L2_PAST_END)
            ret = repair_entry(repair, &place, PROBLEM_L2_PAST_END, true, error);
    }
    return ret;
}

int repair_past_end(struct repair *repair, const struct qed_scan_table *table,
                    struct qed_error *error)
{
    return qed_scan_table(repair->image, table, past_end_piece, repair, error);
}

static int past_end_of_read_piece(void *context, const struct qed_scan_piece *piece,
                                  struct qed_error *error)
{
    if (repair_stays_read(context, piece->table->file_off))
        return QED_OK;
    return past_end_piece(context, piece, error);
}

int repair_past_end_of_read_tables(struct repair *repair, struct qed_error *error)
{
    return repair_scan_damaged(repair, true, past_end_of_read_piece, repair, error);
}

static int leave_piece(void *context, const struct qed_scan_piece *piece, struct qed_error *error)
{
    struct repair *repair = context;
    const struct qed_geometry *g = repair->geometry;
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < piece->count; i++) {
        uint64_t entry = piece->entries[i];
        enum problem_id id = entry > QED_ENTRY_ZERO ? qed_check_l2_entry(g, entry) : PROBLEM_COUNT;
        struct problem problem;

        if (id == PROBLEM_COUNT || id == PROBLEM_L2_CUT_SHORT)
            continue;
        problem =
            qed_check_l2_problem(g, id, piece->table->l1_index, piece->first_index + i, entry);
        ret = repair_report(repair, &problem, ACTION_LEAVE, error);
    }
    return ret;
}

int repair_leave_read_tables(struct repair *repair, struct qed_error *error)
{
    return repair_scan_damaged(repair, true, leave_piece, repair, error);
}
