/*
 * What a bench sends its requests to: submitted, and then waited for in any order, many at a time.
 * SPDX-License-Identifier: MIT
 */
#ifndef CORE_BENCH_TARGET_H
#define CORE_BENCH_TARGET_H

#include <time.h>

#include "core/bench.h"
#include "format/qed.h"
#include "io/io_queue.h"

/* Runs of a request that are in flight at once; those past them are read one after the other. */
#define BENCH_PARTS_MAX 8

enum bench_op { BENCH_READ, BENCH_WRITE, BENCH_FLUSH };

struct bench_request {
    enum bench_op op;
    uint64_t virt_off; /* the range lies inside the image; nothing of a flush */
    void *buffer;
    size_t len;
    int status;     /* once finished: QED_OK or a negative code; the target has the error */
    uint64_t begun; /* the bench's: bench_now() */
    struct bench_request *next; /* the target's, as is what follows */
    unsigned int parts_left;
    struct io_request parts[BENCH_PARTS_MAX];
};

struct bench_target;

struct bench_target_ops {
    void (*submit)(struct bench_target *target, struct bench_request *request);
    struct bench_request *(*wait)(struct bench_target *target); /* NULL when at_once */
    int (*finish)(struct bench_target *target, struct qed_error *error);
    void (*free)(struct bench_target *target);
};

/* Implementations embed this. */
struct bench_target {
    const struct bench_target_ops *ops;
    bool at_once;                   /* requests are finished when they are submitted */
    struct bench_request *finished; /* that have not been waited for; more may come in wait */
    struct qed_error error;         /* of a request that failed */
};

/*
 * Reads of any image, and writes of a raw one, depth at a time. image stays the caller's, and so
 * does cache's meaning: see bench.h.
 */
int bench_target_files(struct bench_target **target, struct image *image, bool write,
                       unsigned int depth, const struct bench_cache *cache,
                       struct qed_error *error);

/*
 * Writes into a QED image, one at a time, through the page cache. base, NULL for none, is what
 * shows through. Both stay the caller's.
 */
int bench_target_qed(struct bench_target **target, struct qed_image *image, struct image *base,
                     const struct bench_cache *cache, struct qed_error *error);

/* Start a request, which stays where it is until it is finished. */
static inline void bench_target_submit(struct bench_target *target, struct bench_request *request)
{
    target->ops->submit(target, request);
}

/* For targets: a request is finished. */
static inline void bench_target_done(struct bench_target *target, struct bench_request *request)
{
    request->next = target->finished;
    target->finished = request;
}

/* The next finished request; NULL when the kernel's queue failed. One must be in flight. */
static inline struct bench_request *bench_target_wait(struct bench_target *target)
{
    struct bench_request *request = target->finished;

    if (!request)
        return target->ops->wait(target);
    target->finished = request->next;
    return request;
}

/* Write out what is in memory only, and mark the image as cleanly closed. None may be in flight. */
static inline int bench_target_finish(struct bench_target *target, struct qed_error *error)
{
    return target->ops->finish(target, error);
}

/* NULL-safe. */
static inline void bench_target_free(struct bench_target *target)
{
    if (target)
        target->ops->free(target);
}

/* Nanoseconds of a clock that only goes forward. */
static inline uint64_t bench_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static inline double bench_seconds(uint64_t nanoseconds)
{
    return (double)nanoseconds / 1e9;
}

#endif
