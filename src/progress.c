/*
 * Draws progress, and keeps the flags that signals set.
 * SPDX-License-Identifier: MIT
 */
#include "progress.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/units.h"
#include "out.h"

#define REDRAW_SECONDS 0.2
#define LONG_SECONDS 1.0
#define WIPE_LINE "\r\033[K"

static volatile sig_atomic_t caught_signal;
static volatile sig_atomic_t asked_by_signal;

static double seconds_between(const struct timespec *from, const struct timespec *to)
{
    return (double)(to->tv_sec - from->tv_sec) + (double)(to->tv_nsec - from->tv_nsec) / 1e9;
}

static void print_percent(double part, const char *end)
{
    printf("    (%3.2f/100%%)%s", part * 100, end);
    out_flush();
}

void progress_start(struct progress *progress, bool asked, bool allowed)
{
    bool terminal = isatty(STDERR_FILENO) == 1;

    *progress = (struct progress){.on_terminal = terminal && allowed,
                                  .on_stdout = asked && allowed && !terminal};
    clock_gettime(CLOCK_MONOTONIC, &progress->start);
    progress->last = progress->start;
    if (progress->on_stdout)
        print_percent(0, "\r");
}

/* "  12.34 %, 1.5 GiB/s, 0:12 left" */
static void print_line(const struct progress *progress, double elapsed, const char *begin,
                       const char *end)
{
    double part = progress->total ? (double)progress->done / (double)progress->total : 0;
    double left = part > 0 ? elapsed / part - elapsed : 0;
    char rate[UNITS_TEXT_MAX];

    units_format_size((uint64_t)(elapsed > 0 ? (double)progress->done / elapsed : 0), rate);
    fprintf(stderr, "%s    %.2f %%, %s/s, %ld:%02ld left%s", begin, part * 100, rate,
            (long)(left / 60), (long)left % 60, end);
    fflush(stderr);
}

void progress_update(struct progress *progress, uint64_t done, uint64_t total)
{
    struct timespec now;
    double elapsed;

    progress->done = done;
    progress->total = total;
    clock_gettime(CLOCK_MONOTONIC, &now);
    elapsed = seconds_between(&progress->start, &now);
    if (asked_by_signal) {
        asked_by_signal = 0;
        print_line(progress, elapsed, progress->drawn ? WIPE_LINE : "", "\n");
        progress->drawn = false;
    }
    if (seconds_between(&progress->last, &now) < REDRAW_SECONDS)
        return;
    progress->last = now;
    if (progress->on_stdout && total)
        print_percent((double)done / (double)total, "\r");
    if (progress->on_terminal && elapsed >= LONG_SECONDS) {
        print_line(progress, elapsed, "\r", "\033[K");
        progress->drawn = true;
    }
}

void progress_end(struct progress *progress, bool success)
{
    if (progress->drawn)
        fputs(WIPE_LINE, stderr);
    if (!progress->on_stdout)
        return;
    if (success)
        print_percent(1, "\r");
    printf("\n");
    out_flush();
}

static void on_signal(int number)
{
    caught_signal = number;
}

static void on_question(int number)
{
    (void)number;
    asked_by_signal = 1;
}

void progress_catch_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    struct sigaction question = {.sa_handler = on_question, .sa_flags = SA_RESTART};

    sigemptyset(&action.sa_mask);
    sigemptyset(&question.sa_mask);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        struct sigaction before;

        /* What was ignored from the start stays so: nohup(1), background jobs. */
        if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
    }
    sigaction(SIGUSR1, &question, NULL);
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
