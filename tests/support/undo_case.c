/*
 * The image has tables from cluster 2 on, data behind, and holes.
 * SPDX-License-Identifier: MIT
 */
#include "support/undo_case.h"

#include <stdlib.h>

#include "base/checked.h"
#include "format/qed_apply.h"
#include "support/io_mem.h"
#include "support/unit.h"

#define C UNDO_CASE_CLUSTER
#define CLUSTERS 48
#define FEATURES 16 /* offset of a header field */
#define NEED_CHECK 2

#define DO(call) ck_assert_int_eq((call), QED_OK)

/* Bytes that differ from place to place; every fifth cluster is a hole. */
static struct io *make_image(unsigned int changes)
{
    struct unit_image spec = {.image_size = 64 * C, .clusters = CLUSTERS};
    struct io *io = unit_image_new(&spec);
    struct unit_random random = {.state = 1};
    uint8_t bytes[C];

    for (uint64_t cluster = 1; cluster < CLUSTERS; cluster++) {
        if (cluster % 5 == 0)
            continue;
        for (size_t i = 0; i < C; i++)
            bytes[i] = (uint8_t)unit_random(&random);
        DO(io_write(io, bytes, C, cluster * C, NULL));
    }
    if (changes & UNDO_CASE_GARBAGE)
        unit_fill(io, 0, 512, 0x55);
    if (changes & UNDO_CASE_ODD)
        DO(io_set_length(io, (CLUSTERS - 1) * C + 1023 + 4, NULL));
    if (changes & UNDO_CASE_DIRTY)
        unit_put64(io, FEATURES, unit_get64(io, FEATURES) | NEED_CHECK);
    return io;
}

static void set(struct qed_plan *plan, uint64_t file_off, enum qed_plan_step step)
{
    DO(qed_plan_set(plan, file_off, file_off * 3 + 1, step, NULL));
}

static void plan_words(struct qed_plan *plan, unsigned int changes)
{
    if (changes & UNDO_CASE_EARLY) {
        set(plan, 2 * C, QED_PLAN_EARLY);
        set(plan, 2 * C + 504, QED_PLAN_EARLY);
    }
    if (changes & UNDO_CASE_MOVE)
        set(plan, 2 * C + 1024, QED_PLAN_MOVE);
    if (changes & UNDO_CASE_SETTLE)
        set(plan, 5 * C + 2048, QED_PLAN_SETTLE); /* where a hole is */
    for (uint64_t i = 0; changes & UNDO_CASE_MIXED && i < 80; i++)
        set(plan, 3 * C + i * 8, (enum qed_plan_step)(i % QED_PLAN_STEPS));
    if (changes & UNDO_CASE_HEADER) {
        DO(qed_plan_set(plan, 0, UINT64_C(0x100000444551), QED_PLAN_EARLY, NULL));
        DO(qed_plan_set(plan, FEATURES, 4, QED_PLAN_SETTLE, NULL));
        set(plan, 40, QED_PLAN_MOVE);
        set(plan, 48, QED_PLAN_SETTLE);
    }
    if (changes & UNDO_CASE_ODD)
        set(plan, round_down(qed_plan_old_length(plan), 8), QED_PLAN_MOVE);
}

static void plan_growth(struct qed_plan *plan, unsigned int changes)
{
    uint64_t to;

    if (changes & UNDO_CASE_EXTEND)
        DO(qed_plan_extend(plan, round_down(qed_plan_old_length(plan) + C, C), NULL));
    if (changes & UNDO_CASE_COPIES) {
        DO(qed_plan_copy(plan, 9 * C, 3 * C, C, &to, NULL)); /* with a hole */
        set(plan, 9 * C + 16, QED_PLAN_EARLY);               /* in the source of a copy */
        set(plan, 9 * C + 24, QED_PLAN_MOVE);
        set(plan, to + 8, QED_PLAN_MOVE);
        set(plan, to + 2 * C, QED_PLAN_SETTLE);
        DO(qed_plan_copy(plan, (CLUSTERS - 1) * C, C, C, &to, NULL)); /* past the end, perhaps */
    }
    if (changes & (UNDO_CASE_ODD | UNDO_CASE_TRIM))
        DO(qed_plan_extend(plan, CLUSTERS * C + 8 * C, NULL));
    if (changes & UNDO_CASE_TRIM)
        qed_plan_cut(plan, CLUSTERS * C + 7 * C);
}

