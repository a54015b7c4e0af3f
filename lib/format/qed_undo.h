/*
 * The undo record of a repair: what the repair is going to change, saved before it changes it, and
 * put back later, bit for bit.
 *
 * The record, all numbers little-endian. A header of 64 bytes:
 *
 *      0  8  "QEDUNDO" and a zero byte
 *      8  4  version: 1
 *     12  4  CRC-32 (zlib's) of these 64 bytes with this field 0
 *     16  8  the image file's length, bytes: before the repair (old),
 *     24  8      with what the repair appends (full; not less than old),
 *     32  8      and after it has cut the file (final; not more than full)
 *     40 24  zeroes
 *
 * Then blocks in the order of their place in the image file, none overlapping another. Places and
 * lengths are multiples of 512 but where the old file ends. Each begins with 48 bytes:
 *
 *      0  4  kind
 *      4  4  flags: 1: the repair punches a hole here, cut off or not
 *      8  8  place in the image file
 *     16  8  length, bytes
 *     24  8  of WORD: bit i is set when the repair changes the i-th 64-bit word
 *     32  8  of WORD: those of them that it changes before the file grows
 *     40  4  CRC-32 of the bytes before the repair; 0 where there were none
 *     44  4  CRC-32 of the bytes after it; 0 where there are none
 *
 * Kinds, four letters:
 *
 *     WORD  a sector of 512 bytes with words that change: its old bytes follow, then the new
 *           values of these words. The first block is the sector at 0, whether words change there
 *           or not, for the repair sets and clears NEED_CHECK there, and the autoclear bit of a
 *           write-intent bitmap; these bits count in none of the comparisons.
 *     DATA  space that is given back, at most 1 MiB: its old bytes follow
 *     ZERO  the same where the file has a hole; any length, no bytes follow
 *     WITN  at most 4 KiB that the repair does not change, to know the image by
 *     GREW  all from the old length to the final one, when that is longer
 *     END   the last: place, flags and words are 0, length is how many blocks come before it, the
 *           first CRC is that of the whole record up to there, the second 0
 *
 * DATA, ZERO and WORD between them cover all that is cut off, from the final length to the old one.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_QED_UNDO_H
#define FORMAT_QED_UNDO_H

#include <stdbool.h>

#include "format/qed_plan.h"

/*
 * Write the record of all that plan, whose last round has ended, changes in the file image, to
 * record, an empty file; the caller makes it durable before it changes the image. Memory: some MiB.
 * Errors about the record say so, others are about the image. QED_ERR_INVALID for a plan that cuts
 * or punches anything but whole sectors, or in the first sector.
 */
int qed_undo_save(struct qed_plan *plan, struct io *image, struct io *record,
                  struct qed_error *error);

struct qed_undo_file {
    struct io *io;
    const char *name; /* for messages */
};

/*
 * Put image back as it was before the repair that record is of, or say that it is so already:
 * *changed is whether anything had to be written. The record is input like any other: all of it is
 * checked, and that all of the image is as before the repair, as after it, or between the two where
 * a repair or an undo was cut off (NEED_CHECK tells), before anything is written. What is written
 * lies below the old length. Cut off at any point, it can be run again.
 *
 * Before the record is trusted: QED_ERR_FORMAT when it is no undo record, QED_ERR_UNSUPPORTED when
 * of an unknown version, QED_ERR_SHORT_READ when it is not complete, QED_ERR_CORRUPT when anything
 * in it is not as it was written; QED_ERR_CHANGED when it is not this image's.
 */
int qed_undo_restore(const struct qed_undo_file *image, const struct qed_undo_file *record,
                     bool *changed, struct qed_error *error);

#endif
