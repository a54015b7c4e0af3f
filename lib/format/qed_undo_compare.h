/*
 * Holds an image against an undo record: is it the one that the record is of, and in which state?
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_QED_UNDO_COMPARE_H
#define FORMAT_QED_UNDO_COMPARE_H

#include "format/qed_undo_reader.h"

struct qed_undo_state {
    uint64_t length; /* of the image file, now */
    bool marked;     /* NEED_CHECK is set: a repair or an undo may have been cut off */
    bool is_foreign; /* it is neither as before the repair nor as after it nor between these */
    bool is_old;     /* it is as before the repair */
    bool has_lost;   /* the record has space that was given back */
    bool has_early;  /* the record has words that the repair changes before it appends */
    uint8_t old_sector[QED_SECTOR]; /* the first one, before the repair */
};

/*
 * Go through the whole record, which must be at its first block, and compare; buffer is of
 * QED_UNDO_DATA_MAX bytes. Writes nothing. Succeeds also when the image is foreign.
 */
int qed_undo_compare(struct qed_undo_reader *reader, struct io *image, uint8_t *buffer,
                     struct qed_undo_state *state, struct qed_error *error);

#endif
