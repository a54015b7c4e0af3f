/*
 * Every word of a sector has its old value or its new one; what was given back is what it was, or
 * zeroes, or gone with the end of the file; the rest is as it was. What the repair appended is as
 * it made it, or else may be unfinished.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_undo_compare.h"

#include <string.h>

#include "base/le.h"
#include "base/zero.h"
#include "format/zcodec.h"

struct comparison {
    const struct qed_undo_lengths *lengths;
    struct qed_undo_state *state;
    struct io *image;
    uint8_t *buffer;
    bool grown_fits; /* what the repair appended is as it was made */
};

/* How many bytes of the block the image has. */
static uint64_t present(const struct comparison *c, const struct qed_undo_block *block)
{
    uint64_t length = c->state->length;

    return block->file_off < length ? min_u64(block->length, length - block->file_off) : 0;
}

/*
 * Whether the block may read as zeroes by now: a hole was punched, or the file was made as long
 * again by an undo that got no further.
 */
static bool may_be_zeroed(const struct comparison *c, const struct qed_undo_block *block)
{
    return block->punched || (qed_undo_is_cut(block, c->lengths) && c->state->marked);
}

/* A word of a sector that is neither as it was nor zeroed as a whole. */
static void compare_word(struct comparison *c, const struct qed_undo_block *block, size_t index,
                         const uint8_t *now, const uint8_t *new_word, size_t len)
{
    uint8_t is[QED_UNDO_WORD_BYTES] = {0}, was[QED_UNDO_WORD_BYTES] = {0};
    uint8_t becomes[QED_UNDO_WORD_BYTES] = {0};

    memcpy(is, now + index * QED_UNDO_WORD_BYTES, len);
    memcpy(was, block->old_bytes + index * QED_UNDO_WORD_BYTES, len);
    if (new_word)
        memcpy(becomes, new_word, len);
    if (block->file_off == 0) {
        uint8_t counts = (uint8_t)~qed_undo_flags_at(index * QED_UNDO_WORD_BYTES);

        is[0] &= counts;
        was[0] &= counts;
        becomes[0] &= counts;
    }
    if (memcmp(is, was, len) == 0)
        return;
    if (!new_word || memcmp(is, becomes, len) != 0)
        c->state->is_foreign = true;
}

static int compare_words(struct comparison *c, const struct qed_undo_block *block,
                         struct qed_error *error)
{
    size_t len = (size_t)present(c, block);
    const uint8_t *new_word = block->new_words;
    int ret = len ? io_read(c->image, c->buffer, len, block->file_off, error) : QED_OK;

    if (ret < 0)
        return ret;
    if (memcmp(c->buffer, block->old_bytes, len) == 0)
        return QED_OK;
    c->state->is_old = false;
    if (may_be_zeroed(c, block) && zero_all(c->buffer, len))
        return QED_OK;
    for (size_t at = 0, i = 0; at < len; at += QED_UNDO_WORD_BYTES, i++) {
        bool changes = block->words >> i & 1;

        compare_word(c, block, i, c->buffer, changes ? new_word : NULL,
                     (size_t)min_u64(QED_UNDO_WORD_BYTES, len - at));
        new_word += changes ? QED_UNDO_WORD_BYTES : 0;
    }
    return QED_OK;
}

static int compare_data(struct comparison *c, const struct qed_undo_block *block,
                        struct qed_error *error)
{
    size_t len = (size_t)present(c, block);
    int ret = len ? io_read(c->image, c->buffer, len, block->file_off, error) : QED_OK;

    if (ret < 0)
        return ret;
    for (size_t at = 0; at < len; at += QED_SECTOR) {
        size_t step = (size_t)min_u64(QED_SECTOR, len - at);

        if (memcmp(c->buffer + at, block->old_bytes + at, step) == 0)
            continue;
        c->state->is_old = false;
        if (!may_be_zeroed(c, block) || !zero_all(c->buffer + at, step))
            c->state->is_foreign = true;
    }
    return QED_OK;
}

/*
 * The next piece of [*at, end), which lies in the file: *hole bytes of a hole, or *len stored
 * bytes, which are read. *at moves on.
 */
static int next_stored(struct comparison *c, uint64_t *at, uint64_t end, uint64_t *hole,
                       size_t *len, struct qed_error *error)
{
    struct io_run run;
    int ret;

    *hole = 0;
    *len = 0;
    ret = io_next_run(c->image, *at, &run, error);
    if (ret < 0)
        return ret;
    if (run.length == 0)
        return qed_fail(error, QED_ERR_CHANGED, "the file was cut meanwhile");
    if (!run.is_data) {
        *hole = min_u64(run.length, end - *at);
        *at += *hole;
        return QED_OK;
    }
    *len = (size_t)min_u64(min_u64(run.length, end - *at), QED_UNDO_DATA_MAX);
    ret = io_read(c->image, c->buffer, *len, *at, error);
    *at += *len;
    return ret;
}

