/*
 * Draws progress, and keeps the one flag that signals set.
 * SPDX-License-Identifier: MIT
 */
#include "progress.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/units.h"

#define REDRAW_SECONDS 0.2

static volatile sig_atomic_t caught_signal;

static double seconds_between(const struct timespec *from, const struct timespec *to)
{
    return (double)(to->tv_sec - from->tv_sec) + (double)(to->tv_nsec - from->tv_nsec) / 1e9;
}

void progress_start(struct progress *progress, bool shown)
{
    *progress = (struct progress){.shown = shown, .is_terminal = isatty(STDOUT_FILENO) == 1};
    clock_gettime(CLOCK_MONOTONIC, &progress->start);
    progress->last = progress->start;
    if (shown)
        progress_update(progress, 0, 0);
}

static void draw(const struct progress *progress, uint64_t done, uint64_t total, double elapsed)
{
    double part = total ? (double)done / (double)total : 0;
    char rate[UNITS_TEXT_MAX];

    if (!progress->is_terminal || elapsed <= 0 || done == 0) {
        printf("    (%3.2f/100%%)\r", part * 100);
    } else {
        double left = elapsed / part - elapsed;

        units_format_size((uint64_t)((double)done / elapsed), rate);
        printf("    (%3.2f/100%%)  %s/s  %.0f:%02.0f left\033[K\r", part * 100, rate,
               (double)(long)(left / 60), (double)((long)left % 60));
    }
    fflush(stdout);
}

void progress_update(struct progress *progress, uint64_t done, uint64_t total)
{
    struct timespec now;

    if (!progress->shown)
        return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (done != 0 && seconds_between(&progress->last, &now) < REDRAW_SECONDS)
        return;
    progress->last = now;
    draw(progress, done, total, seconds_between(&progress->start, &now));
}

void progress_end(struct progress *progress, bool success)
{
    if (!progress->shown)
        return;
    if (success)
        printf("    (100.00/100%%)%s\r", progress->is_terminal ? "\033[K" : "");
    printf("\n");
    fflush(stdout);
}

static void on_signal(int number)
{
    caught_signal = number;
}

void progress_catch_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};

    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        sigaction(numbers[i], &action, NULL);
}

int progress_caught_signal(void)
{
    return caught_signal;
}

void progress_reraise(void)
{
    if (!caught_signal)
        return;
    signal(caught_signal, SIG_DFL);
    raise(caught_signal);
}
