/*
 * Gives lost L2 tables back to the L1: unreferenced clusters that hold entries are found, and the
 * L1 entries that may have named them. Writes nothing; what it finds becomes part of a plan.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_QED_REBUILD_ORPHANS_H
#define FORMAT_QED_REBUILD_ORPHANS_H

#include "format/qed.h"
#include "format/qed_plan.h"
#include "format/qed_scan.h"

/* Why an orphan is given to its L1 entry. */
enum qed_adoption_ground {
    QED_ADOPTION_NONE,       /* it is not: no entry is left that it fits */
    QED_ADOPTION_BY_ORDER,   /* a guess: in file order */
    QED_ADOPTION_ONLY_PLACE, /* certain: the entry fits no other orphan, the orphan no other entry
                              */
    QED_ADOPTION_ONE_BIT,    /* certain: the entry names it but for one flipped bit */
};

static inline bool qed_adoption_is_certain(enum qed_adoption_ground ground)
{
    return ground >= QED_ADOPTION_ONLY_PLACE;
}

/* An orphan. */
struct qed_adoption {
    uint64_t file_off; /* of the table, bytes */
    enum qed_adoption_ground ground;
    uint64_t l1_index;    /* unless ground is NONE */
    uint64_t good;        /* entries that name clusters which nothing else uses */
    uint64_t zeroes;      /* entries that read as zeroes */
    uint64_t bad;         /* other entries: left as they are */
    uint64_t guest_bytes; /* that are gained; 0 when ground is NONE */
};

struct qed_adoption_report {
    struct qed_adoption *adoptions; /* in file order */
    size_t count;
    size_t certain, guessed; /* of these; the others found no place */
    size_t cleared; /* L1 entries that were set to 0, for most of the L1 was nonsense */
    uint64_t guest_bytes;
};

/* All zero: the defaults. */
struct qed_adoption_options {
    /* L1 entries as they were before a repair cleared them (l1_index, file_off); may be NULL. */
    const struct qed_scan_list *lost;
    bool certain_only;            /* guesses are reported, but do not enter the plan */
    struct qed_scan_options scan; /* progress: bytes of unreferenced space looked at */
};

/*
 * Find the orphans of image, which is opened on the plan's view, and add to plan the L1 entries
 * that name them. An orphan is what lies in unreferenced clusters, holds at least one entry that
 * names a data cluster, and next to none that is invalid or names a cluster which something else
 * uses; of two that claim the same clusters the one with more entries; and none that another names
 * as data: that is a table of some image that the guest keeps.
 *
 * Places are entries that are 0, are no valid offsets, or name a table that an entry before them
 * names. Where the tables that are there lie in the file in the order of their entries, an orphan
 * between two of them belongs between their entries.
 *
 * Where most of the L1 is nonsense, what of that is not replaced is cleared, so that a check can
 * make sense of the image; else invalid entries are left to the repair.
 *
 * QED_ERR_UNSUPPORTED when the file holds more of such clusters than memory is given to:
 * QED_ADOPTION_PIECES_MAX. The caller calls qed_adoption_release in any case.
 */
int qed_rebuild_adopt(struct qed_plan *plan, const struct qed_image *image,
                      const struct qed_adoption_options *options,
                      struct qed_adoption_report *report, struct qed_error *error);

/* Clusters that look like parts of tables, at most: 200 MiB, beside what qed_walk.h says. */
#define QED_ADOPTION_PIECES_MAX ((size_t)1 << 21)

/* NULL-safe inside. */
void qed_adoption_release(struct qed_adoption_report *report);

#endif
