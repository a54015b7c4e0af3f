/*
 * The calls behind the hints.
 * SPDX-License-Identifier: MIT
 */
#include "io/io_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/checked.h"
#include "io/io_file.h"

#ifdef HAVE_VALGRIND_MEMCHECK_H
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

/* The C library may not know the call; its number is the same everywhere but on Alpha. */
#if !defined(SYS_cachestat) && !defined(__alpha__)
#define SYS_cachestat 451
#endif

#define SAMPLES 64

void io_drop_cached(struct io *io, uint64_t file_off, uint64_t len)
{
    int fd = io_file_descriptor(io);

    if (fd >= 0 && range_inside(file_off, len, 0, INT64_MAX))
        posix_fadvise(fd, (off_t)file_off, (off_t)len, POSIX_FADV_DONTNEED);
}

/* As in linux/mman.h, where that is new enough. */
struct cachestat_range_64 {
    uint64_t off, len;
};

struct cachestat_64 {
    uint64_t cached, dirty, writeback, evicted, recently_evicted; /* pages */
};

/* False where the kernel does not know it, or does not tell us of a file that is not ours. */
static bool count_cached(int fd, uint64_t file_off, uint64_t len, uint64_t *bytes)
{
#ifdef SYS_cachestat
    struct cachestat_range_64 range = {.off = file_off, .len = len};
    struct cachestat_64 stat = {0};

    if (RUNNING_ON_VALGRIND) /* it would complain aloud of a call that it does not know */
        return false;
    if (syscall(SYS_cachestat, fd, &range, &stat, 0) < 0)
        return false;
    /* Whole pages, and more of them than the range has where it does not start with one. */
    *bytes = min_u64(len, saturating_mul(stat.cached, (uint64_t)sysconf(_SC_PAGESIZE)));
    return true;
#else
    return false;
#endif
}

static bool sample_cached(struct io *io, uint64_t file_off, uint64_t len, uint64_t *bytes)
{
    uint64_t samples = min_u64(SAMPLES, len), found = 0;

    for (uint64_t i = 0; i < samples; i++) {
        uint8_t byte;
        size_t done;

        if (!io_read_cached(io, &byte, 1, file_off + len / samples * i, &done))
            return false;
        found += done;
    }
    *bytes = found == samples ? len : len / samples * found;
    return true;
}

bool io_cached_bytes(struct io *io, uint64_t file_off, uint64_t len, uint64_t *bytes)
{
    int fd = io_file_descriptor(io);

    *bytes = 0;
    if (len == 0 || !range_inside(file_off, len, 0, INT64_MAX))
        return false;
    return (fd >= 0 && count_cached(fd, file_off, len, bytes)) ||
           sample_cached(io, file_off, len, bytes);
}

uint64_t io_memory_bytes(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);

    return pages > 0 && page_bytes > 0 ? saturating_mul((uint64_t)pages, (uint64_t)page_bytes) : 0;
}
