/*
 * Opens the chain at the first read.
 * SPDX-License-Identifier: MIT
 */
#include "core/repair_below.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "format/qed.h"

struct repair_below {
    const char *path; /* of the image */
    char *name;       /* of its backing file */
    struct image_options options;
    struct image *image; /* NULL until it is read */
    bool is_missing;
};

int repair_below_new(struct repair_below **out, const char *path, enum image_backing policy,
                     struct io *io, struct qed_error *error)
{
    struct repair_below *below = NULL;
    struct qed_image *image = NULL;
    int ret = qed_open(&image, io, false, error);

    *out = NULL;
    if (ret < 0 || !path || !image->backing_name)
        goto out;
    below = calloc(1, sizeof(*below));
    if (below)
        below->name = strdup(image->backing_name);
    if (!below || !below->name) {
        ret = qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
        goto out;
    }
    below->path = path;
    below->options.backing = policy;
    below->options.format = image->header.features & QED_FEATURE_BACKING_NO_PROBE ? "raw" : NULL;
    *out = below;
    below = NULL;
out:
    repair_below_free(below);
    qed_close(image);
    return ret;
}

int repair_below_read(void *context, uint64_t virt_off, void *buffer, size_t len,
                      struct qed_error *error)
{
    struct repair_below *below = context;
    size_t inside = 0;

    if (!below->image && !below->is_missing)
        below->is_missing =
            image_open_backing(&below->image, below->path, below->name, &below->options, NULL) < 0;
    if (below->image && virt_off < image_size(below->image))
        inside = (size_t)min_u64(len, image_size(below->image) - virt_off);
    memset((char *)buffer + inside, 0, len - inside);
    return inside ? image_read(below->image, virt_off, buffer, inside, error) : QED_OK;
}

bool repair_below_is_missing(const struct repair_below *below)
{
    return below && below->is_missing;
}

void repair_below_free(struct repair_below *below)
{
    if (!below)
        return;
    image_close(below->image);
    free(below->name);
    free(below);
}
