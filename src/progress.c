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

static void flush_percentages(const struct progress *progress)
{
    if (progress->percentages == stdout)
        out_flush();
    else
        fflush(progress->percentages);
}

static double seconds_since_start(const struct progress *progress)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return seconds_between(&progress->start, &now);
}

static const char *format_rate(const struct progress *progress, double elapsed,
                               char text[UNITS_TEXT_MAX])
{
    return units_format_size((uint64_t)(elapsed > 0 ? (double)progress->done / elapsed : 0), text);
}

static void print_percent(const struct progress *progress, double part)
{
    fprintf(progress->percentages, "    (%3.2f/100%%)\r", part * 100);
    flush_percentages(progress);
}

/* "    (1.5 GiB, 1.2 GiB/s)", as long as the one before. */
static void print_done(const struct progress *progress, double elapsed)
{
    char text[UNITS_TEXT_MAX], rate[UNITS_TEXT_MAX];
    int len =
        fprintf(progress->percentages, "    (%s, %s/s)", units_format_size(progress->done, text),
                format_rate(progress, elapsed, rate));

    fprintf(progress->percentages, "%*s\r", len < 32 ? 32 - len : 0, "");
    flush_percentages(progress);
}

void progress_start(struct progress *progress, bool asked, bool allowed, FILE *out)
{
    bool terminal = isatty(STDERR_FILENO) == 1;

    *progress = (struct progress){.on_terminal = terminal && allowed,
                                  .percentages = asked && allowed && !terminal ? out : NULL};
    clock_gettime(CLOCK_MONOTONIC, &progress->start);
    progress->last = progress->start;
    if (progress->percentages)
        print_percent(progress, 0);
}

/* "  12.34 %, 1.5 GiB/s, 0:12 left", or "  1.2 GiB, 1.5 GiB/s" */
static void print_line(const struct progress *progress, double elapsed, const char *begin,
                       const char *end)
{
    double part = progress->total ? (double)progress->done / (double)progress->total : 0;
    double left = part > 0 ? elapsed / part - elapsed : 0;
    char text[UNITS_TEXT_MAX], rate[UNITS_TEXT_MAX];

    format_rate(progress, elapsed, rate);
    if (progress->total)
        fprintf(stderr, "%s    %.2f %%, %s/s, %ld:%02ld left%s", begin, part * 100, rate,
                (long)(left / 60), (long)left % 60, end);
    else
        fprintf(stderr, "%s    %s, %s/s%s", begin, units_format_size(progress->done, text), rate,
                end);
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
    if (progress->percentages && total)
        print_percent(progress, (double)done / (double)total);
    else if (progress->percentages)
        print_done(progress, elapsed);
    if (progress->on_terminal && elapsed >= LONG_SECONDS) {
        print_line(progress, elapsed, "\r", "\033[K");
        progress->drawn = true;
    }
}

void progress_end(struct progress *progress, bool success)
{
    if (progress->drawn)
        fputs(WIPE_LINE, stderr);
    if (!progress->percentages)
        return;
    if (success && (progress->total || !progress->done))
        print_percent(progress, 1);
    else if (success)
        print_done(progress, seconds_since_start(progress));
    fputc('\n', progress->percentages);
    flush_percentages(progress);
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

void progress_ignore_closed_pipes(void)
{
    signal(SIGPIPE, SIG_IGN);
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
