/*
 * The order in which a writer's bytes reach the file, and what is left when any of its operations
 * fails.
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "format/qed_write.h"
#include "support/io_fault.h"
#include "support/io_mem.h"
#include "support/unit.h"

#define C UINT64_C(4096)
#define SPAN (512 * C)
#define L1 C
#define FILE_END (2 * C) /* of an empty image */
#define BELOW 0xbb       /* each byte of what shows through from below */

static int read_below(void *context, uint64_t virt_off, void *buffer, size_t len,
                      struct qed_error *error)
{
    (void)context;
    (void)virt_off;
    (void)error;
    memset(buffer, BELOW, len);
    return QED_OK;
}

static struct io *new_image(uint32_t header_size)
{
    struct unit_image spec = {.image_size = 4 * SPAN, .header_size = header_size};

    return unit_image_new(&spec);
}

/* One write of len bytes at virt_off to a new image, then a clean close; the record of it. */
static struct io *record_write(struct io *io, bool has_below, uint64_t virt_off, size_t len)
{
    static const struct io_fault_plan no_failure = {0};
    struct io *record = io_fault_new(io, &no_failure);
    struct qed_image *image = unit_open(record, true);
    struct qed_writer_options options = {.read_below = has_below ? read_below : NULL};
    struct qed_writer *writer = NULL;
    uint8_t bytes[2 * C];

    memset(bytes, 0x11, sizeof(bytes));
    ck_assert_int_eq(qed_writer_new(&writer, image, &options, NULL), QED_OK);
    ck_assert_int_eq(qed_writer_write(writer, virt_off, bytes, len, NULL), QED_OK);
    ck_assert_int_eq(qed_writer_finish(writer, NULL), QED_OK);
    qed_writer_free(writer);
    qed_close(image);
    return record;
}

/* The operations that matter, in their order in the record; every one of them is there. */
struct order {
    size_t set_dirty, data, l2, l1, clear_dirty;
};

static struct order find_order(struct io *record)
{
    struct order order = {
        .set_dirty = io_fault_find(record, 0, IO_FAULT_WRITE, 0),
        .data = io_fault_find(record, 0, IO_FAULT_WRITE, FILE_END),
        .l2 = io_fault_find(record, 0, IO_FAULT_WRITE, FILE_END + C),
        .l1 = io_fault_find(record, 0, IO_FAULT_WRITE, L1),
    };

    order.clear_dirty = io_fault_find(record, order.set_dirty + 1, IO_FAULT_WRITE, 0);
    ck_assert(order.set_dirty != SIZE_MAX && order.data != SIZE_MAX && order.l2 != SIZE_MAX &&
              order.l1 != SIZE_MAX && order.clear_dirty != SIZE_MAX);
    ck_assert_uint_eq(io_fault_find(record, order.clear_dirty + 1, IO_FAULT_WRITE, 0), SIZE_MAX);
    return order;
}

static bool flushed_between(struct io *record, size_t first, size_t last)
{
    return io_fault_find(record, first, IO_FAULT_FLUSH, 0) < last;
}

START_TEST(data_comes_before_entries_and_the_first_table_is_linked_before_it_has_any)
{
    for (int has_below = 0; has_below < 2; has_below++) {
        struct io *io = new_image(1);
        struct io *record = record_write(io, has_below, 5 * C, C);
        struct order order = find_order(record);

        ck_assert_uint_lt(order.data, order.l1);
        ck_assert(flushed_between(record, order.l1, order.l2));
        io_close(record);
        io_close(io);
    }
}
END_TEST

START_TEST(later_tables_have_entries_before_they_are_linked)
{
    for (int has_below = 0; has_below < 2; has_below++) {
        struct io *io = new_image(1);
        struct io *record;
        uint64_t data = 4 * C, table = 5 * C; /* behind those of the first write */
        size_t l2, l1;

        io_close(record_write(io, has_below, 5 * C, C));
        record = record_write(io, has_below, SPAN + 5 * C, C);
        l2 = io_fault_find(record, 0, IO_FAULT_WRITE, table);
        l1 = io_fault_find(record, 0, IO_FAULT_WRITE, L1);
        ck_assert_uint_lt(io_fault_find(record, 0, IO_FAULT_WRITE, data), l2);
        ck_assert_uint_lt(l2, l1);
        ck_assert_uint_ne(l1, SIZE_MAX);
        io_close(record);
        io_close(io);
    }
}
END_TEST

START_TEST(the_dirty_flag_is_durable_before_the_first_entry)
{
    struct io *io = new_image(1);
    struct io *record = record_write(io, false, 5 * C, C);
    struct order order = find_order(record);

    ck_assert(flushed_between(record, order.set_dirty, order.l1));
    ck_assert_uint_lt(order.set_dirty, order.l1);
    ck_assert_uint_lt(order.l1, order.l2);
    io_close(record);
    io_close(io);
}
END_TEST

