/*
 * Ranges that the kernel shares or copies, without a look at what is in them.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include "base/checked.h"
#include "core/copy_state.h"
#include "io/io_transfer.h"

#define OFFLOAD_BYTES (UINT64_C(1) << 30) /* at a time, so that a signal is heard */
#define OFFLOAD_ALIGN 4096

/* How runs are had from the kernel; each is given up where it turns out not to work. */
static int offload_range(struct copy *copy, const struct extent *run, uint64_t len,
                         uint64_t file_off)
{
    struct io *to = target_io(copy->target), *from = image_io(copy->source, run->depth);
    uint64_t done;
    int ret = QED_ERR_UNSUPPORTED;

    if (copy->can_clone)
        ret = io_clone_range(to, file_off, from, run->file_off, len, copy->error);
    copy->can_clone = copy->can_clone && ret != QED_ERR_UNSUPPORTED;
    if (ret != QED_ERR_UNSUPPORTED || !copy->can_copy)
        return ret;
    ret = io_copy_range(to, file_off, from, run->file_off, len, &done, copy->error);
    copy->can_copy = ret != QED_ERR_UNSUPPORTED;
    return ret;
}

/* Where the kernel could not do it after all: the place is taken, so it is filled here and now. */
static int copy_range_here(struct copy *copy, uint64_t virt_off, uint64_t len, uint64_t file_off)
{
    uint8_t *buffer = io_queue_buffer(copy->job_bytes);
    int ret = buffer ? QED_OK : qed_fail(copy->error, QED_ERR_NO_MEMORY, "out of memory");

    while (ret == QED_OK && len > 0) {
        size_t step = (size_t)min_u64(len, copy->job_bytes);

        ret = copy_read(copy, virt_off, buffer, step);
        if (ret == QED_OK)
            ret = copy_write(copy, virt_off, buffer, step, file_off);
        virt_off += step;
        file_off += step;
        len -= step;
    }
    free(buffer);
    return ret;
}

/*
 * Whether blocks of the source's file can be shared with the target's, tried behind its end: a
 * place that was given out could not be given back.
 */
int copy_try_clone(struct copy *copy)
{
    struct io *to = target_io(copy->target);
    uint64_t length, beyond;
    int ret = io_get_length(to, &length, copy->error);

    if (ret < 0 || !checked_round_up(length, COPY_JOB_BYTES, &beyond))
        return ret;
    ret = io_clone_range(to, beyond, image_io(copy->source, 0), 0, OFFLOAD_ALIGN, NULL);
    copy->can_clone = ret == QED_OK;
    return copy->can_clone ? io_set_length(to, length, copy->error) : QED_OK;
}

/* Whether it may be the source that failed, or the way: reading tells, and names what is bad. */
static bool may_be_read(int ret)
{
    return ret == QED_ERR_UNSUPPORTED || ret == QED_ERR_IO || ret == QED_ERR_SHORT_READ;
}

int copy_offload(struct copy *copy, bool *wait)
{
    while (copy->next < copy->size && (copy->can_clone || copy->can_copy)) {
        struct extent run;
        uint64_t len, file_off;
        int ret = copy_find_run(copy, copy->next, &run);

        if (ret < 0)
            return ret;
        len = min_u64(round_down(run.length, copy->options->block), OFFLOAD_BYTES);
        if (run.kind != EXTENT_DATA || len == 0 || run.file_off % OFFLOAD_ALIGN != 0)
            return QED_OK;
        *wait = copy->used > 0 && target_needs_order(copy->target);
        if (*wait)
            return QED_OK;
        ret = target_place(copy->target, copy->next, len, &file_off, copy->error);
        if (ret < 0)
            return copy_write_failed(copy, ret, copy->next);
        ret = offload_range(copy, &run, len, file_off);
        if (ret < 0 && !may_be_read(ret))
            return copy_write_failed(copy, ret, copy->next);
        if (ret < 0)
            ret = copy_range_here(copy, copy->next, len, file_off);
        if (ret < 0)
            return ret;
        copy->next += len;
        copy->done = copy->used ? copy->done : copy->next;
        ret = copy_stop_if_asked(copy);
        if (ret < 0)
            return ret;
    }
    return QED_OK;
}
