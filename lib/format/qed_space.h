/*
 * Clusters at the end of the file: QED has no free list, so the file's length is part of the
 * metadata. What lies between the last cluster that was taken and the end of the file reads as
 * zeroes.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_QED_SPACE_H
#define FORMAT_QED_SPACE_H

#include "format/qed.h"

/* How much longer than needed the file is made at a time, bytes: one system call for many takes. */
#define QED_SPACE_STEP (UINT64_C(1) << 20)

struct qed_space {
    struct qed_image *image;
    uint64_t next;        /* where the next clusters are taken, bytes */
    uint64_t length;      /* of the file, bytes */
    uint64_t step;        /* QED_SPACE_STEP, or what was set after the beginning */
    uint64_t tables_next; /* of a group of tables that lie side by side, the first that is free */
    uint64_t tables_end;
};

/*
 * Begin behind everything that is in the file, whole clusters or not. The image stays the caller's,
 * and nobody else makes the file longer meanwhile.
 */
int qed_space_init(struct qed_space *space, struct qed_image *image, struct qed_error *error);

/* How many clusters can be taken without making the file longer. */
uint64_t qed_space_left(const struct qed_space *space);

/*
 * Make the file longer by at least bytes, and in whole clusters; reserve: have the file system set
 * space aside, where it can (io_allocate). QED_ERR_NO_SPACE, also where offsets end.
 */
int qed_space_grow(struct qed_space *space, uint64_t bytes, bool reserve, struct qed_error *error);

/* Make the file longer where count clusters are not left. */
int qed_space_need(struct qed_space *space, uint64_t count, struct qed_error *error);

/* Take count clusters, which are left; no entry may name them before they are written, or zero. */
uint64_t qed_space_take(struct qed_space *space, uint64_t count);

/* Take a group of tables, whose clusters are left, to be given out one by one. */
void qed_space_take_tables(struct qed_space *space, uint64_t tables);

/* Whether a table of the group is free. */
bool qed_space_has_table(const struct qed_space *space);

/* The group's next table; it reads as zeroes. */
uint64_t qed_space_next_table(struct qed_space *space);

/* Cut off what was not taken; not flushed. */
int qed_space_trim(struct qed_space *space, struct qed_error *error);

#endif
