/*
 * The two calls, and which of their failures only mean that another way has to be taken.
 * SPDX-License-Identifier: MIT
 */
#include "io/io_transfer.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/checked.h"
#include "io/io_file.h"

#define CLONE_TRY_ALIGN (UINT64_C(1) << 20) /* no file system has larger blocks */
#define CLONE_TRY_BYTES 4096
#define COPY_STEP_BYTES (UINT64_C(1) << 30) /* the kernel copies less than 2 GiB a call */

/*
 * EINVAL is also what an offset that is no whole block gets. EBADF, by the manual page, may come
 * from a file system that cannot share; a descriptor that is not for writing is found out by the
 * next way.
 */
static bool means_unsupported(int sys_errno)
{
    switch (sys_errno) {
    case EBADF:
    case EINVAL:
    case ENOSYS:
    case ENOTTY:
    case EOPNOTSUPP:
    case EXDEV:
        return true;
    }
    return false;
}

static int check_ranges(struct io *to, uint64_t to_off, struct io *from, uint64_t from_off,
                        uint64_t len, struct qed_error *error)
{
    if (!range_inside(to_off, len, 0, INT64_MAX) || !range_inside(from_off, len, 0, INT64_MAX))
        return qed_fail(error, QED_ERR_INVALID, "no file reaches that far");
    if (io_file_descriptor(to) < 0 || io_file_descriptor(from) < 0)
        return qed_fail(error, QED_ERR_UNSUPPORTED, "not files of the host");
    return QED_OK;
}

static int transfer_failed(struct qed_error *error, int sys_errno, const char *what, uint64_t len,
                           uint64_t from_off, uint64_t to_off)
{
    int code = means_unsupported(sys_errno) ? QED_ERR_UNSUPPORTED : io_error_code(sys_errno);

    return qed_fail_errno(error, code, sys_errno,
                          "cannot %s %" PRIu64 " bytes at offset %" PRIu64 " to offset %" PRIu64,
                          what, len, from_off, to_off);
}

/* QED_ERR_SHORT_READ when from ends before end. */
static int check_end(struct io *from, uint64_t end, struct qed_error *error)
{
    uint64_t length;

    if (io_get_length(from, &length, NULL) < 0 || end <= length)
        return QED_OK;
    return qed_fail(error, QED_ERR_SHORT_READ, "the file ends before offset %" PRIu64, end);
}

int io_clone_range(struct io *to, uint64_t to_off, struct io *from, uint64_t from_off,
                   uint64_t len, struct qed_error *error)
{
    struct file_clone_range range = {
        .src_offset = from_off, .src_length = len, .dest_offset = to_off};
    int ret = check_ranges(to, to_off, from, from_off, len, error);

    if (ret < 0 || len == 0) /* to the kernel, 0 is all up to the end */
        return ret;
    range.src_fd = io_file_descriptor(from);
    do {
        ret = ioctl(io_file_descriptor(to), FICLONERANGE, &range);
    } while (ret < 0 && errno == EINTR);
    if (ret == 0)
        return QED_OK;
    ret = transfer_failed(error, errno, "share", len, from_off, to_off);
    if (ret == QED_ERR_UNSUPPORTED && check_end(from, from_off + len, error) < 0)
        return QED_ERR_SHORT_READ;
    return ret;
}

bool io_can_clone(struct io *to, struct io *from)
{
    uint64_t length, beyond;

    if (io_get_length(to, &length, NULL) < 0 ||
        !checked_round_up(length, CLONE_TRY_ALIGN, &beyond) ||
        io_clone_range(to, beyond, from, 0, CLONE_TRY_BYTES, NULL) < 0)
        return false;
    return io_set_length(to, length, NULL) == QED_OK;
}

/* copy_file_range said 0: the end of the file, or, on some file systems, that it does not do it. */
static int nothing_copied(struct io *from, uint64_t end, struct qed_error *error)
{
    int ret = check_end(from, end, error);

    return ret < 0 ? ret : qed_fail(error, QED_ERR_UNSUPPORTED, "nothing was copied");
}

int io_copy_range(struct io *to, uint64_t to_off, struct io *from, uint64_t from_off,
                  uint64_t len, uint64_t *done, struct qed_error *error)
{
    int ret = check_ranges(to, to_off, from, from_off, len, error);

    *done = 0;
    while (ret == QED_OK && *done < len) {
        off_t in = (off_t)(from_off + *done), out = (off_t)(to_off + *done);
        uint64_t left = len - *done;
        ssize_t n = copy_file_range(io_file_descriptor(from), &in, io_file_descriptor(to), &out,
                                    (size_t)min_u64(left, COPY_STEP_BYTES), 0);

        if (n > 0)
            *done += (uint64_t)n;
        else if (n == 0)
            ret = nothing_copied(from, from_off + len, error);
        else if (errno != EINTR)
            ret = transfer_failed(error, errno, "copy", left, from_off + *done, to_off + *done);
    }
    return ret;
}
