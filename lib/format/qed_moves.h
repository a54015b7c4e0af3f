/*
 * In which order entries can be made to name copies of what they name now. An entry that lies in
 * what another one reads as data changes what that reads: it waits until the other has its copy.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_QED_MOVES_H
#define FORMAT_QED_MOVES_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define QED_MOVE_READS_NOTHING UINT64_MAX
#define QED_MOVE_NO_ORDER UINT32_MAX

/* An entry that is about to be changed. */
struct qed_move {
    uint64_t word_off; /* where it is in the file, bytes */
    uint64_t from;     /* the cluster that it names until then, or QED_MOVE_READS_NOTHING */
    uint32_t level;    /* set: after all lower ones; 0: nothing reads it */
};

/*
 * Put the moves in the order of word_off and set their levels; QED_MOVE_NO_ORDER for entries that
 * lie in what each other reads, in a ring, and those that wait for such. *highest is the highest of
 * the other levels.
 */
int qed_moves_order(struct qed_move *moves, size_t count, uint32_t cluster_size, uint32_t *highest,
                    struct qed_error *error);

/* Of moves in that order the first at or behind a place in the file; count for none. */
size_t qed_moves_first(const struct qed_move *moves, size_t count, uint64_t file_off);

#endif
