/*
 * The rows.
 * SPDX-License-Identifier: MIT
 */
#include "format/problem.h"

#include <stddef.h>

static const char cleared[] = "the entry is cleared";

static const struct problem_kind kinds[] = {
    [PROBLEM_DIRTY] = {"QED-DIRTY", SEVERITY_NOTE, true, "the image was not cleanly closed",
                       "the flag is cleared once nothing worse than leaks is left"},
    [PROBLEM_FILE_LENGTH] = {"QED-FILE-LENGTH", SEVERITY_NOTE, false,
                             "the file ends inside a cluster", NULL},
    [PROBLEM_AUTOCLEAR] = {"QED-AUTOCLEAR", SEVERITY_NOTE, true,
                           "unknown autoclear feature bits are set", "the bits are cleared"},
    [PROBLEM_L1_UNALIGNED] = {"QED-L1-UNALIGNED", SEVERITY_CORRUPTION, true,
                              "L1 entry is not aligned to a cluster", cleared},
    [PROBLEM_L1_IN_HEADER] = {"QED-L1-IN-HEADER", SEVERITY_CORRUPTION, true,
                              "L1 entry points into the header", cleared},
    [PROBLEM_L1_PAST_END] = {"QED-L1-PAST-END", SEVERITY_CORRUPTION, true,
                             "L2 table does not lie inside the file", cleared},
    [PROBLEM_L1_ON_L1] = {"QED-L1-ON-L1", SEVERITY_CORRUPTION, false,
                          "L2 table overlaps the L1 table", NULL},
    [PROBLEM_L1_SHARED] = {"QED-L1-SHARED", SEVERITY_CORRUPTION, false,
                           "L2 table overlaps another L2 table", NULL},
    [PROBLEM_L2_UNALIGNED] = {"QED-L2-UNALIGNED", SEVERITY_CORRUPTION, true,
                              "L2 entry is not aligned to a cluster", cleared},
    [PROBLEM_L2_IN_HEADER] = {"QED-L2-IN-HEADER", SEVERITY_CORRUPTION, true,
                              "L2 entry points into the header", cleared},
    [PROBLEM_L2_PAST_END] = {"QED-L2-PAST-END", SEVERITY_CORRUPTION, true,
                             "data cluster does not lie inside the file", cleared},
    [PROBLEM_L2_ON_TABLE] = {"QED-L2-ON-TABLE", SEVERITY_CORRUPTION, false,
                             "data cluster lies on a table", NULL},
    [PROBLEM_L2_SHARED] = {"QED-L2-SHARED", SEVERITY_CORRUPTION, false,
                           "data cluster is used a second time", NULL},
    [PROBLEM_LEAK] = {"QED-LEAK", SEVERITY_LEAK, false, "nothing refers to these clusters", NULL},
};

_Static_assert(sizeof(kinds) / sizeof(kinds[0]) == PROBLEM_COUNT, "every problem has a row");

const struct problem_kind *problem_kind(enum problem_id id)
{
    return &kinds[id];
}

static int compare_u64(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

/* 0: about the image, 1: about an entry, 2: about unreferenced space. */
static int group_of(const struct problem *problem)
{
    if (problem->has_l1_index)
        return 1;
    return kinds[problem->id].severity == SEVERITY_LEAK ? 2 : 0;
}

int problem_compare(const struct problem *a, const struct problem *b)
{
    int order = compare_u64((uint64_t)group_of(a), (uint64_t)group_of(b));

    if (order == 0)
        order = compare_u64(a->l1_index, b->l1_index);
    if (order == 0)
        order = a->has_l2_index - b->has_l2_index;
    if (order == 0)
        order = compare_u64(a->l2_index, b->l2_index);
    if (order == 0)
        order = compare_u64(a->id, b->id);
    return order ? order : compare_u64(a->file_off, b->file_off);
}
