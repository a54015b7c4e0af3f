/*
 * Remembers which of the two ways is still worth a try.
 * SPDX-License-Identifier: MIT
 */
#include "core/copy_offload.h"

#include "base/checked.h"

#define BEYOND_ALIGN (UINT64_C(1) << 20)

int copy_offload_try_clone(struct copy_offload *offload, struct io *to, struct io *from,
                           struct qed_error *error)
{
    uint64_t length, beyond;
    int ret = io_get_length(to, &length, error);

    if (ret < 0 || !checked_round_up(length, BEYOND_ALIGN, &beyond))
        return ret;
    ret = io_clone_range(to, beyond, from, 0, COPY_OFFLOAD_ALIGN, NULL);
    offload->can_clone = ret == QED_OK;
    return offload->can_clone ? io_set_length(to, length, error) : QED_OK;
}

int copy_offload(struct copy_offload *offload, struct io *to, uint64_t to_off, struct io *from,
                 uint64_t from_off, uint64_t len, struct qed_error *error)
{
    uint64_t done;
    int ret = QED_ERR_UNSUPPORTED;

    if (offload->can_clone)
        ret = io_clone_range(to, to_off, from, from_off, len, error);
    offload->can_clone = offload->can_clone && ret != QED_ERR_UNSUPPORTED;
    if (ret != QED_ERR_UNSUPPORTED || !offload->can_copy)
        return ret;
    ret = io_copy_range(to, to_off, from, from_off, len, &done, error);
    offload->can_copy = ret != QED_ERR_UNSUPPORTED;
    return ret;
}
