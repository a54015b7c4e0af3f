/*
 * The calls behind the hints.
 * SPDX-License-Identifier: MIT
 */
#include "io/io_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
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

#ifndef RWF_DONTCACHE
#define RWF_DONTCACHE 0x80 /* linux/fs.h */
#endif

#define SAMPLES 64

void io_advise(struct io *io, enum io_advice advice, uint64_t file_off, uint64_t len)
{
    static const int numbers[] = {
        [IO_ADVISE_SEQUENTIAL] = POSIX_FADV_SEQUENTIAL,
        [IO_ADVISE_WILL_NEED] = POSIX_FADV_WILLNEED,
        [IO_ADVISE_DONT_NEED] = POSIX_FADV_DONTNEED,
    };
    int fd = io_file_descriptor(io);

    if (fd >= 0 && range_inside(file_off, len, 0, INT64_MAX))
        posix_fadvise(fd, (off_t)file_off, (off_t)len, numbers[advice]);
}

void io_start_writeback(struct io *io, uint64_t file_off, uint64_t len)
{
    int fd = io_file_descriptor(io);

    if (fd >= 0 && len > 0 && range_inside(file_off, len, 0, INT64_MAX))
        sync_file_range(fd, (off_t)file_off, (off_t)len, SYNC_FILE_RANGE_WRITE);
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

/* One call; what it does not do is left to io_write, and so are errors. */
static size_t write_uncached(int fd, const void *buffer, size_t len, uint64_t file_off)
{
    struct iovec vec;
    ssize_t n;

    memcpy(&vec.iov_base, &buffer, sizeof(buffer));
    vec.iov_len = len;
    do {
        n = pwritev2(fd, &vec, 1, (off_t)file_off, RWF_DONTCACHE);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? 0 : (size_t)n;
}

int io_write_streaming(struct io *io, const void *buffer, size_t len, uint64_t file_off,
                       struct qed_error *error)
{
    int fd = io_file_descriptor(io);
    size_t done = 0;
    int ret;

    if (fd >= 0 && range_inside(file_off, len, 0, INT64_MAX))
        done = write_uncached(fd, buffer, len, file_off);
    if (done == len)
        return QED_OK;
    ret = io_write(io, (const char *)buffer + done, len - done, file_off + done, error);
    if (ret == QED_OK)
        io_start_writeback(io, file_off + done, len - done);
    return ret;
}

bool io_can_stream(struct io *io)
{
    int fd = io_file_descriptor(io);
    char byte;
    struct iovec vec = {.iov_base = &byte, .iov_len = 1};

    return fd >= 0 && preadv2(fd, &vec, 1, INT64_MAX - 1, RWF_DONTCACHE) == 0;
}
