/*
 * The layout of a new image in which every guest cluster has its place from the start: header, L1
 * table, L2 tables side by side, clusters in the order of the guest. So the entries of all tables
 * together are one series, and where a guest byte is takes no look-up.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_QED_PLACES_H
#define FORMAT_QED_PLACES_H

#include "format/qed_create.h"

struct qed_places {
    uint64_t clusters, tables;   /* of the guest, L2 */
    uint64_t l1_off, l2_off;     /* bytes of the file */
    uint64_t data_off, file_end; /* guest offset v is at data_off + v */
    uint64_t cluster_size, table_bytes;
};

/* True to stop. */
typedef bool qed_places_stop_fn(void *context);

/* Lay out an image of valid options; false when no file is that long. Touches no file. */
bool qed_places_plan(struct qed_places *places, const struct qed_create_options *options);

/*
 * Write the tables of places into io, an image that qed_create made with the same options and that
 * has been made as long as places say. Not flushed. stop (may be NULL) is asked now and then:
 * QED_ERR_STOPPED.
 */
int qed_places_write(const struct qed_places *places, struct io *io, qed_places_stop_fn *stop,
                     void *stop_context, struct qed_error *error);

#endif
