/*
 * Reads are compared with the ranges; the rest is handed on.
 * SPDX-License-Identifier: MIT
 */
#include "support/io_bad.h"

#include <stdlib.h>

#define RANGES_MAX 16

struct io_bad {
    struct io io;
    struct io *below;
    uint64_t file_off[RANGES_MAX], len[RANGES_MAX];
    size_t count, reads;
};

static struct io_bad *to_bad(struct io *io)
{
    return (struct io_bad *)io;
}

static int bad_read(struct io *io, void *buffer, size_t len, uint64_t file_off,
                    struct qed_error *error)
{
    struct io_bad *bad = to_bad(io);

    bad->reads++;
    for (size_t i = 0; i < bad->count; i++) {
        if (file_off < bad->file_off[i] + bad->len[i] && bad->file_off[i] < file_off + len)
            return qed_fail(error, QED_ERR_IO, "a bad sector");
    }
    return io_read(bad->below, buffer, len, file_off, error);
}

static int bad_get_length(struct io *io, uint64_t *length, struct qed_error *error)
{
    return io_get_length(to_bad(io)->below, length, error);
}

static void bad_close(struct io *io)
{
    free(io);
}

static const struct io_ops bad_ops = {
    .read = bad_read, .get_length = bad_get_length, .close = bad_close};

struct io *io_bad_new(struct io *below)
{
    struct io_bad *bad = calloc(1, sizeof(*bad));

    if (!bad)
        abort();
    bad->io.ops = &bad_ops;
    bad->below = below;
    return &bad->io;
}

void io_bad_add(struct io *io, uint64_t file_off, uint64_t len)
{
    struct io_bad *bad = to_bad(io);

    if (bad->count == RANGES_MAX)
        abort();
    bad->file_off[bad->count] = file_off;
    bad->len[bad->count++] = len;
}

size_t io_bad_reads(struct io *io)
{
    return to_bad(io)->reads;
}
