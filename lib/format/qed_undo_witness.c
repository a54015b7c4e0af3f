/*
 * The file is divided into as many parts as there can be witnesses; of each, the first block that
 * will do is taken.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_undo_witness.h"

#include <string.h>

#include "base/le.h"
#include "format/qed_undo_record.h"

#define BLOCK ((uint64_t)QED_UNDO_WITNESS_MAX)
#define L1_TABLE_OFFSET_OFF 40 /* in the header */

struct choice {
    const struct qed_plan_word *words;
    const struct qed_plan_run *punches;
    size_t word_count, punch_count;
    struct io *image;
    uint64_t kept;
};

/* The first block from file_off, a block's place, on that stays as it is; it may lie past kept. */
static uint64_t next_unchanged(const struct choice *choice, uint64_t file_off)
{
    uint64_t block = max_u64(file_off, BLOCK); /* the header's always changes */

    while (block < choice->kept) {
        size_t word = qed_plan_find_word(choice->words, choice->word_count, block);
        size_t punch = qed_plan_find_run(choice->punches, choice->punch_count, block);

        if (punch < choice->punch_count && choice->punches[punch].from < block + BLOCK)
            block =
                round_down(choice->punches[punch].from + choice->punches[punch].len - 1, BLOCK) +
                BLOCK;
        else if (word < choice->word_count && choice->words[word].file_off < block + BLOCK)
            block += BLOCK;
        else
            break;
    }
    return block;
}

/* Choose a block of [start, end); UINT64_MAX when all of it changes. */
static int choose(const struct choice *choice, uint64_t start, uint64_t end, uint64_t *chosen,
                  struct qed_error *error)
{
    uint64_t block = next_unchanged(choice, start);

    *chosen = UINT64_MAX;
    while (block < end) {
        struct io_run run;
        int ret = io_next_run(choice->image, block, &run, error);

        if (ret < 0)
            return ret;
        if (run.length == 0)
            return qed_fail(error, QED_ERR_CHANGED, "the file was cut meanwhile");
        if (run.is_data) {
            *chosen = block;
            return QED_OK;
        }
        *chosen = min_u64(*chosen, block);
        if (run.length >= end - block)
            return QED_OK;
        block =
            next_unchanged(choice, max_u64(block + BLOCK, round_down(block + run.length, BLOCK)));
    }
    return QED_OK;
}

/* Put a place where it belongs in the order, unless it is there. */
static void add(struct qed_undo_witnesses *chosen, uint64_t file_off)
{
    size_t at = 0;

    while (at < chosen->count && chosen->file_offs[at] < file_off)
        at++;
    if (at < chosen->count && chosen->file_offs[at] == file_off)
        return;
    memmove(chosen->file_offs + at + 1, chosen->file_offs + at,
            (chosen->count - at) * sizeof(chosen->file_offs[0]));
    chosen->file_offs[at] = file_off;
    chosen->count++;
}

static int add_l1_table(const struct choice *choice, struct qed_undo_witnesses *chosen,
                        struct qed_error *error)
{
    uint8_t bytes[sizeof(uint64_t)];
    int ret = io_read(choice->image, bytes, sizeof(bytes), L1_TABLE_OFFSET_OFF, error);
    uint64_t l1_off = round_down(le64_load(bytes), BLOCK);

    if (ret == QED_OK && l1_off < choice->kept && next_unchanged(choice, l1_off) == l1_off)
        add(chosen, l1_off);
    return ret;
}

int qed_undo_choose_witnesses(const struct qed_plan *plan, struct io *image, uint64_t kept,
                              struct qed_undo_witnesses *chosen, struct qed_error *error)
{
    struct choice choice = {.image = image, .kept = kept};
    uint64_t part = max_u64(round_down(kept / QED_UNDO_WITNESSES, BLOCK), BLOCK);

    choice.words = qed_plan_words(plan, &choice.word_count);
    choice.punches = qed_plan_punches(plan, &choice.punch_count);
    chosen->count = 0;
    for (uint64_t i = 0; i < QED_UNDO_WITNESSES && i * part < kept; i++) {
        uint64_t end = i + 1 == QED_UNDO_WITNESSES ? kept : min_u64((i + 1) * part, kept);
        uint64_t file_off;
        int ret = choose(&choice, i * part, end, &file_off, error);

        if (ret < 0)
            return ret;
        if (file_off != UINT64_MAX)
            add(chosen, file_off);
    }
    return add_l1_table(&choice, chosen, error);
}
