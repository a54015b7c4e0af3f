/*
 * Repairs of random small images with random damage: what a guest could read before it reads the
 * same afterwards, but for what the report lists; and a second repair has nothing to do.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_repair.h"

#include <inttypes.h>
#include <stdio.h>

#include "format/qed_apply.h"
#include "support/damaged.h"
#include "support/io_mem.h"
#include "support/mend.h"
#include "support/unit.h"

#define IMAGES 4000 /* of a round */

/* One image and its repair. */
struct trial {
    uint64_t seed;
    struct damaged damaged;
    struct io *io;
    struct guest before, after;
    struct check_report report;
};

#define FAIL(trial, ...)                                                                 \
    do {                                                                                 \
        fprintf(stderr, "image %" PRIu64 ":%s\n", (trial)->seed, (trial)->damaged.what); \
        ck_abort_msg(__VA_ARGS__);                                                       \
    } while (0)

/* Options of a repair, other ones for other seeds. */
static struct qed_repair_options options_of(uint64_t seed)
{
    struct qed_repair_options options = mend_all;

    switch (seed % 5) {
    case 0:
        options.fixed_length = true;
        break;
    case 1:
        options.free_bytes = seed % 7 * 4096;
        break;
    case 2:
        options.scope = QED_REPAIR_LEAKS;
        break;
    default:
        break;
    }
    return options;
}

static void begin(struct trial *trial, uint64_t seed, const struct qed_repair_options *options)
{
    struct qed_error error = QED_ERROR_INIT;
    int ret;

    *trial = (struct trial){.seed = seed};
    damaged_make(&trial->damaged, seed, 1 + (unsigned int)(seed % DAMAGED_HURTS_MAX));
    trial->io = io_mem_copy(trial->damaged.io);
    guest_read(trial->io, &trial->before);
    ret = options ? mend_as(trial->io, options, &trial->report, &error)
                  : mend(trial->io, CHECK_REPAIR_ALL, &trial->report, &error);
    if (ret < 0)
        FAIL(trial, "repair failed: %s", error.text);
    guest_read(trial->io, &trial->after);
}

static void end(struct trial *trial)
{
    check_release(&trial->report);
    guest_release(&trial->before);
    guest_release(&trial->after);
    io_close(trial->io);
    damaged_release(&trial->damaged);
}

static void check_guest(struct trial *trial)
{
    uint64_t lost;

    mend_forget_given_up(&trial->before, &trial->report);
    lost = guest_first_loss(&trial->before, &trial->after);
    if (lost != UINT64_MAX)
        FAIL(trial, "guest byte 0x%" PRIx64 " is lost", lost);
    if (trial->report.totals.corruptions == 0 && trial->after.unreadable)
        FAIL(trial, "%zu clusters are not readable", trial->after.unreadable);
}

/* What the report says was lost is what it lists, and reads as not allocated. */
static void check_list(struct trial *trial)
{
    const struct qed_repair_report *repair = &trial->report.repair;
    struct qed_image *image = unit_open(trial->io, false);
    uint64_t most = 0, done[ACTION_COUNT] = {0};

    for (size_t i = 0; i < repair->fixes.count; i++) {
        const struct problem *fix = &repair->fixes.problems[i];

        done[fix->action]++;
        if (fix->action == ACTION_CLEAR &&
            (fix->lost_off != fix->virt_off || fix->lost_len != fix->virt_len))
            FAIL(trial, "what is cleared is not told as lost");
        most += fix->lost_len;
    }
    for (int i = 0; i < ACTION_COUNT; i++) {
        if (done[i] != repair->done[i])
            FAIL(trial, "%s: %" PRIu64 " told, %" PRIu64 " counted",
                 problem_action_name((enum problem_action)i), done[i], repair->done[i]);
    }
    /* A table that is copied has a line alone, whatever the end of the file has cut off below it.
     */
    if (repair->guest_lost > most && !done[ACTION_COPY_TABLE])
        FAIL(trial, "%" PRIu64 " bytes lost, %" PRIu64 " told", most, repair->guest_lost);
    qed_close(image);
}

/* The image as a check sees it where the repair, which sets the mark first, has not marked it. */
static struct qed_check_totals check_unmarked(struct trial *trial)
{
    struct io *io = io_mem_copy(trial->io);
    struct qed_check_totals totals;

