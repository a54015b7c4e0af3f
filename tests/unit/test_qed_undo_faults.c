/*
 * A repair or an undo that is cut off anywhere, by a failing operation or by a loss of power, can
 * be undone.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>
#include <string.h>

#include "format/qed_undo.h"
#include "support/io_fault.h"
#include "support/io_mem.h"
#include "support/undo_case.h"
#include "support/unit.h"

#define SECTOR 512

/* What is changed together in one repair; between them every kind of change. */
static const unsigned int cases[] = {
    UNDO_CASE_EARLY | UNDO_CASE_MOVE | UNDO_CASE_SETTLE | UNDO_CASE_COPIES,
    UNDO_CASE_MIXED | UNDO_CASE_HEADER | UNDO_CASE_EXTEND,
    UNDO_CASE_PUNCH | UNDO_CASE_DIRTY,
    UNDO_CASE_CUT,
    UNDO_CASE_ALL & ~UNDO_CASE_CUT & ~UNDO_CASE_DIRTY,
    UNDO_CASE_ALL & ~UNDO_CASE_GARBAGE & ~UNDO_CASE_DIRTY,
    UNDO_CASE_ALL,
};
#define CASE_COUNT (sizeof(cases) / sizeof(cases[0]))

/*
 * A disk with a cache that forgets: what was written since the last flush reaches the medium sector
 * by sector, or not, when the power fails.
 */
struct change {
    enum io_fault_kind kind;
    uint64_t file_off, len;
    uint8_t *bytes;
};

struct disk {
    struct io io;
    struct io *cached; /* as it reads */
    struct io *medium; /* as it was at the last flush */
    struct change *changes;
    size_t count, room;
};

static struct disk *to_disk(struct io *io)
{
    return (struct disk *)io;
}

static void remember(struct disk *disk, enum io_fault_kind kind, uint64_t file_off, uint64_t len,
                     const void *bytes)
{
    struct change *change;

    if (disk->count == disk->room) {
        disk->room = disk->room ? disk->room * 2 : 64;
        disk->changes = realloc(disk->changes, disk->room * sizeof(*disk->changes));
        if (!disk->changes)
            abort();
    }
    change = &disk->changes[disk->count++];
    *change = (struct change){.kind = kind, .file_off = file_off, .len = len};
    if (bytes) {
        change->bytes = malloc((size_t)len);
        if (!change->bytes)
            abort();
        memcpy(change->bytes, bytes, (size_t)len);
    }
}

static void forget(struct disk *disk)
{
    for (size_t i = 0; i < disk->count; i++)
        free(disk->changes[i].bytes);
    disk->count = 0;
}

static int disk_read(struct io *io, void *buffer, size_t len, uint64_t file_off,
                     struct qed_error *error)
{
    return io_read(to_disk(io)->cached, buffer, len, file_off, error);
}

static int disk_write(struct io *io, const void *buffer, size_t len, uint64_t file_off,
                      struct qed_error *error)
{
    remember(to_disk(io), IO_FAULT_WRITE, file_off, len, buffer);
    return io_write(to_disk(io)->cached, buffer, len, file_off, error);
}

static int disk_zero(struct io *io, uint64_t file_off, uint64_t len, struct qed_error *error)
{
    remember(to_disk(io), IO_FAULT_ZERO, file_off, len, NULL);
    return io_zero(to_disk(io)->cached, file_off, len, error);
}

static int disk_flush(struct io *io, struct qed_error *error)
{
    struct disk *disk = to_disk(io);

    (void)error;
    forget(disk);
    io_close(disk->medium);
    disk->medium = io_mem_copy(disk->cached);
    return QED_OK;
}

static int disk_get_length(struct io *io, uint64_t *length, struct qed_error *error)
{
    return io_get_length(to_disk(io)->cached, length, error);
}

static int disk_set_length(struct io *io, uint64_t length, struct qed_error *error)
{
    remember(to_disk(io), IO_FAULT_SET_LENGTH, 0, length, NULL);
    return io_set_length(to_disk(io)->cached, length, error);
}

static int disk_next_run(struct io *io, uint64_t file_off, struct io_run *run,
                         struct qed_error *error)
{
    return io_next_run(to_disk(io)->cached, file_off, run, error);
}

