/*
 * Hands out clusters at the end of the file: QED has no free list, so the file's length is part
 * of the metadata.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_QED_ALLOC_H
#define FORMAT_QED_ALLOC_H

#include "format/qed.h"

/*
 * Take count clusters after everything that is in the file, whole clusters or not, and count them
 * as part of it (geometry.file_end). The caller writes them before any entry that names them.
 */
int qed_alloc_clusters(struct qed_image *image, uint64_t count, uint64_t *file_off,
                       struct qed_error *error);

/* Take a table's clusters and make the file so long that the new table reads as zeroes. */
int qed_alloc_table(struct qed_image *image, uint64_t *file_off, struct qed_error *error);

#endif
