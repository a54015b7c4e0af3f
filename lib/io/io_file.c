/*
 * POSIX files behind io.h. The full-transfer loops stand here: whoever gets a part done in another
 * way leaves the rest, and the errors, to them.
 * SPDX-License-Identifier: MIT
 */
#include "io/io_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/checked.h"
#include "io/io_queue.h"
#include "io/io_space.h"

/* The kernel moves at most 0x7ffff000 bytes a call, read(2); stay below it and page-aligned. */
#define TRANSFER_MAX ((size_t)1 << 30)

struct io_file {
    struct io io;
    int fd;
    int direct_fd; /* past the page cache; -1: not to be used */
    bool direct_writes, no_flush;
    bool is_block_device;
    struct io_file_counts counts; /* atomic each */
};

static struct io_file *to_file(struct io *io)
{
    return (struct io_file *)io;
}

static bool offset_fits(uint64_t file_off, uint64_t len)
{
    return range_inside(file_off, len, 0, INT64_MAX);
}

/* One step of a transfer: how much of it, and through which descriptor. */
static int transfer_fd(const struct io_file *file, const void *at, uint64_t file_off, size_t len,
                       size_t *step)
{
    bool is_aligned = (((uintptr_t)at | file_off) & (IO_DIRECT_ALIGN - 1)) == 0;

    *step = len < TRANSFER_MAX ? len : TRANSFER_MAX;
    if (file->direct_fd < 0 || !is_aligned || len < IO_DIRECT_ALIGN)
        return file->fd;
    *step = (size_t)round_down(*step, IO_DIRECT_ALIGN);
    return file->direct_fd;
}

static ssize_t read_step(const struct io_file *file, void *at, uint64_t file_off, size_t len)
{
    size_t step;
    int fd = transfer_fd(file, at, file_off, len, &step);
    ssize_t n = pread(fd, at, step, (off_t)file_off);

    /* What is refused past the page cache may still go through it. */
    return n < 0 && errno == EINVAL && fd != file->fd ? pread(file->fd, at, step, (off_t)file_off)
                                                      : n;
}

static ssize_t write_step(const struct io_file *file, const void *at, uint64_t file_off, size_t len)
{
    size_t step = len < TRANSFER_MAX ? len : TRANSFER_MAX;
    int fd = file->direct_writes ? transfer_fd(file, at, file_off, len, &step) : file->fd;
    ssize_t n = pwrite(fd, at, step, (off_t)file_off);

    return n < 0 && errno == EINVAL && fd != file->fd ? pwrite(file->fd, at, step, (off_t)file_off)
                                                      : n;
}

static int file_read(struct io *io, void *buffer, size_t len, uint64_t file_off,
                     struct qed_error *error)
{
    char *at = buffer;

    if (!offset_fits(file_off, len))
        return qed_fail(error, QED_ERR_SHORT_READ, "no file reaches offset %" PRIu64, file_off);
    while (len > 0) {
        ssize_t n = read_step(to_file(io), at, file_off, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            qed_fail_errno(error, QED_ERR_IO, errno, "cannot read %zu bytes at offset %" PRIu64,
                           len, file_off);
            break;
        }
        if (n == 0) {
            qed_fail(error, QED_ERR_SHORT_READ, "the file ends before offset %" PRIu64,
                     file_off + len);
            if (error)
                error->file_off = file_off;
            return QED_ERR_SHORT_READ;
        }
        at += n;
        file_off += (uint64_t)n;
        len -= (size_t)n;
    }
    if (len > 0 && error)
        error->file_off = file_off;
    return len > 0 ? QED_ERR_IO : QED_OK;
}

static int file_write(struct io *io, const void *buffer, size_t len, uint64_t file_off,
                      struct qed_error *error)
{
    const char *at = buffer;

    if (!offset_fits(file_off, len))
        return qed_fail(error, QED_ERR_INVALID, "no file reaches offset %" PRIu64, file_off);
    while (len > 0) {
        ssize_t n = write_step(to_file(io), at, file_off, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            int sys_errno = n == 0 ? ENOSPC : errno;
            int code = io_error_code(sys_errno);

            qed_fail_errno(error, code, sys_errno, "cannot write %zu bytes at offset %" PRIu64, len,
                           file_off);
            if (error)
                error->file_off = file_off;
            return code;
        }
        io_file_count_written(io, (uint64_t)n);
        at += n;
        file_off += (uint64_t)n;
        len -= (size_t)n;
    }
    return QED_OK;
}

