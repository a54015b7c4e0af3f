/*
 * Progress of long work: on a terminal a line with the rate and the time left, on stderr; where -p
 * asks for it elsewhere, qemu-img's percentage on stdout. And the signals that bear on long work.
 * SPDX-License-Identifier: MIT
 */
#ifndef SRC_PROGRESS_H
#define SRC_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

struct progress {
    bool on_terminal;     /* draw the line on stderr */
    FILE *percentages;    /* where they are printed; NULL for nowhere */
    bool drawn;           /* there is a line to end or to wipe */
    uint64_t done, total; /* as last told */
    struct timespec start, last;
};

/*
 * Begin. Asked: as with -p, percentages going to out. Otherwise a line is drawn where stderr is a
 * terminal, when the work turns out to be long, unless it is not allowed.
 */
void progress_start(struct progress *progress, bool asked, bool allowed, FILE *out);

/*
 * done of total bytes, total being 0 when it is not known: then done takes the place of the
 * percentage, and of the time left; draws at most a few times a second. After SIGUSR1 a line is
 * printed on stderr, whatever was asked for.
 */
void progress_update(struct progress *progress, uint64_t done, uint64_t total);

/* End; percentages go to 100 on success. */
void progress_end(struct progress *progress, bool success);

/*
 * From now on SIGINT, SIGTERM, SIGHUP and SIGPIPE only set a flag, so that what was begun can be
 * undone; a second one kills as usual. SIGUSR1 asks for a line of progress.
 */
void progress_catch_signals(void);

/* Let what is written to a pipe that nobody reads fail with an error, in place of a signal. */
void progress_ignore_closed_pipes(void);

/* The signal that was caught, 0 for none. */
int progress_caught_signal(void);

/* Die of the caught signal, so that the caller's shell sees it; returns when there was none. */
void progress_reraise(void);

#endif
