/*
 * The windows are cut into pieces at sectors and at the ends of writes; all bytes of a piece have
 * the same history. For a cut, the writes that each piece may show are listed once.
 * SPDX-License-Identifier: MIT
 */
#include "support/history.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "support/unit.h"

#define WRITES_MAX 96
#define FLUSHES_MAX 128
#define WINDOWS_MAX 8
#define CHOICES_MAX 24

struct piece {
    uint64_t virt_off;
    size_t at, len; /* in the windows' bytes */
    bool initial;   /* may read as at first */
    size_t count;
    uint8_t choices[CHOICES_MAX]; /* values that all its bytes may have */
};

struct history {
    const struct history_window *windows;
    size_t window_count, bytes;
    uint8_t *initial;
    struct history_write writes[WRITES_MAX];
    struct history_flush flushes[FLUSHES_MAX];
    size_t write_count, flush_count;
    size_t events;
    struct piece *pieces;
    size_t piece_count;
    size_t cut;     /* that is looked at */
    size_t flushed; /* writes that ended before that event are durable */
};

struct history *history_new(const struct history_window *windows, size_t count,
                            const uint8_t *initial)
{
    struct history *history = calloc(1, sizeof(*history));

    if (!history || count > WINDOWS_MAX)
        ck_abort_msg("no history of %zu windows", count);
    history->windows = windows;
    history->window_count = count;
    for (size_t i = 0; i < count; i++)
        history->bytes += (size_t)windows[i].len;
    history->initial = malloc(history->bytes);
    if (!history->initial)
        ck_abort_msg("out of memory");
    memcpy(history->initial, initial, history->bytes);
    return history;
}

void history_free(struct history *history)
{
    if (!history)
        return;
    free(history->initial);
    free(history->pieces);
    free(history);
}

size_t history_bytes(const struct history *history)
{
    return history->bytes;
}

static bool is_in_window(const struct history *history, uint64_t virt_off, uint64_t len)
{
    for (size_t i = 0; i < history->window_count; i++) {
        const struct history_window *window = &history->windows[i];

        if (range_inside(virt_off, len, window->virt_off, window->virt_off + window->len))
            return true;
    }
    return false;
}

size_t history_write(struct history *history, uint64_t virt_off, uint64_t len, bool is_zeroes,
                     size_t ops)
{
    if (history->write_count == WRITES_MAX || !is_in_window(history, virt_off, len))
        ck_abort_msg("a write that has no place in the history");
    history->writes[history->write_count] = (struct history_write){.virt_off = virt_off,
                                                                   .len = len,
                                                                   .is_zeroes = is_zeroes,
                                                                   .began = history->events++,
                                                                   .ended = SIZE_MAX,
                                                                   .ops = ops};
    return history->write_count++;
}

size_t history_flush(struct history *history)
{
    if (history->flush_count == FLUSHES_MAX)
        ck_abort_msg("too many flushes for the history");
    history->flushes[history->flush_count] =
        (struct history_flush){.began = history->events++, .ops = SIZE_MAX};
    return history->flush_count++;
}

/* One value for a sector of a write, seldom that of another sector or write; never 0. */
static uint8_t value_of(size_t write, uint64_t sector)
{
    uint64_t hash =
        (sector + 1) * UINT64_C(0x9e3779b97f4a7c15) + write * UINT64_C(0xbf58476d1ce4e5b9);

    return (uint8_t)(1 + (hash >> 32) % 255);
}

void history_fill(size_t write, uint64_t virt_off, uint64_t len, uint8_t *buffer)
{
    for (uint64_t i = 0; i < len; i++)
        buffer[i] = value_of(write, (virt_off + i) / HISTORY_SECTOR);
}

void history_write_done(struct history *history, size_t write)
{
    history->writes[write].ended = history->events++;
}

void history_flush_done(struct history *history, size_t flush, size_t ops)
{
    history->flushes[flush].ops = ops;
}

/* Where the piece ends that begins at virt_off: at a sector, or where a write begins or ends. */
static uint64_t piece_end(const struct history *history, uint64_t virt_off)
{
    uint64_t end = round_down(virt_off, HISTORY_SECTOR) + HISTORY_SECTOR;

    for (size_t i = 0; i < history->write_count; i++) {
        const struct history_write *write = &history->writes[i];

        if (write->virt_off > virt_off)
            end = min_u64(end, write->virt_off);
        if (write->virt_off + write->len > virt_off)
            end = min_u64(end, write->virt_off + write->len);
    }
    return end;
}