START_TEST(the_dirty_flag_is_cleared_after_a_flush_of_everything)
{
    struct io *io = new_image(1);
    struct io *record = record_write(io, false, 5 * C, C);
    struct order order = find_order(record);
    size_t count;

    ck_assert(flushed_between(record, order.l2, order.clear_dirty));
    io_fault_ops(record, &count);
    ck_assert(flushed_between(record, order.clear_dirty, count));
    io_close(record);
    io_close(io);
}
END_TEST

START_TEST(over_something_below_the_data_is_durable_before_its_entry)
{
    static const uint64_t writes[][2] = {{5 * C, C}, {5 * C + 100, 7}};

    for (size_t i = 0; i < 2; i++) {
        struct io *io = new_image(1);
        struct io *record = record_write(io, true, writes[i][0], (size_t)writes[i][1]);
        struct order order = find_order(record);
        size_t last = order.data;

        while (io_fault_find(record, last + 1, IO_FAULT_WRITE, FILE_END + C - 1) < order.l2)
            last = io_fault_find(record, last + 1, IO_FAULT_WRITE, FILE_END + C - 1);
        ck_assert(flushed_between(record, last, order.l2));
        io_close(record);
        io_close(io);
    }
}
END_TEST

/* What a guest does in the sweeps below. */
enum action { WRITE, ZERO, FLUSH, FINISH };

static const struct step {
    enum action action;
    uint64_t virt_off, len;
    uint8_t value;
} steps[] = {
    {WRITE, 0, 4 * C, 1},
    {WRITE, 10 * C + 100, 200, 2},
    {ZERO, 20 * C, 3 * C, 0},
    {FLUSH, 0, 0, 0},
    {WRITE, C + 50, 100, 3},
    {WRITE, SPAN - C, 2 * C, 4},
    {ZERO, 2 * C + 512, 1024, 0},
    {WRITE, 21 * C + 512, 512, 5},
    {ZERO, 12 * C + 8, 2 * C, 0},
    {WRITE, 2 * SPAN + 17, 2000, 6},
    {FLUSH, 0, 0, 0},
    {ZERO, 2 * SPAN, 3 * C, 0},
    {WRITE, 5 * C, 2 * C, 7},
    {FINISH, 0, 0, 0},
};

#define STEP_COUNT (sizeof(steps) / sizeof(steps[0]))

/* The stretches of the guest that the steps touch, one behind the other in the arrays. */
static const struct {
    uint64_t virt_off, len;
} windows[] = {{0, 24 * C}, {SPAN - 2 * C, 4 * C}, {2 * SPAN, 4 * C}};

#define WINDOWS_BYTES (32 * C)

struct guest {
    uint8_t bytes[WINDOWS_BYTES];
    bool unsure[WINDOWS_BYTES]; /* written or not: nobody can say */
};

static size_t place_of(uint64_t virt_off)
{
    uint64_t before = 0;

    for (size_t i = 0; i < 3; i++) {
        if (virt_off >= windows[i].virt_off && virt_off < windows[i].virt_off + windows[i].len)
            return (size_t)(before + virt_off - windows[i].virt_off);
        before += windows[i].len;
    }
    ck_abort_msg("a step outside the windows");
    return 0;
}

static int do_step(struct qed_writer *writer, const struct step *step)
{
    uint8_t bytes[4 * C];

    memset(bytes, step->value, sizeof(bytes));
    switch (step->action) {
    case WRITE:
        return qed_writer_write(writer, step->virt_off, bytes, (size_t)step->len, NULL);
    case ZERO:
        return qed_writer_zero(writer, step->virt_off, step->len, NULL);
    case FLUSH:
        return qed_writer_flush(writer, NULL);
    case FINISH:
        return qed_writer_finish(writer, NULL);
    }
    return QED_OK;
}

/* Which part of the guest's bytes holds what after a step that succeeded, or did not. */
static void note_step(struct guest *guest, const struct step *step, bool sure)
{
    if (step->len == 0)
        return;
    memset(guest->bytes + place_of(step->virt_off), step->value, (size_t)step->len);
    memset(guest->unsure + place_of(step->virt_off), !sure, (size_t)step->len);
}

static void check_guest(struct io *io, bool has_below, const struct guest *guest)
{
    struct qed_image *image = unit_open(io, false);
    static uint8_t found[WINDOWS_BYTES];

    for (size_t i = 0; i < 3; i++)
        unit_read_guest(image, windows[i].virt_off, found + place_of(windows[i].virt_off),
                        (size_t)windows[i].len);
    for (size_t i = 0; i < WINDOWS_BYTES; i++) {
        /* Unallocated clusters came as zeroes: what is below is put in by its own value. */
        bool below = has_below && guest->bytes[i] == BELOW && found[i] == 0;

        if (!guest->unsure[i] && !below && found[i] != guest->bytes[i])
            ck_abort_msg("byte %zu is %u, expected %u", i, found[i], guest->bytes[i]);
    }
    qed_close(image);
}

