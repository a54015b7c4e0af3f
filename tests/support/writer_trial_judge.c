/*
 * What is promised of a file that a power cut left of a writer's work.
 * SPDX-License-Identifier: MIT
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "format/qed_intent.h"
#include "format/qed_space.h"
#include "support/io_mem.h"
#include "support/writer_trial.h"

#define C TRIAL_CLUSTER
#define BYTES_MAX (16 * C)
#define CUT_STATES 64 /* of a cut of a recovery, */
#define CUT_SHARE 32  /* of one recovery in so many */

static const struct qed_scan_options scan = {
    .queue = IO_QUEUE_SYNC, .threads = 1, .memory = QED_SCAN_MEMORY_MIN};

static bool wrong(struct trial *trial, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(trial->why, sizeof(trial->why), format, args);
    va_end(args);
    return false;
}

static bool uses_mark(const struct trial *trial)
{
    return trial->spec.durability == QED_DURABILITY_NEED_CHECK ||
           trial->spec.durability == QED_DURABILITY_INTENT;
}

/*
 * Clusters that may be leaked at the cut that the history looks at: what was taken since the last
 * flush, and what the file was made longer by; under preallocate, what may lie ahead, unless
 * requests that are in flight have taken more than that.
 */
static uint64_t leaks_allowed(const struct trial *trial)
{
    uint64_t table_size = trial->spec.table_size ? trial->spec.table_size : 1;
    uint64_t clusters, tables, ahead = max_u64(trial->spec.preallocate / C, 4 * table_size);

    history_unflushed(trial->history, C, trial->span, &clusters, &tables);
    clusters += tables * table_size;
    if (trial->spec.durability == QED_DURABILITY_PREALLOCATE)
        return trial->leaks + max_u64(ahead, clusters);
    return trial->leaks + clusters + (trial->spec.step ? trial->spec.step : QED_SPACE_STEP) / C;
}

/* What kind of recovery an image asks for, by what stands in the file. */
static enum qed_recovery_kind kind_wanted(struct io *io, const struct qed_image *image)
{
    uint8_t page[QED_INTENT_PAGE];
    struct qed_intent intent;

    if (!(unit_get64(io, 16) & QED_FEATURE_NEED_CHECK))
        return QED_RECOVERY_NONE;
    if (!(unit_get64(io, 32) & QED_AUTOCLEAR_INTENT))
        return QED_RECOVERY_FULL;
    if (io_read(io, page, sizeof(page), QED_INTENT_OFFSET, NULL) < 0)
        ck_abort_msg("the page cannot be read");
    return qed_intent_decode(&intent, page, &image->geometry) ? QED_RECOVERY_MARKED
                                                              : QED_RECOVERY_FULL;
}

static bool recover(struct trial *trial, struct io *io)
{
    struct qed_error error = QED_ERROR_INIT;
    struct qed_image *image = NULL;
    struct qed_recovery recovery;
    enum qed_recovery_kind wanted;
    int ret = qed_open(&image, io, true, &error);

    if (ret < 0)
        return wrong(trial, "open: %s", error.text);
    wanted = kind_wanted(io, image);
    ret = qed_recover(image, &scan, &recovery, &error);
    qed_close(image);
    if (ret < 0)
        return wrong(trial, "recovery: %s", error.text);
    if (recovery.kind != wanted)
        return wrong(trial, "recovery of kind %d, not %d", recovery.kind, wanted);
    if (wanted != QED_RECOVERY_NONE && !uses_mark(trial))
        return wrong(trial, "the image is marked");
    trial->marked += wanted == QED_RECOVERY_MARKED;
    trial->full += wanted == QED_RECOVERY_FULL;
    if (unit_get64(io, 16) & QED_FEATURE_NEED_CHECK)
        return wrong(trial, "the image is still marked after recovery");
    return true;
}

/*
 * No corruption, and at most so many leaks. Whether the geometry makes sense is not asked: what a
 * crash leaks behind tables may look like their other halves (qed_check_sense.c).
 */
static bool check(struct trial *trial, struct qed_image *image, uint64_t leaks_max,
                  uint64_t *allocated, uint64_t *leaks)
{
    struct qed_error error = QED_ERROR_INIT;
    struct qed_check_result result;
    struct qed_check_totals totals;
    char first[200] = "";

    if (qed_check_again(image, &scan, 1, &result, &error) < 0)
        return wrong(trial, "check: %s", error.text);
    totals = result.totals;
    if (result.problems.count > 0)
        snprintf(first, sizeof(first), "%s", problem_kind(result.problems.problems[0].id)->name);
    qed_check_release(&result);
    *leaks = totals.leaks;
    *allocated = totals.allocated_clusters;
    if (totals.corruptions > 0)
        return wrong(trial, "%" PRIu64 " corruptions: %s", totals.corruptions, first);
    if (totals.leaks > leaks_max)
        return wrong(trial, "%" PRIu64 " clusters are leaked, more than %" PRIu64, totals.leaks,
                     leaks_max);
    return true;
}

