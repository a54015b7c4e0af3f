/*
 * Raw images: the guest's bytes are the file's bytes. A length that is no multiple of a sector is
 * rounded up; the bytes that are not there read as zeroes.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include "base/checked.h"
#include "format/driver.h"
#include "format/raw.h"

struct raw_image {
    struct io *io;
    uint64_t length; /* of the file, bytes */
};

static int raw_open(void **state, struct io *io, bool writable, struct qed_error *error)
{
    struct raw_image *raw = malloc(sizeof(*raw));
    int ret;

    (void)writable;
    if (!raw)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    raw->io = io;
    ret = io_get_length(io, &raw->length, error);
    if (ret < 0) {
        free(raw);
        return ret;
    }
    *state = raw;
    return QED_OK;
}

static void raw_close(void *state)
{
    free(state);
}

static uint64_t raw_virtual_size(const void *state)
{
    const struct raw_image *raw = state;

    return blocks_for(raw->length, RAW_SECTOR_SHIFT) << RAW_SECTOR_SHIFT;
}

static int raw_next_run(void *state, uint64_t virt_off, uint64_t max_len, struct extent *run,
                        struct qed_error *error)
{
    struct raw_image *raw = state;
    struct io_run stored;
    int ret = io_next_run(raw->io, virt_off, &stored, error);

    run->length = 0;
    if (ret < 0)
        return ret;
    *run = (struct extent){.virt_off = virt_off,
                           .length = max_len,
                           .kind = EXTENT_ZERO,
                           .has_file_off = true,
                           .file_off = virt_off};
    if (virt_off >= raw->length)
        return QED_OK;
    /* A file that has become shorter is not zeroes there: whoever reads it finds that out. */
    if (stored.length == 0)
        stored = (struct io_run){.length = raw->length - virt_off, .is_data = true};
    run->length = min_u64(max_len, min_u64(stored.length, raw->length - virt_off));
    if (stored.is_data)
        run->kind = EXTENT_DATA;
    return QED_OK;
}

static const char *raw_backing_name(const void *state)
{
    (void)state;
    return NULL;
}

static bool raw_backing_is_raw(const void *state)
{
    (void)state;
    return false;
}

const struct format_driver raw_driver = {
    .name = "raw",
    .open = raw_open,
    .close = raw_close,
    .virtual_size = raw_virtual_size,
    .next_run = raw_next_run,
    .backing_name = raw_backing_name,
    .backing_is_raw = raw_backing_is_raw,
};
