/*
 * Words are appended as they come and put in file order when a round ends; the view lays them over
 * what it reads of the file and of the sources of copies.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_plan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/checked.h"
#include "base/le.h"

#define WORD_BYTES sizeof(uint64_t)

struct runs {
    struct qed_plan_run *runs;
    size_t count, room;
};

struct qed_plan {
    struct io view;
    struct io *io;
    struct qed_plan_word *words;
    size_t word_count, word_room;
    size_t settled; /* words, from the first on, that are in order and shown */
    uint32_t next_order;
    struct runs copies, punches;
    size_t settled_copies;
    uint64_t old_length, length, cut_length; /* bytes; cut_length: UINT64_MAX when nothing is cut */
    uint64_t settled_length;
};

static struct qed_plan *plan_of(struct io *view)
{
    return (struct qed_plan *)view;
}

size_t qed_plan_find_word(const struct qed_plan_word *words, size_t count, uint64_t file_off)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (words[middle].file_off + WORD_BYTES <= file_off)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t qed_plan_find_run(const struct qed_plan_run *runs, size_t count, uint64_t file_off)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (runs[middle].from + runs[middle].len <= file_off)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static size_t first_word(const struct qed_plan *plan, uint64_t file_off)
{
    return qed_plan_find_word(plan->words, plan->settled, file_off);
}

