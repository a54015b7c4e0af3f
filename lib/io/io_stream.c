/*
 * Streams over descriptors, and over struct io. What can be waited for is waited for with poll(2),
 * in steps, so that a wish to stop is heard: a signal may reach any thread, or come just before the
 * wait. A descriptor is never made non-blocking, because other programs may share it; a pipe is
 * opened a second time for that.
 * SPDX-License-Identifier: MIT
 */
#include "io/io_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checked.h"

#define TRANSFER_MAX ((size_t)1 << 30) /* as in io_file.c */
#define PIPE_BYTES (1 << 20)
#define WAIT_MILLISECONDS 100
#define ZERO_CHUNK ((size_t)1 << 16)

struct io_stream {
    struct io *io; /* NULL: the stream is fd */
    int fd;        /* -1 over io */
    bool can_wait; /* fd may have nothing to read, or no room, for a while */
    bool is_socket;
    bool is_storage;         /* fd is a file or a block device */
    bool cancelled;          /* atomic */
    uint64_t offset;         /* atomic: bytes moved so far */
    io_stream_stop_fn *stop; /* may be NULL */
    void *stop_context;
};

bool io_stream_only(const char *path)
{
    struct stat st;

    if (strcmp(path, "-") == 0)
        return true;
    return stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode) &&
           !S_ISDIR(st.st_mode);
}

/* The most that the kernel lets us have, pipe(7). */
static void enlarge_pipe(int fd)
{
    int now = fcntl(fd, F_GETPIPE_SZ);

    for (int size = PIPE_BYTES; now > 0 && size > now; size /= 2) {
        if (fcntl(fd, F_SETPIPE_SZ, size) >= 0)
            break;
    }
}

/* Our own descriptor for a pipe, which does not block; the same one where there is no /proc. */
static int reopen_pipe(int fd)
{
    char name[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
    int flags = fcntl(fd, F_GETFL);
    int again;

    if (flags < 0 || flags & O_NONBLOCK)
        return fd;
    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    again = open(name, (flags & O_ACCMODE) | O_NONBLOCK | O_CLOEXEC);
    if (again < 0)
        return fd;
    close(fd);
    return again;
}

int io_stream_adopt(struct io_stream **out, int fd, struct qed_error *error)
{
    struct io_stream *stream = calloc(1, sizeof(*stream));
    struct stat st;

    if (!stream || fstat(fd, &st) < 0) {
        int ret = stream ? qed_fail_errno(error, QED_ERR_OPEN, errno, "not an open file")
                         : qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");

        free(stream);
        close(fd);
        return ret;
    }
    if (S_ISDIR(st.st_mode)) {
        free(stream);
        close(fd);
        return qed_fail(error, QED_ERR_NOT_FILE, "%s", strerror(EISDIR));
    }
    if (S_ISFIFO(st.st_mode)) {
        enlarge_pipe(fd);
        fd = reopen_pipe(fd);
    }
    stream->fd = fd;
    stream->is_storage = S_ISREG(st.st_mode) || S_ISBLK(st.st_mode);
    stream->is_socket = S_ISSOCK(st.st_mode);
    stream->can_wait = !stream->is_storage;
    *out = stream;
    return QED_OK;
}

/* poll(2) would wait for ever for what a descriptor was not opened for. */
static bool allows(int fd, int flags)
{
    int mode = fcntl(fd, F_GETFL) & O_ACCMODE;

    return mode == O_RDWR || mode == (flags & O_ACCMODE);
}

static int open_stream(struct io_stream **stream, const char *path, int flags, int standard_fd,
                       struct qed_error *error)
{
    bool is_standard = strcmp(path, "-") == 0;
    /* No retry after EINTR: it would keep a signal from ending the wait for a named pipe. */
    int fd = is_standard ? fcntl(standard_fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)
                         : open(path, flags | O_CLOEXEC | O_NOCTTY, 0666);
    int ret;

    if (fd < 0)
        return qed_fail_errno(error, QED_ERR_OPEN, errno, "Could not open '%s'", path);
    if (!allows(fd, flags)) {
        close(fd);
        return qed_fail_errno(error, QED_ERR_OPEN, EBADF, "Could not open '%s'", path);
    }
    ret = io_stream_adopt(stream, fd, error);
    return ret < 0 ? qed_fail_prefix(error, ret, "Could not open '%s'", path) : QED_OK;
}

int io_stream_open_read(struct io_stream **stream, const char *path, struct qed_error *error)
{
    return open_stream(stream, path, O_RDONLY, STDIN_FILENO, error);
}

int io_stream_open_write(struct io_stream **stream, const char *path, struct qed_error *error)
{
    return open_stream(stream, path, O_WRONLY | O_CREAT | O_TRUNC, STDOUT_FILENO, error);
}

int io_stream_over(struct io_stream **out, struct io *io, struct qed_error *error)
{
    struct io_stream *stream = calloc(1, sizeof(*stream));

    if (!stream)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    stream->io = io;
    stream->fd = -1;
    *out = stream;
    return QED_OK;
}

void io_stream_set_stop(struct io_stream *stream, io_stream_stop_fn *stop, void *context)
{
    stream->stop = stop;
    stream->stop_context = context;
}

void io_stream_cancel(struct io_stream *stream)
{
    __atomic_store_n(&stream->cancelled, true, __ATOMIC_RELAXED);
}

bool io_stream_identity(const struct io_stream *stream, struct io_identity *identity)
{
    int fd = stream->io ? io_file_descriptor(stream->io) : stream->fd;
    struct stat st;

    if (fstat(fd, &st) < 0 || (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)))
        return false;
    *identity = (struct io_identity){.device = (uint64_t)st.st_dev, .inode = (uint64_t)st.st_ino};
    return true;
}