static int file_zero(struct io *io, uint64_t file_off, uint64_t len, struct qed_error *error)
{
    static const int modes[] = {FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE};

    if (!offset_fits(file_off, len))
        return qed_fail(error, QED_ERR_INVALID, "no file reaches offset %" PRIu64, file_off);
    for (size_t i = 0; len > 0 && i < sizeof(modes) / sizeof(modes[0]); i++) {
        int ret;

        do {
            ret = fallocate(to_file(io)->fd, modes[i], (off_t)file_off, (off_t)len);
        } while (ret < 0 && errno == EINTR);
        if (ret == 0)
            return QED_OK;
    }
    return io_write_zeroes(io, file_off, len, error);
}

static int file_flush(struct io *io, struct qed_error *error)
{
    int ret;

    if (to_file(io)->no_flush)
        return QED_OK;
    __atomic_fetch_add(&to_file(io)->counts.flushes, 1, __ATOMIC_RELAXED);
    do {
        ret = fdatasync(to_file(io)->fd);
    } while (ret < 0 && errno == EINTR);
    if (ret < 0)
        return qed_fail_errno(error, QED_ERR_IO, errno, "cannot flush to stable storage");
    return QED_OK;
}

static int file_get_length(struct io *io, uint64_t *length, struct qed_error *error)
{
    struct io_file *file = to_file(io);
    struct stat st;
    off_t end;

    if (file->is_block_device) {
        end = lseek(file->fd, 0, SEEK_END);
    } else {
        end = fstat(file->fd, &st) < 0 ? -1 : st.st_size;
    }
    if (end < 0)
        return qed_fail_errno(error, QED_ERR_IO, errno, "cannot get the length");
    *length = (uint64_t)end;
    return QED_OK;
}

static int file_set_length(struct io *io, uint64_t length, struct qed_error *error)
{
    int ret;

    if (length > INT64_MAX)
        return qed_fail(error, QED_ERR_INVALID, "no file is %" PRIu64 " bytes long", length);
    do {
        ret = ftruncate(to_file(io)->fd, (off_t)length);
    } while (ret < 0 && errno == EINTR);
    if (ret < 0)
        return qed_fail_errno(error, QED_ERR_IO, errno, "cannot set the length to %" PRIu64,
                              length);
    return QED_OK;
}

/* The run at file_off up to the end of the file, when all is known of it is whether it is data. */
static int rest_of_file(struct io *io, struct io_run *run, bool is_data, struct qed_error *error)
{
    uint64_t length;
    int ret = file_get_length(io, &length, error);

    run->is_data = is_data;
    run->length = ret == QED_OK && length > run->file_off ? length - run->file_off : 0;
    return ret;
}

static int file_next_run(struct io *io, uint64_t file_off, struct io_run *run,
                         struct qed_error *error)
{
    int fd = to_file(io)->fd;
    off_t data, hole;

    *run = (struct io_run){.file_off = file_off, .is_data = true};
    if (file_off > INT64_MAX)
        return QED_OK;
    data = lseek(fd, (off_t)file_off, SEEK_DATA);
    if (data < 0) /* ENXIO: a hole up to the end. Anything else: the file system cannot tell. */
        return rest_of_file(io, run, errno != ENXIO, error);
    if ((uint64_t)data > file_off) {
        run->is_data = false;
        run->length = (uint64_t)data - file_off;
        return QED_OK;
    }
    hole = lseek(fd, (off_t)file_off, SEEK_HOLE);
    if (hole <= data)
        return rest_of_file(io, run, true, error);
    run->length = (uint64_t)hole - file_off;
    return QED_OK;
}

static bool file_read_cached(struct io *io, void *buffer, size_t len, uint64_t file_off,
                             size_t *done)
{
    struct iovec vec = {.iov_base = buffer, .iov_len = len};
    ssize_t n;

    *done = 0;
    do {
        n = preadv2(to_file(io)->fd, &vec, 1, (off_t)file_off, RWF_NOWAIT);
    } while (n < 0 && errno == EINTR);
    if (n > 0)
        *done = (size_t)n;
    return n >= 0 || errno == EAGAIN;
}

static void file_close(struct io *io)
{
    if (to_file(io)->direct_fd >= 0)
        close(to_file(io)->direct_fd);
    close(to_file(io)->fd);
    free(io);
}

static const struct io_ops file_ops = {
    .read = file_read,
    .read_cached = file_read_cached,
    .write = file_write,
    .zero = file_zero,
    .flush = file_flush,
    .get_length = file_get_length,
    .set_length = file_set_length,
    .next_run = file_next_run,
    .close = file_close,
};

static void info_from_stat(struct io_file_info *info, const struct stat *st)
{
    info->identity.device = (uint64_t)st->st_dev;
    info->identity.inode = (uint64_t)st->st_ino;
    info->is_block_device = S_ISBLK(st->st_mode);
    info->allocated_bytes = (uint64_t)st->st_blocks * 512; /* stat(2): always units of 512 */
}

