/*
 * The bitmap against an array of bools.
 * SPDX-License-Identifier: MIT
 */
#include "base/bitmap.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/checked.h"
#include "base/error.h"
#include "support/unit.h"

#define PIECE (UINT64_C(1) << 18) /* bits that the bitmap allocates together */

static uint64_t slow_next(const bool *bits, uint64_t count, uint64_t from, bool value)
{
    while (from < count && bits[from] != value)
        from++;
    return from < count ? from : count;
}

static void compare(const struct bitmap *bitmap, const bool *bits, uint64_t count, uint64_t from)
{
    if (from < count)
        ck_assert_int_eq(bitmap_test(bitmap, from), bits[from]);
    ck_assert_uint_eq(bitmap_next_set(bitmap, from), slow_next(bits, count, from, true));
    ck_assert_uint_eq(bitmap_next_clear(bitmap, from), slow_next(bits, count, from, false));
}

START_TEST(a_new_bitmap_is_clear)
{
    struct bitmap *bitmap = bitmap_new(3 * PIECE + 5);

    ck_assert_uint_eq(bitmap_bit_count(bitmap), 3 * PIECE + 5);
    ck_assert_uint_eq(bitmap_next_set(bitmap, 0), 3 * PIECE + 5);
    ck_assert_uint_eq(bitmap_next_clear(bitmap, 2 * PIECE), 2 * PIECE);
    ck_assert(!bitmap_test(bitmap, 3 * PIECE + 4));
    bitmap_free(bitmap);
    bitmap_free(NULL);
}
END_TEST

START_TEST(a_bitmap_may_have_no_bits)
{
    struct bitmap *bitmap = bitmap_new(0);
    uint64_t already = 9;

    ck_assert_uint_eq(bitmap_next_set(bitmap, 0), 0);
    ck_assert_uint_eq(bitmap_next_clear(bitmap, 0), 0);
    ck_assert_int_eq(bitmap_set_range(bitmap, 0, 0, &already), QED_OK);
    ck_assert_uint_eq(already, 0);
    bitmap_free(bitmap);
}
END_TEST

START_TEST(random_ranges_are_what_a_plain_array_says)
{
    struct unit_random random = {_i};
    uint64_t count = 1 + unit_random_below(&random, _i % 2 ? 300 : PIECE + 300);
    struct bitmap *bitmap = bitmap_new(count);
    bool *bits = calloc((size_t)count, sizeof(*bits));

    ck_assert_ptr_nonnull(bits);
    for (int step = 0; step < 40; step++) {
        uint64_t first = unit_random_below(&random, count);
        uint64_t limit = unit_random_below(&random, 4) ? 200 : count;
        uint64_t len = min_u64(unit_random_below(&random, limit + 1), count - first);
        uint64_t expected = 0, already = 99;

        for (uint64_t i = first; i < first + len; i++) {
            expected += bits[i];
            bits[i] = true;
        }
        ck_assert_int_eq(bitmap_set_range(bitmap, first, len, &already), QED_OK);
        ck_assert_uint_eq(already, expected);
        compare(bitmap, bits, count, first);
        compare(bitmap, bits, count, first + len);
        compare(bitmap, bits, count, first ? first - 1 : 0);
        compare(bitmap, bits, count, unit_random_below(&random, count));
        compare(bitmap, bits, count, 0);
        compare(bitmap, bits, count, count);
    }
    free(bits);
    bitmap_free(bitmap);
}
END_TEST

START_TEST(searches_cross_pieces_that_were_never_touched)
{
    struct bitmap *bitmap = bitmap_new(10 * PIECE);
    uint64_t already;

    ck_assert_int_eq(bitmap_set_range(bitmap, 7 * PIECE - 3, 6, &already), QED_OK);
    ck_assert_uint_eq(already, 0);
    ck_assert_uint_eq(bitmap_next_set(bitmap, 5), 7 * PIECE - 3);
    ck_assert_uint_eq(bitmap_next_clear(bitmap, 7 * PIECE - 3), 7 * PIECE + 3);
    ck_assert_uint_eq(bitmap_next_set(bitmap, 7 * PIECE + 3), 10 * PIECE);
    bitmap_free(bitmap);
}
END_TEST

