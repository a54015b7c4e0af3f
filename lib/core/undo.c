/*
 * Opens the files and keeps everybody else out of the image meanwhile.
 * SPDX-License-Identifier: MIT
 */
#include "core/undo.h"

#include "format/qed_undo.h"
#include "io/io_file.h"
#include "io/io_lock.h"
#include "io/io_replace.h"

int undo_save_to(const char *path, struct qed_plan *plan, struct io *image, struct qed_error *error)
{
    struct io_replace *replace = NULL;
    struct io *record;
    int ret = io_replace_begin_private(&replace, path, &record, error);

    if (ret < 0)
        return qed_fail_prefix(error, ret, "Could not write the undo record");
    ret = qed_undo_save(plan, image, record, error);
    if (ret == QED_OK) {
        ret = io_replace_publish(replace, error);
        if (ret < 0)
            qed_fail_prefix(error, ret, "Could not write the undo record");
    }
    io_replace_end(replace);
    return ret;
}

int undo_image(const char *path, const char *record_path, bool *changed, struct qed_error *error)
{
    struct qed_undo_file image = {.name = path}, record = {.name = record_path};
    struct io_file_info image_info, record_info;
    int ret;

    *changed = false;
    ret = io_file_open(&image.io, path, true, &image_info, error);
    if (ret == QED_OK)
        ret = io_file_open(&record.io, record_path, false, &record_info, error);
    if (ret == QED_OK && io_identity_equal(&image_info.identity, &record_info.identity))
        ret = qed_fail(error, QED_ERR_SAME_FILE, "'%s' and '%s' are the same file", path,
                       record_path);
    if (ret == QED_OK)
        ret = io_lock(image.io, path, true, error);
    if (ret == QED_OK)
        ret = qed_undo_restore(&image, &record, changed, error);
    io_close(record.io);
    io_close(image.io);
    return ret;
}
