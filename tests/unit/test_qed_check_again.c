/*
 * Whether a geometry makes sense of a file, and checks that do not ask that again.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_check.h"

#include "support/io_mem.h"
#include "support/unit.h"

#define C UINT64_C(4096)
#define L1 C
#define T0 (3 * C)
#define T1 (5 * C)

/* Two tables with an entry each; nothing refers to the cluster behind the L1 table, and behind each
 * table. The entries name the last two clusters. */
static struct io *new_image(void)
{
    struct unit_image spec = {.image_size = 4 * 512 * C, .clusters = 9};
    struct io *io = unit_image_new(&spec);

    unit_put_entry(io, L1, 0, T0);
    unit_put_entry(io, L1, 1, T1);
    unit_put_entry(io, T0, 0, 7 * C);
    unit_put_entry(io, T1, 0, 8 * C);
    return io;
}

typedef int check_fn(struct qed_image *image, const struct qed_scan_options *options, size_t limit,
                     struct qed_check_result *result, struct qed_error *error);

/* What a check finds; released, but for the numbers. */
static struct qed_check_result found(struct io *io, check_fn *fn)
{
    struct qed_scan_options options = {.queue = IO_QUEUE_SYNC, .threads = 1};
    struct qed_image *image = unit_open(io, false);
    struct qed_check_result result;

    ck_assert_int_eq(fn(image, &options, 100, &result, NULL), QED_OK);
    qed_check_release(&result);
    qed_close(image);
    return result;
}

static bool makes_sense(struct io *io)
{
    return found(io, qed_check).makes_sense;
}

START_TEST(the_other_halves_of_tables_show_that_these_are_too_small)
{
    struct io *io = new_image();

    ck_assert(!makes_sense(io)); /* zeroes behind all of them */
    unit_put_entry(io, 4 * C, 77, 8 * C);
    ck_assert(!makes_sense(io)); /* zeroes and entries */
    unit_put64(io, 16, QED_FEATURE_NEED_CHECK);
    ck_assert(makes_sense(io)); /* a crash leaves clusters behind tables, too */
    io_close(io);
}
END_TEST

START_TEST(data_is_not_the_other_half_of_a_table)
{
    static const uint64_t behind[] = {2 * C, 4 * C, 6 * C};

    for (size_t i = 0; i < 3; i++) {
        struct io *io = new_image();

        unit_fill(io, behind[i] + C - 512, 512, 0x31);
        ck_assert(makes_sense(io));
        io_close(io);
    }
}
END_TEST

START_TEST(behind_every_table_must_be_something_leaked)
{
    struct io *io = new_image();

    unit_put_entry(io, T1, 1, 4 * C);
    ck_assert(makes_sense(io));
    io_close(io);
    io = new_image();
    unit_put_entry(io, T1, 0, 0); /* an empty table says nothing */
    ck_assert(makes_sense(io));
    io_close(io);
}
END_TEST

START_TEST(a_check_that_is_done_again_does_not_ask)
{
    struct io *io = new_image();
    struct qed_check_result result = found(io, qed_check_again);

    ck_assert(result.makes_sense);
    ck_assert_uint_eq(result.totals.corruptions, 0);
    ck_assert_uint_eq(result.totals.leaks, 3);
    unit_fill(io, T0, C, 0x5b);
    unit_fill(io, T1, C, 0x5b);
    ck_assert(!makes_sense(io));
    result = found(io, qed_check_again);
    ck_assert(result.makes_sense);
    ck_assert_uint_eq(result.totals.corruptions, 2);
    unit_fill(io, L1, C, 0x5b);
    result = found(io, qed_check_again);
    ck_assert(result.makes_sense);
    ck_assert_uint_eq(result.totals.corruptions, 512);
    io_close(io);
}
END_TEST

START_TEST(an_empty_l1_table_with_orphans_may_be_lost)
{
    struct io *io = new_image();

    ck_assert(!found(io, qed_check).totals.l1_may_be_lost);
    unit_put_entry(io, L1, 0, 0);
    ck_assert(!found(io, qed_check).totals.l1_may_be_lost);
    unit_put_entry(io, L1, 1, 0);
    ck_assert(found(io, qed_check).totals.l1_may_be_lost);
    ck_assert_uint_eq(found(io, qed_check).totals.corruptions, 1);
    unit_put64(io, 16, QED_FEATURE_NEED_CHECK);
    ck_assert(found(io, qed_check).totals.l1_may_be_lost);
    ck_assert_uint_eq(found(io, qed_check).totals.corruptions, 0);
    unit_put_entry(io, T0, 0, 0);
    unit_put_entry(io, T1, 0, 0);
    ck_assert(!found(io, qed_check).totals.l1_may_be_lost);
    io_close(io);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("qed_check_again");

    tcase_add_test(tests, the_other_halves_of_tables_show_that_these_are_too_small);
    tcase_add_test(tests, data_is_not_the_other_half_of_a_table);
    tcase_add_test(tests, behind_every_table_must_be_something_leaked);
    tcase_add_test(tests, a_check_that_is_done_again_does_not_ask);
    tcase_add_test(tests, an_empty_l1_table_with_orphans_may_be_lost);
    return unit_run(tests);
}
