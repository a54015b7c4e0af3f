/*
 * The runs are sorted and those that touch are joined, so that they can be searched.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_plan_sources.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"

static int by_source(const void *a, const void *b)
{
    const struct qed_plan_run *x = a, *y = b;

    return (x->from > y->from) - (x->from < y->from);
}

int qed_plan_sources_list(struct qed_plan_sources *sources, const struct qed_plan *plan,
                          struct qed_error *error)
{
    size_t count, kept = 0;
    const struct qed_plan_run *copies = qed_plan_copies(plan, &count);
    struct qed_plan_run *runs;

    *sources = (struct qed_plan_sources){0};
    if (count == 0)
        return QED_OK;
    runs = malloc(count * sizeof(*runs));
    if (!runs)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    memcpy(runs, copies, count * sizeof(*runs));
    qsort(runs, count, sizeof(*runs), by_source);
    for (size_t i = 0; i < count; i++) {
        struct qed_plan_run *last = kept ? &runs[kept - 1] : NULL;

        if (last && runs[i].from <= last->from + last->len)
            last->len = max_u64(last->len, runs[i].from + runs[i].len - last->from);
        else
            runs[kept++] = runs[i];
    }
    sources->runs = runs;
    sources->count = kept;
    return QED_OK;
}

bool qed_plan_sources_have(const struct qed_plan_sources *sources, uint64_t file_off)
{
    size_t at = qed_plan_find_run(sources->runs, sources->count, file_off);

    return at < sources->count && sources->runs[at].from <= file_off;
}

void qed_plan_sources_release(struct qed_plan_sources *sources)
{
    free(sources->runs);
    *sources = (struct qed_plan_sources){0};
}
