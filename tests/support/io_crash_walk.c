/*
 * One selector of one cut after the other; the hashes of the files that were given are remembered.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include "support/io_crash.h"
#include "support/io_mem.h"

struct io_crash_walk {
    struct io *io;
    size_t end;
    struct io_crash_state next;
    uint64_t selectors; /* of next.cut */
    uint64_t *seen;     /* open addressing; 0: free */
    size_t room, count; /* of seen; room is a power of two, at least twice count */
};

/* The place of a hash in seen, or where it would be. */
static uint64_t *seen_place(struct io_crash_walk *walk, uint64_t hash)
{
    size_t at = (size_t)hash & (walk->room - 1);

    while (walk->seen[at] != 0 && walk->seen[at] != hash)
        at = (at + 1) & (walk->room - 1);
    return &walk->seen[at];
}

static void make_room(struct io_crash_walk *walk, size_t room)
{
    uint64_t *old = walk->seen;
    size_t old_room = walk->room;

    walk->seen = calloc(room, sizeof(*walk->seen));
    if (!walk->seen)
        abort();
    walk->room = room;
    for (size_t i = 0; i < old_room; i++) {
        if (old[i])
            *seen_place(walk, old[i]) = old[i];
    }
    free(old);
}

/* Whether that hash was not seen before; it is now. */
static bool see(struct io_crash_walk *walk, uint64_t hash)
{
    uint64_t *place;

    hash = hash ? hash : 1;
    place = seen_place(walk, hash);
    if (*place == hash)
        return false;
    *place = hash;
    walk->count++;
    if (walk->count > walk->room / 2)
        make_room(walk, walk->room * 2);
    return true;
}

struct io_crash_walk *io_crash_walk_new(struct io *io, size_t first, size_t end, uint64_t limit)
{
    struct io_crash_walk *walk = calloc(1, sizeof(*walk));

    if (!walk || first >= end)
        abort();
    *walk = (struct io_crash_walk){.io = io, .end = end, .next = {.cut = first, .limit = limit}};
    walk->selectors = io_crash_selectors(io, first, limit);
    make_room(walk, 64);
    return walk;
}

struct io *io_crash_walk_next(struct io_crash_walk *walk, struct io_crash_state *state)
{
    struct io_crash_state *next = &walk->next;

    for (;;) {
        struct io *left;

        if (next->selector == walk->selectors) {
            if (next->cut + 1 == walk->end)
                return NULL;
            next->cut++;
            next->selector = 0;
            walk->selectors = io_crash_selectors(walk->io, next->cut, next->limit);
        }
        left = io_crash_leave(walk->io, next);
        if (state)
            *state = *next;
        next->selector++;
        if (see(walk, io_mem_hash(left)))
            return left;
        io_close(left);
    }
}

size_t io_crash_walk_count(const struct io_crash_walk *walk)
{
    return walk->count;
}

void io_crash_walk_free(struct io_crash_walk *walk)
{
    if (walk)
        free(walk->seen);
    free(walk);
}