static void disk_close(struct io *io)
{
    struct disk *disk = to_disk(io);

    forget(disk);
    free(disk->changes);
    io_close(disk->cached);
    io_close(disk->medium);
    free(disk);
}

static const struct io_ops disk_ops = {
    .read = disk_read,
    .write = disk_write,
    .zero = disk_zero,
    .flush = disk_flush,
    .get_length = disk_get_length,
    .set_length = disk_set_length,
    .next_run = disk_next_run,
    .close = disk_close,
};

/* A disk with the bytes of content. */
static struct io *disk_new(struct io *content)
{
    struct disk *disk = calloc(1, sizeof(*disk));

    if (!disk)
        abort();
    disk->io.ops = &disk_ops;
    disk->cached = io_mem_copy(content);
    disk->medium = io_mem_copy(content);
    return &disk->io;
}

static void write_some_sectors(struct io *io, const struct change *change,
                               struct unit_random *random)
{
    uint64_t at = change->file_off, end = at + change->len;

    while (at < end) {
        uint64_t step = SECTOR - at % SECTOR;

        step = step < end - at ? step : end - at;
        if (unit_random_below(random, 2) &&
            io_write(io, change->bytes + (at - change->file_off), (size_t)step, at, NULL) < 0)
            abort();
        at += step;
    }
}

/* What the power leaves of the disk when it fails now. */
static struct io *lose_power(struct io *io, struct unit_random *random)
{
    const struct disk *disk = to_disk(io);
    struct io *left = io_mem_copy(disk->medium);
    uint64_t length;

    for (size_t i = 0; i < disk->count; i++) {
        const struct change *change = &disk->changes[i];

        if (change->kind == IO_FAULT_WRITE)
            write_some_sectors(left, change, random);
        else if (unit_random_below(random, 2) == 0)
            continue;
        else if (change->kind == IO_FAULT_SET_LENGTH)
            ck_assert_int_eq(io_set_length(left, change->len, NULL), QED_OK);
        else if (io_get_length(left, &length, NULL) == QED_OK &&
                 change->file_off + change->len <= length)
            ck_assert_int_eq(io_zero(left, change->file_off, change->len, NULL), QED_OK);
    }
    return left;
}

/* Run the repair, or the undo of an image that was repaired, on io. */
static int run(const struct undo_case *c, bool undo, struct io *io)
{
    bool changed;

    return undo ? undo_case_undo(io, c->record, &changed, NULL)
                : undo_case_apply(c->plan, io, NULL);
}

/* Fail operation after operation; what is left must always lead back to the original. */
static void sweep_failures(unsigned int changes, bool undo, bool from_then_on, bool torn)
{
    struct undo_case c = undo_case_new(changes);
    struct io *start = io_mem_copy(c.image);
    bool failed = true;

    if (undo)
        ck_assert_int_eq(undo_case_apply(c.plan, start, NULL), QED_OK);
    for (size_t n = 1; failed; n++) {
        struct io_fault_plan fault = {
            .fail_at = n, .code = QED_ERR_IO, .from_then_on = from_then_on, .torn = torn};
        struct io *image = io_mem_copy(start), *failing = io_fault_new(image, &fault);
        int ret = run(&c, undo, failing);

        failed = io_fault_happened(failing);
        ck_assert_int_eq(ret, failed ? QED_ERR_IO : QED_OK);
        undo_case_check_undone(&c, image);
        io_close(failing);
        io_close(image);
    }
    io_close(start);
    undo_case_free(&c);
}

START_TEST(a_repair_that_fails_anywhere_is_undone)
{
    sweep_failures(cases[_i], false, false, false);
    sweep_failures(cases[_i], false, true, true);
}
END_TEST

START_TEST(an_undo_that_fails_anywhere_is_run_again)
{
    sweep_failures(cases[_i], true, false, false);
    sweep_failures(cases[_i], true, true, true);
}
END_TEST

/* Run until operation n, which fails, then lose power; NULL when there is no such operation. */
static struct io *run_until(const struct undo_case *c, bool undo, struct io *start, size_t n,
                            struct unit_random *random)
{
    struct io_fault_plan fault = {.kinds = IO_FAULT_CHANGES, .fail_at = n, .code = QED_ERR_IO};
    struct io *disk = disk_new(start), *failing = io_fault_new(disk, &fault);
    struct io *left = NULL;

    if (run(c, undo, failing) < 0)
        left = lose_power(disk, random);
    io_close(failing);
    io_close(disk);
    return left;
}

