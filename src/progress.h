/*
 * Progress of long work on stdout: qemu-img's percentage, or on a terminal a line with the rate
 * and the time left.
 * SPDX-License-Identifier: MIT
 */
#ifndef SRC_PROGRESS_H
#define SRC_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct progress {
    bool shown;
    bool is_terminal;
    struct timespec start, last;
};

/* Begin; nothing is ever drawn unless shown. */
void progress_start(struct progress *progress, bool shown);

/* done of total bytes; draws at most a few times a second. */
void progress_update(struct progress *progress, uint64_t done, uint64_t total);

/* End the line; success draws it at 100 % first. */
void progress_end(struct progress *progress, bool success);

/*
 * From now on SIGINT, SIGTERM, SIGHUP and SIGPIPE only set a flag, so that what was begun can be undone; a
 * second one kills as usual.
 */
void progress_catch_signals(void);

/* The signal that was caught, 0 for none. */
int progress_caught_signal(void);

/* Die of the caught signal, so that the caller's shell sees it; returns when there was none. */
void progress_reraise(void);

#endif
