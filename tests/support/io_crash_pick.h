/*
 * What of each recorded change is there in a state: the part of io_crash that turns a selector into
 * choices. Not for tests.
 * SPDX-License-Identifier: MIT
 */
#ifndef SUPPORT_IO_CRASH_PICK_H
#define SUPPORT_IO_CRASH_PICK_H

#include "support/io_crash.h"

enum io_crash_kind { IO_CRASH_WRITE, IO_CRASH_ZERO, IO_CRASH_SET_LENGTH, IO_CRASH_FLUSH };

/*
 * An operation, in parts that reach the disk or not, each on its own: the stretches of the file
 * between multiples of part_bytes, or the new length as the only part.
 */
struct io_crash_op {
    enum io_crash_kind kind;
    uint64_t file_off, len; /* bytes; the new length in len for IO_CRASH_SET_LENGTH */
    uint8_t *bytes;         /* that were written */
    uint64_t part_bytes;
    size_t parts;
    size_t growing; /* how many parts at the end may end past the file */

    bool *kept;   /* the choice: which parts are there, */
    size_t grown; /* and how many of the growing ones the file's length takes in */
};

/* All of op is there. */
void io_crash_keep(struct io_crash_op *op);

/* Fill in the choices of state for the changes since the last flush before its cut. */
void io_crash_pick(struct io_crash_op *ops, size_t count, const struct io_crash_state *state);

/* How many selectors there are for these changes; io_crash_selectors. */
uint64_t io_crash_pick_count(const struct io_crash_op *ops, size_t count, uint64_t limit);

#endif
