/*
 * Words are written in passes, each durable before the next, and in spans: a word and those that
 * follow it closely are one read and one write.
 *
 * Where a table is read as data, too, and that entry gets a copy, the table changes only once the
 * copy is in use: until then these bytes are the guest's. A table may hold entries that read
 * others: these change level by level, each after all that read what it lies in (qed_moves.h). An
 * entry that is cleared may point to where the file grows meanwhile: no copy is put there
 * (qed_repair_moves.c). SPDX-License-Identifier: MIT
 */
#include "format/qed_apply.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/le.h"
#include "base/zero.h"
#include "format/qed_layout.h"
#include "format/qed_plan_sources.h"

#define FEATURES_AT 16 /* bytes; format specification: header */
#define AUTOCLEAR_AT 32
#define WORD_BYTES sizeof(uint64_t)
#define SPAN_BYTES ((size_t)64 << 10)
#define SPAN_GAP 4096
#define COPY_BYTES ((size_t)1 << 20)

/*
 * Set or clear NEED_CHECK where the features are; *was tells how it stood. In the same sector, so
 * that neither is there without the other, the write-intent bitmap is dropped with it, for that
 * says nothing of what a repair has not finished; intent is the autoclear bit to put back when the
 * mark is cleared. Flushes also where all was as it is to be: whoever did that may have been cut
 * off before it was durable.
 */
static int mark(struct io *io, bool need_check, uint64_t intent, bool *was, struct qed_error *error)
{
    uint8_t bytes[AUTOCLEAR_AT + WORD_BYTES - FEATURES_AT];
    uint8_t *at = bytes + AUTOCLEAR_AT - FEATURES_AT;
    uint64_t features, autoclear;
    int ret = io_read_padded(io, bytes, sizeof(bytes), FEATURES_AT, error);

    if (ret < 0)
        return ret;
    features = le64_load(bytes);
    autoclear = le64_load(at);
    *was = (features & QED_FEATURE_NEED_CHECK) != 0;
    if (!*was && !need_check)
        return QED_OK;
    if (*was != need_check)
        le64_store(bytes, features ^ QED_FEATURE_NEED_CHECK);
    le64_store(at, need_check ? autoclear & ~QED_AUTOCLEAR_INTENT : autoclear | intent);
    if (*was != need_check || le64_load(at) != autoclear)
        ret = io_write(io, bytes, sizeof(bytes), FEATURES_AT, error);
    return ret < 0 ? ret : io_flush(io, error);
}

/* The bit of the write-intent bitmap, if the plan has it stay. */
static uint64_t planned_intent(const struct qed_plan *plan)
{
    size_t count;
    const struct qed_plan_word *words = qed_plan_words(plan, &count);
    size_t i = qed_plan_find_word(words, count, AUTOCLEAR_AT);

    if (i == count || words[i].file_off != AUTOCLEAR_AT)
        return 0;
    return words[i].value & QED_AUTOCLEAR_INTENT;
}

/* The passes over the words, in their order. */
enum pass {
    PASS_L1,
    PASS_MEND,
    PASS_EARLY,
    PASS_FILL, /* of what the file has grown by, with the copies */
    PASS_MOVE,
    PASS_SOURCE_MOVE, /* the same words in sources of copies, level by level */
    PASS_SOURCE_L1,
    PASS_SOURCE_MEND,
    PASS_SOURCE_EARLY,
    PASS_SETTLE,
    PASS_COUNT
};

struct apply {
    const struct qed_plan *plan;
    struct io *io;
    struct qed_plan_sources sources; /* of copies */
    uint16_t level;                  /* of PASS_SOURCE_MOVE */
    bool changed;                    /* an entry was */
};

static enum pass pass_of(const struct apply *apply, const struct qed_plan_word *word)
{
    static const enum pass passes[QED_PLAN_STEPS][2] = {
        [QED_PLAN_L1] = {PASS_L1, PASS_SOURCE_L1},
        [QED_PLAN_MEND] = {PASS_MEND, PASS_SOURCE_MEND},
        [QED_PLAN_EARLY] = {PASS_EARLY, PASS_SOURCE_EARLY},
        [QED_PLAN_MOVE] = {PASS_MOVE, PASS_SOURCE_MOVE},
        [QED_PLAN_SETTLE] = {PASS_SETTLE, PASS_SETTLE},
    };

    if (word->file_off >= qed_plan_old_length(apply->plan))
        return PASS_FILL;
    return passes[word->step][qed_plan_sources_have(&apply->sources, word->file_off)];
}

/* Whether a word is written in a pass, at the level at hand. */
static bool is_due(const struct apply *apply, const struct qed_plan_word *word, enum pass pass)
{
    return pass_of(apply, word) == pass &&
           (pass != PASS_SOURCE_MOVE || word->level == apply->level);
}

/* The words of a pass from index i on that make up one span; *next is the first that does not. */
static uint64_t span_end(const struct apply *apply, enum pass pass, size_t i, size_t *next)
{
    size_t count;
    const struct qed_plan_word *words = qed_plan_words(apply->plan, &count);
    uint64_t start = words[i].file_off, end = start + WORD_BYTES;

    for (*next = i + 1; *next < count; ++*next) {
        const struct qed_plan_word *word = &words[*next];

        if (word->file_off >= end + SPAN_GAP || word->file_off + WORD_BYTES - start > SPAN_BYTES)
            break;
        if (is_due(apply, word, pass))
            end = word->file_off + WORD_BYTES;
    }
    return end;
}

