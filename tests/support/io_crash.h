/*
 * A file in front of one in memory that records every change it is asked for, and makes the files
 * that a power cut could have left behind, to be read, checked and repaired by tests.
 *
 * The power fails at a cut: a number of operations that had been asked for by then, from 0 to
 * io_crash_ops. A flush among them has done its work; what a flush leaves that is cut off itself is
 * left by the cut before it as well. Of the operations before a cut
 * - all that came before the last flush is there;
 * - of the changes after it any subset is there, done in their order as if the others had never
 *   been asked for: nothing tells a disk to keep an order but a flush;
 * - of a write, or of zeroing, any subset of the file's sectors of 512 bytes that it touches is
 *   there (of zeroing more than IO_CRASH_ZERO_PARTS sectors: of about as many equal parts);
 * - where a write makes the file longer, that may have reached the end of any of its sectors,
 *   whatever there is of its data: the bytes of dropped sectors read as zeroes, and bytes past the
 *   end are gone;
 * - a new length that was set is there or not.
 *
 * Everything here aborts when out of memory or when asked for what there is not.
 * SPDX-License-Identifier: MIT
 */
#ifndef SUPPORT_IO_CRASH_H
#define SUPPORT_IO_CRASH_H

#include <stddef.h>

#include "io/io.h"

#define IO_CRASH_ZERO_PARTS 16

/*
 * below is an io_mem, stays the caller's, must outlive the new io and change only through it.
 * Changes come from one thread at a time; what below refuses is not recorded.
 */
struct io *io_crash_new(struct io *below);

/* How many writes, zeroings, new lengths and flushes there were so far: the last cut. */
size_t io_crash_ops(struct io *io);

/* What names one of the states that may be left. */
struct io_crash_state {
    size_t cut;
    uint64_t limit;    /* of selectors a cut, 1 to INT64_MAX */
    uint64_t selector; /* less than io_crash_selectors of the same cut and limit */
};

/*
 * How many selectors a cut has, at most limit. When they are fewer than limit, or just as many,
 * they lead to every state that the cut can leave. Else they lead to limit of them, not all of them
 * different: all in which each change is there whole, or its new length alone, or not at all; or,
 * where these are too many, each change dropped alone and kept alone; then, up to limit, states
 * drawn at random, the same in every run. Selector 0 always drops all that was not flushed, and
 * selector 1, where there is one, keeps all of it.
 */
uint64_t io_crash_selectors(struct io *io, size_t cut, uint64_t limit);

/* The file that is left, an io_mem of the caller's. Fastest when the cuts come in order. */
struct io *io_crash_leave(struct io *io, const struct io_crash_state *state);

/* What that file has of each change since the last flush, a line each; the caller frees it. */
char *io_crash_describe(struct io *io, const struct io_crash_state *state);

/*
 * A walk over the states of the cuts from first to end - 1, in their order, that gives no two equal
 * files. A test that asks more of later cuts walks the cuts between its demands one after the
 * other.
 */
struct io_crash_walk;

struct io_crash_walk *io_crash_walk_new(struct io *io, size_t first, size_t end, uint64_t limit);

/* The next file, the caller's to close, and what names it (may be NULL); NULL at the end. */
struct io *io_crash_walk_next(struct io_crash_walk *walk, struct io_crash_state *state);

/* How many files the walk has given. */
size_t io_crash_walk_count(const struct io_crash_walk *walk);

void io_crash_walk_free(struct io_crash_walk *walk);

#endif
