/*
 * A heap with the last of the kept findings on top.
 * SPDX-License-Identifier: MIT
 */
#include "format/problem_list.h"

#include <stdlib.h>

void problem_list_init(struct problem_list *list, size_t limit)
{
    *list = (struct problem_list){.limit = limit};
}

static void swap(struct problem *a, struct problem *b)
{
    struct problem c = *a;

    *a = *b;
    *b = c;
}

static void sift_up(struct problem *heap, size_t at)
{
    while (at > 0 && problem_compare(&heap[(at - 1) / 2], &heap[at]) < 0) {
        swap(&heap[(at - 1) / 2], &heap[at]);
        at = (at - 1) / 2;
    }
}

static void sift_down(struct problem *heap, size_t count)
{
    size_t at = 0;

    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= count)
            return;
        if (child + 1 < count && problem_compare(&heap[child], &heap[child + 1]) < 0)
            child++;
        if (problem_compare(&heap[at], &heap[child]) >= 0)
            return;
        swap(&heap[at], &heap[child]);
        at = child;
    }
}

static bool make_room(struct problem_list *list)
{
    size_t room = list->room ? list->room * 2 : 16;
    struct problem *problems;

    if (list->count < list->room)
        return true;
    if (room > list->limit)
        room = list->limit;
    problems = realloc(list->problems, room * sizeof(*problems));
    if (!problems)
        return false;
    list->problems = problems;
    list->room = room;
    return true;
}

bool problem_list_would_keep(const struct problem_list *list, const struct problem *problem)
{
    if (list->count < list->limit)
        return true;
    return list->count > 0 && problem_compare(problem, &list->problems[0]) < 0;
}

void problem_list_add(void *context, const struct problem *problem)
{
    struct problem_list *list = context;

    list->found++;
    if (!problem_list_would_keep(list, problem))
        return;
    if (list->count == list->limit) {
        list->problems[0] = *problem;
        sift_down(list->problems, list->count);
    } else if (make_room(list)) {
        list->problems[list->count] = *problem;
        sift_up(list->problems, list->count);
        list->count++;
    }
}

static int by_place(const void *a, const void *b)
{
    return problem_compare(a, b);
}

void problem_list_sort(struct problem_list *list)
{
    if (list->count)
        qsort(list->problems, list->count, sizeof(*list->problems), by_place);
}

void problem_list_release(struct problem_list *list)
{
    free(list->problems);
    list->problems = NULL;
    list->count = 0;
}
