/*
 * Ranges sorted so that each comes after those that it lies in: then the open ones are a stack, and
 * the latest of them has the say.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_repair_account.h"

#include <stdlib.h>

#include "base/array.h"
#include "base/checked.h"

struct qed_repair_account_range {
    uint64_t start, end;
    uint64_t order; /* later is higher; the lowest bit: lost */
};

int qed_repair_account_add(struct qed_repair_account *account, uint64_t virt_off, uint64_t virt_len,
                           bool is_lost, struct qed_error *error)
{
    struct qed_repair_account_range *ranges;

    if (virt_len == 0)
        return QED_OK;
    ranges = array_with_room(account->ranges, account->count, &account->room, sizeof(*ranges));
    if (!ranges)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    account->ranges = ranges;
    ranges[account->count] = (struct qed_repair_account_range){
        .start = virt_off, .end = virt_off + virt_len, .order = account->count << 1 | is_lost};
    account->count++;
    return QED_OK;
}

/* By where they begin, the longer first. */
static int by_place(const void *a, const void *b)
{
    const struct qed_repair_account_range *x = a, *y = b;

    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    if (x->end != y->end)
        return x->end > y->end ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

/* A walk over the ranges in that order; each open one has the highest order of those around it. */
struct summing {
    struct qed_repair_account_range *open;
    size_t count;
    uint64_t at;       /* counted up to here */
    uint64_t bytes[2]; /* saved, lost */
};

static void close_up_to(struct summing *summing, uint64_t virt_off)
{
    while (summing->count > 0) {
        const struct qed_repair_account_range *top = &summing->open[summing->count - 1];
        uint64_t end = min_u64(top->end, virt_off);

        if (end > summing->at)
            summing->bytes[top->order & 1] += end - summing->at;
        summing->at = max_u64(summing->at, end);
        if (top->end > virt_off)
            return;
        summing->count--;
    }
    summing->at = max_u64(summing->at, virt_off);
}

int qed_repair_account_sum(struct qed_repair_account *account, uint64_t *lost, uint64_t *saved,
                           struct qed_error *error)
{
    struct summing summing = {0};

    *lost = *saved = 0;
    if (account->count == 0)
        return QED_OK;
    summing.open = malloc(account->count * sizeof(*summing.open));
    if (!summing.open)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    qsort(account->ranges, account->count, sizeof(*account->ranges), by_place);
    for (size_t i = 0; i < account->count; i++) {
        struct qed_repair_account_range range = account->ranges[i];

        close_up_to(&summing, range.start);
        if (summing.count > 0)
            range.order = max_u64(range.order, summing.open[summing.count - 1].order);
        summing.open[summing.count++] = range;
    }
    close_up_to(&summing, UINT64_MAX);
    *saved = summing.bytes[0];
    *lost = summing.bytes[1];
    free(summing.open);
    return QED_OK;
}

void qed_repair_account_free(struct qed_repair_account *account)
{
    free(account->ranges);
    *account = (struct qed_repair_account){0};
}
