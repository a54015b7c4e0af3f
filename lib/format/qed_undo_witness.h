/*
 * Which parts of a file that a repair leaves alone its undo record knows the file by.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_QED_UNDO_WITNESS_H
#define FORMAT_QED_UNDO_WITNESS_H

#include "format/qed_plan.h"

#define QED_UNDO_WITNESSES 64

/* Places in the file, in its order, multiples of QED_UNDO_WITNESS_MAX, which is how long each is.
 */
struct qed_undo_witnesses {
    uint64_t file_offs[QED_UNDO_WITNESSES + 1];
    size_t count;
};

/*
 * Choose places before kept bytes of image that plan does not change: spread evenly, where data is
 * stored rather than in holes, and the start of the L1 table, too.
 */
int qed_undo_choose_witnesses(const struct qed_plan *plan, struct io *image, uint64_t kept,
                              struct qed_undo_witnesses *chosen, struct qed_error *error);

#endif
