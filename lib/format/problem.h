/*
 * The table of problems: everything a check can find, one row each. The texts, the JSON, the
 * totals and the exit code all come from it.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_PROBLEM_H
#define FORMAT_PROBLEM_H

#include <stdbool.h>
#include <stdint.h>

enum problem_id {
    /* the header */
    PROBLEM_HEADER_CUT_SHORT,
    PROBLEM_FEATURES,
    PROBLEM_CLUSTER_SIZE,
    PROBLEM_TABLE_SIZE,
    PROBLEM_HEADER_SIZE,
    PROBLEM_IMAGE_SIZE,
    PROBLEM_L1_OFFSET,
    PROBLEM_BACKING_PLACE,
    PROBLEM_BACKING_NAME,
    PROBLEM_BACKING_FLAGS,
    PROBLEM_AUTOCLEAR,
    PROBLEM_INTENT,
    PROBLEM_DIRTY,
    PROBLEM_FILE_LENGTH,
    /* the geometry as a whole */
    PROBLEM_L1_NONSENSE,
    PROBLEM_TABLES_NONSENSE,
    PROBLEM_CLUSTERS_NONSENSE,
    PROBLEM_L1_EMPTY,
    /* L1 entries */
    PROBLEM_L1_LOW_BITS,
    PROBLEM_L1_UNALIGNED,
    PROBLEM_L1_IN_HEADER,
    PROBLEM_L1_PAST_END,
    PROBLEM_L1_CUT_SHORT,
    PROBLEM_L1_NOT_A_TABLE,
    PROBLEM_L1_ON_L1,
    PROBLEM_L1_SAME_TABLE,
    PROBLEM_L1_OVERLAP,
    PROBLEM_L1_PAST_SIZE,
    /* L2 entries */
    PROBLEM_L2_LOW_BITS,
    PROBLEM_L2_UNALIGNED,
    PROBLEM_L2_IN_HEADER,
    PROBLEM_L2_PAST_END,
    PROBLEM_L2_CUT_SHORT,
    PROBLEM_L2_ON_L1,
    PROBLEM_L2_ON_TABLE,
    PROBLEM_L2_SHARED,
    PROBLEM_L2_PAST_SIZE,
    PROBLEM_L2_LOST,
    /* unreferenced space */
    PROBLEM_LEAK,
    PROBLEM_LEAK_TAIL,
    PROBLEM_ORPHAN_TABLE,
    PROBLEM_COUNT
};

enum problem_severity {
    SEVERITY_NOTE,       /* no harm: the exit code stays 0 */
    SEVERITY_LEAK,       /* wasted space */
    SEVERITY_CORRUPTION, /* guest data is wrong, or the next write makes it so */
    SEVERITY_FATAL,      /* the image cannot be opened */
};

struct problem_kind {
    const char *name; /* permanent, for scripts: "QED-…" */
    enum problem_severity severity;
    const char *sentence; /* what is wrong, without the place */
    const char *action;   /* what --repair does about it; NULL when nothing */
};

/* Who else uses what a finding is about. */
enum problem_owner {
    OWNER_NONE,
    OWNER_L1_TABLE, /* the L1 table itself */
    OWNER_L2_TABLE, /* the table of L1 entry other_l1_index */
    OWNER_DATA,     /* entry (other_l1_index, other_l2_index) */
};

/* What a repair does about a finding. */
enum problem_action {
    ACTION_NONE,       /* nothing, or what it does about another finding settles this one, too */
    ACTION_CLEAR,      /* the entry: its guest range is lost */
    ACTION_MASK,       /* the entry's low bits are cleared: nothing is lost */
    ACTION_UNFLIP,     /* one bit of the entry is put right: nothing is lost */
    ACTION_RELINK,     /* the entry gets the lost cluster that its neighbours leave out */
    ACTION_EXTEND,     /* the file, so that what was cut short is whole again */
    ACTION_COPY,       /* the cluster: the entry names the copy */
    ACTION_COPY_TABLE, /* the table and its clusters: the entry names the copy */
    ACTION_ADOPT,      /* an orphaned table, certain or a guess */
    ACTION_ADOPT_GUESS,
    ACTION_CLEAR_BITS, /* of the header: autoclear bits, NEED_CHECK */
    ACTION_SET_FIELD,  /* of the header */
    ACTION_PUNCH,      /* leaked space is given back as a hole */
    ACTION_CUT,        /* leaked space at the end of the file is cut off */
    ACTION_LEAVE,      /* could be done and is not: the report says why */
    ACTION_COUNT
};

/* One finding. Ranges are bytes; a length of 0 means that there is no such range. */
struct problem {
    enum problem_id id;
    bool has_l1_index, has_l2_index, has_value;
    uint64_t l1_index, l2_index;
    uint64_t value; /* the entry, or the header field, as stored */
    uint64_t virt_off, virt_len;
    uint64_t file_off, file_len;
    enum problem_owner other;
    uint64_t other_l1_index, other_l2_index;
    uint64_t clusters;           /* corruptions or leaks that this finding counts for */
    enum problem_action action;  /* of the repair that is planned or done */
    uint64_t lost_off, lost_len; /* guest bytes that it cannot save: they read as unallocated */
};

/* The row of an id. */
const struct problem_kind *problem_kind(enum problem_id id);

/* "note", "leak", "corruption" or "fatal": for reports, JSON and the man page. */
const char *problem_severity_name(enum problem_severity severity);

/* A permanent name for scripts, "clear-entry", and the sentence, "the entry is cleared". */
const char *problem_action_name(enum problem_action action);
const char *problem_action_sentence(enum problem_action action);

/* Where a check puts its findings, in any order, one at a time. */
typedef void problem_fn(void *context, const struct problem *problem);

/* Order of findings in reports: the image as a whole, then by (L1, L2), unreferenced space last. */
int problem_compare(const struct problem *a, const struct problem *b);

/* The same without what tells two findings about one place apart. */
int problem_compare_place(const struct problem *a, const struct problem *b);

#endif