static void cut_into_pieces(struct history *history)
{
    size_t room = history->bytes / HISTORY_SECTOR + 2 * history->write_count, at = 0;

    history->pieces = calloc(room, sizeof(*history->pieces));
    if (!history->pieces)
        ck_abort_msg("out of memory");
    for (size_t i = 0; i < history->window_count; i++) {
        uint64_t virt_off = history->windows[i].virt_off;

        while (virt_off < history->windows[i].virt_off + history->windows[i].len) {
            struct piece *piece = &history->pieces[history->piece_count++];

            piece->virt_off = virt_off;
            piece->at = at;
            piece->len = (size_t)(piece_end(history, virt_off) - virt_off);
            virt_off += piece->len;
            at += piece->len;
        }
    }
}

static bool touches(const struct history_write *write, const struct piece *piece)
{
    return write->virt_off <= piece->virt_off && piece->virt_off < write->virt_off + write->len;
}

static bool is_flushed(const struct history *history, const struct history_write *write)
{
    return write->ended < history->flushed;
}

/* Whether another write, flushed too, came after this one was finished. */
static bool is_hidden(const struct history *history, const struct history_write *write,
                      const struct piece *piece)
{
    for (size_t i = 0; i < history->write_count; i++) {
        const struct history_write *later = &history->writes[i];

        if (is_flushed(history, later) && touches(later, piece) && later->began > write->ended)
            return true;
    }
    return false;
}

static void list_choices(struct history *history, struct piece *piece)
{
    piece->initial = true;
    piece->count = 0;
    for (size_t i = 0; i < history->write_count; i++) {
        const struct history_write *write = &history->writes[i];

        if (!touches(write, piece))
            continue;
        if (is_flushed(history, write))
            piece->initial = false;
        else if (write->ops >= history->cut)
            continue;
        if (is_hidden(history, write, piece))
            continue;
        if (piece->count == CHOICES_MAX)
            ck_abort_msg("too many writes to one place");
        piece->choices[piece->count++] =
            write->is_zeroes ? 0 : value_of(i, piece->virt_off / HISTORY_SECTOR);
    }
}

void history_look(struct history *history, size_t cut)
{
    if (!history->pieces)
        cut_into_pieces(history);
    history->cut = cut;
    history->flushed = 0;
    for (size_t i = 0; i < history->flush_count; i++) {
        if (history->flushes[i].ops <= cut)
            history->flushed = history->flushes[i].began;
    }
    for (size_t i = 0; i < history->piece_count; i++)
        list_choices(history, &history->pieces[i]);
}

size_t history_next_flushed(const struct history *history, size_t cut)
{
    size_t next = SIZE_MAX;

    for (size_t i = 0; i < history->flush_count; i++) {
        if (history->flushes[i].ops > cut && history->flushes[i].ops < next)
            next = history->flushes[i].ops;
    }
    return next;
}

/* Whether all bytes of a piece are the same, and what the piece may have. */
static bool is_choice(const struct piece *piece, const uint8_t *bytes)
{
    for (size_t i = 0; i < piece->count; i++) {
        if (bytes[0] == piece->choices[i])
            return memcmp(bytes, bytes + 1, piece->len - 1) == 0;
    }
    return false;
}

uint64_t history_wrong(const struct history *history, const uint8_t *bytes)
{
    for (size_t i = 0; i < history->piece_count; i++) {
        const struct piece *piece = &history->pieces[i];

        if (piece->initial &&
            memcmp(bytes + piece->at, history->initial + piece->at, piece->len) == 0)
            continue;
        if (!is_choice(piece, bytes + piece->at))
            return piece->virt_off;
    }
    return UINT64_MAX;
}

void history_unflushed(const struct history *history, uint64_t cluster_size, uint64_t span,
                       uint64_t *clusters, uint64_t *spans)
{
    uint64_t seen = 0;

    *clusters = 0;
    for (size_t i = 0; i < history->write_count; i++) {
        const struct history_write *write = &history->writes[i];
        uint64_t last = write->virt_off + write->len - 1;

        if (write->len == 0 || is_flushed(history, write) || write->ops >= history->cut)
            continue;
        *clusters += last / cluster_size - write->virt_off / cluster_size + 1;
        for (uint64_t at = write->virt_off / span; at <= last / span; at++)
            seen |= UINT64_C(1) << at % 64;
    }
    *spans = (uint64_t)__builtin_popcountll(seen);
}
