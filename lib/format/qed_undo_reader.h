/*
 * Reads an undo record block by block, and gives out only what is valid: whatever the file holds,
 * memory stays below 2 MiB and a block never reaches outside the old file.
 * SPDX-License-Identifier: MIT
 */
#ifndef FORMAT_QED_UNDO_READER_H
#define FORMAT_QED_UNDO_READER_H

#include "format/qed_undo.h"
#include "format/qed_undo_record.h"

struct qed_undo_reader {
    const struct qed_undo_file *file;
    struct qed_undo_lengths lengths;
    bool failed;     /* the error that was returned is about the record */
    bool words_only; /* do not read what DATA blocks hold; then the record's CRC is not checked */
    uint64_t record_length;
    uint32_t header_crc;
    uint64_t at;       /* bytes of the record that were given out */
    uint32_t crc;      /* of these */
    uint64_t blocks;   /* that were given out */
    uint64_t next_off; /* the first byte of the image file that the next may start at */
    uint8_t *window;
    uint64_t window_off; /* of the record */
    size_t window_len;
};

/* Read and check the header. Close it whatever is returned. */
int qed_undo_reader_open(struct qed_undo_reader *reader, const struct qed_undo_file *file,
                         struct qed_error *error);

/*
 * The next block; after the last one, QED_UNDO_END, the whole record has been checked. What it
 * points to is valid until the next call.
 */
int qed_undo_reader_next(struct qed_undo_reader *reader, struct qed_undo_block *block,
                         struct qed_error *error);

/* Begin anew with the first block. */
void qed_undo_reader_rewind(struct qed_undo_reader *reader, bool words_only);

/* Leaves the file to its owner. */
void qed_undo_reader_close(struct qed_undo_reader *reader);

#endif
