/*
 * How a writer's entries reach the disk, by the policy that was chosen (qed_durability.h): what has
 * to be durable before them, in which order they are written, where new clusters come from, and
 * what is taken back at the end.
 *
 * Entries are gathered in the image's table cache and written at a flush, so that a crash between
 * flushes leaves at most leaked clusters and the state of the last flush. Over a backing file the
 * data is flushed before its entry, whatever the policy: an entry that came first would show zeroes
 * where old, flushed data was.
 *
 * After a flush that failed nothing more is written, and every call fails: the kernel may have
 * dropped what it could not write (fsync(2)), so no entry can be trusted to have its data.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_QED_COMMIT_H
#define FORMAT_QED_COMMIT_H

#include "format/qed.h"
#include "format/qed_durability.h"

/* Of QED_DURABILITY_PREALLOCATE: bytes that are made durable ahead. */
#define QED_PREALLOCATE_DEFAULT (UINT64_C(64) << 20)
#define QED_PREALLOCATE_MAX (UINT64_C(1) << 30)

/* Safeguards that crash tests leave out, to see that they are missed. */
#define QED_WITHOUT_MARK 1U         /* NEED_CHECK is not set */
#define QED_WITHOUT_INTENT_FIRST 2U /* the bitmap is written after the entries */
#define QED_WITHOUT_DATA_FLUSH 4U   /* over a backing file, data is not flushed before its entry */
#define QED_WITHOUT_CHUNK_FLUSH 8U  /* the file's new length is not made durable first */

struct qed_commit_options {
    enum qed_durability durability;
    uint64_t preallocate; /* bytes; 0: the default, which grows with the image */
    bool over_backing;    /* the image has a backing file */
    uint64_t step;        /* bytes by which the file grows; 0, but in tests: QED_SPACE_STEP */
    unsigned int without; /* QED_WITHOUT_…; 0 but in tests */
};

struct qed_commit;

/*
 * Begin on an image that is open for writing and not marked with NEED_CHECK. Clears, durably, the
 * autoclear bits that are not known or not kept up by the policy; intent turns the bitmap on, or
 * fails with QED_ERR_UNSUPPORTED where the header has no room for it. The image stays the caller's.
 */
int qed_commit_new(struct qed_commit **commit, struct qed_image *image,
                   const struct qed_commit_options *options, struct qed_error *error);

/* Nothing is written. NULL-safe. */
void qed_commit_free(struct qed_commit *commit);

/* The policy in force: never QED_DURABILITY_AUTO. */
enum qed_durability qed_commit_durability(const struct qed_commit *commit);

/*
 * Take clusters in a row, at most count, at least one: *taken of them. They read as zeroes; entries
 * that name them are set once they are written. May flush.
 */
int qed_commit_take(struct qed_commit *commit, uint64_t count, uint64_t *file_off, uint64_t *taken,
                    struct qed_error *error);

/*
 * Set count entries for guest clusters from virt_off on, which lie in one L2 table, in memory:
 * entry, entry + step, …; makes the table where there is none. Writes entries when many are
 * gathered.
 */
int qed_commit_set(struct qed_commit *commit, uint64_t virt_off, uint64_t count, uint64_t entry,
                   uint64_t step, struct qed_error *error);

/*
 * Of the clusters that were taken and whose entries are still to be set, which is the first in the
 * file; UINT64_MAX when there are none. To be called whenever that changes.
 */
void qed_commit_set_pending(struct qed_commit *commit, uint64_t file_off);

/* Return once everything so far is on stable storage. */
int qed_commit_flush(struct qed_commit *commit, struct qed_error *error);

/* Flush, give back what was ahead, and mark the image as cleanly closed. */
int qed_commit_finish(struct qed_commit *commit, struct qed_error *error);

#endif
