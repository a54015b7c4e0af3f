/*
 * The rows.
 * SPDX-License-Identifier: MIT
 */
#include "format/problem.h"

#include <stddef.h>

#define CLEARED "one flipped bit is put right where that explains it, else the entry is cleared"
#define MASKED "the low bits are cleared where that names a free place, else the entry is"
#define EXTENDED "the file is extended, and what is there kept"
#define REBUILT "--rebuild works it out from the tables"

static const struct problem_kind kinds[] = {
    [PROBLEM_HEADER_CUT_SHORT] = {"QED-HEADER-CUT-SHORT", SEVERITY_FATAL,
                                  "the file is shorter than a header", NULL},
    [PROBLEM_FEATURES] = {"QED-FEATURES", SEVERITY_FATAL, "unknown feature bits are set", REBUILT},
    [PROBLEM_CLUSTER_SIZE] = {"QED-CLUSTER-SIZE", SEVERITY_FATAL,
                              "cluster_size is no power of two from 4096 to 67108864", REBUILT},
    [PROBLEM_TABLE_SIZE] = {"QED-TABLE-SIZE", SEVERITY_FATAL,
                            "table_size is no power of two from 1 to 16", REBUILT},
    [PROBLEM_HEADER_SIZE] = {"QED-HEADER-SIZE", SEVERITY_FATAL,
                             "header_size is 0 or more than the file", REBUILT},
    [PROBLEM_IMAGE_SIZE] = {"QED-IMAGE-SIZE", SEVERITY_FATAL,
                            "image_size is no multiple of 512, or more than tables can address",
                            "--image-size=N sets it, --rebuild works it out"},
    [PROBLEM_L1_OFFSET] = {"QED-L1-OFFSET", SEVERITY_FATAL,
                           "l1_table_offset is not aligned, or not between header and end of file",
                           REBUILT},
    [PROBLEM_BACKING_PLACE] = {"QED-BACKING-PLACE", SEVERITY_FATAL,
                               "the backing file name does not lie inside the header", REBUILT},
    [PROBLEM_BACKING_NAME] = {"QED-BACKING-NAME", SEVERITY_NOTE,
                              "the backing file name is empty or has control characters", NULL},
    [PROBLEM_BACKING_FLAGS] = {"QED-BACKING-FLAGS", SEVERITY_NOTE,
                               "the format of a backing file is given, but no backing file", NULL},
    [PROBLEM_AUTOCLEAR] = {"QED-AUTOCLEAR", SEVERITY_NOTE, "unknown autoclear feature bits are set",
                           "they are cleared"},
    [PROBLEM_INTENT] = {"QED-INTENT", SEVERITY_NOTE,
                        "the write-intent bitmap is damaged: after a crash all tables are read",
                        NULL},
    [PROBLEM_DIRTY] = {"QED-DIRTY", SEVERITY_NOTE, "the image was not cleanly closed",
                       "the mark is cleared once nothing worse than leaks is left"},
    [PROBLEM_FILE_LENGTH] = {"QED-FILE-LENGTH", SEVERITY_NOTE, "the file ends inside a cluster",
                             NULL},
    [PROBLEM_L1_NONSENSE] = {"QED-L1-NONSENSE", SEVERITY_CORRUPTION,
                             "what l1_table_offset points at is no L1 table", REBUILT},
    [PROBLEM_TABLES_NONSENSE] = {"QED-TABLES-NONSENSE", SEVERITY_CORRUPTION,
                                 "with this l1_table_offset and table_size the tables make no "
                                 "sense",
                                 REBUILT},
    [PROBLEM_CLUSTERS_NONSENSE] = {"QED-CLUSTERS-NONSENSE", SEVERITY_CORRUPTION,
                                   "everything is aligned to clusters larger than cluster_size",
                                   REBUILT},
    [PROBLEM_L1_EMPTY] = {"QED-L1-EMPTY", SEVERITY_CORRUPTION,
                          "the L1 table is empty, but the file has what look like L2 tables",
                          "--rebuild puts the tables back"},
    [PROBLEM_L1_LOW_BITS] = {"QED-L1-LOW-BITS", SEVERITY_CORRUPTION,
                             "L1 entry has reserved low bits set", MASKED},
    [PROBLEM_L1_UNALIGNED] = {"QED-L1-UNALIGNED", SEVERITY_CORRUPTION,
                              "L1 entry is not aligned to a cluster", MASKED},
    [PROBLEM_L1_IN_HEADER] = {"QED-L1-IN-HEADER", SEVERITY_CORRUPTION,
                              "L1 entry points into the header", CLEARED},
    [PROBLEM_L1_PAST_END] = {"QED-L1-PAST-END", SEVERITY_CORRUPTION,
                             "L1 entry points past the end of the file", CLEARED},
    [PROBLEM_L1_CUT_SHORT] = {"QED-L1-CUT-SHORT", SEVERITY_CORRUPTION,
                              "L2 table is cut short by the end of the file", EXTENDED},
    [PROBLEM_L1_NOT_A_TABLE] = {"QED-L1-NOT-A-TABLE", SEVERITY_CORRUPTION,
                                "what the L1 entry points at is no L2 table",
                                "the entry is cleared where somebody else's data is there, else "
                                "what is wrong in the table"},
    [PROBLEM_L1_ON_L1] = {"QED-L1-ON-L1", SEVERITY_CORRUPTION, "L2 table overlaps the L1 table",
                          CLEARED},
    [PROBLEM_L1_SAME_TABLE] = {"QED-L1-SAME-TABLE", SEVERITY_CORRUPTION,
                               "L1 entry points at another entry's L2 table",
                               "the later entry gets a copy of the table and its clusters"},
    [PROBLEM_L1_OVERLAP] = {"QED-L1-OVERLAP", SEVERITY_CORRUPTION,
                            "L2 table overlaps another L2 table",
                            "the entry of the table that makes less sense is cleared"},
    [PROBLEM_L1_PAST_SIZE] = {"QED-L1-PAST-SIZE", SEVERITY_NOTE,
                              "L1 entry lies past the image size", NULL},
    [PROBLEM_L2_LOW_BITS] = {"QED-L2-LOW-BITS", SEVERITY_CORRUPTION,
                             "L2 entry has reserved low bits set", MASKED},
    [PROBLEM_L2_UNALIGNED] = {"QED-L2-UNALIGNED", SEVERITY_CORRUPTION,
                              "L2 entry is not aligned to a cluster", MASKED},
    [PROBLEM_L2_IN_HEADER] = {"QED-L2-IN-HEADER", SEVERITY_CORRUPTION,
                              "L2 entry points into the header", CLEARED},
    [PROBLEM_L2_PAST_END] = {"QED-L2-PAST-END", SEVERITY_CORRUPTION,
                             "L2 entry points past the end of the file", CLEARED},
    [PROBLEM_L2_CUT_SHORT] = {"QED-L2-CUT-SHORT", SEVERITY_CORRUPTION,
                              "data cluster is cut short by the end of the file", EXTENDED},
    [PROBLEM_L2_ON_L1] = {"QED-L2-ON-L1", SEVERITY_CORRUPTION, "data cluster lies on the L1 table",
                          "the entry gets a copy of what it reads"},
    [PROBLEM_L2_ON_TABLE] = {"QED-L2-ON-TABLE", SEVERITY_CORRUPTION,
                             "data cluster lies on an L2 table",
                             "the entry gets a copy of what it reads"},
    [PROBLEM_L2_SHARED] = {"QED-L2-SHARED", SEVERITY_CORRUPTION,
                           "data cluster is used by another entry, too",
                           "the later entry gets a copy of the cluster"},
    [PROBLEM_L2_PAST_SIZE] = {"QED-L2-PAST-SIZE", SEVERITY_NOTE,
                              "L2 entry lies past the image size", NULL},
    [PROBLEM_L2_LOST] = {"QED-L2-LOST", SEVERITY_NOTE,
                         "L2 entry is empty where its neighbours leave out a lost cluster",
                         "--rebuild names the cluster again"},
    [PROBLEM_LEAK] = {"QED-LEAK", SEVERITY_LEAK, "nothing refers to these clusters",
                      "the space is given back as a hole"},
    [PROBLEM_LEAK_TAIL] = {"QED-LEAK-TAIL", SEVERITY_LEAK,
                           "nothing refers to these clusters at the end of the file",
                           "the file is cut"},
    [PROBLEM_ORPHAN_TABLE] = {"QED-ORPHAN-TABLE", SEVERITY_LEAK,
                              "nothing refers to what looks like an L2 table: it may hold the only "
                              "map of guest data",
                              "--rebuild puts it back into the L1 table"},
};