static void plan_losses(struct qed_plan *plan, unsigned int changes)
{
    if (changes & UNDO_CASE_PUNCH) {
        DO(qed_plan_punch(plan, 13 * C, 4 * C, NULL)); /* a hole inside */
        DO(qed_plan_punch(plan, 17 * C + 512, 512, NULL));
        DO(qed_plan_punch(plan, 21 * C, C, NULL));
        set(plan, 13 * C, QED_PLAN_SETTLE);
        set(plan, 15 * C + 1024, QED_PLAN_EARLY);
        set(plan, 17 * C - 8, QED_PLAN_MOVE);
    }
    if (changes & UNDO_CASE_CUT) {
        qed_plan_cut(plan, 38 * C + 512);
        set(plan, 38 * C, QED_PLAN_SETTLE);
        set(plan, 38 * C + 512, QED_PLAN_EARLY);
        set(plan, 41 * C, QED_PLAN_SETTLE);
        DO(qed_plan_punch(plan, 38 * C, C, NULL)); /* half of it */
    }
}

struct undo_case undo_case_new(unsigned int changes)
{
    struct undo_case c = {.image = make_image(changes), .record = io_mem_new(0)};
    struct qed_error error = QED_ERROR_INIT;

    c.original = io_mem_copy(c.image);
    DO(qed_plan_new(&c.plan, c.image, NULL));
    plan_words(c.plan, changes);
    plan_growth(c.plan, changes);
    plan_losses(c.plan, changes);
    qed_plan_settle(c.plan);
    ck_assert_msg(qed_undo_save(c.plan, c.image, c.record, &error) == QED_OK, "%s", error.text);
    ck_assert(io_mem_equal(c.image, c.original));
    return c;
}

void undo_case_free(struct undo_case *c)
{
    qed_plan_free(c->plan);
    io_close(c->original);
    io_close(c->image);
    io_close(c->record);
}

int undo_case_apply(struct qed_plan *plan, struct io *io, struct qed_error *error)
{
    int ret = qed_apply(plan, io, error);

    return ret < 0 ? ret : qed_apply_finish(plan, io, true, error);
}

void undo_case_repair(struct undo_case *c)
{
    DO(undo_case_apply(c->plan, c->image, NULL));
}

int undo_case_undo(struct io *image, struct io *record, bool *changed, struct qed_error *error)
{
    struct qed_undo_file image_file = {.io = image, .name = "a.qed"};
    struct qed_undo_file record_file = {.io = record, .name = "rec"};

    return qed_undo_restore(&image_file, &record_file, changed, error);
}

void undo_case_check_undone(const struct undo_case *c, struct io *image)
{
    struct qed_error error = QED_ERROR_INIT;
    bool changed;

    if (undo_case_undo(image, c->record, &changed, &error) < 0)
        ck_abort_msg("%s", error.text);
    if (!io_mem_equal(image, c->original))
        ck_abort_msg("the image is not as it was");
}

void undo_case_check_refused(struct io *image, struct io *record, int code)
{
    struct io *before = io_mem_copy(image);
    struct qed_error error = QED_ERROR_INIT;
    bool changed;
    int ret = undo_case_undo(image, record, &changed, &error);

    if (ret != code)
        ck_abort_msg("%s, not %s: %s", qed_code_name(ret), qed_code_name(code), error.text);
    if (changed || !io_mem_equal(image, before))
        ck_abort_msg("the image was changed");
    io_close(before);
}
