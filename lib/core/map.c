/*
 * Run after run.
 * SPDX-License-Identifier: MIT
 */
#include "core/map.h"

#include "base/checked.h"

int map_walk(struct image *image, uint64_t virt_off, uint64_t len, map_fn *fn, void *context,
             struct qed_error *error)
{
    uint64_t size = image_size(image);
    uint64_t end = virt_off < size ? virt_off + min_u64(len, size - virt_off) : virt_off;
    int ret = QED_OK;

    while (ret == QED_OK && virt_off < end) {
        struct extent run;

        ret = image_next_run(image, virt_off, end - virt_off, &run, error);
        if (ret < 0)
            return qed_fail_prefix(error, ret, "'%s'", image_path(image, 0));
        virt_off += run.length;
        ret = fn(context, &run);
    }
    return ret;
}
