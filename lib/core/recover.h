/*
 * Do to an image what has to be done after a crash before it may be written (format/qed_recover.h).
 * SPDX-License-Identifier: MIT
 */
#ifndef CORE_RECOVER_H
#define CORE_RECOVER_H

#include "core/image.h"
#include "format/qed_recover.h"

/*
 * The same as opening the image at path for writing does, and no more. format as in image_options;
 * QED_ERR_UNSUPPORTED where it has none.
 */
int recover_path(const char *path, const char *format, const struct qed_scan_options *scan,
                 struct qed_recovery *recovery, struct qed_error *error);

#endif
