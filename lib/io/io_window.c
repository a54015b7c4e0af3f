/*
 * The window's steps: gathered, started, dropped, in the order in which they were written.
 * SPDX-License-Identifier: MIT
 */
#include "io/io_window.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

#include "base/checked.h"
#include "io/io_cache.h"
#include "io/io_file.h"

/*
 * File systems with large folios take as much memory in one piece as a call writes. Pieces of 1 MiB
 * and more are rare; in a virtual machine they are often such that the host has taken back.
 */
#define CALL_BYTES ((size_t)512 << 10)

/* What a kernel or a file system without the call says. Nothing is lost: the flush does all. */
static bool means_unsupported(int sys_errno)
{
    return sys_errno == EINVAL || sys_errno == ENOSYS || sys_errno == ESPIPE;
}

static int sync_step(struct io *io, const struct io_window_step *step, unsigned int flags,
                     struct qed_error *error)
{
    int ret, fd = io_file_descriptor(io);

    if (fd < 0)
        return QED_OK;
    do {
        ret =
            sync_file_range(fd, (off_t)step->file_off, (off_t)(step->end - step->file_off), flags);
    } while (ret < 0 && errno == EINTR);
    if (ret == 0 || means_unsupported(errno))
        return QED_OK;
    return qed_fail_errno(error, io_error_code(errno), errno,
                          "cannot write %" PRIu64 " bytes at offset %" PRIu64 " to the device",
                          step->end - step->file_off, step->file_off);
}

/* Of the oldest step, which is none any more then, even if it fails. */
static int drop_oldest(struct io_window *window, struct qed_error *error)
{
    const struct io_window_step *step = &window->started[window->first];
    int ret = sync_step(
        window->io, step,
        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER, error);

    window->first = (window->first + 1) % IO_WINDOW_STEPS;
    window->count--;
    if (ret == QED_OK)
        io_drop_cached(window->io, step->file_off, step->end - step->file_off);
    return ret;
}

static int start_gathered(struct io_window *window, struct qed_error *error)
{
    struct io_window_step step = window->gathered;
    int ret = QED_OK;

    if (step.file_off == step.end)
        return QED_OK;
    window->gathered = (struct io_window_step){0};
    if (window->count == IO_WINDOW_STEPS)
        ret = drop_oldest(window, error);
    if (ret < 0)
        return ret;
    window->started[(window->first + window->count++) % IO_WINDOW_STEPS] = step;
    return sync_step(window->io, &step, SYNC_FILE_RANGE_WRITE, error);
}

/* Add a range that was written to what is gathered, with what lies between: a hole, or more of it.
 */
static int gather(struct io_window *window, uint64_t file_off, uint64_t end,
                  struct qed_error *error)
{
    struct io_window_step *gathered = &window->gathered;
    struct io_window_step both = {min_u64(gathered->file_off, file_off),
                                  max_u64(gathered->end, end)};
    int ret = QED_OK;

    if (both.end - both.file_off > IO_WINDOW_STEP_BYTES || gathered->file_off == gathered->end) {
        ret = start_gathered(window, error);
        both = (struct io_window_step){file_off, end};
    }
    *gathered = both;
    return ret;
}

int io_window_write(struct io_window *window, const void *buffer, size_t len, uint64_t file_off,
                    struct qed_error *error)
{
    const char *at = buffer;
    int ret = QED_OK;

    while (ret == QED_OK && len > 0) {
        size_t call = len < CALL_BYTES ? len : CALL_BYTES;

        ret = io_write(window->io, at, call, file_off, error);
        if (ret == QED_OK && !window->keeps)
            ret = gather(window, file_off, file_off + call, error);
        at += call;
        file_off += call;
        len -= call;
    }
    return ret;
}
