/*
 * Opens the image alone, and recovers it. SPDX-License-Identifier: MIT
 */
#include "core/recover.h"

int recover_path(const char *path, const char *format, const struct qed_scan_options *scan,
                 struct qed_recovery *recovery, struct qed_error *error)
{
    struct image_options options = {
        .format = format, .writable = true, .backing = IMAGE_BACKING_IGNORE};
    struct image *image = NULL;
    int ret = image_open(&image, path, &options, error);

    *recovery = (struct qed_recovery){0};
    if (ret < 0)
        return ret;
    if (!image_qed(image, 0))
        ret = qed_fail(error, QED_ERR_UNSUPPORTED,
                       "'%s': This image format does not support checks", path);
    else if ((ret = qed_recover(image_qed(image, 0), scan, recovery, error)) < 0)
        qed_fail_prefix(error, ret, "'%s'", path);
    image_close(image);
    return ret;
}
