/*
 * Goes through what a plan changes in the order of the file: sectors with words, runs that are
 * given back (with the sectors with words in them), and witnesses between.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>
#include <string.h>

#include "base/le.h"
#include "format/qed_plan_sources.h"
#include "format/qed_undo.h"
#include "format/qed_undo_record.h"
#include "format/qed_undo_witness.h"
#include "format/zcodec.h"

#define OUT_BYTES ((size_t)1 << 16)

/* What is appended to the record, gathered into larger writes. */
struct writer {
    struct io *record;
    uint64_t at; /* in the record, of what is gathered */
    uint8_t *gathered;
    size_t used;
    uint32_t crc;
    uint64_t blocks;
};

struct save {
    struct qed_plan *plan;
    struct io *image;
    struct qed_undo_lengths lengths;
    struct qed_plan_sources sources; /* of copies */
    struct writer writer;
    const struct qed_plan_word *words; /* those that are still to come, as the next two */
    const struct qed_plan_run *punches;
    const uint64_t *witnesses;
    size_t word_count, punch_count, witness_count;
    uint64_t saved;  /* up to here all that is given back has been */
    uint8_t *buffer; /* QED_UNDO_DATA_MAX bytes */
};

static int write_out(struct writer *writer, const void *bytes, size_t len, struct qed_error *error)
{
    int ret = io_write(writer->record, bytes, len, writer->at, error);

    if (ret < 0)
        return qed_fail_prefix(error, ret, "Could not write the undo record");
    writer->at += len;
    return QED_OK;
}

static int flush_gathered(struct writer *writer, struct qed_error *error)
{
    int ret = writer->used ? write_out(writer, writer->gathered, writer->used, error) : QED_OK;

    if (ret == QED_OK)
        writer->used = 0;
    return ret;
}

static int append(struct writer *writer, const void *bytes, size_t len, struct qed_error *error)
{
    int ret = QED_OK;

    writer->crc = zcodec_crc32(writer->crc, bytes, len);
    if (len > OUT_BYTES - writer->used)
        ret = flush_gathered(writer, error);
    if (ret < 0 || len == 0)
        return ret;
    if (len > OUT_BYTES)
        return write_out(writer, bytes, len, error);
    memcpy(writer->gathered + writer->used, bytes, len);
    writer->used += len;
    return QED_OK;
}

static int append_head(struct writer *writer, const struct qed_undo_block *block,
                       struct qed_error *error)
{
    uint8_t bytes[QED_UNDO_HEAD_BYTES];

    qed_undo_head_encode(block, bytes);
    writer->blocks++;
    return append(writer, bytes, sizeof(bytes), error);
}

/* A block of what the image has, with what follows its head. */
static int append_block(struct save *save, struct qed_undo_block *block, struct qed_error *error)
{
    size_t old_bytes = block->kind == QED_UNDO_ZERO ? 0 : (size_t)block->length;
    size_t new_bytes = qed_undo_payload_bytes(block) - old_bytes;
    int ret;

    qed_undo_block_crcs(block, &save->lengths, &block->old_crc, &block->new_crc);
    ret = append_head(&save->writer, block, error);
    if (ret == QED_OK)
        ret = append(&save->writer, block->old_bytes, old_bytes, error);
    return ret < 0 ? ret : append(&save->writer, block->new_words, new_bytes, error);
}

/* Where the sector of the next word is; UINT64_MAX when none is left in the old file. */
static uint64_t next_sector(const struct save *save)
{
    if (save->word_count == 0 || save->words->file_off >= save->lengths.old)
        return UINT64_MAX;
    return round_down(save->words->file_off, QED_SECTOR);
}

/* Whether the repair changes a word before the file grows (qed_apply.c). */
static bool is_early(const struct save *save, const struct qed_plan_word *word)
{
    return word->step <= QED_PLAN_EARLY && !qed_plan_sources_have(&save->sources, word->file_off);
}

/* The sector at file_off with those words that come next and lie in it. */
static int save_sector(struct save *save, uint64_t file_off, bool punched, struct qed_error *error)
{
    uint8_t new_words[QED_SECTOR];
    struct qed_undo_block block = {.kind = QED_UNDO_WORDS,
                                   .punched = punched,
                                   .file_off = file_off,
                                   .length = min_u64(QED_SECTOR, save->lengths.old - file_off),
                                   .old_bytes = save->buffer,
                                   .new_words = new_words};
    uint8_t *to = new_words;
    int ret = io_read(save->image, save->buffer, (size_t)block.length, file_off, error);

    if (ret < 0)
        return ret;
    for (; next_sector(save) == file_off; save->words++, save->word_count--) {
        uint64_t bit = UINT64_C(1) << (save->words->file_off - file_off) / QED_UNDO_WORD_BYTES;

        block.words |= bit;
        if (is_early(save, save->words))
            block.early |= bit;
        le64_store(to, save->words->value);
        to += QED_UNDO_WORD_BYTES;
    }
    return append_block(save, &block, error);
}

