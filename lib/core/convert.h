/*
 * Convert an image: flatten its chain, or keep a backing file, into a new or an existing target.
 * SPDX-License-Identifier: MIT
 */
#ifndef CORE_CONVERT_H
#define CORE_CONVERT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/copy.h"
#include "core/create.h"
#include "core/image.h"

/* The largest sparse_bytes, and the default. */
#define CONVERT_SPARSE_MAX (UINT64_C(16) << 20)
#define CONVERT_SPARSE_DEFAULT UINT64_C(4096)

/* How a file is read or written; as QEMU names the modes. */
enum convert_cache {
    CONVERT_CACHE_AUTO,      /* as is fastest (copy_policy); flushed at the end */
    CONVERT_CACHE_NONE,      /* past the page cache, flushed at the end */
    CONVERT_CACHE_WRITEBACK, /* through it, flushed at the end */
    CONVERT_CACHE_UNSAFE,    /* through it, not flushed */
};

/* Told, before anything is copied, that more bytes may be needed than the file system has left. */
typedef void convert_space_fn(void *context, uint64_t needed, uint64_t left);

/* Told what an existing target that was not cleanly closed needed before it could be written. */
typedef void convert_recovered_fn(void *context, const struct qed_recovery *recovery);

struct convert_options {
    const char *source_format;  /* "qed", "raw", "raw.gz", NULL to probe */
    bool share_source;          /* take no locks on the source's files */
    enum image_backing backing; /* policy for the source's and the target's backing files */
    /*
     * Format, geometry, backing file. Its size is the source's; one that is given is for a source
     * that is a stream, which must have just so many bytes.
     */
    struct create_options target;
    bool existing;       /* write into a target that is there */
    bool target_is_zero; /* it reads as zeroes; only with existing */
    /*
     * Aligned blocks of this many bytes that are all zero are not stored; a multiple of 512. 0:
     * store everything.
     */
    uint64_t sparse_bytes;
    enum convert_cache source_cache, target_cache;
    unsigned int depth; /* buffers in flight; 0: as measured best */
    bool out_of_order;  /* buffers are written as they have been read, whatever their order */
    bool offload;       /* the kernel copies where it can, without a look for zeroes */
    convert_space_fn *short_of_space; /* may be NULL */
    convert_recovered_fn *recovered;  /* may be NULL */
    /*
     * Takes up what of the source cannot be read, which becomes zeroes; the caller's. NULL: stop
     * there. Not together with offload.
     */
    struct salvage *salvage;
    const char *mapfile; /* a map of what was read is to stand there (mapfile.h); NULL: none */
    copy_progress_fn *progress; /* may be NULL */
    void *progress_context;
    /* Whether to stop; asked by any thread while it waits for a pipe. May be NULL. */
    bool (*stop)(void *context);
    void *stop_context;
};

/*
 * Copy the guest's bytes of source_path into an image at target_path, flushed to stable storage.
 * "-" is standard input, or output; see stream_source.h for what else is a stream.
 * The source is validated before the target is touched. A new target appears only when it is whole;
 * an existing one that failed holds part of the data.
 */
int convert_image(const char *source_path, const char *target_path,
                  const struct convert_options *options, struct qed_error *error);

#endif
