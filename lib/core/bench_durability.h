/*
 * What it costs to survive a crash, and what the crash costs then: one load of allocating writes
 * under each policy of the writer, and under none, on scratch images with an image's geometry.
 * SPDX-License-Identifier: MIT
 */
#ifndef CORE_BENCH_DURABILITY_H
#define CORE_BENCH_DURABILITY_H

#include "core/bench.h"

/* The policies that are compared; the first is none, which no image should be written with. */
#define BENCH_POLICY_COUNT 5
#define BENCH_ROUNDS_MAX 100

struct bench_durability_options {
    const char *format; /* "qed", NULL to probe */
    bool share;
    uint64_t count; /* requests; 0: BENCH_DURABILITY_COUNT, or as many as the guest has room for */
    unsigned int depth; /* in flight, not 0 */
    size_t request_bytes;
    uint64_t flush_interval; /* requests; 0: no flushes */
    bool random;             /* places in random order, else one after the other */
    uint64_t seed;           /* of that order */
    unsigned int rounds;     /* 1 to BENCH_ROUNDS_MAX */
    uint8_t pattern;         /* that is written */
    struct bench_cache cache;
    uint64_t preallocate;        /* bytes; 0: the default */
    bool (*stop)(void *context); /* asked after each request; may be NULL */
    void *stop_context;
};

#define BENCH_DURABILITY_COUNT 4096

/* What a policy costs while it is all well; medians of the rounds. */
struct bench_policy_cost {
    double seconds, close_seconds;
    double relative; /* seconds to those of none in the same round */
    uint64_t host_flushes, host_bytes_written;
    struct histogram latency; /* of all rounds, nanoseconds */
};

/* What a crash in the middle of it costs. */
struct bench_crash {
    enum qed_recovery_kind recovery;
    uint64_t tables;                    /* that are read, */
    struct qed_scan_plan plan;          /* by these requests, */
    double seconds;                     /* which took this here */
    uint64_t leaked_bytes, corruptions; /* after the recovery */
    uint64_t file_bytes;
    uint64_t loaded_tables;           /* to be read if every L1 entry had a table, */
    struct qed_scan_plan loaded_plan; /* tables not side by side */
};

struct bench_policy_report {
    const char *name; /* static */
    bool is_safe;     /* there is a promise to keep */
    double round_seconds[BENCH_ROUNDS_MAX], round_close[BENCH_ROUNDS_MAX];
    struct bench_policy_cost cost;
    struct bench_crash crash;
};

struct bench_durability_report {
    uint64_t requests, guest_bytes; /* of one run */
    uint64_t virtual_bytes;         /* of the image */
    uint32_t cluster_size, table_size;
    struct bench_policy_report policies[BENCH_POLICY_COUNT];
};

/*
 * Run the load rounds times under every policy, in turn, then kill each half-way between two
 * flushes at the end of it. The image at path, which must be QED (else QED_ERR_UNSUPPORTED), is
 * only read; scratch images lie beside it, and are removed. QED_ERR_INVALID where the guest has no
 * room for the requests; QED_ERR_STOPPED. The caller calls bench_durability_release in any case.
 */
int bench_durability(const char *path, const struct bench_durability_options *options,
                     struct bench_durability_report *report, struct qed_error *error);

void bench_durability_release(struct bench_durability_report *report);

/* What a plan of a report takes guests on a disk that they share. */
int bench_crash_model(const struct bench_crash *crash, const struct qed_scan_plan *plan,
                      const struct diskmodel *disk, unsigned int guests,
                      struct diskmodel_times *times, struct qed_error *error);

/*
 * The place of request number of a load in random order: a permutation of [0, places), places not
 * 0, that the seed decides. For tests.
 */
uint64_t bench_durability_place(uint64_t number, uint64_t places, uint64_t seed);

#endif
