/*
 * Which format a file is in.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_PROBE_H
#define FORMAT_PROBE_H

#include "format/driver.h"

/* What probe_head looks at. */
#define PROBE_BYTES 512

/* The driver of that name ("qed", "raw"); NULL when there is none. */
const struct format_driver *probe_by_name(const char *name);

/*
 * Look at the start of io and choose the driver: qed by its magic, else raw. The magic of a known
 * format that this program does not read (qcow2, vmdk, …) is QED_ERR_UNSUPPORTED: taken for raw,
 * its metadata would pass for guest data.
 */
int probe_io(struct io *io, const struct format_driver **driver, struct qed_error *error);

/* The same for bytes that begin an image, zeroes past its end. */
int probe_head(const uint8_t head[PROBE_BYTES], const struct format_driver **driver,
               struct qed_error *error);

#endif