    if (!trial->report.first.is_marked)
        unit_put64(io, 16, unit_get64(io, 16) & ~QED_FEATURE_NEED_CHECK);
    totals = unit_check(io);
    io_close(io);
    return totals;
}

/* What is left is only what the report explains; the mark goes with the last of it. */
static void check_rest(struct trial *trial)
{
    const struct check_report *report = &trial->report;
    struct qed_check_totals totals = check_unmarked(trial);
    bool marked = (unit_get64(trial->io, 16) & QED_FEATURE_NEED_CHECK) != 0;

    if (!report->first.makes_sense)
        return;
    if (totals.corruptions != report->totals.corruptions)
        FAIL(trial, "%" PRIu64 " corruptions, %" PRIu64 " told", totals.corruptions,
             report->totals.corruptions);
    if (totals.corruptions != report->repair.after.corruptions)
        FAIL(trial, "%" PRIu64 " corruptions, %" PRIu64 " planned", totals.corruptions,
             report->repair.after.corruptions);
    if (marked && !totals.corruptions && !(report->first.is_marked && totals.l1_may_be_lost))
        FAIL(trial, "the image is still marked");
    if (totals.corruptions && !totals.orphans && !report->repair.done[ACTION_LEAVE])
        FAIL(trial, "%" PRIu64 " corruptions are left", totals.corruptions);
}

static void check_second(struct trial *trial)
{
    struct io *again = io_mem_copy(trial->io);
    struct check_report report;

    if (mend(again, CHECK_REPAIR_ALL, &report, NULL) < 0)
        FAIL(trial, "a second repair failed");
    if (report.repair.done[ACTION_CLEAR] || report.repair.done[ACTION_COPY] ||
        report.repair.done[ACTION_MASK] || report.repair.done[ACTION_UNFLIP])
        FAIL(trial, "a second repair has something to do");
    check_release(&report);
    io_close(again);
}

START_TEST(what_could_be_read_is_kept)
{
    unsigned int sensible = 0, clean = 0;

    for (unsigned int i = 0; i < IMAGES; i++) {
        struct trial trial;

        begin(&trial, (uint64_t)_i * IMAGES + i, NULL);
        check_guest(&trial);
        check_list(&trial);
        check_rest(&trial);
        check_second(&trial);
        sensible += trial.report.first.makes_sense;
        clean += trial.report.totals.corruptions == 0;
        end(&trial);
    }
    printf("%u sensible, %u clean\n", sensible, clean);
    ck_assert_uint_gt(sensible, IMAGES * 9 / 10);
    ck_assert_uint_gt(clean, IMAGES * 9 / 10);
}
END_TEST

/* Whether a fix is of a kind that a repair with these options must not do. */
static bool is_forbidden(const struct qed_repair_options *options, enum problem_action action)
{
    if (options->scope == QED_REPAIR_LEAKS)
        return true;
    return options->fixed_length &&
           (action == ACTION_EXTEND || action == ACTION_COPY || action == ACTION_COPY_TABLE);
}

START_TEST(with_other_options_what_could_be_read_is_kept_too)
{
    for (unsigned int i = 0; i < IMAGES; i++) {
        uint64_t seed = (uint64_t)(_i + 100) * IMAGES + i, length;
        struct qed_repair_options options = options_of(seed);
        struct trial trial;

        begin(&trial, seed, &options);
        check_guest(&trial);
        check_list(&trial);
        for (size_t j = 0; j < trial.report.repair.fixes.count; j++) {
            if (is_forbidden(&options, trial.report.repair.fixes.problems[j].action))
                FAIL(&trial, "fix %zu should not be", j);
        }
        if (trial.report.repair.copied > options.free_bytes)
            FAIL(&trial, "%" PRIu64 " bytes copied", trial.report.repair.copied);
        io_get_length(trial.io, &length, NULL);
        if (options.fixed_length && length != trial.report.repair.cut + length)
            FAIL(&trial, "the length was changed");
        end(&trial);
    }
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("qed_repair_random");

    tcase_add_loop_test(tests, what_could_be_read_is_kept, 0, 4);
    tcase_add_loop_test(tests, with_other_options_what_could_be_read_is_kept_too, 0, 4);
    return unit_run_long(tests, 300);
}
