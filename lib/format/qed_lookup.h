/*
 * "The next run at this guest offset": the one primitive under map, convert, compare and read.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_QED_LOOKUP_H
#define FORMAT_QED_LOOKUP_H

#include "format/extent.h"
#include "format/qed.h"

/*
 * The run at virt_off in this image alone, without its backing file: as long as the entries
 * continue each other, at most max_len bytes (not 0; virt_off + max_len <= image size).
 * QED_ERR_CORRUPT when the entry at virt_off, or the L1 entry above it, is invalid. Whatever the
 * failure, run is then what that entry stands for, from virt_off on, of a kind that is not known.
 */
int qed_lookup_run(struct qed_image *image, uint64_t virt_off, uint64_t max_len,
                   struct extent *run, struct qed_error *error);

#endif
