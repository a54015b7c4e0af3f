/*
 * The findings that a report shows: the first so many in order, whatever order they come in, and
 * the count of all. Memory depends on the limit alone.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_PROBLEM_LIST_H
#define FORMAT_PROBLEM_LIST_H

#include <stddef.h>

#include "format/problem.h"

struct problem_list {
    size_t limit;
    size_t count;             /* kept, at most limit */
    uint64_t found;           /* all that were added */
    struct problem *problems; /* once problem_list_sort was called: in order */
    size_t room;              /* the list's own */
};

/* An empty list. */
void problem_list_init(struct problem_list *list, size_t limit);

/* Add a finding; a problem_fn on the list. One that cannot be kept for want of memory counts. */
void problem_list_add(void *list, const struct problem *problem);

/*
 * Whether a finding at this place or a later one can still be among those kept: where not, a pass
 * in order may end.
 */
bool problem_list_would_keep(const struct problem_list *list, const struct problem *problem);

/* Put what was kept in order; nothing can be added afterwards. */
void problem_list_sort(struct problem_list *list);

void problem_list_release(struct problem_list *list);

#endif
