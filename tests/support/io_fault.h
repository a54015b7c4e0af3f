/*
 * A file in front of another one that fails when it is told to, and keeps a record of what it was
 * asked for. Tests sweep fail_at = 1, 2, … until io_fault_happened says no.
 * SPDX-License-Identifier: MIT
 */
#ifndef SUPPORT_IO_FAULT_H
#define SUPPORT_IO_FAULT_H

#include <stddef.h>

#include "io/io.h"

enum io_fault_kind {
    IO_FAULT_READ,
    IO_FAULT_WRITE,
    IO_FAULT_ZERO,
    IO_FAULT_FLUSH,
    IO_FAULT_GET_LENGTH,
    IO_FAULT_SET_LENGTH,
    IO_FAULT_NEXT_RUN,
};

#define IO_FAULT_BIT(kind) (1U << (kind))
#define IO_FAULT_CHANGES                                                                          \
    (IO_FAULT_BIT(IO_FAULT_WRITE) | IO_FAULT_BIT(IO_FAULT_ZERO) | IO_FAULT_BIT(IO_FAULT_FLUSH) |  \
     IO_FAULT_BIT(IO_FAULT_SET_LENGTH))

struct io_fault_plan {
    unsigned int kinds; /* IO_FAULT_BIT of the operations that count and fail; 0: all of them */
    size_t fail_at;     /* the operation that fails, from 1 on; 0: none */
    int code;           /* what it fails with; QED_OK: it does not, but for what `before` does */
    void (*before)(struct io *below); /* called before the operation fails; may be NULL */
    bool from_then_on;  /* so do all that count and come after it */
    bool torn;          /* a failing write leaves the first half of its whole sectors behind */
};

/* An operation that was asked for. */
struct io_fault_op {
    enum io_fault_kind kind;
    uint64_t file_off, len; /* bytes; the new length in len for IO_FAULT_SET_LENGTH */
    bool failed;
};

/* below stays the caller's and must outlive the new io. Aborts when out of memory. */
struct io *io_fault_new(struct io *below, const struct io_fault_plan *plan);

/* Whether an operation was made to fail. */
bool io_fault_happened(struct io *io);

/* The operations so far, in their order; owned by io, valid until the next operation. */
const struct io_fault_op *io_fault_ops(struct io *io, size_t *count);

/*
 * The place among the operations from index first on of one of that kind that touches file_off
 * (flushes touch every offset); SIZE_MAX when there is none.
 */
size_t io_fault_find(struct io *io, size_t first, enum io_fault_kind kind, uint64_t file_off);

#endif
