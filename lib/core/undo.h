/*
 * The undo record of a repair as a file: saved before the repair, put back by qedtool undo.
 * SPDX-License-Identifier: MIT
 */
#ifndef CORE_UNDO_H
#define CORE_UNDO_H

#include <stdbool.h>

#include "base/error.h"

struct io;
struct qed_plan;

/*
 * Save what plan, whose last round has ended, changes in the file image as a new file at path,
 * which nobody but its owner may read. When this succeeds it is durable, and the image may be
 * changed; when not, there is no file. A path that exists is refused: what is there may be the
 * record of an earlier repair. Errors about the record say so, others are about the image.
 */
int undo_save_to(const char *path, struct qed_plan *plan, struct io *image,
                 struct qed_error *error);

/*
 * Put the image file at path back as it was before the repair that the record is of; *changed is
 * false when it is so already. The image is locked as for a repair, and may have a header that
 * makes no sense. See qed_undo_restore for what is refused.
 */
int undo_image(const char *path, const char *record_path, bool *changed, struct qed_error *error);

#endif