static int save_data(struct save *save, uint64_t file_off, uint64_t len, bool punched,
                     struct qed_error *error)
{
    struct qed_undo_block block = {.kind = QED_UNDO_DATA,
                                   .punched = punched,
                                   .file_off = file_off,
                                   .length = len,
                                   .old_bytes = save->buffer};
    int ret = io_read(save->image, save->buffer, (size_t)len, file_off, error);

    return ret < 0 ? ret : append_block(save, &block, error);
}

static int save_hole(struct save *save, uint64_t file_off, uint64_t len, bool punched,
                     struct qed_error *error)
{
    struct qed_undo_block block = {
        .kind = QED_UNDO_ZERO, .punched = punched, .file_off = file_off, .length = len};

    return append_block(save, &block, error);
}

/* What is stored of [at, end), where no words change; all in whole sectors. */
static int save_stored(struct save *save, uint64_t at, uint64_t end, bool punched,
                       struct qed_error *error)
{
    int ret = QED_OK;

    while (ret == QED_OK && at < end) {
        struct io_run run;
        uint64_t len;

        ret = io_next_run(save->image, at, &run, error);
        if (ret < 0)
            break;
        if (run.length == 0)
            return qed_fail(error, QED_ERR_CHANGED, "the file was cut meanwhile");
        len = min_u64(run.length, end - at);
        if (!run.is_data && (len >= QED_SECTOR || len == end - at)) {
            len = len == end - at ? len : round_down(len, QED_SECTOR);
            ret = save_hole(save, at, len, punched, error);
        } else {
            len = min_u64(len, QED_UNDO_DATA_MAX);
            len = min_u64(blocks_for(len, 9) << 9, end - at);
            ret = save_data(save, at, len, punched, error);
        }
        at += len;
    }
    return ret;
}

/* All of a run that is given back. */
static int save_lost(struct save *save, uint64_t at, uint64_t end, bool punched,
                     struct qed_error *error)
{
    int ret = QED_OK;

    while (ret == QED_OK && at < end) {
        uint64_t sector = next_sector(save);

        if (sector == at) {
            ret = save_sector(save, at, punched, error);
            at = min_u64(at + QED_SECTOR, end);
        } else {
            ret = save_stored(save, at, min_u64(sector, end), punched, error);
            at = min_u64(sector, end);
        }
    }
    return ret;
}

/* A witness that cannot be read would be none. */
static int save_witness(struct save *save, uint64_t file_off, struct qed_error *error)
{
    struct qed_undo_block block = {
        .kind = QED_UNDO_WITNESS,
        .file_off = file_off,
        .length = min_u64(QED_UNDO_WITNESS_MAX, qed_undo_kept(&save->lengths) - file_off)};

    if (io_read(save->image, save->buffer, (size_t)block.length, file_off, NULL) < 0)
        return QED_OK;
    block.old_crc = block.new_crc = zcodec_crc32(0, save->buffer, (size_t)block.length);
    return append_head(&save->writer, &block, error);
}

/*
 * The next run that is given back: punched, or cut off, or both. UINT64_MAX when there is none;
 * punches that have been saved are dropped.
 */
static uint64_t next_lost(struct save *save, uint64_t *end, bool *punched)
{
    uint64_t kept = qed_undo_kept(&save->lengths), cut = max_u64(save->saved, kept);
    uint64_t punch, punch_end;

    while (save->punch_count > 0 && save->punches->from + save->punches->len <= save->saved) {
        save->punches++;
        save->punch_count--;
    }
    punch = save->punch_count > 0 ? max_u64(save->punches->from, save->saved) : UINT64_MAX;
    punch_end = save->punch_count > 0 ? save->punches->from + save->punches->len : 0;
    *punched = punch < kept || punch == cut;
    if (punch < kept) {
        *end = min_u64(punch_end, kept);
        return punch;
    }
    *end = min_u64(*punched ? punch_end : punch, save->lengths.old);
    return cut < save->lengths.old ? cut : UINT64_MAX;
}