START_TEST(a_bitmap_of_a_sparse_disk_costs_what_is_set)
{
    uint64_t bits = UINT64_C(1) << 34; /* 64 TiB of clusters of 4 KiB: 2 GiB if it were flat */
    struct bitmap *bitmap = bitmap_new(bits);
    uint64_t already;

    ck_assert_ptr_nonnull(bitmap);
    ck_assert_int_eq(bitmap_set_range(bitmap, bits - 1, 1, &already), QED_OK);
    ck_assert_uint_eq(bitmap_next_set(bitmap, 0), bits - 1);
    ck_assert_uint_eq(bitmap_next_clear(bitmap, bits - 1), bits);
    bitmap_free(bitmap);
}
END_TEST

#define THREADS 4
#define SHARED_BITS (2 * PIECE + 1000)

struct setter {
    struct bitmap *bitmap;
    pthread_t thread;
    uint64_t already;
};

/* Set every bit, in ranges that do not end with the bitmap's words. */
static void *set_all(void *context)
{
    struct setter *setter = context;

    for (uint64_t at = 0; at < SHARED_BITS; at += 37) {
        uint64_t already = 0;

        if (bitmap_set_range(setter->bitmap, at, min_u64(37, SHARED_BITS - at), &already) < 0)
            return setter;
        setter->already += already;
    }
    return NULL;
}

START_TEST(threads_that_set_the_same_bits_count_each_but_once)
{
    struct setter setters[THREADS] = {0};
    struct bitmap *bitmap = bitmap_new(SHARED_BITS);
    uint64_t already = 0;

    for (int i = 0; i < THREADS; i++) {
        setters[i].bitmap = bitmap;
        ck_assert_int_eq(pthread_create(&setters[i].thread, NULL, set_all, &setters[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *failed;

        ck_assert_int_eq(pthread_join(setters[i].thread, &failed), 0);
        ck_assert_ptr_null(failed);
        already += setters[i].already;
    }
    ck_assert_uint_eq(already, (THREADS - 1) * SHARED_BITS);
    ck_assert_uint_eq(bitmap_next_clear(bitmap, 0), SHARED_BITS);
    bitmap_free(bitmap);
}
END_TEST

START_TEST(any_set_looks_at_no_bit_outside_its_range)
{
    struct bitmap *bitmap = bitmap_new(1 << 20);
    uint64_t already;

    ck_assert_int_eq(bitmap_set_range(bitmap, 300000, 2, &already), QED_OK);
    ck_assert(!bitmap_any_set(bitmap, 0, 300000));
    ck_assert(bitmap_any_set(bitmap, 0, 300001));
    ck_assert(bitmap_any_set(bitmap, 300001, 300002));
    ck_assert(!bitmap_any_set(bitmap, 300002, UINT64_MAX));
    ck_assert(!bitmap_any_set(bitmap, 300000, 300000));
    bitmap_free(bitmap);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("bitmap");

    tcase_add_test(tests, a_new_bitmap_is_clear);
    tcase_add_test(tests, a_bitmap_may_have_no_bits);
    tcase_add_loop_test(tests, random_ranges_are_what_a_plain_array_says, 0, 30);
    tcase_add_test(tests, searches_cross_pieces_that_were_never_touched);
    tcase_add_test(tests, a_bitmap_of_a_sparse_disk_costs_what_is_set);
    tcase_add_test(tests, any_set_looks_at_no_bit_outside_its_range);
    tcase_add_test(tests, threads_that_set_the_same_bits_count_each_but_once);
    return unit_run(tests);
}
