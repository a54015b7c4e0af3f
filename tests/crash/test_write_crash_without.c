/*
 * The explorer of test_write_crash is proven itself: whichever safeguard the writer leaves out, it
 * finds what that was good for.
 * SPDX-License-Identifier: MIT
 */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "support/writer_trial.h"

#define STATES 100000 /* at most, until a violation is found */
#define LIMIT 48      /* states of a cut */

static const struct {
    const char *name;
    unsigned int without;
    enum qed_durability durability;
    bool has_below;
} cases[] = {
    {"the mark", QED_WITHOUT_MARK, QED_DURABILITY_NEED_CHECK, false},
    {"the mark", QED_WITHOUT_MARK, QED_DURABILITY_INTENT, false},
    {"the bitmap before the entries", QED_WITHOUT_INTENT_FIRST, QED_DURABILITY_INTENT, false},
    {"the flush of data", QED_WITHOUT_DATA_FLUSH, QED_DURABILITY_NEED_CHECK, true},
    {"the flush of data", QED_WITHOUT_DATA_FLUSH, QED_DURABILITY_INTENT, true},
    {"the flush of data", QED_WITHOUT_DATA_FLUSH, QED_DURABILITY_PREALLOCATE, true},
    {"the flush of the chunk", QED_WITHOUT_CHUNK_FLUSH, QED_DURABILITY_PREALLOCATE, false},
};

#define CASE_COUNT ((int)(sizeof(cases) / sizeof(cases[0])))

/* Judge random work until something is wrong; whether it was. */
static bool is_missed(const struct trial_spec *spec, uint64_t *states, char *why)
{
    bool is_right = true;

    for (uint64_t seed = 0; is_right && *states < STATES; seed++) {
        struct unit_random random = {seed};
        struct io *start = trial_image(spec);
        struct trial_work work;
        struct trial trial;

        trial_random_work(&work, spec, &random, 8 + (size_t)unit_random_below(&random, 20));
        trial_begin(&trial, spec, start, &work);
        is_right = trial_judge_all(&trial, LIMIT, states);
        memcpy(why, trial.why, sizeof(trial.why));
        trial_end(&trial);
        io_close(start);
    }
    return !is_right;
}

START_TEST(a_safeguard_that_is_left_out_is_missed)
{
    struct trial_spec spec = {.durability = cases[_i].durability,
                              .has_below = cases[_i].has_below,
                              .preallocate = 4 * TRIAL_CLUSTER,
                              .step = TRIAL_CLUSTER,
                              .without = cases[_i].without};
    uint64_t states = 0;
    char why[TRIAL_WHY_MAX];
    bool found = is_missed(&spec, &states, why);

    printf("%s without %s: after %" PRIu64 " states: %s\n",
           qed_durability_name(cases[_i].durability), cases[_i].name, states, why);
    ck_assert(found);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("write_crash_without");

    /* Every state takes and releases some MiB: let the kernel not give them out anew each time. */
    mallopt(M_MMAP_THRESHOLD, 64 << 20);
    mallopt(M_TRIM_THRESHOLD, 256 << 20);

    tcase_add_loop_test(tests, a_safeguard_that_is_left_out_is_missed, 0, CASE_COUNT);
    return unit_run_long(tests, 900);
}