static int save_changes(struct save *save, struct qed_error *error)
{
    int ret = save_sector(save, 0, false, error);

    save->saved = QED_SECTOR;
    while (ret == QED_OK) {
        uint64_t lost_end, sector = next_sector(save);
        bool punched;
        uint64_t lost = next_lost(save, &lost_end, &punched);
        uint64_t witness = save->witness_count ? *save->witnesses : UINT64_MAX;
        uint64_t next = min_u64(min_u64(sector, lost), witness);

        if (next == UINT64_MAX)
            break;
        if (lost == next) {
            ret = save_lost(save, lost, lost_end, punched, error);
            save->saved = lost_end;
        } else if (sector == next) {
            ret = save_sector(save, sector, false, error);
        } else {
            ret = save_witness(save, witness, error);
            save->witnesses++;
            save->witness_count--;
        }
    }
    return ret;
}

/* All that there is past the old length, as the repair makes it. */
static int save_grown(struct save *save, struct qed_error *error)
{
    struct io *view = qed_plan_view(save->plan);
    struct qed_undo_block block = {.kind = QED_UNDO_GROWN, .file_off = save->lengths.old};
    uint64_t at = block.file_off;

    if (save->lengths.final <= at)
        return QED_OK;
    block.length = save->lengths.final - at;
    while (at < save->lengths.final) {
        size_t len = (size_t)min_u64(QED_UNDO_DATA_MAX, save->lengths.final - at);
        int ret = io_read(view, save->buffer, len, at, error);

        if (ret < 0)
            return ret;
        block.new_crc = zcodec_crc32(block.new_crc, save->buffer, len);
        at += len;
    }
    return append_head(&save->writer, &block, error);
}

static int save_end(struct save *save, struct qed_error *error)
{
    struct qed_undo_block block = {.kind = QED_UNDO_END, .length = save->writer.blocks};
    uint8_t bytes[QED_UNDO_HEAD_BYTES];
    int ret;

    qed_undo_head_encode(&block, bytes);
    block.old_crc = zcodec_crc32(save->writer.crc, bytes, QED_UNDO_END_CRC_AT);
    ret = append_head(&save->writer, &block, error);
    return ret < 0 ? ret : flush_gathered(&save->writer, error);
}

/* Whether the record can hold the plan: whole sectors, but not the first, are given back. */
static bool plan_fits(const struct save *save)
{
    uint64_t end = QED_SECTOR;

    if (!qed_undo_lengths_valid(&save->lengths))
        return false;
    for (size_t i = 0; i < save->punch_count; i++) {
        const struct qed_plan_run *punch = &save->punches[i];

        if (punch->len == 0 || !range_inside(punch->from, punch->len, end, INT64_MAX) ||
            punch->from % QED_SECTOR ||
            (punch->len % QED_SECTOR && punch->from + punch->len < save->lengths.old))
            return false;
        end = punch->from + punch->len;
    }
    return true;
}

static int save_all(struct save *save, struct qed_error *error)
{
    struct qed_undo_witnesses witnesses;
    uint8_t header[QED_UNDO_HEADER_BYTES];
    int ret = qed_undo_choose_witnesses(save->plan, save->image, qed_undo_kept(&save->lengths),
                                        &witnesses, error);

    if (ret < 0)
        return ret;
    save->witnesses = witnesses.file_offs;
    save->witness_count = witnesses.count;
    qed_undo_header_encode(&save->lengths, header);
    ret = append(&save->writer, header, sizeof(header), error);
    if (ret == QED_OK)
        ret = save_changes(save, error);
    if (ret == QED_OK)
        ret = save_grown(save, error);
    return ret < 0 ? ret : save_end(save, error);
}

int qed_undo_save(struct qed_plan *plan, struct io *image, struct io *record,
                  struct qed_error *error)
{
    struct save save = {.plan = plan,
                        .image = image,
                        .lengths = {.old = qed_plan_old_length(plan),
                                    .full = qed_plan_full_length(plan),
                                    .final = qed_plan_cut_length(plan)},
                        .writer = {.record = record}};
    int ret;

    save.words = qed_plan_words(plan, &save.word_count);
    save.punches = qed_plan_punches(plan, &save.punch_count);
    if (!plan_fits(&save))
        return qed_fail(error, QED_ERR_INVALID,
                        "the repair cannot be recorded: it gives back less than whole sectors");
    save.buffer = malloc(QED_UNDO_DATA_MAX);
    save.writer.gathered = malloc(OUT_BYTES);
    if (save.buffer && save.writer.gathered)
        ret = qed_plan_sources_list(&save.sources, plan, error);
    else
        ret = qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    if (ret == QED_OK)
        ret = save_all(&save, error);
    qed_plan_sources_release(&save.sources);
    free(save.buffer);
    free(save.writer.gathered);
    return ret;
}