/* How a writer works: its policy, and whether something shows through from below. */
struct way {
    enum qed_durability durability;
    bool has_below;
};

#define WAYS (2 * QED_DURABILITY_COUNT)

static struct way way_of(int number)
{
    return (struct way){.durability = (enum qed_durability)(number / 2), .has_below = number % 2};
}

/*
 * Do the steps until one fails, or all of them whatever fails. Returns whether the last one
 * succeeded. *guest gets what a reader must find: after a failure, what was flushed last.
 */
static bool do_steps(struct io *io, const struct way *way, bool go_on, struct guest *guest)
{
    struct qed_image *image = NULL;
    struct qed_writer_options options = {.commit = {.durability = way->durability},
                                         .read_below = way->has_below ? read_below : NULL};
    struct qed_writer *writer = NULL;
    size_t flushed = 0, at = 0; /* steps that a flush has covered; the step to do */
    bool failed[STEP_COUNT] = {false};
    int ret = qed_open(&image, io, true, NULL);

    if (ret == QED_OK)
        ret = qed_writer_new(&writer, image, &options, NULL);
    for (; ret == QED_OK && at < STEP_COUNT; at++) {
        ret = do_step(writer, &steps[at]);
        failed[at] = ret < 0;
        if (ret == QED_OK && steps[at].len == 0)
            flushed = at + 1;
        if (go_on && at + 1 < STEP_COUNT)
            ret = QED_OK;
        if (ret < 0)
            break;
    }
    memset(guest->bytes, way->has_below ? BELOW : 0, sizeof(guest->bytes));
    memset(guest->unsure, 0, sizeof(guest->unsure));
    for (size_t i = 0; writer && i < STEP_COUNT && i <= at; i++)
        note_step(guest, &steps[i], i < flushed && !failed[i]);
    qed_writer_free(writer);
    qed_close(image);
    return ret == QED_OK && at == STEP_COUNT;
}

/* Fail the N-th operation, for every N there is. Each run leaves an image without corruption. */
static void sweep(const struct io_fault_plan *kind, const struct way *way, bool go_on)
{
    static struct guest guest;
    bool happened = true;

    for (size_t fail_at = 1; happened; fail_at++) {
        struct io_fault_plan plan = *kind;
        struct io *io = new_image(2), *fault;
        struct qed_image *image;
        bool finished;

        plan.fail_at = fail_at;
        fault = io_fault_new(io, &plan);
        finished = do_steps(fault, way, go_on, &guest);
        happened = io_fault_happened(fault);
        ck_assert(happened || finished);
        ck_assert_uint_eq(unit_check(io).corruptions, 0);
        check_guest(io, way->has_below, &guest);
        image = unit_open(io, false);
        ck_assert(!finished || !qed_needs_check(image));
        qed_close(image);
        if (!happened)
            ck_assert_uint_eq(unit_check(io).leaks, 0);
        io_close(fault);
        io_close(io);
        ck_assert(happened || fail_at > 20);
    }
}

START_TEST(a_failure_leaves_what_was_flushed_and_no_corruption)
{
    struct way way = way_of(_i);
    struct io_fault_plan once = {.code = QED_ERR_IO};
    struct io_fault_plan full = {
        .kinds = IO_FAULT_CHANGES, .code = QED_ERR_NO_SPACE, .from_then_on = true, .torn = true};

    sweep(&once, &way, false);
    sweep(&full, &way, false);
}
END_TEST

START_TEST(writing_on_after_a_failure_loses_nothing_else)
{
    struct way way = way_of(_i);
    struct io_fault_plan once = {.code = QED_ERR_IO};
    struct io_fault_plan torn = {.kinds = IO_FAULT_CHANGES, .code = QED_ERR_NO_SPACE, .torn = true};

    sweep(&once, &way, true);
    sweep(&torn, &way, true);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("qed_write_faults");

    tcase_add_test(tests,
                   data_comes_before_entries_and_the_first_table_is_linked_before_it_has_any);
    tcase_add_test(tests, later_tables_have_entries_before_they_are_linked);
    tcase_add_test(tests, the_dirty_flag_is_durable_before_the_first_entry);
    tcase_add_test(tests, the_dirty_flag_is_cleared_after_a_flush_of_everything);
    tcase_add_test(tests, over_something_below_the_data_is_durable_before_its_entry);
    tcase_add_loop_test(tests, a_failure_leaves_what_was_flushed_and_no_corruption, 0, WAYS);
    tcase_add_loop_test(tests, writing_on_after_a_failure_loses_nothing_else, 0, WAYS);
    return unit_run(tests);
}