struct new_write {
    uint64_t virt_off, len, at; /* at: in the windows' bytes */
    bool is_zeroes;
};

/* A stretch of a window. */
static struct new_write random_write(const struct trial *trial, struct unit_random *random)
{
    struct new_write write = {.is_zeroes = unit_random_below(random, 4) == 0};
    size_t window = (size_t)unit_random_below(random, 3);
    uint64_t first = unit_random_below(random, trial->windows[window].len);

    for (size_t i = 0; i < window; i++)
        write.at += trial->windows[i].len;
    write.at += first;
    write.virt_off = trial->windows[window].virt_off + first;
    write.len = 1 + unit_random_below(random, min_u64(C, trial->windows[window].len - first));
    return write;
}

/* Write here and there, also to bytes, which is what the windows read as. */
static int write_anew(struct trial *trial, struct qed_writer *writer, uint64_t seed, uint8_t *bytes,
                      struct qed_error *error)
{
    struct unit_random random = {seed};
    int ret = QED_OK;

    for (int i = 0; i < 3 && ret == QED_OK; i++) {
        struct new_write write = random_write(trial, &random);
        uint8_t *buffer = bytes + write.at;

        memset(buffer, write.is_zeroes ? 0 : 0xe1 + i, (size_t)write.len);
        ret = write.is_zeroes
                  ? qed_writer_zero(writer, write.virt_off, write.len, error)
                  : qed_writer_write(writer, write.virt_off, buffer, (size_t)write.len, error);
    }
    return ret < 0 ? ret : qed_writer_finish(writer, error);
}

/* New writes disturb nothing; leaked is what was before, and a cluster that was cut short. */
static bool judge_new_writes(struct trial *trial, struct io *io, uint64_t leaks, uint64_t seed,
                             uint8_t *expected)
{
    struct qed_error error = QED_ERROR_INIT;
    struct qed_image *image = unit_open(io, true);
    struct qed_writer *writer = NULL;
    uint8_t found[BYTES_MAX];
    uint64_t allocated;
    bool is_right;
    int ret;

    leaks += image->geometry.file_length > image->geometry.file_end;
    ret = trial_writer(&writer, image, &trial->spec, &error);
    if (ret == QED_OK)
        ret = write_anew(trial, writer, seed, expected, &error);
    qed_writer_free(writer);
    qed_close(image);
    if (ret < 0)
        return wrong(trial, "new writes: %s", error.text);
    image = unit_open(io, false);
    trial_read(&trial->spec, image, found);
    if (qed_needs_check(image))
        is_right = wrong(trial, "the image is marked after new writes");
    else if (memcmp(found, expected, history_bytes(trial->history)) != 0)
        is_right = wrong(trial, "new writes have changed something else");
    else
        is_right = check(trial, image, leaks, &allocated, &leaks);
    qed_close(image);
    return is_right;
}

/* The image as recovery leaves it: tables are checked before anything is read by them. */
static bool judge_recovered(struct trial *trial, struct io *io, uint64_t seed)
{
    struct qed_image *image = unit_open(io, false);
    uint8_t bytes[BYTES_MAX];
    uint64_t allocated, leaks, at;
    bool is_right = check(trial, image, leaks_allowed(trial), &allocated, &leaks);

    if (is_right && allocated != trial_read(&trial->spec, image, bytes))
        is_right = wrong(trial, "clusters are allocated where nothing was written");
    qed_close(image);
    if (!is_right)
        return false;
    at = history_wrong(trial->history, bytes);
    if (at != UINT64_MAX)
        return wrong(trial, "guest byte 0x%" PRIx64 " is wrong", at);
    return judge_new_writes(trial, io, leaks, seed, bytes);
}

/* Cut the recovery of a file off at each point, and recover again. */
static bool judge_cut_recovery(struct trial *trial, struct io *left, uint64_t seed)
{
    struct io *io = io_mem_copy(left), *recorder = io_crash_new(io);
    bool is_right = recover(trial, recorder);

    if (is_right && io_crash_ops(recorder) > 0) {
        struct io_crash_walk *walk =
            io_crash_walk_new(recorder, 0, io_crash_ops(recorder) + 1, CUT_STATES);
        struct io *again;

        while (is_right && (again = io_crash_walk_next(walk, NULL))) {
            is_right = recover(trial, again) && judge_recovered(trial, again, seed);
            trial->recoveries_cut++;
            io_close(again);
        }
        io_crash_walk_free(walk);
    }
    io_close(recorder);
    io_close(io);
    return is_right;
}

bool trial_judge(struct trial *trial, struct io *left, uint64_t seed)
{
    if (seed % CUT_SHARE == 0 && !judge_cut_recovery(trial, left, seed))
        return false;
    return recover(trial, left) && judge_recovered(trial, left, seed);
}
