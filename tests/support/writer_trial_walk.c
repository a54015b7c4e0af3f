/*
 * All files that a power cut could leave of a trial, one after the other.
 * SPDX-License-Identifier: MIT
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/writer_trial.h"

/* Judge the cuts from first to end - 1; what is durable is the same at all of them. */
static bool judge_cuts(struct trial *trial, size_t first, size_t end, uint64_t limit,
                       uint64_t *states)
{
    struct io_crash_walk *walk = io_crash_walk_new(trial->recorder, first, end, limit);
    struct io_crash_state *state = &trial->state;
    size_t looked_at = SIZE_MAX;
    bool is_right = true;
    struct io *left;

    while (is_right && (left = io_crash_walk_next(walk, state))) {
        if (looked_at != state->cut)
            history_look(trial->history, state->cut);
        looked_at = state->cut;
        is_right = trial_judge(trial, left, state->selector + 1000 * state->cut);
        io_close(left);
    }
    *states += io_crash_walk_count(walk);
    io_crash_walk_free(walk);
    return is_right;
}

bool trial_judge_all(struct trial *trial, uint64_t limit, uint64_t *states)
{
    size_t end = io_crash_ops(trial->recorder) + 1, first = 0;

    while (first < end) {
        size_t next = history_next_flushed(trial->history, first);

        next = next < end ? next : end;
        if (!judge_cuts(trial, first, next, limit, states))
            return false;
        first = next;
    }
    return true;
}

void trial_tell(struct trial *trial)
{
    char *work = trial_describe(trial->work);
    char *text = io_crash_describe(trial->recorder, &trial->state);

    fprintf(stderr, "%s%s: %s\ncut %zu of %zu, state %" PRIu64 ":\n%s%s\n",
            qed_durability_name(trial->spec.durability), trial->spec.has_below ? ", below" : "",
            work, trial->state.cut, io_crash_ops(trial->recorder), trial->state.selector, text,
            trial->why);
    free(work);
    free(text);
}
