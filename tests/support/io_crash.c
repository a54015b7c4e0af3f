/*
 * The recording of changes, and what they do to a file when parts of them are dropped.
 * SPDX-License-Identifier: MIT
 */
#include "support/io_crash.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "support/io_crash_pick.h"
#include "support/io_mem.h"

#define SECTOR 512

struct io_crash {
    struct io io;
    struct io *below;
    struct io *start; /* the file as it was at first */
    struct io_crash_op *ops;
    size_t count, room;
    uint64_t shortest; /* that the file may be when all since the last flush is chosen from */
    struct io *base;   /* the file after the first base_count operations, all of them flushed */
    size_t base_count;
};

static const struct io_ops crash_ops;

static struct io_crash *to_crash(struct io *io)
{
    if (io->ops != &crash_ops)
        abort();
    return (struct io_crash *)io;
}

static void *need(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

/* Where a part ends; the end of part - 1 is where it starts. */
static uint64_t part_end(const struct io_crash_op *op, size_t part)
{
    return min_u64(op->file_off + op->len, round_down(op->file_off, op->part_bytes) +
                                               (uint64_t)(part + 1) * op->part_bytes);
}

static uint64_t part_start(const struct io_crash_op *op, size_t part)
{
    return part == 0 ? op->file_off : part_end(op, part - 1);
}

/* Divide what op touches into its parts, all of them there. */
static void divide(struct io_crash_op *op, uint64_t shortest)
{
    uint64_t end = op->file_off + op->len;

    op->part_bytes = SECTOR;
    while (op->kind == IO_CRASH_ZERO && op->len / op->part_bytes > IO_CRASH_ZERO_PARTS)
        op->part_bytes *= 2;
    if (op->kind == IO_CRASH_SET_LENGTH)
        op->parts = 1;
    else if (op->len > 0)
        op->parts = (size_t)((end - 1) / op->part_bytes - op->file_off / op->part_bytes + 1);
    while (op->kind == IO_CRASH_WRITE && op->growing < op->parts &&
           part_end(op, op->parts - op->growing - 1) > shortest)
        op->growing++;
    op->kept = need(malloc(op->parts + 1));
    io_crash_keep(op);
}

static void record(struct io_crash *crash, enum io_crash_kind kind, uint64_t file_off, uint64_t len,
                   const void *bytes)
{
    struct io_crash_op op = {.kind = kind, .file_off = file_off, .len = len};

    if (bytes) {
        op.bytes = need(malloc((size_t)len + 1));
        memcpy(op.bytes, bytes, (size_t)len);
    }
    divide(&op, crash->shortest);
    if (kind == IO_CRASH_SET_LENGTH)
        crash->shortest = min_u64(crash->shortest, len);
    else if (kind == IO_CRASH_FLUSH && io_get_length(crash->below, &crash->shortest, NULL) < 0)
        abort();
    if (crash->count == crash->room) {
        crash->room = crash->room ? crash->room * 2 : 64;
        crash->ops = need(realloc(crash->ops, crash->room * sizeof(*crash->ops)));
    }
    crash->ops[crash->count++] = op;
}

static int crash_read(struct io *io, void *buffer, size_t len, uint64_t file_off,
                      struct qed_error *error)
{
    return io_read(to_crash(io)->below, buffer, len, file_off, error);
}

static int crash_write(struct io *io, const void *buffer, size_t len, uint64_t file_off,
                       struct qed_error *error)
{
    int ret = io_write(to_crash(io)->below, buffer, len, file_off, error);

    if (ret == QED_OK)
        record(to_crash(io), IO_CRASH_WRITE, file_off, len, buffer);
    return ret;
}

static int crash_zero(struct io *io, uint64_t file_off, uint64_t len, struct qed_error *error)
{
    int ret = io_zero(to_crash(io)->below, file_off, len, error);

    if (ret == QED_OK)
        record(to_crash(io), IO_CRASH_ZERO, file_off, len, NULL);
    return ret;
}

static int crash_flush(struct io *io, struct qed_error *error)
{
    int ret = io_flush(to_crash(io)->below, error);

    if (ret == QED_OK)
        record(to_crash(io), IO_CRASH_FLUSH, 0, 0, NULL);
    return ret;
}

static int crash_get_length(struct io *io, uint64_t *length, struct qed_error *error)
{
    return io_get_length(to_crash(io)->below, length, error);
}

static int crash_set_length(struct io *io, uint64_t length, struct qed_error *error)
{
    int ret = io_set_length(to_crash(io)->below, length, error);

    if (ret == QED_OK)
        record(to_crash(io), IO_CRASH_SET_LENGTH, 0, length, NULL);
    return ret;
}

static int crash_next_run(struct io *io, uint64_t file_off, struct io_run *run,
                          struct qed_error *error)
{
    return io_next_run(to_crash(io)->below, file_off, run, error);
}

static void crash_close(struct io *io)
{
    struct io_crash *crash = to_crash(io);

    for (size_t i = 0; i < crash->count; i++) {
        free(crash->ops[i].bytes);
        free(crash->ops[i].kept);
    }
    free(crash->ops);
    io_close(crash->start);
    io_close(crash->base);
    free(crash);
}

static const struct io_ops crash_ops = {
    .read = crash_read,
    .write = crash_write,
    .zero = crash_zero,
    .flush = crash_flush,
    .get_length = crash_get_length,
    .set_length = crash_set_length,
    .next_run = crash_next_run,
    .close = crash_close,
};

struct io *io_crash_new(struct io *below)
{
    struct io_crash *crash = need(calloc(1, sizeof(*crash)));

    crash->io.ops = &crash_ops;
    crash->below = below;
    crash->start = io_mem_copy(below);
    crash->base = io_mem_copy(below);
    if (io_get_length(below, &crash->shortest, NULL) < 0)
        abort();
    return &crash->io;
}

size_t io_crash_ops(struct io *io)
{
    return to_crash(io)->count;
}

/* The first operation after the last flush before cut: from there to cut all are changes. */
static size_t first_unflushed(const struct io_crash *crash, size_t cut, uint64_t limit)
{
    size_t first = cut;

    if (cut > crash->count || limit == 0 || limit > INT64_MAX)
        abort();
    while (first > 0 && crash->ops[first - 1].kind != IO_CRASH_FLUSH)
        first--;
    return first;
}

uint64_t io_crash_selectors(struct io *io, size_t cut, uint64_t limit)
{
    const struct io_crash *crash = to_crash(io);
    size_t first = first_unflushed(crash, cut, limit);

    return io_crash_pick_count(crash->ops + first, cut - first, limit);
}

/* The bytes of the file that the next kept parts from *part on touch, and which come after them. */
static bool next_kept(const struct io_crash_op *op, size_t *part, uint64_t *start, uint64_t *end)
{
    while (*part < op->parts && !op->kept[*part])
        (*part)++;
    if (*part == op->parts)
        return false;
    *start = part_start(op, *part);
    while (*part < op->parts && op->kept[*part])
        (*part)++;
    *end = part_end(op, *part - 1);
    return true;
}

/* The length up to which a write has made the file longer; 0: it has not. */
static uint64_t grown_to(const struct io_crash_op *op)
{
    return op->grown ? part_end(op, op->parts - op->growing + op->grown - 1) : 0;
}

/* Do what is there of op. The range may end past the file, which nothing but grown_to moves. */
static int apply(struct io *io, const struct io_crash_op *op)
{
    uint64_t length, start, end;
    size_t part = 0;
    int ret = io_get_length(io, &length, NULL);

    if (op->kind == IO_CRASH_SET_LENGTH)
        return op->kept[0] ? io_set_length(io, op->len, NULL) : QED_OK;
    if (grown_to(op) > length) {
        length = grown_to(op);
        ret = io_set_length(io, length, NULL);
    }
    while (ret == QED_OK && next_kept(op, &part, &start, &end)) {
        end = min_u64(end, length);
        if (start >= end)
            break;
        if (op->kind == IO_CRASH_ZERO)
            ret = io_zero(io, start, end - start, NULL);
        else
            ret = io_write(io, op->bytes + (start - op->file_off), (size_t)(end - start), start,
                           NULL);
    }
    return ret;
}

/* Move base to the first count operations. */
static void move_base(struct io_crash *crash, size_t count)
{
    if (count < crash->base_count) {
        io_close(crash->base);
        crash->base = io_mem_copy(crash->start);
        crash->base_count = 0;
    }
    for (; crash->base_count < count; crash->base_count++) {
        struct io_crash_op *op = &crash->ops[crash->base_count];

        io_crash_keep(op);
        if (apply(crash->base, op) < 0)
            abort();
    }
}

/* Make the choices of state; returns the first operation that has one. */
static size_t choose(struct io_crash *crash, const struct io_crash_state *state)
{
    size_t first = first_unflushed(crash, state->cut, state->limit);
    size_t count = state->cut - first;

    if (state->selector >= io_crash_pick_count(crash->ops + first, count, state->limit))
        abort();
    io_crash_pick(crash->ops + first, count, state);
    return first;
}

struct io *io_crash_leave(struct io *io, const struct io_crash_state *state)
{
    struct io_crash *crash = to_crash(io);
    size_t first = choose(crash, state);
    struct io *left;

    move_base(crash, first);
    left = io_mem_copy(crash->base);
    for (size_t i = first; i < state->cut; i++) {
        if (apply(left, &crash->ops[i]) < 0)
            abort();
    }
    io_mem_reset_counts(left);
    return left;
}

static void describe(FILE *text, const struct io_crash_op *op)
{
    uint64_t start, end;
    size_t part = 0;
    bool dropped = op->grown == 0;

    if (op->kind == IO_CRASH_SET_LENGTH) {
        fprintf(text, "length 0x%" PRIx64 ": %s\n", op->len, op->kept[0] ? "set" : "dropped");
        return;
    }
    fprintf(text, "%s 0x%" PRIx64 "+0x%" PRIx64 ":", op->kind == IO_CRASH_ZERO ? "zero" : "write",
            op->file_off, op->len);
    while (next_kept(op, &part, &start, &end)) {
        fprintf(text, " 0x%" PRIx64 "+0x%" PRIx64, start, end - start);
        dropped = false;
    }
    if (op->grown)
        fprintf(text, " length 0x%" PRIx64, grown_to(op));
    fputs(dropped ? " dropped\n" : "\n", text);
}

char *io_crash_describe(struct io *io, const struct io_crash_state *state)
{
    struct io_crash *crash = to_crash(io);
    char *text = NULL;
    size_t size;
    FILE *stream = need(open_memstream(&text, &size));

    for (size_t i = choose(crash, state); i < state->cut; i++)
        describe(stream, &crash->ops[i]);
    if (fclose(stream) != 0)
        abort();
    return text;
}
