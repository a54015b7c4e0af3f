/*
 * A window on the record, large enough for any block, moves along with what is given out.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_undo_reader.h"

#include <inttypes.h>
#include <stdlib.h>

#include "format/zcodec.h"

/* A block of data and the heads after it. */
#define WINDOW_BYTES (QED_UNDO_DATA_MAX + 4096)

static int damaged(struct qed_undo_reader *reader, struct qed_error *error)
{
    reader->failed = true;
    return qed_fail(error, QED_ERR_CORRUPT, "'%s' was changed or is damaged", reader->file->name);
}

static int read_record(struct qed_undo_reader *reader, void *buffer, size_t len, uint64_t at,
                       struct qed_error *error)
{
    int ret = io_read(reader->file->io, buffer, len, at, error);

    if (ret == QED_OK)
        return QED_OK;
    reader->failed = true;
    return qed_fail_prefix(error, ret, "'%s'", reader->file->name);
}

/* It should go on where it ends: cut off, or a length in it is wrong. */
static int ends_early(struct qed_undo_reader *reader, struct qed_error *error)
{
    uint8_t bytes[QED_UNDO_HEAD_BYTES];
    struct qed_undo_block last;

    if (reader->record_length >= QED_UNDO_HEADER_BYTES + sizeof(bytes)) {
        int ret =
            read_record(reader, bytes, sizeof(bytes), reader->record_length - sizeof(bytes), error);

        if (ret < 0)
            return ret;
        if (qed_undo_head_decode(bytes, &last) && last.kind == QED_UNDO_END)
            return damaged(reader, error);
    }
    reader->failed = true;
    return qed_fail(error, QED_ERR_SHORT_READ,
                    "'%s' is not complete: the repair that wrote it had not begun to change the "
                    "image, or it was cut off since",
                    reader->file->name);
}

/* The next len bytes, at most WINDOW_BYTES, which are then given out. */
static int take(struct qed_undo_reader *reader, size_t len, const uint8_t **bytes,
                struct qed_error *error)
{
    uint64_t in_window = reader->at - reader->window_off;

    if (len > reader->record_length - reader->at)
        return ends_early(reader, error);
    if (reader->at < reader->window_off || !range_inside(in_window, len, 0, reader->window_len)) {
        size_t fill = (size_t)min_u64(WINDOW_BYTES, reader->record_length - reader->at);
        int ret;

        reader->window_len = 0;
        ret = read_record(reader, reader->window, fill, reader->at, error);
        if (ret < 0)
            return ret;
        reader->window_off = reader->at;
        reader->window_len = fill;
        in_window = 0;
    }
    *bytes = reader->window + in_window;
    reader->at += len;
    return QED_OK;
}

static int check_header(struct qed_undo_reader *reader, const uint8_t *bytes,
                        struct qed_error *error)
{
    if (!qed_undo_header_intact(bytes))
        return damaged(reader, error);
    if (qed_undo_header_version(bytes) != QED_UNDO_VERSION) {
        reader->failed = true;
        return qed_fail(error, QED_ERR_UNSUPPORTED,
                        "'%s' is an undo record of version %" PRIu32
                        ", which this program does not know",
                        reader->file->name, qed_undo_header_version(bytes));
    }
    if (!qed_undo_header_decode(bytes, &reader->lengths))
        return damaged(reader, error);
    reader->crc = reader->header_crc = zcodec_crc32(0, bytes, QED_UNDO_HEADER_BYTES);
    return QED_OK;
}

int qed_undo_reader_open(struct qed_undo_reader *reader, const struct qed_undo_file *file,
                         struct qed_error *error)
{
    const uint8_t *bytes;
    uint8_t magic[8] = "";
    int ret;

    *reader = (struct qed_undo_reader){.file = file};
    ret = io_get_length(file->io, &reader->record_length, error);
    if (ret < 0) {
        reader->failed = true;
        return qed_fail_prefix(error, ret, "'%s'", file->name);
    }
    if (reader->record_length >= sizeof(magic))
        ret = read_record(reader, magic, sizeof(magic), 0, error);
    if (ret < 0)
        return ret;
    if (!qed_undo_header_has_magic(magic)) {
        reader->failed = true;
        return qed_fail(error, QED_ERR_FORMAT, "'%s' is not an undo record", file->name);
    }
    reader->window = malloc(WINDOW_BYTES);
    if (!reader->window)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    ret = take(reader, QED_UNDO_HEADER_BYTES, &bytes, error);
    return ret < 0 ? ret : check_header(reader, bytes, error);
}

/* The END block has been read from bytes. */
static int check_end(struct qed_undo_reader *reader, const struct qed_undo_block *block,
                     const uint8_t bytes[QED_UNDO_HEAD_BYTES], struct qed_error *error)
{
    uint32_t crc = zcodec_crc32(reader->crc, bytes, QED_UNDO_END_CRC_AT);

    if (block->length != reader->blocks || block->new_crc != 0 ||
        reader->at != reader->record_length || (!reader->words_only && block->old_crc != crc))
        return damaged(reader, error);
    return QED_OK;
}

static int take_payload(struct qed_undo_reader *reader, struct qed_undo_block *block,
                        struct qed_error *error)
{
    size_t len = qed_undo_payload_bytes(block);
    uint32_t old_crc, new_crc;
    const uint8_t *bytes = NULL;
    int ret;

    if (reader->words_only && block->kind == QED_UNDO_DATA) {
        if (len > reader->record_length - reader->at)
            return ends_early(reader, error);
        reader->at += len;
        return QED_OK;
    }
    ret = take(reader, len, &bytes, error);
    if (ret < 0)
        return ret;
    reader->crc = zcodec_crc32(reader->crc, bytes, len);
    block->old_bytes = len ? bytes : NULL;
    block->new_words = block->kind == QED_UNDO_WORDS ? bytes + block->length : NULL;
    if (block->kind == QED_UNDO_GROWN)
        return block->old_crc == 0 ? QED_OK : damaged(reader, error);
    if (block->kind == QED_UNDO_WITNESS)
        return block->old_crc == block->new_crc ? QED_OK : damaged(reader, error);
    qed_undo_block_crcs(block, &reader->lengths, &old_crc, &new_crc);
    if (block->old_crc != old_crc || block->new_crc != new_crc)
        return damaged(reader, error);
    return QED_OK;
}

int qed_undo_reader_next(struct qed_undo_reader *reader, struct qed_undo_block *block,
                         struct qed_error *error)
{
    const uint8_t *bytes;
    int ret = take(reader, QED_UNDO_HEAD_BYTES, &bytes, error);

    if (ret < 0)
        return ret;
    if (!qed_undo_head_decode(bytes, block) ||
        !qed_undo_head_valid(block, &reader->lengths, reader->next_off))
        return damaged(reader, error);
    if (block->kind == QED_UNDO_END)
        return check_end(reader, block, bytes, error);
    reader->crc = zcodec_crc32(reader->crc, bytes, QED_UNDO_HEAD_BYTES);
    ret = take_payload(reader, block, error);
    if (ret < 0)
        return ret;
    reader->next_off = block->file_off + block->length;
    reader->blocks++;
    return QED_OK;
}

void qed_undo_reader_rewind(struct qed_undo_reader *reader, bool words_only)
{
    reader->words_only = words_only;
    reader->at = QED_UNDO_HEADER_BYTES;
    reader->crc = reader->header_crc;
    reader->blocks = 0;
    reader->next_off = 0;
}

void qed_undo_reader_close(struct qed_undo_reader *reader)
{
    free(reader->window);
    reader->window = NULL;
}
