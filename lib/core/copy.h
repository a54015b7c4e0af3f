/*
 * Copies what an image reads as into a target that data can be placed in: many reads and writes in
 * flight, zero blocks found on the way, everything handed to the target in the order of the guest.
 * Where the file system can share blocks between source and target, nothing is moved at all.
 * SPDX-License-Identifier: MIT
 */
#ifndef CORE_COPY_H
#define CORE_COPY_H

#include "core/image.h"
#include "core/salvage.h"
#include "core/stream_source.h"
#include "core/target.h"
#include "io/io_queue.h"

/* Called now and then with guest bytes done and in all (0: not known); return true to stop
 * (QED_ERR_STOPPED). */
typedef bool copy_progress_fn(void *context, uint64_t done, uint64_t total);

/* How bytes get to the places that the target gives out. */
enum copy_writes {
    COPY_WRITES_BUFFERED, /* they stay in the page cache */
    COPY_WRITES_WINDOWED, /* through it: io_window */
    COPY_WRITES_DIRECT,   /* past it, many requests in flight */
};

struct copy_options {
    unsigned int depth; /* buffers in flight; 0: as many as pay */
    uint64_t block;     /* bytes, a power of two, a multiple of target_unit: what is zero or not */
    bool store_zeroes;  /* zero blocks are stored like others */
    bool direct_reads;  /* past the page cache, where the source is not in it */
    enum copy_writes writes;
    bool out_of_order; /* what has been read is written at once; not where target_needs_order */
    bool unplaced;     /* data goes through target_write, in order: it cannot be placed */
    bool offload;      /* have the kernel copy what it can, and do not look for zeroes in it */
    struct salvage *salvage; /* reads the source, attached to it; NULL: stop where that fails */
    copy_progress_fn *progress; /* may be NULL */
    void *progress_context;
};

/*
 * Copy all of source. source_name is for messages; that of a read that fails has the range of the
 * guest. Nothing is flushed. Not with both salvage and offload.
 */
int copy_image(struct image *source, const char *source_name, struct target *target,
               const struct copy_options *options, struct qed_error *error);

/*
 * The same for all that comes out of a stream; total is its size, 0 when that is not known. *size
 * gets how many bytes there were, in whole sectors.
 */
int copy_stream(struct stream_source *source, uint64_t total, uint64_t *size, struct target *target,
                const struct copy_options *options, struct qed_error *error);

/* Put before the text of an error that len guest bytes could not be read; 0: that is not known. */
int copy_say_unread(int ret, const char *source_name, uint64_t virt_off, uint64_t len,
                    struct qed_error *error);

#endif
