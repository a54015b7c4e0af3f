/*
 * A selector is a number with a digit for each free choice, the last one of which is the highest;
 * digit 0 keeps the most. Where that takes too many selectors, a digit stands for a whole change.
 * SPDX-License-Identifier: MIT
 */
#include "support/io_crash_pick.h"

#include <string.h>

#include "base/checked.h"
#include "support/unit.h"

/* What a digit says of a whole change; WHOLE_LENGTH only where the change may grow the file. */
enum whole { WHOLE_ALL, WHOLE_LENGTH, WHOLE_NOTHING };

/* The selectors that come first where there are too many states: nothing, all, lengths only. */
#define LISTED_FIRST 3

static void set_whole(struct io_crash_op *op, enum whole whole)
{
    bool keep_parts =
        whole == WHOLE_ALL || (whole == WHOLE_LENGTH && op->kind == IO_CRASH_SET_LENGTH);

    memset(op->kept, keep_parts, op->parts);
    op->grown = whole == WHOLE_NOTHING ? 0 : op->growing;
}

static void set_every(struct io_crash_op *ops, size_t count, enum whole whole)
{
    for (size_t i = 0; i < count; i++)
        set_whole(&ops[i], whole);
}

void io_crash_keep(struct io_crash_op *op)
{
    set_whole(op, WHOLE_ALL);
}

/* How many states there are when each change is whole; UINT64_MAX when more than limit. */
static uint64_t count_whole(const struct io_crash_op *ops, size_t count, uint64_t limit)
{
    uint64_t total = 1;

    for (size_t i = 0; i < count && total <= limit; i++)
        total = saturating_mul(total, ops[i].growing ? 3 : 2);
    return total <= limit ? total : UINT64_MAX;
}

/* How many choices there are of all parts and lengths; UINT64_MAX when more than limit. */
static uint64_t count_parts(const struct io_crash_op *ops, size_t count, uint64_t limit)
{
    uint64_t total = 1;

    for (size_t i = 0; i < count && total <= limit; i++) {
        total = saturating_mul(total, ops[i].growing + 1);
        for (size_t part = 0; part < ops[i].parts && total <= limit; part++)
            total = saturating_mul(total, 2);
    }
    return total <= limit ? total : UINT64_MAX;
}

/* Take the lowest digit, one of radix values, off the number. */
static size_t take_digit(uint64_t *number, uint64_t radix)
{
    size_t digit = (size_t)(*number % radix);

    *number /= radix;
    return digit;
}

static void pick_whole(struct io_crash_op *ops, size_t count, uint64_t number)
{
    for (size_t i = 0; i < count; i++) {
        size_t digit = take_digit(&number, ops[i].growing ? 3 : 2);

        set_whole(&ops[i], digit == 0                     ? WHOLE_ALL
                           : digit == 1 && ops[i].growing ? WHOLE_LENGTH
                                                          : WHOLE_NOTHING);
    }
}

static void pick_parts(struct io_crash_op *ops, size_t count, uint64_t number)
{
    for (size_t i = 0; i < count; i++) {
        ops[i].grown = ops[i].growing - take_digit(&number, ops[i].growing + 1);
        for (size_t part = 0; part < ops[i].parts; part++)
            ops[i].kept[part] = take_digit(&number, 2) == 0;
    }
}

static void pick_listed(struct io_crash_op *ops, size_t count, uint64_t selector)
{
    static const enum whole first[LISTED_FIRST] = {WHOLE_NOTHING, WHOLE_ALL, WHOLE_LENGTH};
    size_t at;

    if (selector < LISTED_FIRST) {
        set_every(ops, count, first[selector]);
        return;
    }
    at = (size_t)(selector - LISTED_FIRST) / 2;
    if ((selector - LISTED_FIRST) % 2 == 0) {
        set_every(ops, count, WHOLE_ALL);
        set_whole(&ops[at], WHOLE_NOTHING);
    } else {
        set_every(ops, count, WHOLE_NOTHING);
        set_whole(&ops[at], WHOLE_ALL);
    }
}

/* Some changes whole, some torn: few, half or most of their parts. */
static void pick_random(struct io_crash_op *ops, size_t count, const struct io_crash_state *state)
{
    struct unit_random random = {state->selector};

    random.state = unit_random(&random) + state->cut;
    for (size_t i = 0; i < count; i++) {
        struct io_crash_op *op = &ops[i];
        uint64_t how = unit_random_below(&random, 6), odds = 1 + unit_random_below(&random, 7);

        if (how <= WHOLE_NOTHING) {
            set_whole(op, (enum whole)how);
            continue;
        }
        op->grown = (size_t)unit_random_below(&random, op->growing + 1);
        for (size_t part = 0; part < op->parts; part++)
            op->kept[part] = unit_random_below(&random, 8) < odds;
    }
}

/* The number for a selector, so that 0 keeps nothing and 1 keeps all. */
static uint64_t number_of(uint64_t selector, uint64_t total)
{
    return selector == 0 ? total - 1 : selector - 1;
}

void io_crash_pick(struct io_crash_op *ops, size_t count, const struct io_crash_state *state)
{
    uint64_t parts = count_parts(ops, count, state->limit);
    uint64_t whole = count_whole(ops, count, state->limit);

    if (parts <= state->limit)
        pick_parts(ops, count, number_of(state->selector, parts));
    else if (state->selector < whole && whole <= state->limit)
        pick_whole(ops, count, number_of(state->selector, whole));
    else if (whole > state->limit && state->selector < LISTED_FIRST + 2 * (uint64_t)count)
        pick_listed(ops, count, state->selector);
    else
        pick_random(ops, count, state);
}

uint64_t io_crash_pick_count(const struct io_crash_op *ops, size_t count, uint64_t limit)
{
    return min_u64(count_parts(ops, count, limit), limit);
}
