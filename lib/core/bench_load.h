/*
 * A load of requests on a target: so many in flight, flushes where the number of those not sent yet
 * is a multiple of the interval, everything timed.
 * SPDX-License-Identifier: MIT
 */
#ifndef CORE_BENCH_LOAD_H
#define CORE_BENCH_LOAD_H

#include "core/bench_target.h"

struct bench_load_options {
    bool write;
    uint64_t count;      /* requests */
    uint64_t stop_after; /* send no more than so many of these, and no flush then; 0: all */
    unsigned int depth;  /* in flight, not 0; 1 is enough for a target that is done at once */
    size_t request_bytes;
    uint64_t flush_interval; /* requests; 0: no flushes */
    bool no_drain;           /* flush while requests are in flight */
    bool no_flush;           /* flushes are counted only */
    uint8_t pattern;         /* that is written */
    /* Where request number goes; negative ends the load. */
    int (*place)(void *context, uint64_t number, uint64_t *virt_off, struct qed_error *error);
    void *place_context;
    bool (*stop)(void *context); /* asked after each request; may be NULL */
    void *stop_context;
};

struct bench_load;

/* A load on target, which stays the caller's. QED_ERR_INVALID: more than BENCH_BUFFERS_MAX. */
int bench_load_new(struct bench_load **load, struct bench_target *target,
                   const struct bench_load_options *options, struct qed_error *error);

/*
 * Send the requests; once. Adds to *report all that it has of them: times, counts and latencies.
 * None is in flight afterwards. QED_ERR_STOPPED when stop said so; else errors read as qemu-img's.
 */
int bench_load_run(struct bench_load *load, struct bench_io_report *report,
                   struct qed_error *error);

/* NULL-safe. */
void bench_load_free(struct bench_load *load);

#endif
