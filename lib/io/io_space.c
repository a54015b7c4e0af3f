/*
 * fallocate(2), and writing where it does not help.
 * SPDX-License-Identifier: MIT
 */
#include "io/io_space.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/falloc.h>

#include "base/checked.h"
#include "io/io_file.h"

/* An interrupted call undoes its work on some file systems: signals must not keep it from ending. */
#define ALLOCATE_STEP_BYTES (UINT64_C(1) << 30)
#define ZERO_CHUNK ((size_t)1 << 16)

/* 0, or errno. */
static int call_fallocate(struct io *io, int mode, uint64_t file_off, uint64_t len)
{
    int ret;

    do {
        ret = fallocate(io_file_descriptor(io), mode, (off_t)file_off, (off_t)len);
    } while (ret < 0 && errno == EINTR);
    return ret < 0 ? errno : 0;
}

static int check_range(uint64_t file_off, uint64_t len, struct qed_error *error)
{
    if (range_inside(file_off, len, 0, INT64_MAX))
        return QED_OK;
    return qed_fail(error, QED_ERR_INVALID, "no file reaches offset %" PRIu64, file_off);
}

int io_allocate(struct io *io, uint64_t file_off, uint64_t len, struct qed_error *error)
{
    int ret = check_range(file_off, len, error);

    if (ret == QED_OK && (io_file_descriptor(io) < 0 || io_file_is_block_device(io)))
        return qed_fail(error, QED_ERR_UNSUPPORTED, "space cannot be reserved here");
    while (ret == QED_OK && len > 0) {
        uint64_t step = min_u64(len, ALLOCATE_STEP_BYTES);
        int sys_errno = call_fallocate(io, 0, file_off, step);

        if (sys_errno == EOPNOTSUPP || sys_errno == ENOSYS)
            ret = qed_fail_errno(error, QED_ERR_UNSUPPORTED, sys_errno, "cannot reserve space");
        else if (sys_errno)
            ret = qed_fail_errno(error, io_error_code(sys_errno), sys_errno,
                                 "cannot reserve %" PRIu64 " bytes at offset %" PRIu64, len,
                                 file_off);
        file_off += step;
        len -= step;
    }
    return ret;
}

int io_zero_allocated(struct io *io, uint64_t file_off, uint64_t len, struct qed_error *error)
{
    int ret = check_range(file_off, len, error);

    if (ret < 0 || len == 0)
        return ret;
    if (io_file_descriptor(io) >= 0 &&
        call_fallocate(io, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, file_off, len) == 0)
        return QED_OK;
    return io_write_zeroes(io, file_off, len, error);
}

int io_write_zeroes(struct io *io, uint64_t file_off, uint64_t len, struct qed_error *error)
{
    static const char zeroes[ZERO_CHUNK];
    int ret = QED_OK;

    while (ret == QED_OK && len > 0) {
        size_t step = (size_t)min_u64(len, sizeof(zeroes));

        ret = io_write(io, zeroes, step, file_off, error);
        file_off += step;
        len -= step;
    }
    return ret;
}
