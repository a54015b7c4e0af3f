/*
 * What the parts of a rebuild share; for the qed_rebuild files alone.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_QED_REBUILD_STATE_H
#define FORMAT_QED_REBUILD_STATE_H

#include "format/qed_rebuild.h"
#include "format/qed_walk.h"

/* A geometry and a place of the L1 that the file may have, and what was learnt of it. */
struct rebuild_candidate {
    uint32_t cluster_size, table_size, header_size;
    uint64_t l1_table_offset;
    unsigned int fields, bits; /* of these four: not as the header has it */
    bool tried;                /* what follows is filled in */
    uint64_t tables;           /* that L1 entries name: those that hold entries, */
    uint64_t empty, none;      /* hold none, hold mostly nonsense */
    uint64_t strays;           /* L1 entries that name no table, or one that is named already */
    uint64_t l1_past_end;      /* of the strays: past the end of the file */
    struct qed_walk_table sum; /* of the tables */
    uint64_t mapped;           /* guest clusters up to the end of the last one that is mapped */
    uint64_t clusters;         /* of the file, after the header */
    uint64_t explained;        /* of these: the L1, tables, data */
    uint64_t holes;            /* of these: neither explained nor stored */
    bool table_size_too_small, table_size_too_large, cluster_size_too_small;
    bool l1_starts_empty; /* all of its first cluster: it may start later */
    bool l1_is_data;      /* L2 entries name clusters of the L1 */
    double sound;         /* 1: nothing contradicts it, to 0 */
    double share;         /* of the file that it explains: 0 to 1 */
    double file;          /* how well it explains the file: 0 to 1 */
    double confidence;    /* that and the header taken together: 0 to 1 */
};

/* A place in the file that looks like the start of an L1 table. */
struct rebuild_place {
    uint64_t file_off; /* a multiple of 4096 */
    uint64_t named;    /* what looks like a table: how many entries of the page name such */
};

#define REBUILD_PLACES_MAX 32

/* Bytes of tables that are looked at for all candidates together. */
#define REBUILD_BUDGET (UINT64_C(64) << 30)

struct rebuild {
    struct io *io;
    const struct qed_rebuild_options *options;
    struct qed_rebuild *found;
    struct qed_header old; /* as the file has it */
    uint64_t length;       /* of the file */
    uint64_t budget;       /* bytes of tables that may yet be looked at */
    bool exhausted;        /* not all candidates could be tried */
    bool keeps_geometry;   /* candidates have the cluster and table size of the header */
    struct rebuild_candidate *candidates;
    size_t count, room;
    /* The pass over the file, if there was one. */
    uint64_t bytes_done, bytes_total, table_pages;
    struct rebuild_place places[REBUILD_PLACES_MAX]; /* those that name most */
    size_t place_count;
};

/* Candidates near what the header says; candidates for the places that the pass has found. */
int rebuild_add_near(struct rebuild *rebuild, struct qed_error *error);
int rebuild_add_places(struct rebuild *rebuild, struct qed_error *error);

/* Put the candidates in the order in which they are tried, each once. */
void rebuild_sort(struct rebuild *rebuild);

/* The header that a candidate stands for, with image size 0 and nothing else: a valid one. */
struct qed_header rebuild_bare_header(const struct rebuild_candidate *candidate);

/* Count which of a candidate's fields are not as the header has them. */
void rebuild_measure_distance(const struct rebuild *rebuild, struct rebuild_candidate *candidate);

/* Try all candidates that were not tried yet, until the budget is used up. */
int rebuild_try_all(struct rebuild *rebuild, struct qed_error *error);

/* Work out what a candidate that was tried is worth: sound, share, file and confidence. */
void rebuild_judge(const struct rebuild *rebuild, struct rebuild_candidate *candidate);

/*
 * Whether an L1 elsewhere shows that the header's is none. The header's word then counts for
 * nothing in what its candidate is worth.
 */
bool rebuild_doubt_header(struct rebuild *rebuild);

/* Whether the L1 lies where writers put it: behind the header. */
bool rebuild_is_usual(const struct rebuild_candidate *candidate);

/* The best candidate and the one after it; NULL where there is none. */
void rebuild_rank(const struct rebuild *rebuild, const struct rebuild_candidate **best,
                  const struct rebuild_candidate **second);

/* Read the stored data of the file once, and find places of L1 tables. */
int rebuild_scan_file(struct rebuild *rebuild, struct qed_error *error);

/* Call back the caller's progress function; true to stop. A qed_scan_progress_fn on the rebuild. */
bool rebuild_progress(void *rebuild, uint64_t done, uint64_t total);

/* Fill in found->header, given the geometry; says what it did to which field and why. */
int rebuild_fields(struct rebuild *rebuild, const struct rebuild_candidate *best,
                   struct qed_error *error);

/* The two fields of these that need thought. header_is_lost: nothing it says is trusted. */
int rebuild_backing_name(struct rebuild *rebuild, bool header_is_lost, struct qed_error *error);
int rebuild_image_size(struct rebuild *rebuild, const struct rebuild_candidate *best,
                       bool header_is_lost, struct qed_error *error);

/* How far the guest's own structures say that its disk reaches. */
struct rebuild_guest_size {
    uint64_t bytes;     /* 0: they say nothing */
    const char *source; /* static: which ones */
};

int rebuild_guest_size(struct rebuild *rebuild, const struct rebuild_candidate *best,
                       struct rebuild_guest_size *size, struct qed_error *error);

/* Say what speaks for a candidate, and what comes next. */
void rebuild_say_why(struct rebuild *rebuild, const struct rebuild_candidate *best,
                     const struct rebuild_candidate *second);

/* Add a line of evidence; what is too long or too many is cut. */
void rebuild_say(struct rebuild *rebuild, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
