/*
 * Runs the steps of a guest's work. SPDX-License-Identifier: MIT
 */
#include "support/writer_trial.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/qed_lookup.h"
#include "support/io_mem.h"

#define C TRIAL_CLUSTER
#define WRITE_MAX (6 * C)
#define NAME "base"

static uint64_t span_of(const struct trial_spec *spec)
{
    uint64_t entries = C * (spec->table_size ? spec->table_size : 1) / sizeof(uint64_t);

    return entries * C;
}

static uint64_t far_off(const struct trial_spec *spec)
{
    return (spec->far_table ? spec->far_table : 2) * span_of(spec);
}

void trial_windows(const struct trial_spec *spec, struct history_window windows[3])
{
    windows[0] = (struct history_window){0, 4 * C};
    windows[1] = (struct history_window){span_of(spec) - 2 * C, 4 * C};
    windows[2] = (struct history_window){far_off(spec), 3 * C - HISTORY_SECTOR};
}

struct io *trial_image(const struct trial_spec *spec)
{
    struct unit_image image = {.image_size = far_off(spec) + 3 * C - HISTORY_SECTOR,
                               .table_size = spec->table_size,
                               .header_size = 2,
                               .features = spec->has_below ? QED_FEATURE_BACKING_FILE : 0};
    struct io *io = unit_image_new(&image);

    if (spec->has_below) {
        unit_put64(io, 56, UINT64_C(64) | (uint64_t)strlen(NAME) << 32);
        ck_assert_int_eq(io_write(io, NAME, strlen(NAME), 64, NULL), QED_OK);
    }
    return io;
}

/* What shows through from below: each 64 bytes have a value that tells their place, never zero. */
static int read_below(void *context, uint64_t virt_off, void *buffer, size_t len,
                      struct qed_error *error)
{
    uint8_t *bytes = buffer;

    (void)context;
    (void)error;
    while (len > 0) {
        size_t step = (size_t)min_u64(len, 64 - virt_off % 64);

        memset(bytes, (int)(virt_off / 64 * 2654435761U >> 24 | 1), step);
        bytes += step;
        virt_off += step;
        len -= step;
    }
    return QED_OK;
}

int trial_writer(struct qed_writer **writer, struct qed_image *image, const struct trial_spec *spec,
                 struct qed_error *error)
{
    struct qed_writer_options options = {.commit = {.durability = spec->durability,
                                                    .preallocate = spec->preallocate,
                                                    .step = spec->step,
                                                    .without = spec->without},
                                         .depth = TRIAL_IN_FLIGHT,
                                         .read_below = spec->has_below ? read_below : NULL};

    return qed_writer_new(writer, image, &options, error);
}

static void read_run(const struct trial_spec *spec, struct qed_image *image,
                     const struct extent *run, uint8_t *bytes)
{
    struct qed_error error = QED_ERROR_INIT;

    if (run->kind == EXTENT_UNALLOCATED && spec->has_below)
        read_below(NULL, run->virt_off, bytes, (size_t)run->length, NULL);
    else if (run->kind != EXTENT_DATA)
        memset(bytes, 0, (size_t)run->length);
    else if (io_read(image->io, bytes, (size_t)run->length, run->file_off, &error) < 0)
        ck_abort_msg("read at %" PRIu64 ": %s", run->virt_off, error.text);
}

uint64_t trial_read(const struct trial_spec *spec, struct qed_image *image, uint8_t *bytes)
{
    struct history_window windows[3];
    struct qed_error error = QED_ERROR_INIT;
    uint64_t allocated = 0;

    trial_windows(spec, windows);
    for (size_t i = 0; i < 3; i++) {
        uint64_t end = windows[i].virt_off + windows[i].len;
        struct extent run;

        for (uint64_t at = windows[i].virt_off; at < end; at += run.length) {
            if (qed_lookup_run(image, at, end - at, &run, &error) < 0)
                ck_abort_msg("lookup at %" PRIu64 ": %s", at, error.text);
            read_run(spec, image, &run, bytes);
            bytes += run.length;
            if (run.kind == EXTENT_DATA)
                allocated += blocks_for(run.length, 12);
        }
    }
    return allocated;
}

static void open_writer(struct trial *trial)
{
    struct qed_error error = QED_ERROR_INIT;

    trial->image = unit_open(trial->recorder, true);
    if (trial_writer(&trial->writer, trial->image, &trial->spec, &error) < 0)
        ck_abort_msg("writer: %s", error.text);
}

/* Wait for one request; false when there is none. */
static bool wait_for_one(struct trial *trial)
{
    struct qed_write_request *request = qed_writer_wait(trial->writer);
    size_t i = 0;

    if (!request)
        return false;
    while (request != &trial->slots[i].request)
        i++;
    if (request->status < 0)
        ck_abort_msg("a request failed: %d", request->status);
    if (request->op == QED_WRITE_FLUSH)
        history_flush_done(trial->history, trial->slots[i].number, io_crash_ops(trial->recorder));
    else
        history_write_done(trial->history, trial->slots[i].number);
    trial->slots[i].is_used = false;
    trial->used--;
    return true;
}

static void wait_for_all(struct trial *trial)
{
    while (wait_for_one(trial))
        continue;
    ck_assert_uint_eq(trial->used, 0);
}

