/*
 * Words are written in spans: a word and those that follow it closely are one read and one write.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_apply.h"

#include <stdlib.h>

#include "base/checked.h"
#include "base/le.h"
#include "base/zero.h"
#include "format/qed_layout.h"

#define FEATURES_AT 16 /* bytes; format specification: header */
#define WORD_BYTES sizeof(uint64_t)
#define SPAN_BYTES ((size_t)64 << 10)
#define SPAN_GAP 4096
#define COPY_BYTES ((size_t)1 << 20)

/* Set or clear NEED_CHECK where the features are and flush; *was tells how it stood. */
static int mark(struct io *io, bool need_check, bool *was, struct qed_error *error)
{
    uint8_t bytes[WORD_BYTES];
    uint64_t features;
    int ret = io_read_padded(io, bytes, sizeof(bytes), FEATURES_AT, error);

    if (ret < 0)
        return ret;
    features = le64_load(bytes);
    *was = (features & QED_FEATURE_NEED_CHECK) != 0;
    if (*was == need_check)
        return QED_OK;
    le64_store(bytes, features ^ QED_FEATURE_NEED_CHECK);
    ret = io_write(io, bytes, sizeof(bytes), FEATURES_AT, error);
    return ret < 0 ? ret : io_flush(io, error);
}

/* The words of a step from index i on that make up one span; *next is the first that does not. */
static uint64_t span_end(const struct qed_plan_word *words, size_t count, size_t i,
                         enum qed_plan_step step, size_t *next)
{
    uint64_t start = words[i].file_off, end = start + WORD_BYTES;

    for (*next = i + 1; *next < count; ++*next) {
        const struct qed_plan_word *word = &words[*next];

        if (word->step != step)
            continue;
        if (word->file_off >= end + SPAN_GAP || word->file_off + WORD_BYTES - start > SPAN_BYTES)
            break;
        end = word->file_off + WORD_BYTES;
    }
    return end;
}

static int write_span(struct io *io, const struct qed_plan_word *words, size_t count, uint64_t end,
                      enum qed_plan_step step, uint8_t *buffer, struct qed_error *error)
{
    uint64_t start = words[0].file_off;
    size_t len = (size_t)(end - start);
    int ret = io_read_padded(io, buffer, len, start, error);

    if (ret < 0)
        return ret;
    for (size_t i = 0; i < count; i++) {
        uint64_t value = words[i].value;

        /* The mark outlasts the plan. */
        if (words[i].file_off == FEATURES_AT)
            value |= QED_FEATURE_NEED_CHECK;
        if (words[i].step == step)
            le64_store(buffer + (words[i].file_off - start), value);
    }
    return io_write(io, buffer, len, start, error);
}

/* Write the words of a step and flush; *any tells whether there were some. */
static int write_words(const struct qed_plan *plan, struct io *io, enum qed_plan_step step,
                       bool *any, struct qed_error *error)
{
    size_t count, next;
    const struct qed_plan_word *words = qed_plan_words(plan, &count);
    uint8_t *buffer = malloc(SPAN_BYTES);
    int ret = buffer ? QED_OK : qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");

    *any = false;
    for (size_t i = 0; ret == QED_OK && i < count; i = next) {
        uint64_t end;

        next = i + 1;
        if (words[i].step != step)
            continue;
        *any = true;
        end = span_end(words, count, i, step, &next);
        ret = write_span(io, words + i, next - i, end, step, buffer, error);
    }
    free(buffer);
    return ret == QED_OK && *any ? io_flush(io, error) : ret;
}

/* Copy a run that is stored; zeroes are left to the hole that the file has grown by. */
static int copy_stored(struct io *io, uint64_t from, uint64_t to, uint64_t len, uint8_t *buffer,
                       struct qed_error *error)
{
    while (len > 0) {
        size_t step = (size_t)min_u64(len, COPY_BYTES);
        int ret = io_read_padded(io, buffer, step, from, error);

        if (ret == QED_OK && !zero_all(buffer, step))
            ret = io_write(io, buffer, step, to, error);
        if (ret < 0)
            return ret;
        from += step;
        to += step;
        len -= step;
    }
    return QED_OK;
}

static int make_copy(struct io *io, const struct qed_plan_run *copy, uint64_t old_length,
                     uint8_t *buffer, struct qed_error *error)
{
    uint64_t done = 0;
    uint64_t len = copy->from < old_length ? min_u64(copy->len, old_length - copy->from) : 0;

    while (done < len) {
        struct io_run run;
        uint64_t step;
        int ret = io_next_run(io, copy->from + done, &run, error);

        if (ret < 0)
            return ret;
        step = min_u64(run.length, len - done);
        if (step == 0)
            return qed_fail(error, QED_ERR_CHANGED, "the file shrank while it was repaired");
        if (run.is_data)
            ret = copy_stored(io, copy->from + done, copy->to + done, step, buffer, error);
        if (ret < 0)
            return ret;
        done += step;
    }
    return QED_OK;
}

/* Make the file longer and fill in the copies; flushed. */
static int grow(const struct qed_plan *plan, struct io *io, struct qed_error *error)
{
    size_t count;
    const struct qed_plan_run *copies = qed_plan_copies(plan, &count);
    uint8_t *buffer = NULL;
    int ret;

    if (qed_plan_full_length(plan) == qed_plan_old_length(plan))
        return QED_OK;
    ret = io_set_length(io, qed_plan_full_length(plan), error);
    buffer = malloc(COPY_BYTES);
    if (ret == QED_OK && !buffer)
        ret = qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    for (size_t i = 0; ret == QED_OK && i < count; i++)
        ret = make_copy(io, &copies[i], qed_plan_old_length(plan), buffer, error);
    if (ret == QED_OK)
        ret = io_flush(io, error);
    free(buffer);
    return ret;
}

int qed_apply(const struct qed_plan *plan, struct io *io, struct qed_error *error)
{
    bool was_marked = true, changed = false, ignored;
    int ret;

    if (!qed_plan_changes_anything(plan))
        return QED_OK;
    ret = mark(io, true, &was_marked, error);
    if (ret == QED_OK)
        ret = write_words(plan, io, QED_PLAN_EARLY, &changed, error);
    if (ret == QED_OK)
        ret = grow(plan, io, error);
    if (ret < 0) {
        /* As far as it can be done: nothing refers to what was added. */
        io_set_length(io, qed_plan_old_length(plan), NULL);
        if (!was_marked && !changed)
            mark(io, false, &ignored, NULL);
        return ret;
    }
    ret = write_words(plan, io, QED_PLAN_MOVE, &ignored, error);
    return ret < 0 ? ret : write_words(plan, io, QED_PLAN_SETTLE, &ignored, error);
}

static int give_back(const struct qed_plan *plan, struct io *io, struct qed_error *error)
{
    size_t count;
    const struct qed_plan_run *punches = qed_plan_punches(plan, &count);
    int ret = QED_OK;

    for (size_t i = 0; ret == QED_OK && i < count; i++)
        ret = io_zero(io, punches[i].from, punches[i].len, error);
    if (ret == QED_OK && qed_plan_cut_length(plan) < qed_plan_full_length(plan))
        ret = io_set_length(io, qed_plan_cut_length(plan), error);
    return ret == QED_OK ? io_flush(io, error) : ret;
}

int qed_apply_finish(const struct qed_plan *plan, struct io *io, bool clear_mark,
                     struct qed_error *error)
{
    bool ignored;
    int ret = give_back(plan, io, error);

    return ret == QED_OK && clear_mark ? mark(io, false, &ignored, error) : ret;
}