uint64_t io_stream_offset(const struct io_stream *stream)
{
    return __atomic_load_n(&stream->offset, __ATOMIC_RELAXED);
}

static void moved(struct io_stream *stream, size_t len)
{
    __atomic_store_n(&stream->offset, stream->offset + len, __ATOMIC_RELAXED);
}

/* Return once a transfer will not block, or fail because the caller wants to stop. */
static int wait_until_ready(struct io_stream *stream, short events, struct qed_error *error)
{
    struct pollfd watched = {.fd = stream->fd, .events = events};

    for (;;) {
        int ready;

        if (__atomic_load_n(&stream->cancelled, __ATOMIC_RELAXED) ||
            (stream->stop && stream->stop(stream->stop_context)))
            return qed_fail(error, QED_ERR_STOPPED, "interrupted");
        if (!stream->can_wait)
            return QED_OK;
        ready = poll(&watched, 1, WAIT_MILLISECONDS);
        if (ready > 0)
            return QED_OK;
        if (ready < 0 && errno != EINTR && errno != EAGAIN)
            return qed_fail_errno(error, QED_ERR_IO, errno, "cannot wait at offset %" PRIu64,
                                  stream->offset);
    }
}

static bool is_transient(int sys_errno)
{
    return sys_errno == EINTR || sys_errno == EAGAIN;
}

/* What is there, up to len bytes of a struct io that may end before that. */
static int read_io(struct io_stream *stream, void *buffer, size_t len, size_t *got,
                   struct qed_error *error)
{
    uint64_t length;
    int ret = wait_until_ready(stream, POLLIN, error);

    if (ret == QED_OK)
        ret = io_get_length(stream->io, &length, error);
    if (ret < 0 || length <= stream->offset)
        return ret;
    len = (size_t)min_u64(len, length - stream->offset);
    ret = io_read(stream->io, buffer, len, stream->offset, error);
    if (ret < 0)
        return ret;
    moved(stream, len);
    *got = len;
    return QED_OK;
}

