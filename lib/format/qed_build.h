/*
 * Fills a new image in the order of the guest: data clusters one after the other from the end of
 * the file on, L2 tables side by side behind them, so that a later check reads them in few
 * requests. For an image that nobody sees before it is whole: no order of writes is kept, and
 * NEED_CHECK not set.
 *
 * Only entries pass through here; the caller writes the data to where it is told.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_QED_BUILD_H
#define FORMAT_QED_BUILD_H

#include "format/qed.h"

/* What tables are gathered before they are written, bytes. */
#define QED_BUILD_MEMORY ((size_t)32 << 20)

struct qed_build;

/* Whether clusters (1 MiB at most) and tables are small enough to be gathered in memory. */
bool qed_build_fits(const struct qed_geometry *geometry);

/* Build on image, which is new and empty and stays the caller's; its geometry fits. */
int qed_build_new(struct qed_build **build, struct qed_image *image, struct qed_error *error);

/* What was not finished is dropped. NULL-safe. */
void qed_build_free(struct qed_build *build);

/*
 * Let count guest clusters from virt_off on, which is aligned, be stored; *file_off is where, all
 * in a row. Calls come in the order of the guest, else QED_ERR_INVALID. The file is not made longer.
 */
int qed_build_data(struct qed_build *build, uint64_t virt_off, uint64_t count, uint64_t *file_off,
                   struct qed_error *error);

/* Let them read as zeroes, whatever a backing file has. */
int qed_build_zero(struct qed_build *build, uint64_t virt_off, uint64_t count,
                   struct qed_error *error);

/* Write the tables and make the file end with the last cluster; not flushed. */
int qed_build_finish(struct qed_build *build, struct qed_error *error);

#endif