static void submit(struct trial *trial, enum qed_write_op op, const struct trial_step *step)
{
    struct qed_write_request *request;
    size_t i = 0;

    if (trial->used == TRIAL_IN_FLIGHT)
        wait_for_one(trial);
    while (trial->slots[i].is_used)
        i++;
    request = &trial->slots[i].request;
    *request = (struct qed_write_request){.op = op, .virt_off = step->virt_off, .len = step->len};
    trial->slots[i].is_used = true;
    trial->used++;
    if (op == QED_WRITE_FLUSH) {
        request->len = 0;
        trial->slots[i].number = history_flush(trial->history);
    } else {
        trial->slots[i].number =
            history_write(trial->history, step->virt_off, step->len, op == QED_WRITE_ZEROES,
                          io_crash_ops(trial->recorder));
        history_fill(trial->slots[i].number, step->virt_off, step->len, trial->slots[i].bytes);
        request->buffer = trial->slots[i].bytes;
    }
    qed_writer_submit(trial->writer, request);
}

/* Close cleanly: all is flushed, nothing is leaked, nothing is left behind the last cluster. */
static void close_writer(struct trial *trial)
{
    struct qed_error error = QED_ERROR_INIT;
    size_t flush;

    wait_for_all(trial);
    flush = history_flush(trial->history);
    if (qed_writer_finish(trial->writer, &error) < 0)
        ck_abort_msg("finish: %s", error.text);
    history_flush_done(trial->history, flush, io_crash_ops(trial->recorder));
    qed_writer_free(trial->writer);
    qed_close(trial->image);
}

static void run_step(struct trial *trial, const struct trial_step *step)
{
    static const struct trial_step flush = {.op = TRIAL_FLUSH};

    switch (step->op) {
    case TRIAL_WRITE:
        submit(trial, QED_WRITE_DATA, step);
        break;
    case TRIAL_ZERO:
        submit(trial, QED_WRITE_ZEROES, step);
        break;
    case TRIAL_FLUSH:
        submit(trial, QED_WRITE_FLUSH, step);
        break;
    case TRIAL_QUIET:
        for (uint64_t i = 0; i < step->len; i++) {
            submit(trial, QED_WRITE_FLUSH, &flush);
            wait_for_all(trial);
        }
        break;
    case TRIAL_WAIT:
        wait_for_all(trial);
        break;
    case TRIAL_CLOSE:
        close_writer(trial);
        open_writer(trial);
    }
    if (!step->stays)
        wait_for_all(trial);
}

void trial_begin(struct trial *trial, const struct trial_spec *spec, struct io *start,
                 const struct trial_work *work)
{
    struct qed_image *image = unit_open(start, false);
    uint8_t initial[16 * C];

    *trial = (struct trial){.spec = *spec, .work = work, .span = span_of(spec)};
    trial_windows(spec, trial->windows);
    trial_read(spec, image, initial);
    qed_close(image);
    trial->leaks = unit_check(start).leaks;
    trial->history = history_new(trial->windows, 3, initial);
    trial->io = io_mem_copy(start);
    trial->recorder = io_crash_new(trial->io);
    for (size_t i = 0; i < TRIAL_IN_FLIGHT; i++) {
        trial->slots[i].bytes = malloc(WRITE_MAX);
        ck_assert_ptr_nonnull(trial->slots[i].bytes);
    }
    open_writer(trial);
    for (size_t i = 0; i < work->count; i++)
        run_step(trial, &work->steps[i]);
    close_writer(trial);
}

void trial_end(struct trial *trial)
{
    for (size_t i = 0; i < TRIAL_IN_FLIGHT; i++)
        free(trial->slots[i].bytes);
    history_free(trial->history);
    io_close(trial->recorder);
    io_close(trial->io);
}

/* A stretch inside a window: often whole sectors or clusters, sometimes anything. */
static void random_stretch(const struct trial_spec *spec, struct unit_random *random,
                           struct trial_step *step)
{
    struct history_window windows[3], window;
    uint64_t unit, first, units;

    trial_windows(spec, windows);
    window = windows[unit_random_below(random, 3)];
    switch (unit_random_below(random, 4)) {
    case 0:
        unit = C;
        break;
    case 1:
        unit = 1 + unit_random_below(random, 700);
        break;
    default:
        unit = HISTORY_SECTOR;
    }
    units = window.len / unit;
    first = unit_random_below(random, units);
    step->virt_off = window.virt_off + first * unit;
    step->len = unit * (1 + unit_random_below(random, units - first > 3 ? 3 : units - first));
    if (unit == C && first + step->len / C == units) /* up to the end of a short last cluster */
        step->len = window.virt_off + window.len - step->virt_off;
}

void trial_random_work(struct trial_work *work, const struct trial_spec *spec,
                       struct unit_random *random, size_t steps)
{
    *work = (struct trial_work){.count = steps};
    for (size_t i = 0; i < steps; i++) {
        struct trial_step *step = &work->steps[i];

        switch (unit_random_below(random, 12)) {
        case 0:
        case 1:
            step->op = TRIAL_FLUSH;
            break;
        case 2:
            *step = (struct trial_step){.op = TRIAL_QUIET, .len = 3 + unit_random_below(random, 3)};
            break;
        case 3:
            step->op = unit_random_below(random, 2) ? TRIAL_CLOSE : TRIAL_WAIT;
            break;
        case 4:
        case 5:
        case 6:
            step->op = TRIAL_ZERO;
            random_stretch(spec, random, step);
            break;
        default:
            step->op = TRIAL_WRITE;
            random_stretch(spec, random, step);
        }
        step->stays = unit_random_below(random, 2) && step->op != TRIAL_CLOSE;
    }
}

char *trial_describe(const struct trial_work *work)
{
    static const char *const names[] = {"write", "zero", "flush", "quiet", "wait", "close"};
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);

    ck_assert_ptr_nonnull(stream);
    for (size_t i = 0; i < work->count; i++) {
        const struct trial_step *step = &work->steps[i];

        fprintf(stream, "%s 0x%" PRIx64 "+0x%" PRIx64 "%s; ", names[step->op], step->virt_off,
                step->len, step->stays ? " stays" : "");
    }
    fclose(stream);
    return text;
}
