/*
 * Opens and closes a QED image, and fits it into the drivers' table.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed.h"

#include <stdlib.h>

#include "format/driver.h"
#include "format/qed_lookup.h"

/*
 * Write and flush. A flag that is set counts only once it is durable; one that is cleared counts as
 * gone from the moment that it may be: either way what follows errs towards setting it again.
 */
static int write_header(struct qed_image *image, const struct qed_header *changed,
                        struct qed_error *error)
{
    bool clears = (image->header.features & ~changed->features) != 0;
    int ret = qed_header_write(image->io, changed, error);

    if (ret == QED_OK && clears)
        image->header = *changed;
    if (ret == QED_OK)
        ret = io_flush(image->io, error);
    if (ret == QED_OK)
        image->header = *changed;
    return ret;
}

int qed_clear_autoclear(struct qed_image *image, struct qed_error *error)
{
    struct qed_header changed = image->header;

    if (!(image->header.autoclear_features & ~QED_AUTOCLEAR_KNOWN))
        return QED_OK;
    changed.autoclear_features &= QED_AUTOCLEAR_KNOWN;
    return write_header(image, &changed, error);
}

int qed_open(struct qed_image **out, struct io *io, bool writable, struct qed_error *error)
{
    struct qed_image *image = calloc(1, sizeof(*image));
    int ret;

    if (!image)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    image->io = io;
    image->writable = writable;
    ret = qed_header_read(io, &image->header, &image->geometry, &image->backing_name, error);
    if (ret < 0)
        goto out;
    image->tables = qed_table_cache_new(io, image->geometry.table_bytes, QED_TABLE_CACHE_BYTES);
    if (!image->tables) {
        ret = qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
        goto out;
    }
    *out = image;
    image = NULL;
out:
    qed_close(image);
    return ret;
}

void qed_close(struct qed_image *image)
{
    if (!image)
        return;
    qed_table_cache_free(image->tables);
    free(image->backing_name);
    free(image);
}

int qed_set_need_check(struct qed_image *image, bool need_check, struct qed_error *error)
{
    struct qed_header changed = image->header;

    changed.features &= ~QED_FEATURE_NEED_CHECK;
    if (need_check)
        changed.features |= QED_FEATURE_NEED_CHECK;
    if (changed.features == image->header.features)
        return QED_OK;
    return write_header(image, &changed, error);
}

int qed_set_image_size(struct qed_image *image, uint64_t size, struct qed_error *error)
{
    image->header.image_size = size;
    image->geometry.image_size = size;
    return qed_header_write(image->io, &image->header, error);
}

const char *qed_backing_name(const struct qed_image *image)
{
    return image->backing_name;
}

static int driver_open(void **state, struct io *io, bool writable, struct qed_error *error)
{
    struct qed_image *image;
    int ret = qed_open(&image, io, writable, error);

    if (ret == QED_OK)
        *state = image;
    return ret;
}

static void driver_close(void *state)
{
    qed_close(state);
}

static uint64_t driver_virtual_size(const void *state)
{
    const struct qed_image *image = state;

    return image->geometry.image_size;
}

static int driver_next_run(void *state, uint64_t virt_off, uint64_t max_len, struct extent *run,
                           struct qed_error *error)
{
    return qed_lookup_run(state, virt_off, max_len, run, error);
}

static const char *driver_backing_name(const void *state)
{
    return qed_backing_name(state);
}

static bool driver_backing_is_raw(const void *state)
{
    const struct qed_image *image = state;

    return (image->header.features & QED_FEATURE_BACKING_NO_PROBE) != 0;
}

const struct format_driver qed_driver = {
    .name = "qed",
    .open = driver_open,
    .close = driver_close,
    .virtual_size = driver_virtual_size,
    .next_run = driver_next_run,
    .backing_name = driver_backing_name,
    .backing_is_raw = driver_backing_is_raw,
};