_Static_assert(sizeof(kinds) / sizeof(kinds[0]) == PROBLEM_COUNT, "every problem has a row");

const struct problem_kind *problem_kind(enum problem_id id)
{
    return &kinds[id];
}

const char *problem_severity_name(enum problem_severity severity)
{
    static const char *const names[] = {[SEVERITY_NOTE] = "note",
                                        [SEVERITY_LEAK] = "leak",
                                        [SEVERITY_CORRUPTION] = "corruption",
                                        [SEVERITY_FATAL] = "fatal"};

    return names[severity];
}

static const struct {
    const char *name, *sentence;
} actions[] = {
    [ACTION_NONE] = {"none", "nothing is done"},
    [ACTION_CLEAR] = {"clear-entry", "the entry is cleared"},
    [ACTION_MASK] = {"mask-entry", "the low bits are cleared"},
    [ACTION_UNFLIP] = {"unflip-entry", "one flipped bit is put right"},
    [ACTION_RELINK] = {"relink-cluster",
                       "the entry gets the lost cluster that its neighbours leave out"},
    [ACTION_EXTEND] = {"extend-file", "the file is extended, and what is there kept"},
    [ACTION_COPY] = {"copy-cluster", "the entry gets a copy of the cluster"},
    [ACTION_COPY_TABLE] = {"copy-table", "the entry gets a copy of the table and its clusters"},
    [ACTION_ADOPT] = {"adopt-table", "an L1 entry names it again, at the one place that fits"},
    [ACTION_ADOPT_GUESS] = {"adopt-table-by-order",
                            "an L1 entry names it again, at a place that is a guess"},
    [ACTION_CLEAR_BITS] = {"clear-bits", "cleared in the header"},
    [ACTION_SET_FIELD] = {"set-field", "the header field is set"},
    [ACTION_PUNCH] = {"punch-hole", "the space is given back as a hole"},
    [ACTION_CUT] = {"cut-file", "the file is cut"},
    [ACTION_LEAVE] = {"leave", "it is left as it is"},
};

_Static_assert(sizeof(actions) / sizeof(actions[0]) == ACTION_COUNT, "every action has a row");

const char *problem_action_name(enum problem_action action)
{
    return actions[action].name;
}

const char *problem_action_sentence(enum problem_action action)
{
    return actions[action].sentence;
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

int problem_compare_place(const struct problem *a, const struct problem *b)
{
    int order = compare_u64((uint64_t)group_of(a), (uint64_t)group_of(b));

    if (order == 0)
        order = compare_u64(a->l1_index, b->l1_index);
    if (order == 0)
        order = a->has_l2_index - b->has_l2_index;
    if (order == 0)
        order = compare_u64(a->l2_index, b->l2_index);
    if (order == 0 && group_of(a) == 2)
        order = compare_u64(a->file_off, b->file_off);
    return order;
}

int problem_compare(const struct problem *a, const struct problem *b)
{
    int order = problem_compare_place(a, b);

    if (order == 0)
        order = compare_u64(a->id, b->id);
    return order ? order : compare_u64(a->file_off, b->file_off);
}