int io_stream_read(struct io_stream *stream, void *buffer, size_t len, size_t *got,
                   struct qed_error *error)
{
    *got = 0;
    if (stream->io)
        return read_io(stream, buffer, len, got, error);
    while (*got < len) {
        ssize_t n;
        int ret = wait_until_ready(stream, POLLIN, error);

        if (ret < 0)
            return ret;
        n = read(stream->fd, (char *)buffer + *got, (size_t)min_u64(len - *got, TRANSFER_MAX));
        if (n < 0 && is_transient(errno))
            continue;
        if (n < 0) {
            qed_fail_errno(error, QED_ERR_IO, errno, "cannot read %zu bytes at offset %" PRIu64,
                           len - *got, stream->offset);
            if (error)
                error->file_off = stream->offset;
            return QED_ERR_IO;
        }
        if (n == 0)
            break;
        moved(stream, (size_t)n);
        *got += (size_t)n;
    }
    return QED_OK;
}

static int write_failed(const struct io_stream *stream, size_t len, int sys_errno,
                        struct qed_error *error)
{
    int code = QED_ERR_IO;

    if (sys_errno == EPIPE || sys_errno == ECONNRESET)
        return qed_fail_errno(error, QED_ERR_PIPE, sys_errno,
                              "the output is not read any further after %" PRIu64 " bytes",
                              stream->offset);
    if (sys_errno == ENOSPC || sys_errno == EDQUOT)
        code = QED_ERR_NO_SPACE;
    qed_fail_errno(error, code, sys_errno, "cannot write %zu bytes at offset %" PRIu64, len,
                   stream->offset);
    if (error)
        error->file_off = stream->offset;
    return code;
}

/* A socket blocks but for this flag; poll(2) only says that there is room for a byte. */
static ssize_t write_some(const struct io_stream *stream, const void *buffer, size_t len)
{
    if (stream->is_socket)
        return send(stream->fd, buffer, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    return write(stream->fd, buffer, len);
}

int io_stream_write(struct io_stream *stream, const void *buffer, size_t len,
                    struct qed_error *error)
{
    const char *at = buffer;

    while (len > 0) {
        size_t step = (size_t)min_u64(len, TRANSFER_MAX);
        ssize_t n;
        int ret = wait_until_ready(stream, POLLOUT, error);

        if (ret == QED_OK && stream->io)
            ret = io_write(stream->io, at, step, stream->offset, error);
        if (ret < 0)
            return ret;
        n = stream->io ? (ssize_t)step : write_some(stream, at, step);
        if (n < 0 && is_transient(errno))
            continue;
        if (n <= 0)
            return write_failed(stream, len, n == 0 ? ENOSPC : errno, error);
        moved(stream, (size_t)n);
        at += n;
        len -= (size_t)n;
    }
    return QED_OK;
}

int io_stream_write_zeroes(struct io_stream *stream, uint64_t len, struct qed_error *error)
{
    static const char zeroes[ZERO_CHUNK];
    int ret = QED_OK;

    while (ret == QED_OK && len > 0) {
        size_t step = (size_t)min_u64(len, sizeof(zeroes));

        ret = io_stream_write(stream, zeroes, step, error);
        len -= step;
    }
    return ret;
}

int io_stream_flush(struct io_stream *stream, struct qed_error *error)
{
    int ret;

    if (stream->io)
        return io_flush(stream->io, error);
    if (!stream->is_storage)
        return QED_OK;
    do {
        ret = fdatasync(stream->fd);
    } while (ret < 0 && errno == EINTR);
    if (ret < 0)
        return qed_fail_errno(error, QED_ERR_IO, errno, "cannot flush to stable storage");
    return QED_OK;
}

void io_stream_close(struct io_stream *stream)
{
    if (!stream)
        return;
    if (stream->fd >= 0)
        close(stream->fd);
    free(stream);
}
