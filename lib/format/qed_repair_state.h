/*
 * What the planners of a repair share; for the qed_repair files alone.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_QED_REPAIR_STATE_H
#define FORMAT_QED_REPAIR_STATE_H

#include "format/qed_moves.h"
#include "format/qed_repair.h"
#include "format/qed_repair_account.h"

/* One round. */
struct repair {
    struct qed_plan *plan;
    const struct qed_repair_options *options;
    struct qed_repair_report *report;
    struct qed_image *image; /* on the plan's view */
    const struct qed_geometry *geometry;
    struct qed_check_result *found; /* by the check of image; used gets what is claimed since */
    uint64_t planned;               /* things done in this round */
    struct bitmap *read_tables;     /* clusters of tables that are data, too; NULL: not known yet */
    uint64_t looks;                 /* how many more tables may be looked at for flipped bits */
    struct qed_scan_list lost; /* with adopt: L1 entries as they were before they were cleared */
    struct qed_move *moves;    /* entries that get copies of their clusters, in file order */
    size_t move_count, move_room;
    struct qed_scan_list stuck; /* clusters that some of these read for which there is no order */
    struct qed_scan_list named; /* places past the end that entries of read tables name */
    struct qed_scan_list gone;  /* tables past the end that L1 entries named, now put right */
    uint16_t level, level_used, move_level; /* of moves: the first free, before and after a round;
                                               of the move at hand */
    struct qed_repair_account account;      /* of what has been done so far */
    bool has_adopted;                       /* lost tables were looked for */
    bool l1_changed;
    bool l1_is_read;     /* by data entries that get no copy, for want of room */
    bool l1_waits;       /* for that room: nothing in it is changed */
    bool l1_blocked;     /* and something would have been */
    bool lost_to_damage; /* an entry may have lost its cluster to more than a crash */
};

/* What a table, or what may be one, holds. Numbers are entries. */
struct table_look {
    uint64_t zeroes;     /* that are 1 */
    uint64_t entries;    /* that are neither 0 nor 1 */
    uint64_t wrong;      /* of these */
    uint64_t misaligned; /* of these */
    uint64_t mendable; /* of these: without low bits each names a cluster that nothing else does */
    uint64_t owned;    /* valid, but naming clusters that are in use */
};

/* Whether it is none. */
static inline bool repair_look_is_nonsense(const struct table_look *look)
{
    return qed_check_is_nonsense(look->entries, look->misaligned - look->mendable);
}

/* How many entries name something, once they are mended. */
static inline uint64_t repair_look_good(const struct table_look *look)
{
    return look->entries - look->wrong + look->mendable;
}

/* Look at the table's worth of bytes at file_off, inside the file. */
int repair_look(struct repair *repair, uint64_t file_off, struct table_look *look,
                struct qed_error *error);

/* Whether a cluster of the range is in use; the range lies inside the file. */
bool repair_in_use(const struct repair *repair, uint64_t file_off, uint64_t len);

/* Whether there is room for so many bytes of copies more. */
bool repair_fits(const struct repair *repair, uint64_t bytes);

/* Take the range for used from now on. */
int repair_claim(struct repair *repair, uint64_t file_off, uint64_t len, struct qed_error *error);

/* Set the entry of a finding, in the table at table_off, to value; report it with the action. */
int repair_set_entry(struct repair *repair, const struct problem *problem, uint64_t table_off,
                     uint64_t value, enum problem_action action, struct qed_error *error);

/* Report an action that is not about the value of an entry. */
int repair_report(struct repair *repair, const struct problem *problem, enum problem_action action,
                  struct qed_error *error);

/* Whether a data entry names a cluster of a table. */
int repair_is_read(struct repair *repair, const struct qed_scan_table *table, bool *is,
                   struct qed_error *error);

/* Scan the damaged tables that data entries name, or those that none does. */
int repair_scan_damaged(struct repair *repair, bool read, qed_scan_fn *fn, void *context,
                        struct qed_error *error);

/*
 * The entries that need copies of their clusters: they are listed, then put in the order in which
 * they can be changed so that what one reads of another one's table stays the same.
 */
void repair_forget_moves(struct repair *repair);
int repair_add_move(struct repair *repair, uint64_t word_off, uint64_t from,
                    struct qed_error *error);
int repair_order_moves(struct repair *repair, struct qed_error *error);

/* Whether the entry has a place in that order, which is then that of the move at hand. */
bool repair_can_move(struct repair *repair, uint64_t word_off);

/* Whether an entry that has none reads something of a table. */
bool repair_stays_read(const struct repair *repair, uint64_t table_off);

/*
 * Break the rings: each table that has such an entry in it is copied, and its L1 entry names the
 * copy; what is read of the table by others is their data from then on.
 */
int repair_move_stuck_tables(struct repair *repair, struct qed_error *error);

/*
 * Before a copy of len bytes is planned: let the file grow over places that entries of read tables
 * name, which are cleared only once these have copies; cut off before, they read zeroes, no copy.
 */
int repair_pass_named(struct repair *repair, uint64_t len, struct qed_error *error);

/*
 * Of the tables that data entries name: once these have copies, put right what points past the end
 * of the file; or report that all that is wrong in them stays, for want of copies.
 */
int repair_past_end_of_read_tables(struct repair *repair, struct qed_error *error);
int repair_leave_read_tables(struct repair *repair, struct qed_error *error);

/*
 * Of a table that is cut short itself, or read as data until that has a copy: what points past the
 * end of the file as it is must not come to point into what it grows by.
 */
int repair_past_end(struct repair *repair, const struct qed_scan_table *table,
                    struct qed_error *error);

/* Of the cluster, or planned copy of one, that a finding is about: what the file's end cut off is
 * lost. */
void repair_lose_cut(const struct repair *repair, struct problem *problem);

/*
 * Where the cluster that a data entry names is one that the end of the file cuts short: fill what
 * is missing at to, the cluster or a copy of it, with what the backing file has for this entry:
 * when the cluster was allocated, all of it that the guest did not write was copied from there.
 */
int repair_fill(struct repair *repair, const struct problem *problem, uint64_t to,
                struct qed_error *error);

/* The tables of a list in file order that are at the place of the first: up to the end returned. */
size_t repair_place_end(const struct qed_scan_list *list, size_t first);

/* Give up the L1 entries [first, end) of a list: put them right by one bit, or clear them. */
int repair_drop_place(struct repair *repair, const struct qed_scan_list *list, size_t first,
                      size_t end, enum problem_id id, struct qed_error *error);

/* Of tables that overlap, give up the worse; list has all that L1 entries name, in file order. */
int repair_overlaps(struct repair *repair, const struct qed_scan_list *list,
                    struct qed_error *error);

/* Whether a rebuild would find places for leaked clusters. */
int repair_find_lost(struct repair *repair, bool *is_lost, struct qed_error *error);

/* Report that data entries that read the L1 table are left as they are, for want of room. */
int repair_leave_l1_readers(struct repair *repair, struct qed_error *error);

/* The steps of a round; each sets repair->planned where it finds something to do. */
int repair_l1(struct repair *repair, struct qed_error *error);
int repair_mend_l2(struct repair *repair, struct qed_error *error);
int repair_relink(struct repair *repair, struct qed_error *error);
int repair_clear_l2(struct repair *repair, struct qed_error *error);
int repair_cut_short(struct repair *repair, struct qed_error *error);
int repair_shared(struct repair *repair, struct qed_error *error);
int repair_leaks(struct repair *repair, struct qed_error *error);

#endif