static int compare_zero(struct comparison *c, const struct qed_undo_block *block,
                        struct qed_error *error)
{
    uint64_t at = block->file_off, end = at + present(c, block), hole;
    size_t len;

    while (at < end) {
        int ret = next_stored(c, &at, end, &hole, &len, error);

        if (ret < 0)
            return ret;
        if (!zero_all(c->buffer, len)) {
            c->state->is_old = false;
            c->state->is_foreign = true;
        }
    }
    return QED_OK;
}

/* The CRC of a range of the image that lies in the file. */
static int crc_of(struct comparison *c, uint64_t at, uint64_t end, uint32_t *crc,
                  struct qed_error *error)
{
    uint64_t hole;
    size_t len;

    *crc = 0;
    while (at < end) {
        int ret = next_stored(c, &at, end, &hole, &len, error);

        if (ret < 0)
            return ret;
        *crc = zcodec_crc32_zeroes(zcodec_crc32(*crc, c->buffer, len), hole);
    }
    return QED_OK;
}

static int compare_witness(struct comparison *c, const struct qed_undo_block *block,
                           struct qed_error *error)
{
    uint32_t crc;
    int ret = crc_of(c, block->file_off, block->file_off + block->length, &crc, error);

    if (ret == QED_OK && crc != block->new_crc)
        c->state->is_foreign = true;
    return ret;
}

static int compare_grown(struct comparison *c, const struct qed_undo_block *block,
                         struct qed_error *error)
{
    uint32_t crc;
    int ret;

    c->grown_fits = false;
    if (present(c, block) < block->length)
        return QED_OK;
    ret = crc_of(c, block->file_off, block->file_off + block->length, &crc, error);
    if (ret == QED_OK)
        c->grown_fits = crc == block->new_crc;
    return ret;
}

static int compare_block(struct comparison *c, const struct qed_undo_block *block,
                         struct qed_error *error)
{
    struct qed_undo_state *state = c->state;

    if (block->file_off == 0)
        memcpy(state->old_sector, block->old_bytes, sizeof(state->old_sector));
    state->has_early = state->has_early || block->early;
    state->has_lost = state->has_lost || block->punched || qed_undo_is_cut(block, c->lengths);
    if (state->is_foreign)
        return QED_OK; /* settled; what follows is only checked for damage */
    switch (block->kind) {
    case QED_UNDO_WORDS:
        return compare_words(c, block, error);
    case QED_UNDO_DATA:
        return compare_data(c, block, error);
    case QED_UNDO_ZERO:
        return compare_zero(c, block, error);
    case QED_UNDO_WITNESS:
        return compare_witness(c, block, error);
    default:
        return compare_grown(c, block, error);
    }
}

/* Without the mark the repair has come to its end, or has not begun. */
static bool length_fits(const struct qed_undo_lengths *lengths, const struct qed_undo_state *state)
{
    if (state->marked)
        return state->length >= qed_undo_kept(lengths) && state->length <= lengths->full;
    return state->length == lengths->old || state->length == lengths->full ||
           state->length == lengths->final;
}

static int look_at_image(struct io *image, const struct qed_undo_lengths *lengths,
                         struct qed_undo_state *state, struct qed_error *error)
{
    uint8_t features[QED_UNDO_WORD_BYTES];
    int ret = io_get_length(image, &state->length, error);

    if (ret < 0)
        return ret;
    if (state->length < QED_SECTOR) { /* no record is of such a file */
        state->is_foreign = true;
        return QED_OK;
    }
    ret = io_read(image, features, sizeof(features), QED_UNDO_FEATURES_OFF, error);
    state->marked = le64_load(features) & QED_FEATURE_NEED_CHECK;
    state->is_foreign = !length_fits(lengths, state);
    return ret;
}

int qed_undo_compare(struct qed_undo_reader *reader, struct io *image, uint8_t *buffer,
                     struct qed_undo_state *state, struct qed_error *error)
{
    struct comparison c = {.lengths = &reader->lengths,
                           .state = state,
                           .image = image,
                           .buffer = buffer,
                           .grown_fits = true};
    struct qed_undo_block block;
    int ret;

    *state = (struct qed_undo_state){.is_old = true};
    ret = look_at_image(image, c.lengths, state, error);
    while (ret == QED_OK) {
        ret = qed_undo_reader_next(reader, &block, error);
        if (ret < 0 || block.kind == QED_UNDO_END)
            break;
        ret = compare_block(&c, &block, error);
    }
    state->is_old = state->is_old && state->length == c.lengths->old;
    /* Unfinished, or not there yet or any more; else a guest has written to it. */
    if (!c.grown_fits && !state->marked && state->length != c.lengths->old)
        state->is_foreign = true;
    return ret;
}