START_TEST(a_repair_cut_off_by_a_loss_of_power_is_undone)
{
    struct undo_case c = undo_case_new(cases[_i]);
    struct unit_random random = {.state = 3};
    struct io *left;
    size_t n = 1;

    for (; (left = run_until(&c, false, c.original, n / 4, &random)) || n < 8; n++) {
        if (left)
            undo_case_check_undone(&c, left);
        io_close(left);
    }
    ck_assert_uint_gt(n, 4 * 6);
    undo_case_free(&c);
}
END_TEST

/* Three times in a row: the repair and two undos are cut off, or two undos of a whole repair. */
START_TEST(an_undo_cut_off_by_losses_of_power_is_run_again)
{
    struct undo_case c = undo_case_new(cases[_i]);
    struct unit_random random = {.state = 4};
    size_t cut_off = 0;

    undo_case_repair(&c);
    for (int i = 0; i < 200; i++) {
        struct io *start =
            i % 2 ? run_until(&c, false, c.original, 1 + unit_random_below(&random, 60), &random)
                  : io_mem_copy(c.image);

        for (int again = 0; start && again < 2; again++) {
            struct io *left =
                run_until(&c, true, start, 1 + unit_random_below(&random, 20), &random);

            if (!left)
                break;
            cut_off++;
            io_close(start);
            start = left;
        }
        if (start)
            undo_case_check_undone(&c, start);
        io_close(start);
    }
    ck_assert_uint_gt(cut_off, 50);
    undo_case_free(&c);
}
END_TEST

/* A guest must never find an entry that leads to where nothing is yet, or no longer. */
START_TEST(words_go_back_in_the_opposite_order)
{
    struct undo_case c =
        undo_case_new(UNDO_CASE_EARLY | UNDO_CASE_SETTLE | UNDO_CASE_COPIES | UNDO_CASE_PUNCH);
    const uint64_t early = 2 * UNDO_CASE_CLUSTER, late = 5 * UNDO_CASE_CLUSTER + 2048;
    const uint64_t source = 9 * UNDO_CASE_CLUSTER; /* of a copy: changed when that is in use */
    size_t lost_at, late_at, cut_at, early_at;
    struct io *watched;
    bool changed;

    undo_case_repair(&c);
    watched = io_fault_new(c.image, &(struct io_fault_plan){0});
    ck_assert_int_eq(undo_case_undo(watched, c.record, &changed, NULL), QED_OK);
    ck_assert(io_mem_equal(c.image, c.original));
    lost_at = io_fault_find(watched, 0, IO_FAULT_WRITE, 13 * UNDO_CASE_CLUSTER);
    late_at = io_fault_find(watched, 0, IO_FAULT_WRITE, late);
    early_at = io_fault_find(watched, 0, IO_FAULT_WRITE, early);
    cut_at = io_fault_find(watched, 0, IO_FAULT_SET_LENGTH, 0);
    ck_assert_uint_lt(io_fault_find(watched, lost_at, IO_FAULT_FLUSH, 0), late_at);
    ck_assert_uint_lt(io_fault_find(watched, late_at, IO_FAULT_FLUSH, 0), cut_at);
    ck_assert_uint_lt(io_fault_find(watched, cut_at, IO_FAULT_FLUSH, 0), early_at);
    ck_assert_uint_lt(early_at, SIZE_MAX);
    ck_assert_uint_lt(io_fault_find(watched, 0, IO_FAULT_WRITE, source), cut_at);
    ck_assert_uint_eq(io_fault_find(watched, cut_at, IO_FAULT_WRITE, source), SIZE_MAX);
    io_close(watched);
    undo_case_free(&c);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("qed_undo_faults");
    const int count = (int)CASE_COUNT;

    tcase_add_loop_test(tests, a_repair_that_fails_anywhere_is_undone, 0, count);
    tcase_add_loop_test(tests, an_undo_that_fails_anywhere_is_run_again, 0, count);
    tcase_add_loop_test(tests, a_repair_cut_off_by_a_loss_of_power_is_undone, 0, count);
    tcase_add_loop_test(tests, an_undo_cut_off_by_losses_of_power_is_run_again, 0, count);
    tcase_add_test(tests, words_go_back_in_the_opposite_order);
    return unit_run(tests);
}
