/*
 * One pass over the record checks it and the image; the passes after it write. They go the way of
 * the repair backwards: space that was given back is filled again, then words get their old values,
 * the last changed first, the copies are cut off, then the words that were changed before these
 * were made; NEED_CHECK is set all the while. Each pass is durable before the next, so that no
 * entry ever leads to where nothing is yet, or no longer.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>
#include <string.h>

#include "base/le.h"
#include "format/qed_undo.h"
#include "format/qed_undo_compare.h"

struct undo {
    struct io *image;
    struct qed_undo_reader reader;
    struct qed_undo_state state;
    uint8_t *buffer; /* QED_UNDO_DATA_MAX bytes */
};

typedef int restore_fn(struct undo *undo, const struct qed_undo_block *block,
                       struct qed_error *error);

static int for_each_block(struct undo *undo, bool words_only, restore_fn *restore,
                          struct qed_error *error)
{
    struct qed_undo_block block;
    int ret;

    qed_undo_reader_rewind(&undo->reader, words_only);
    do {
        ret = qed_undo_reader_next(&undo->reader, &block, error);
        if (ret < 0 || block.kind == QED_UNDO_END)
            return ret;
        ret = restore(undo, &block, error);
    } while (ret == QED_OK);
    return ret;
}

/* Write bytes, at most QED_UNDO_DATA_MAX, unless they stand there already. */
static int put_back(struct undo *undo, const uint8_t *bytes, size_t len, uint64_t file_off,
                    struct qed_error *error)
{
    int ret = io_read(undo->image, undo->buffer, len, file_off, error);

    if (ret < 0 || memcmp(undo->buffer, bytes, len) == 0)
        return ret;
    return io_write(undo->image, bytes, len, file_off, error);
}

/* Give back what is stored, of zeroes only, where there was a hole. */
static int make_hole(struct undo *undo, uint64_t at, uint64_t end, struct qed_error *error)
{
    int ret = QED_OK;

    while (ret == QED_OK && at < end) {
        struct io_run run;

        ret = io_next_run(undo->image, at, &run, error);
        if (ret < 0)
            break;
        if (run.length == 0)
            return qed_fail(error, QED_ERR_CHANGED, "the file was cut meanwhile");
        run.length = min_u64(run.length, end - at);
        if (run.is_data)
            ret = io_zero(undo->image, at, run.length, error);
        at += run.length;
    }
    return ret;
}

static bool is_lost(const struct undo *undo, const struct qed_undo_block *block)
{
    return block->punched || qed_undo_is_cut(block, &undo->reader.lengths);
}

static int restore_lost(struct undo *undo, const struct qed_undo_block *block,
                        struct qed_error *error)
{
    if (!is_lost(undo, block))
        return QED_OK;
    if (block->kind == QED_UNDO_ZERO)
        return make_hole(undo, block->file_off, block->file_off + block->length, error);
    return put_back(undo, block->old_bytes, (size_t)block->length, block->file_off, error);
}

static void set_mark(uint8_t *sector)
{
    le64_store(sector + QED_UNDO_FEATURES_OFF,
               le64_load(sector + QED_UNDO_FEATURES_OFF) | QED_FEATURE_NEED_CHECK);
    le64_store(sector + QED_UNDO_AUTOCLEAR_OFF,
               le64_load(sector + QED_UNDO_AUTOCLEAR_OFF) & ~QED_AUTOCLEAR_INTENT);
}

/* A sector with its old words, but for those that keep tells to leave as they are. */
static int restore_sector(struct undo *undo, const struct qed_undo_block *block, uint64_t keep,
                          struct qed_error *error)
{
    uint8_t sector[QED_SECTOR];
    size_t len = (size_t)block->length;
    int ret = io_read(undo->image, undo->buffer, len, block->file_off, error);

    if (ret < 0)
        return ret;
    memcpy(sector, block->old_bytes, len);
    for (size_t at = 0, i = 0; at < len; at += QED_UNDO_WORD_BYTES, i++) {
        if (keep >> i & 1)
            memcpy(sector + at, undo->buffer + at, (size_t)min_u64(QED_UNDO_WORD_BYTES, len - at));
    }
    if (block->file_off == 0)
        set_mark(sector);
    return put_back(undo, sector, len, block->file_off, error);
}

