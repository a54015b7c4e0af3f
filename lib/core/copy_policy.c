/*
 * One question after the other. HACKING.md has the figures; bench/convert measures them.
 * SPDX-License-Identifier: MIT
 */
#include "core/copy_policy.h"

#include "base/checked.h"
#include "io/io_cache.h"
#include "io/io_file.h"

#define LARGE_BYTES (UINT64_C(32) << 20) /* a guest; below, one way is as good as another */
#define DEPTH_WARM 2
#define MEMORY_SHARE 10 /* Linux begins to slow writers down when so much of memory is dirty */

struct stored {
    uint64_t bytes;  /* of the source's files that take space */
    uint64_t cached; /* of them in the page cache */
    bool is_known;
};

static bool is_warm(const struct stored *stored)
{
    return !stored->is_known || stored->cached >= stored->bytes / 2;
}

static struct stored look_at(struct image *source)
{
    struct stored stored = {.is_known = true};

    for (unsigned int i = 0; i < image_depth(source); i++) {
        uint64_t length, cached = 0;

        if (io_get_length(image_io(source, i), &length, NULL) < 0)
            length = 0;
        if (!io_cached_bytes(image_io(source, i), 0, length, &cached))
            stored.is_known = false;
        stored.bytes += min_u64(length, image_allocated_bytes(source, i));
        stored.cached += cached;
    }
    return stored;
}

/*
 * Direct reads keep the device busy, and read no page that is not needed; but what is in memory is
 * copied from there at once.
 */
static bool choose_direct_reads(enum convert_cache cache, bool is_large,
                                const struct stored *stored)
{
    if (cache != CONVERT_CACHE_AUTO)
        return cache == CONVERT_CACHE_NONE;
    return is_large && !is_warm(stored);
}

enum copy_writes copy_policy_writes(enum convert_cache cache, uint64_t guest_bytes,
                                    uint64_t stored_bytes, struct io *target)
{
    switch (cache) {
    case CONVERT_CACHE_NONE:
        return COPY_WRITES_DIRECT;
    case CONVERT_CACHE_WRITEBACK:
        return COPY_WRITES_BUFFERED;
    case CONVERT_CACHE_UNSAFE:
        /* More than fits is written at the device's pace, and faster when it starts early. */
        return stored_bytes > io_memory_bytes() / MEMORY_SHARE ? COPY_WRITES_WINDOWED
                                                               : COPY_WRITES_BUFFERED;
    case CONVERT_CACHE_AUTO:
        break;
    }
    if (guest_bytes < LARGE_BYTES)
        return COPY_WRITES_BUFFERED;
    /* A file system puts together what lies in memory; a device has no use for that. */
    return io_file_is_block_device(target) ? COPY_WRITES_DIRECT : COPY_WRITES_WINDOWED;
}

void copy_policy_choose(struct copy_options *copy, const struct convert_options *options,
                        struct image *source, struct target *target)
{
    struct stored stored = look_at(source);
    bool is_large = image_size(source) >= LARGE_BYTES;

    copy->direct_reads = choose_direct_reads(options->source_cache, is_large, &stored);
    if (!copy->unplaced)
        copy->writes = copy_policy_writes(options->target_cache, image_size(source), stored.bytes,
                                          target_io(target));
    /* Where nothing is waited for, few buffers stay in the processor's cache. */
    if (copy->depth == 0 && is_warm(&stored) && !copy->direct_reads &&
        copy->writes != COPY_WRITES_DIRECT)
        copy->depth = DEPTH_WARM;
}
