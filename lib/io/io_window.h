/*
 * Writes through the page cache that do not stay there: what was written starts on its way to the
 * device at once; what was started a while ago is waited for and dropped. So the device is never
 * idle, a flush at the end has little to do, and a large file does not push others out of memory.
 * Makes nothing durable: neither the file's metadata nor the device's own cache is flushed.
 * SPDX-License-Identifier: MIT
 */
#ifndef IO_IO_WINDOW_H
#define IO_IO_WINDOW_H

#include "io/io.h"

/* A stretch of the file whose writeback is one call. */
struct io_window_step {
    uint64_t file_off, end;
};

/* Steps of 4 MiB: at most 64 MiB of the file are on their way. */
#define IO_WINDOW_STEP_BYTES (UINT64_C(4) << 20)
#define IO_WINDOW_STEPS 16

/* Give io and keeps; the rest starts as zeroes. */
struct io_window {
    struct io
        *io;    /* stays the caller's; where it is no file of the host, keeps is as good as set */
    bool keeps; /* no window: what is written stays in the page cache */
    struct io_window_step gathered;
    struct io_window_step started[IO_WINDOW_STEPS]; /* a ring */
    unsigned int first, count;
};

/*
 * As io_write, wherever in the file, in calls that are small enough to go fast. May wait for the
 * device. What goes wrong with bytes of earlier writes is told here, and then by no io_flush after
 * that; what was written last is the flush's to wait for.
 */
int io_window_write(struct io_window *window, const void *buffer, size_t len, uint64_t file_off,
                    struct qed_error *error);

#endif
