/*
 * Guests whose power fails: under each policy, at every point, whatever the disk has of what was
 * written, what is left is what the policy promises (writer_trial.h). QEDTOOL_CRASH_STATES tells
 * how many files of each policy to judge instead of what make check does.
 * SPDX-License-Identifier: MIT
 */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/writer_trial.h"

#define STATES 100000    /* at least, of a policy */
#define SMALL_LIMIT 1024 /* states of a cut: of a small trial, mostly all there are, */
#define LARGE_LIMIT 48   /* and of a large one */
#define TORN_LIMIT 2048  /* all that there are, but for tables */

struct counts {
    uint64_t states;
    size_t trials;
    size_t marked, full, cut; /* recoveries */
};

static uint64_t states_wanted(void)
{
    const char *text = getenv("QEDTOOL_CRASH_STATES");

    return text ? strtoull(text, NULL, 10) : STATES;
}

/* Do work on a copy of start, and judge all that a power cut could leave of it. */
static void judge(struct counts *counts, const struct trial_spec *spec, struct io *start,
                  const struct trial_work *work, uint64_t limit)
{
    struct trial trial;

    trial_begin(&trial, spec, start, work);
    if (!trial_judge_all(&trial, limit, &counts->states)) {
        trial_tell(&trial);
        ck_abort_msg("after %" PRIu64 " states: %s", counts->states, trial.why);
    }
    counts->trials++;
    counts->marked += trial.marked;
    counts->full += trial.full;
    counts->cut += trial.recoveries_cut;
    trial_end(&trial);
}

/* Every order of a few steps, of each kind one or two. */
static void small_works(struct counts *counts, const struct trial_spec *spec, size_t steps)
{
    const uint64_t c = TRIAL_CLUSTER, table = 512 * c;
    const struct trial_step kinds[] = {
        {.op = TRIAL_WRITE, .virt_off = c + 512, .len = 512},
        {.op = TRIAL_WRITE, .virt_off = 2 * c - 100, .len = 300, .stays = true},
        {.op = TRIAL_WRITE, .virt_off = table, .len = 700},
        {.op = TRIAL_ZERO, .virt_off = c, .len = c},
        {.op = TRIAL_ZERO, .virt_off = c + 700, .len = 200, .stays = true},
        {.op = TRIAL_FLUSH},
        {.op = TRIAL_QUIET, .len = 3},
        {.op = TRIAL_CLOSE},
    };
    const size_t kind_count = sizeof(kinds) / sizeof(kinds[0]);
    struct io *start = trial_image(spec);
    size_t works = 1;

    for (size_t i = 0; i < steps; i++)
        works *= kind_count;
    for (size_t i = 0; i < works; i++) {
        struct trial_work work = {.count = steps};
        size_t rest = i;

        for (size_t j = 0; j < steps; j++, rest /= kind_count)
            work.steps[j] = kinds[rest % kind_count];
        judge(counts, spec, start, &work, SMALL_LIMIT);
    }
    io_close(start);
}

static void large_work(struct counts *counts, const struct trial_spec *spec, uint64_t seed)
{
    struct unit_random random = {seed};
    struct io *start = trial_image(spec);
    struct trial_work work;

    trial_random_work(&work, spec, &random, 8 + (size_t)unit_random_below(&random, 20));
    judge(counts, spec, start, &work, LARGE_LIMIT);
    io_close(start);
}

static struct trial_spec spec_of(enum qed_durability durability, uint64_t seed)
{
    struct trial_spec spec = {.durability = durability,
                              .has_below = seed % 2,
                              .table_size = seed % 6 == 0 ? 2 : 1,
                              .preallocate = UINT64_C(16384) << 2 * (seed / 2 % 4),
                              .step = seed % 4 < 3 ? TRIAL_CLUSTER : 0};

    return spec;
}

START_TEST(whatever_a_power_cut_leaves_is_what_the_policy_promises)
{
    enum qed_durability durability = (enum qed_durability)_i;
    struct counts counts = {0};
    uint64_t small, wanted = states_wanted();

    for (uint64_t i = 0; i < 2; i++) {
        struct trial_spec spec = spec_of(durability, 1 + i);

        small_works(&counts, &spec, wanted > STATES ? 3 : wanted < STATES ? 1 : 2);
    }
    small = counts.states;
    for (uint64_t seed = 0; counts.states < wanted; seed++) {
        struct trial_spec spec = spec_of(durability, seed);

        large_work(&counts, &spec, seed);
    }
    printf("%s: %" PRIu64 " states, 0 violations (%" PRIu64 " of small works; %zu works in all; "
           "%zu full recoveries, %zu partial ones; %zu states of recoveries)\n",
           qed_durability_name(durability), counts.states, small, counts.trials, counts.full,
           counts.marked, counts.cut);
}
END_TEST

/* The page's old bits and its new ones are in different sectors: each may be there alone. */
START_TEST(a_torn_intent_page_costs_a_full_recovery)
{
    const struct trial_spec spec = {
        .durability = QED_DURABILITY_INTENT, .has_below = _i, .table_size = 16, .far_table = 5000};
    struct trial_work work = {.count = 4,
                              .steps = {{.op = TRIAL_WRITE, .len = 512},
                                        {.op = TRIAL_FLUSH},
                                        {.op = TRIAL_WRITE, .len = 512},
                                        {.op = TRIAL_FLUSH}}};
    struct history_window windows[3];
    struct counts counts = {0};
    struct io *start = trial_image(&spec);

    trial_windows(&spec, windows);
    work.steps[2].virt_off = windows[2].virt_off;
    judge(&counts, &spec, start, &work, TORN_LIMIT);
    io_close(start);
    printf("torn intent page%s: %" PRIu64 " states, %zu full recoveries, %zu partial ones\n",
           _i ? ", below" : "", counts.states, counts.full, counts.marked);
    ck_assert_uint_ge(counts.full, 8);
    ck_assert_uint_ge(counts.marked, 8);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("write_crash");

    /* Every state takes and releases some MiB: let the kernel not give them out anew each time. */
    mallopt(M_MMAP_THRESHOLD, 64 << 20);
    mallopt(M_TRIM_THRESHOLD, 256 << 20);

    tcase_add_loop_test(tests, whatever_a_power_cut_leaves_is_what_the_policy_promises,
                        QED_DURABILITY_NEED_CHECK, QED_DURABILITY_COUNT);
    tcase_add_loop_test(tests, a_torn_intent_page_costs_a_full_recovery, 0, 2);
    return unit_run_long(tests, 36000);
}
