/*
 * What a guest has written to stretches of its disk, and when; and from that, what each byte may
 * read as after the power failed at a point of the recording (io_crash.h):
 * - what was finished before a flush was asked for that has come to its end: that, or what was
 *   written after it; of two writes that overlapped in time, either;
 * - what was not flushed: as before or as written, sector by sector of 512 bytes.
 *
 * The same time is told in two ways: in events, one of them at each call here, and in operations of
 * the recording. Everything here ends the test where it fails.
 * SPDX-License-Identifier: MIT
 */
#ifndef SUPPORT_HISTORY_H
#define SUPPORT_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HISTORY_SECTOR 512

struct history_window {
    uint64_t virt_off, len; /* guest bytes, in whole sectors */
};

struct history_write {
    uint64_t virt_off, len;
    bool is_zeroes;
    size_t began, ended; /* events; SIZE_MAX while it is not finished */
    size_t ops;          /* of the recording, when it was submitted */
};

struct history_flush {
    size_t began; /* event */
    size_t ops;   /* of the recording, when it was finished; SIZE_MAX until then */
};

struct history;

/*
 * initial are the bytes that the windows, in their order, read as at first; the caller keeps the
 * windows.
 */
struct history *history_new(const struct history_window *windows, size_t count,
                            const uint8_t *initial);
void history_free(struct history *history);

/* How many bytes all windows have. */
size_t history_bytes(const struct history *history);

/* A request begins, inside one window; its number. ops is how far the recording is. */
size_t history_write(struct history *history, uint64_t virt_off, uint64_t len, bool is_zeroes,
                     size_t ops);
size_t history_flush(struct history *history);

/* What a write writes: fill buffer, len bytes. */
void history_fill(size_t write, uint64_t virt_off, uint64_t len, uint8_t *buffer);

/* The request is finished. */
void history_write_done(struct history *history, size_t write);
void history_flush_done(struct history *history, size_t flush, size_t ops);

/* Look at one cut of the recording: what history_wrong and history_unflushed are asked about. */
void history_look(struct history *history, size_t cut);

/* The first cut after that one at which one more flush has come to its end; SIZE_MAX: none. */
size_t history_next_flushed(const struct history *history, size_t cut);

/* The guest offset of the first of the windows' bytes that may not be so; UINT64_MAX: none. */
uint64_t history_wrong(const struct history *history, const uint8_t *bytes);

/*
 * How many clusters the writes that no flush covers yet may have taken, each for itself, and how
 * many stretches of span bytes they touch.
 */
void history_unflushed(const struct history *history, uint64_t cluster_size, uint64_t span,
                       uint64_t *clusters, uint64_t *spans);

#endif
