/*
 * Finds the header of an image whose header, geometry or L1 offset makes no sense: by trying which
 * candidate makes sense of the file, and says why. Writes nothing; what it found becomes part of a
 * plan (qed_plan.h).
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_QED_REBUILD_H
#define FORMAT_QED_REBUILD_H

#include "format/qed_header.h"
#include "format/qed_plan.h"
#include "format/qed_scan.h"

/* With less confidence than this a candidate is refused, percent. */
#define QED_REBUILD_CONFIDENCE_MIN 50

#define QED_REBUILD_LINES_MAX 16
#define QED_REBUILD_LINE_BYTES 200
#define QED_REBUILD_FIELDS 11

/* All zero: the defaults. */
struct qed_rebuild_options {
    uint64_t image_size; /* guest bytes, when the caller knows them; 0: not known */
    /* How tables are read. progress tells of the pass over the file, where it comes to that. */
    struct qed_scan_options scan;
};

/* A header field that changes. */
struct qed_rebuild_change {
    const char *field; /* static: the format specification's name */
    uint64_t from, to;
};

struct qed_rebuild {
    struct qed_header header;         /* valid for the file */
    uint8_t stored[QED_HEADER_BYTES]; /* what the file begins with now */
    unsigned int confidence;          /* percent, at most 99 */
    bool image_size_is_a_guess;       /* the header's could not be kept, and nobody gave one */
    char evidence[QED_REBUILD_LINES_MAX][QED_REBUILD_LINE_BYTES]; /* plain sentences */
    size_t evidence_count;
    struct qed_rebuild_change changes[QED_REBUILD_FIELDS]; /* none when the header is right */
    size_t change_count;
};

/*
 * Find the header of the image in io. First what the header nearly says is tried: fields replaced,
 * the L1 where writers put it; that reads tables alone. Only where nothing of that makes sense,
 * all stored data of the file is read once to find what could be an L1 table.
 *
 * QED_ERR_HEADER with a sentence when nothing reaches QED_REBUILD_CONFIDENCE_MIN, the evidence then
 * telling what came nearest; QED_ERR_INVALID for an image_size that the geometry found cannot have;
 * QED_ERR_STOPPED when asked to stop. Bounded whatever the file holds: time by the pass and 64 GiB
 * of tables looked at, memory by 64 MiB and what qed_walk.h says. *found is filled in or, on errors
 * before the search, empty; it owns nothing.
 */
int qed_rebuild_header(struct io *io, const struct qed_rebuild_options *options,
                       struct qed_rebuild *found, struct qed_error *error);

/*
 * Whether the header's l1_table_offset, though plausible, is wrong: there is another place, with
 * the same geometry, whose tables explain what the header's cannot. To be asked of an image in
 * which something is wrong: it costs a few times what reading the tables does and, where the
 * header's L1 explains less than half of the file, a pass over the stored data.
 *
 * An L1 where writers put it, right behind the header, is never doubted: much of it may be lost.
 * scan may be NULL. QED_ERR_STOPPED when asked to stop.
 */
int qed_rebuild_l1_is_elsewhere(struct io *io, const struct qed_header *header,
                                const struct qed_scan_options *scan, bool *is_elsewhere,
                                struct qed_error *error);

/* Add to plan the words of the header that change. */
int qed_rebuild_plan_header(struct qed_plan *plan, const struct qed_rebuild *found,
                            struct qed_error *error);

#endif
