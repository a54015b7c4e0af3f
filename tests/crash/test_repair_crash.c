/*
 * Repairs that a power cut ends: at every point, whatever the disk has of what was written, the
 * image is no worse than before, and a second repair finishes the job.
 * SPDX-License-Identifier: MIT
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/damaged.h"
#include "support/io_crash.h"
#include "support/io_mem.h"
#include "support/mend.h"
#include "support/unit.h"

#define IMAGES 400 /* of a round */
#define LIMIT 64   /* states of a cut */

struct trial {
    uint64_t seed;
    struct damaged damaged;
    struct io *io, *recorder;
    struct guest before, after; /* the repair that nothing cuts */
    struct check_report report;
    unsigned int forgotten; /* entries that no test looks at */
};

#define FAIL(trial, ...)                                                                           \
    do {                                                                                           \
        fprintf(stderr, "image %" PRIu64 ":%s\n", (trial)->seed, (trial)->damaged.what);           \
        ck_abort_msg(__VA_ARGS__);                                                                 \
    } while (0)

/* Where the entry of a fix is in the damaged image. */
static uint64_t place_of(const struct trial *trial, const struct qed_image *image,
                         const struct problem *fix)
{
    uint64_t l1_off = image->geometry.l1_table_offset;

    if (!fix->has_l2_index)
        return l1_off + 8 * fix->l1_index;
    return unit_get_entry(trial->damaged.io, l1_off, fix->l1_index) + 8 * fix->l2_index;
}

/* Forget what an entry reads, and L1 entries that share its table. */
static void forget_entry(struct trial *trial, const struct qed_image *image,
                         const struct problem *entry)
{
    const struct qed_geometry *g = &image->geometry;
    uint64_t table = unit_get_entry(trial->damaged.io, g->l1_table_offset, entry->l1_index);

    for (uint64_t i = 0; i < qed_l1_entries_used(g); i++) {
        if (unit_get_entry(trial->damaged.io, g->l1_table_offset, i) == table)
            guest_forget(&trial->before, qed_virt_off(g, i, entry->l2_index), g->cluster_size);
    }
}

/*
 * An entry reads a table in which another one moves to a copy, too: until both have moved, the
 * second is seen to move by the first. There is no order in which that cannot be where the two
 * lie on each other.
 */
static void forget_rings(struct trial *trial)
{
    const struct problem_list *fixes = &trial->report.repair.fixes;
    struct qed_image *image = unit_open(trial->damaged.io, false);

    for (size_t i = 0; i < fixes->count; i++) {
        const struct problem *fix = &fixes->problems[i];

        if (fix->action != ACTION_COPY || fix->id == PROBLEM_L2_SHARED)
            continue;
        for (size_t j = 0; j < fixes->count; j++) {
            const struct problem *other = &fixes->problems[j];
            uint64_t place = place_of(trial, image, other);

            if (j != i && (other->action == ACTION_COPY || other->action == ACTION_COPY_TABLE) &&
                range_inside(place, 8, fix->value, fix->value + image->geometry.cluster_size)) {
                forget_entry(trial, image, fix);
                trial->forgotten++;
            }
        }
    }
    qed_close(image);
}

static void begin(struct trial *trial, uint64_t seed)
{
    struct qed_error error = QED_ERROR_INIT;

    *trial = (struct trial){.seed = seed};
    damaged_make(&trial->damaged, seed, 1 + (unsigned int)(seed % DAMAGED_HURTS_MAX));
    trial->io = io_mem_copy(trial->damaged.io);
    trial->recorder = io_crash_new(trial->io);
    guest_read(trial->io, &trial->before);
    if (mend(trial->recorder, CHECK_REPAIR_ALL, &trial->report, &error) < 0)
        FAIL(trial, "repair failed: %s", error.text);
    guest_read(trial->io, &trial->after);
    mend_forget_given_up(&trial->before, &trial->report);
    forget_rings(trial);
}

static void end(struct trial *trial)
{
    check_release(&trial->report);
    guest_release(&trial->before);
    guest_release(&trial->after);
    io_close(trial->recorder);
    io_close(trial->io);
    damaged_release(&trial->damaged);
}

static void tell(struct trial *trial, const struct io_crash_state *state)
{
    char *text = io_crash_describe(trial->recorder, state);

    fprintf(stderr, "cut %zu of %zu, state %" PRIu64 ":\n%s", state->cut,
            io_crash_ops(trial->recorder), state->selector, text);
    free(text);
}

/* What is left is no worse than what was there before. */
static void check_left(struct trial *trial, struct io *left, const struct io_crash_state *state)
{
    struct guest guest;
    uint64_t lost;

    guest_read(left, &guest);
    lost = guest_first_loss(&trial->before, &guest);
    guest_release(&guest);
    if (lost == UINT64_MAX)
        return;
    tell(trial, state);
    FAIL(trial, "guest byte 0x%" PRIx64 " is lost", lost);
}

/* A second repair does what the first one would have done. */
static void check_second(struct trial *trial, struct io *left, const struct io_crash_state *state)
{
    struct qed_error error = QED_ERROR_INIT;
    struct check_report report;
    struct guest guest;
    uint64_t lost;
    int ret = mend(left, CHECK_REPAIR_ALL, &report, &error);

    guest_read(left, &guest);
    lost = guest_first_loss(&trial->before, &guest);
    if (ret < 0 || lost != UINT64_MAX || report.totals.corruptions > trial->report.totals.corruptions)
        tell(trial, state);
    if (ret < 0)
        FAIL(trial, "a second repair failed: %s", error.text);
    if (lost != UINT64_MAX)
        FAIL(trial, "a second repair has lost guest byte 0x%" PRIx64, lost);
    if (report.totals.corruptions > trial->report.totals.corruptions)
        FAIL(trial, "%" PRIu64 " corruptions are left", report.totals.corruptions);
    guest_release(&guest);
    check_release(&report);
}

static size_t check_states(struct trial *trial)
{
    struct io_crash_walk *walk =
        io_crash_walk_new(trial->recorder, 0, io_crash_ops(trial->recorder) + 1, LIMIT);
    struct io_crash_state state;
    struct io *left;
    size_t count;

    while ((left = io_crash_walk_next(walk, &state))) {
        check_left(trial, left, &state);
        check_second(trial, left, &state);
        io_close(left);
    }
    count = io_crash_walk_count(walk);
    io_crash_walk_free(walk);
    return count;
}

START_TEST(random_damage)
{
    size_t states = 0, forgotten = 0;

    for (unsigned int i = 0; i < IMAGES; i++) {
        struct trial trial;

        begin(&trial, (uint64_t)_i * 1000000 + i);
        states += check_states(&trial);
        forgotten += trial.forgotten;
        end(&trial);
    }
    printf("%zu states, %zu entries forgotten\n", states, forgotten);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("repair_crash");

    tcase_add_loop_test(tests, random_damage, 0, 4);
    return unit_run(tests);
}