/* The first settled copy that ends after file_off. */
static size_t first_copy(const struct qed_plan *plan, uint64_t file_off)
{
    size_t low = 0, high = plan->settled_copies;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct qed_plan_run *copy = &plan->copies.runs[middle];

        if (copy->to + copy->len <= file_off)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Read what the file has today; zeroes past its end. */
static int read_today(const struct qed_plan *plan, uint8_t *buffer, size_t len, uint64_t file_off,
                      struct qed_error *error)
{
    size_t inside = 0;

    if (file_off < plan->old_length)
        inside = (size_t)min_u64(len, plan->old_length - file_off);
    memset(buffer + inside, 0, len - inside);
    return inside ? io_read(plan->io, buffer, inside, file_off, error) : QED_OK;
}

static int lay_copies(const struct qed_plan *plan, uint8_t *buffer, size_t len, uint64_t file_off,
                      struct qed_error *error)
{
    int ret = QED_OK;

    for (size_t i = first_copy(plan, file_off); ret == QED_OK && i < plan->settled_copies; i++) {
        const struct qed_plan_run *copy = &plan->copies.runs[i];
        uint64_t start = max_u64(copy->to, file_off);
        uint64_t end = min_u64(copy->to + copy->len, file_off + len);

        if (start >= end)
            break;
        ret = read_today(plan, buffer + (start - file_off), (size_t)(end - start),
                         copy->from + (start - copy->to), error);
    }
    return ret;
}

static void lay_words(const struct qed_plan *plan, uint8_t *buffer, size_t len, uint64_t file_off)
{
    for (size_t i = first_word(plan, file_off); i < plan->settled; i++) {
        const struct qed_plan_word *word = &plan->words[i];
        uint64_t start = max_u64(word->file_off, file_off);
        uint64_t end = min_u64(word->file_off + WORD_BYTES, file_off + len);
        uint8_t bytes[WORD_BYTES];

        if (start >= end)
            break;
        le64_store(bytes, word->value);
        memcpy(buffer + (start - file_off), bytes + (start - word->file_off),
               (size_t)(end - start));
    }
}

static int view_read(struct io *io, void *buffer, size_t len, uint64_t file_off,
                     struct qed_error *error)
{
    const struct qed_plan *plan = plan_of(io);
    int ret;

    if (!range_inside(file_off, len, 0, plan->settled_length))
        return qed_fail(error, QED_ERR_SHORT_READ, "the file ends before offset %" PRIu64,
                        file_off + len);
    ret = read_today(plan, buffer, len, file_off, error);
    if (ret == QED_OK)
        ret = lay_copies(plan, buffer, len, file_off, error);
    if (ret == QED_OK)
        lay_words(plan, buffer, len, file_off);
    return ret;
}

static int view_get_length(struct io *io, uint64_t *length, struct qed_error *error)
{
    (void)error;
    *length = plan_of(io)->settled_length;
    return QED_OK;
}

/* Holes of the file are holes of the view up to the first word that is planned in them. */
static int view_next_run(struct io *io, uint64_t file_off, struct io_run *run,
                         struct qed_error *error)
{
    const struct qed_plan *plan = plan_of(io);
    size_t next = first_word(plan, file_off);
    int ret;

    if (file_off >= plan->old_length) {
        *run = (struct io_run){.file_off = file_off, .is_data = true};
        if (file_off < plan->settled_length)
            run->length = plan->settled_length - file_off;
        return QED_OK;
    }
    ret = io_next_run(plan->io, file_off, run, error);
    if (ret < 0 || run->is_data || next == plan->settled)
        return ret;
    if (plan->words[next].file_off > file_off) {
        run->length = min_u64(run->length, plan->words[next].file_off - file_off);
    } else {
        run->is_data = true;
        run->length = min_u64(run->length, plan->words[next].file_off + WORD_BYTES - file_off);
    }
    return QED_OK;
}

static int refuse(struct qed_error *error)
{
    return qed_fail(error, QED_ERR_INVALID, "a plan is only looked at");
}

static int view_write(struct io *io, const void *buffer, size_t len, uint64_t file_off,
                      struct qed_error *error)
{
    (void)io, (void)buffer, (void)len, (void)file_off;
    return refuse(error);
}

static int view_zero(struct io *io, uint64_t file_off, uint64_t len, struct qed_error *error)
{
    (void)io, (void)file_off, (void)len;
    return refuse(error);
}

static int view_flush(struct io *io, struct qed_error *error)
{
    (void)io;
    return refuse(error);
}

static int view_set_length(struct io *io, uint64_t length, struct qed_error *error)
{
    (void)io, (void)length;
    return refuse(error);
}

/* The plan owns its view. */
static void view_close(struct io *io)
{
    (void)io;
}

static const struct io_ops view_ops = {
    .read = view_read,
    .write = view_write,
    .zero = view_zero,
    .flush = view_flush,
    .get_length = view_get_length,
    .set_length = view_set_length,
    .next_run = view_next_run,
    .close = view_close,
};

int qed_plan_new(struct qed_plan **out, struct io *io, struct qed_error *error)
{
    struct qed_plan *plan = calloc(1, sizeof(*plan));
    int ret;

    if (!plan)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    ret = io_get_length(io, &plan->old_length, error);
    if (ret < 0) {
        free(plan);
        return ret;
    }
    plan->view.ops = &view_ops;
    plan->io = io;
    plan->length = plan->settled_length = plan->old_length;
    plan->cut_length = UINT64_MAX;
    *out = plan;
    return QED_OK;
}

void qed_plan_free(struct qed_plan *plan)
{
    if (!plan)
        return;
    free(plan->words);
    free(plan->copies.runs);
    free(plan->punches.runs);
    free(plan);
}

/* A copy of count items, and room for one where there are none; NULL without memory. */
static void *copy_items(const void *items, size_t count, size_t item_bytes)
{
    void *copy = calloc(count ? count : 1, item_bytes);

    if (copy && count)
        memcpy(copy, items, count * item_bytes);
    return copy;
}

int qed_plan_save(const struct qed_plan *plan, struct qed_plan **saved, struct qed_error *error)
{
    struct qed_plan *copy = copy_items(plan, 1, sizeof(*plan));

    *saved = NULL;
    if (!copy)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    copy->words = copy_items(plan->words, copy->word_room = plan->word_count, sizeof(*copy->words));
    copy->copies.runs = copy_items(plan->copies.runs, copy->copies.room = plan->copies.count,
                                   sizeof(*copy->copies.runs));
    copy->punches.runs = copy_items(plan->punches.runs, copy->punches.room = plan->punches.count,
                                    sizeof(*copy->punches.runs));
    if (!copy->words || !copy->copies.runs || !copy->punches.runs) {
        qed_plan_free(copy);
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    }
    *saved = copy;
    return QED_OK;
}

void qed_plan_go_back(struct qed_plan *plan, struct qed_plan **saved)
{
    struct qed_plan now = *plan;

    *plan = **saved;
    **saved = now;
    qed_plan_free(*saved);
    *saved = NULL;
}

static int add_word(struct qed_plan *plan, struct qed_plan_word word, struct qed_error *error)
{
    struct qed_plan_word *words;

    words = array_with_room(plan->words, plan->word_count, &plan->word_room, sizeof(*words));
    if (!words)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    plan->words = words;
    word.order = plan->next_order++;
    plan->words[plan->word_count++] = word;
    return QED_OK;
}

int qed_plan_set(struct qed_plan *plan, uint64_t file_off, uint64_t value, enum qed_plan_step step,
                 struct qed_error *error)
{
    return add_word(
        plan, (struct qed_plan_word){.file_off = file_off, .value = value, .step = (uint16_t)step},
        error);
}

int qed_plan_move(struct qed_plan *plan, uint64_t file_off, uint64_t value, uint16_t level,
                  struct qed_error *error)
{
    struct qed_plan_word word = {
        .file_off = file_off, .value = value, .step = QED_PLAN_MOVE, .level = level};

    return add_word(plan, word, error);
}

static int add_run(struct runs *runs, const struct qed_plan_run *run, struct qed_error *error)
{
    struct qed_plan_run *grown;
    struct qed_plan_run *last = runs->count ? &runs->runs[runs->count - 1] : NULL;

    if (last && last->from + last->len == run->from && last->to + last->len == run->to) {
        last->len += run->len;
        return QED_OK;
    }
    grown = array_with_room(runs->runs, runs->count, &runs->room, sizeof(*grown));
    if (!grown)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    runs->runs = grown;
    runs->runs[runs->count++] = *run;
    return QED_OK;
}

int qed_plan_set_header(struct qed_plan *plan, const struct qed_header *header,
                        struct qed_error *error)
{
    uint8_t today[QED_HEADER_BYTES], wanted[QED_HEADER_BYTES];
    int ret = read_today(plan, today, sizeof(today), 0, error);

    qed_header_encode(header, wanted);
    for (size_t at = 0; ret == QED_OK && at < sizeof(wanted); at += WORD_BYTES) {
        if (memcmp(today + at, wanted + at, WORD_BYTES) != 0)
            ret = qed_plan_set(plan, at, le64_load(wanted + at), QED_PLAN_SETTLE, error);
    }
    return ret;
}

int qed_plan_allocate(struct qed_plan *plan, uint64_t len, uint64_t align, uint64_t *to,
                      struct qed_error *error)
{
    uint64_t end = 0;

    *to = 0;
    if (!checked_round_up(plan->length, align, to) || !checked_add(*to, len, &end))
        end = UINT64_MAX; /* refused below */
    return qed_plan_extend(plan, end, error);
}

uint64_t qed_plan_source(const struct qed_plan *plan, uint64_t from, uint64_t len)
{
    size_t i = first_copy(plan, from);
    const struct qed_plan_run *copy;

    if (i == plan->settled_copies)
        return from;
    copy = &plan->copies.runs[i];
    return range_inside(from, len, copy->to, copy->to + copy->len) ? copy->from + (from - copy->to)
                                                                   : from;
}

int qed_plan_copy(struct qed_plan *plan, uint64_t from, uint64_t len, uint64_t align, uint64_t *to,
                  struct qed_error *error)
{
    struct qed_plan_run run = {.from = qed_plan_source(plan, from, len), .len = len};
    int ret = qed_plan_allocate(plan, len, align, to, error);

    if (ret < 0)
        return ret;
    run.to = *to;
    return add_run(&plan->copies, &run, error);
}

int qed_plan_extend(struct qed_plan *plan, uint64_t length, struct qed_error *error)
{
    if (length > INT64_MAX)
        return qed_fail(error, QED_ERR_NO_SPACE, "the file cannot grow any longer");
    plan->length = max_u64(plan->length, length);
    return QED_OK;
}

int qed_plan_punch(struct qed_plan *plan, uint64_t file_off, uint64_t len, struct qed_error *error)
{
    return add_run(&plan->punches,
                   &(struct qed_plan_run){.from = file_off, .to = file_off, .len = len}, error);
}

void qed_plan_cut(struct qed_plan *plan, uint64_t length)
{
    plan->cut_length = length;
}

/* In file order; of one word's changes the latest first. */
static int by_place(const void *a, const void *b)
{
    const struct qed_plan_word *x = a, *y = b;

    if (x->file_off != y->file_off)
        return x->file_off < y->file_off ? -1 : 1;
    return (y->order > x->order) - (y->order < x->order);
}

void qed_plan_settle(struct qed_plan *plan)
{
    size_t kept = 0;

    if (plan->word_count > plan->settled) {
        qsort(plan->words, plan->word_count, sizeof(*plan->words), by_place);
        for (size_t i = 0; i < plan->word_count; i++) {
            if (kept == 0 || plan->words[kept - 1].file_off != plan->words[i].file_off)
                plan->words[kept++] = plan->words[i];
        }
        plan->word_count = plan->settled = kept;
    }
    plan->settled_copies = plan->copies.count;
    plan->settled_length = plan->length;
}

struct io *qed_plan_view(struct qed_plan *plan)
{
    return &plan->view;
}

bool qed_plan_is_empty(const struct qed_plan *plan)
{
    return !qed_plan_changes_anything(plan) && plan->punches.count == 0 &&
           plan->cut_length == UINT64_MAX;
}

bool qed_plan_changes_anything(const struct qed_plan *plan)
{
    return plan->word_count > 0 || plan->length != plan->old_length;
}

const struct qed_plan_word *qed_plan_words(const struct qed_plan *plan, size_t *count)
{
    *count = plan->settled;
    return plan->words;
}

const struct qed_plan_run *qed_plan_copies(const struct qed_plan *plan, size_t *count)
{
    *count = plan->settled_copies;
    return plan->copies.runs;
}

const struct qed_plan_run *qed_plan_punches(const struct qed_plan *plan, size_t *count)
{
    *count = plan->punches.count;
    return plan->punches.runs;
}

uint64_t qed_plan_old_length(const struct qed_plan *plan)
{
    return plan->old_length;
}

uint64_t qed_plan_full_length(const struct qed_plan *plan)
{
    return plan->length;
}

uint64_t qed_plan_cut_length(const struct qed_plan *plan)
{
    return min_u64(plan->cut_length, plan->length);
}