int io_file_adopt(struct io **io, int fd, bool is_block_device, struct qed_error *error)
{
    struct io_file *file = malloc(sizeof(*file));

    if (!file) {
        close(fd);
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    }
    *file = (struct io_file){
        .io = {.ops = &file_ops}, .fd = fd, .direct_fd = -1, .is_block_device = is_block_device};
    *io = &file->io;
    return QED_OK;
}

int io_file_open(struct io **io, const char *path, bool writable, struct io_file_info *info,
                 struct qed_error *error)
{
    /* O_NONBLOCK: a FIFO or a device must not make the open wait; it does nothing to files. */
    int fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;

    if (fd < 0)
        return qed_fail_errno(error, QED_ERR_OPEN, errno, "Could not open '%s'", path);
    if (fstat(fd, &st) < 0) {
        qed_fail_errno(error, QED_ERR_OPEN, errno, "Could not open '%s'", path);
        close(fd);
        return QED_ERR_OPEN;
    }
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
        close(fd);
        return qed_fail(error, QED_ERR_NOT_FILE, "'%s' is not a regular file or a block device",
                        path);
    }
    if (info)
        info_from_stat(info, &st);
    return io_file_adopt(io, fd, S_ISBLK(st.st_mode), error);
}

int io_file_query(const char *path, bool *exists, struct io_file_info *info,
                  struct qed_error *error)
{
    struct stat st;

    *exists = false;
    if (stat(path, &st) < 0) {
        if (errno == ENOENT)
            return QED_OK;
        return qed_fail_errno(error, QED_ERR_OPEN, errno, "Could not open '%s'", path);
    }
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
        return qed_fail(error, QED_ERR_NOT_FILE, "'%s' is not a regular file or a block device",
                        path);
    *exists = true;
    info_from_stat(info, &st);
    return QED_OK;
}

int io_file_descriptor(struct io *io)
{
    return io->ops == &file_ops ? to_file(io)->fd : -1;
}

void io_file_count_written(struct io *io, uint64_t bytes)
{
    if (io->ops == &file_ops)
        __atomic_fetch_add(&to_file(io)->counts.bytes_written, bytes, __ATOMIC_RELAXED);
}

struct io_file_counts io_file_counts(struct io *io)
{
    struct io_file_counts counts = {0};
    struct io_file *file = to_file(io);

    if (io->ops != &file_ops)
        return counts;
    counts.bytes_written = __atomic_load_n(&file->counts.bytes_written, __ATOMIC_RELAXED);
    counts.flushes = __atomic_load_n(&file->counts.flushes, __ATOMIC_RELAXED);
    return counts;
}

bool io_file_is_block_device(struct io *io)
{
    return io->ops == &file_ops && to_file(io)->is_block_device;
}

uint64_t io_file_free_space(struct io *io)
{
    struct statvfs st;

    if (io->ops != &file_ops || fstatvfs(to_file(io)->fd, &st) < 0)
        return UINT64_MAX;
    return saturating_mul(st.f_bavail, st.f_frsize);
}

/* By descriptor, not by name: the name may be another file's by now. */
static int open_again(struct io *io, int flags)
{
    char name[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
    int fd = io_file_descriptor(io);

    if (fd < 0)
        return -1;
    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    return open(name, O_CLOEXEC | flags);
}

struct io *io_file_reopen(struct io *io)
{
    struct io *again = NULL;
    int fd = open_again(io, O_RDONLY);

    if (fd < 0 || io_file_adopt(&again, fd, to_file(io)->is_block_device, NULL) < 0)
        return NULL;
    return again;
}

int io_file_open_direct(struct io *io, bool writable)
{
    /* What was opened for reading must not become writable by way of /proc. */
    if (writable && (fcntl(io_file_descriptor(io), F_GETFL) & O_ACCMODE) != O_RDWR)
        return -1;
    return open_again(io, (writable ? O_RDWR : O_RDONLY) | O_DIRECT);
}

void io_file_use_direct(struct io *io, bool writes)
{
    if (io->ops != &file_ops || to_file(io)->direct_fd >= 0)
        return;
    to_file(io)->direct_fd = io_file_open_direct(io, writes);
    to_file(io)->direct_writes = writes;
}

void io_file_skip_flush(struct io *io)
{
    if (io->ops == &file_ops)
        to_file(io)->no_flush = true;
}

uint64_t io_file_allocated_bytes(struct io *io)
{
    struct io_file_info info;
    struct stat st;

    if (io->ops != &file_ops || fstat(to_file(io)->fd, &st) < 0)
        return 0;
    info_from_stat(&info, &st);
    return info.allocated_bytes;
}

char *io_file_folder(const char *path)
{
    const char *slash = strrchr(path, '/');

    return strndup(path, slash ? (size_t)(slash - path) + 1 : 0);
}