static int write_span(const struct apply *apply, enum pass pass, size_t first, size_t next,
                      uint64_t end, uint8_t *buffer, struct qed_error *error)
{
    size_t count;
    const struct qed_plan_word *words = qed_plan_words(apply->plan, &count);
    uint64_t start = words[first].file_off;
    size_t len = (size_t)(end - start);
    int ret = io_read_padded(apply->io, buffer, len, start, error);

    if (ret < 0)
        return ret;
    for (size_t i = first; i < next; i++) {
        uint64_t value = words[i].value;

        /* The mark outlasts the plan, and until it goes the bitmap stays dropped. */
        if (words[i].file_off == FEATURES_AT)
            value |= QED_FEATURE_NEED_CHECK;
        else if (words[i].file_off == AUTOCLEAR_AT)
            value &= ~QED_AUTOCLEAR_INTENT;
        if (is_due(apply, &words[i], pass))
            le64_store(buffer + (words[i].file_off - start), value);
    }
    return io_write(apply->io, buffer, len, start, error);
}

/* Write the words of a pass; *any tells whether there were some. */
static int write_words(const struct apply *apply, enum pass pass, bool *any,
                       struct qed_error *error)
{
    size_t count, next;
    const struct qed_plan_word *words = qed_plan_words(apply->plan, &count);
    uint8_t *buffer = malloc(SPAN_BYTES);
    int ret = buffer ? QED_OK : qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");

    *any = false;
    for (size_t i = 0; ret == QED_OK && i < count; i = next) {
        uint64_t end;

        next = i + 1;
        if (!is_due(apply, &words[i], pass))
            continue;
        *any = true;
        end = span_end(apply, pass, i, &next);
        ret = write_span(apply, pass, i, next, end, buffer, error);
    }
    free(buffer);
    return ret;
}

static int write_pass(struct apply *apply, enum pass pass, struct qed_error *error)
{
    bool any;
    int ret = write_words(apply, pass, &any, error);

    apply->changed = apply->changed || any;
    return ret == QED_OK && any ? io_flush(apply->io, error) : ret;
}

static uint16_t highest_level(const struct qed_plan *plan)
{
    size_t count;
    const struct qed_plan_word *words = qed_plan_words(plan, &count);
    uint16_t highest = 0;

    for (size_t i = 0; i < count; i++)
        highest = words[i].level > highest ? words[i].level : highest;
    return highest;
}

/* The passes from first to last, each durable before the next. */
static int write_passes(struct apply *apply, enum pass first, enum pass last,
                        struct qed_error *error)
{
    int ret = QED_OK;

    for (int pass = (int)first; ret == QED_OK && pass <= (int)last; pass++) {
        int levels = pass == PASS_SOURCE_MOVE ? highest_level(apply->plan) : 0;

        for (int level = 0; ret == QED_OK && level <= levels; level++) {
            apply->level = (uint16_t)level;
            ret = write_pass(apply, (enum pass)pass, error);
        }
    }
    return ret;
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

static int make_copies(const struct apply *apply, struct qed_error *error)
{
    size_t count;
    const struct qed_plan_run *copies = qed_plan_copies(apply->plan, &count);
    uint8_t *buffer = malloc(COPY_BYTES);
    int ret = buffer ? QED_OK : qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");

    for (size_t i = 0; ret == QED_OK && i < count; i++)
        ret = make_copy(apply->io, &copies[i], qed_plan_old_length(apply->plan), buffer, error);
    free(buffer);
    return ret;
}

/* Make the file longer and fill in what it has grown by; flushed. */
static int grow(const struct apply *apply, struct qed_error *error)
{
    const struct qed_plan *plan = apply->plan;
    bool ignored;
    int ret;

    if (qed_plan_full_length(plan) == qed_plan_old_length(plan))
        return QED_OK;
    ret = io_set_length(apply->io, qed_plan_full_length(plan), error);
    if (ret == QED_OK)
        ret = make_copies(apply, error);
    if (ret == QED_OK)
        ret = write_words(apply, PASS_FILL, &ignored, error);
    return ret < 0 ? ret : io_flush(apply->io, error);
}

/* What is done before an entry names anything new, the mark first. */
static int prepare(struct apply *apply, struct qed_error *error)
{
    bool was_marked = true, ignored;
    uint64_t intent = planned_intent(apply->plan);
    int ret = mark(apply->io, true, 0, &was_marked, error);

    if (ret == QED_OK)
        ret = write_passes(apply, PASS_L1, PASS_EARLY, error);
    if (ret == QED_OK)
        ret = grow(apply, error);
    if (ret == QED_OK)
        return QED_OK;
    /* As far as it can be done: nothing refers to what was added. */
    if (qed_plan_full_length(apply->plan) > qed_plan_old_length(apply->plan))
        io_set_length(apply->io, qed_plan_old_length(apply->plan), NULL);
    if (!was_marked && !apply->changed)
        mark(apply->io, false, intent, &ignored, NULL);
    return ret;
}

int qed_apply(const struct qed_plan *plan, struct io *io, struct qed_error *error)
{
    struct apply apply = {.plan = plan, .io = io};
    int ret;

    if (!qed_plan_changes_anything(plan))
        return QED_OK;
    ret = qed_plan_sources_list(&apply.sources, plan, error);
    if (ret == QED_OK)
        ret = prepare(&apply, error);
    if (ret == QED_OK)
        ret = write_passes(&apply, PASS_MOVE, PASS_SETTLE, error);
    qed_plan_sources_release(&apply.sources);
    return ret;
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

    return ret == QED_OK && clear_mark ? mark(io, false, planned_intent(plan), &ignored, error)
                                       : ret;
}
