/*
 * What an image format offers to the layers above: open, ask for the next run, close.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_DRIVER_H
#define FORMAT_DRIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "format/extent.h"
#include "io/io.h"

struct format_driver {
    const char *name;

    /*
     * Open the image in io, which stays the caller's and must outlive *state. Writes nothing.
     */
    int (*open)(void **state, struct io *io, bool writable, struct qed_error *error);

    /* NULL-safe; writes nothing. */
    void (*close)(void *state);

    /* Guest bytes. */
    uint64_t (*virtual_size)(const void *state);

    /*
     * The longest known run at virt_off, cut to max_len bytes (1 <= max_len, virt_off + max_len <=
     * virtual_size); depth is 0. QED_ERR_CORRUPT where a table entry is invalid. Whatever the
     * failure, run's length is then how far it reaches, as far as that is known, else 0.
     */
    int (*next_run)(void *state, uint64_t virt_off, uint64_t max_len, struct extent *run,
                    struct qed_error *error);

    /* The backing file's name as stored, NULL when there is none. Owned by state. */
    const char *(*backing_name)(const void *state);

    /* Whether the image says that its backing file is raw. */
    bool (*backing_is_raw)(const void *state);
};

extern const struct format_driver raw_driver;
extern const struct format_driver qed_driver;

#endif