static int restore_late_words(struct undo *undo, const struct qed_undo_block *block,
                              struct qed_error *error)
{
    if (block->kind != QED_UNDO_WORDS || is_lost(undo, block))
        return QED_OK;
    return restore_sector(undo, block, block->early, error);
}

static int restore_early_words(struct undo *undo, const struct qed_undo_block *block,
                               struct qed_error *error)
{
    if (block->kind != QED_UNDO_WORDS || is_lost(undo, block) || !block->early)
        return QED_OK;
    return restore_sector(undo, block, 0, error);
}

/*
 * Durably set NEED_CHECK in whatever header there is, and drop its write-intent bitmap; where that
 * is done it may not be durable yet.
 */
static int mark(struct undo *undo, struct qed_error *error)
{
    uint8_t sector[QED_SECTOR];
    int ret = io_read(undo->image, sector, sizeof(sector), 0, error);

    if (ret == QED_OK) {
        set_mark(sector);
        ret = put_back(undo, sector, sizeof(sector), 0, error);
    }
    return ret < 0 ? ret : io_flush(undo->image, error);
}

static int restore_all_lost(struct undo *undo, struct qed_error *error)
{
    uint64_t old_length = undo->reader.lengths.old;
    int ret = QED_OK;

    if (!undo->state.has_lost)
        return QED_OK;
    if (undo->state.length < old_length)
        ret = io_set_length(undo->image, old_length, error);
    if (ret == QED_OK)
        ret = for_each_block(undo, false, restore_lost, error);
    return ret < 0 ? ret : io_flush(undo->image, error);
}

/* Cut off what the repair appended. */
static int restore_length(struct undo *undo, struct qed_error *error)
{
    int ret;

    if (undo->state.length <= undo->reader.lengths.old)
        return QED_OK;
    ret = io_set_length(undo->image, undo->reader.lengths.old, error);
    return ret < 0 ? ret : io_flush(undo->image, error);
}

static int restore(struct undo *undo, struct qed_error *error)
{
    int ret = mark(undo, error);

    if (ret == QED_OK)
        ret = restore_all_lost(undo, error);
    if (ret == QED_OK)
        ret = for_each_block(undo, true, restore_late_words, error);
    if (ret == QED_OK)
        ret = io_flush(undo->image, error);
    if (ret == QED_OK)
        ret = restore_length(undo, error);
    if (ret == QED_OK && undo->state.has_early) {
        ret = for_each_block(undo, true, restore_early_words, error);
        if (ret == QED_OK)
            ret = io_flush(undo->image, error);
    }
    if (ret == QED_OK)
        ret = put_back(undo, undo->state.old_sector, QED_SECTOR, 0, error);
    return ret < 0 ? ret : io_flush(undo->image, error);
}

int qed_undo_restore(const struct qed_undo_file *image, const struct qed_undo_file *record,
                     bool *changed, struct qed_error *error)
{
    struct undo undo = {.image = image->io};
    int ret;

    *changed = false;
    undo.buffer = malloc(QED_UNDO_DATA_MAX);
    ret = undo.buffer ? qed_undo_reader_open(&undo.reader, record, error)
                      : qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    if (ret == QED_OK)
        ret = qed_undo_compare(&undo.reader, image->io, undo.buffer, &undo.state, error);
    if (ret == QED_OK && undo.state.is_foreign) {
        ret = qed_fail(error, QED_ERR_CHANGED,
                       "'%s' is the undo record of another image, or '%s' was written to since the "
                       "repair",
                       record->name, image->name);
        goto out;
    }
    if (ret == QED_OK && !undo.state.is_old) {
        *changed = true;
        ret = restore(&undo, error);
    }
    if (ret < 0 && !undo.reader.failed && ret != QED_ERR_NO_MEMORY)
        qed_fail_prefix(error, ret, "'%s'", image->name);
out:
    qed_undo_reader_close(&undo.reader);
    free(undo.buffer);
    return ret;
}
