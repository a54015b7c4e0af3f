/*
 * Bad places of a file: only they are lost, to the sector, however they lie in what is read.
 * SPDX-License-Identifier: MIT
 */
#include "io/io_salvage.h"

#include <stdlib.h>
#include <string.h>

#include "support/io_bad.h"
#include "support/io_mem.h"
#include "support/unit.h"

#define BYTES ((size_t)1 << 20)

struct lost {
    uint8_t marks[BYTES / 512]; /* how often each sector was told to be lost */
    size_t calls, stop_at;
};

static bool note(void *context, uint64_t file_off, size_t len, const struct qed_error *why)
{
    struct lost *lost = context;

    ck_assert_int_eq(why->code, QED_ERR_IO);
    ck_assert_str_ne(why->text, "");
    for (uint64_t at = file_off; at < file_off + len; at += 512)
        lost->marks[at / 512]++;
    return ++lost->calls == lost->stop_at;
}

static struct io *noise(void)
{
    uint8_t *bytes = unit_mixed(5, BYTES);
    struct io *io = io_mem_new(0);

    for (size_t i = 0; i < BYTES; i++)
        bytes[i] |= 1; /* no sector is zero */
    ck_assert_int_eq(io_write(io, bytes, BYTES, 0, NULL), QED_OK);
    free(bytes);
    return io;
}

START_TEST(random_bad_sectors_are_lost_and_nothing_else)
{
    struct unit_random random = {(uint64_t)_i + 1};
    struct io *below = noise(), *bad = io_bad_new(below);
    static uint8_t good[BYTES], got[BYTES], is_bad[BYTES / 512];
    struct lost lost = {.stop_at = 0};
    struct io_salvage *salvage = NULL;
    uint64_t first = unit_random_below(&random, 100) * 512, len;

    len = (1 + unit_random_below(&random, BYTES / 512 - 100)) * 512;
    memset(is_bad, 0, sizeof(is_bad));
    for (int i = 0; i < 5; i++) {
        uint64_t at = unit_random_below(&random, BYTES / 512);
        uint64_t count = 1 + unit_random_below(&random, 12);

        count = at + count > BYTES / 512 ? BYTES / 512 - at : count;
        io_bad_add(bad, at * 512, count * 512);
        memset(is_bad + at, 1, count);
    }
    ck_assert_int_eq(io_read(below, good, BYTES, 0, NULL), QED_OK);
    ck_assert_int_eq(io_salvage_new(&salvage, bad, NULL), QED_OK);
    ck_assert_int_eq(io_salvage_read(salvage, got, (size_t)len, first, note, &lost, NULL), QED_OK);
    for (uint64_t at = 0; at < BYTES; at += 512) {
        bool inside = at >= first && at < first + len, zeroed = inside && is_bad[at / 512];
        static const uint8_t zeroes[512];

        ck_assert_uint_eq(lost.marks[at / 512], zeroed);
        if (inside)
            ck_assert_int_eq(memcmp(got + (at - first), zeroed ? zeroes : good + at, 512), 0);
    }
    io_salvage_free(salvage);
    io_close(bad);
    io_close(below);
}
END_TEST

START_TEST(a_sound_file_is_read_at_once)
{
    struct io *below = noise(), *bad = io_bad_new(below);
    struct io_salvage *salvage = NULL;
    static uint8_t got[BYTES];

    ck_assert_int_eq(io_salvage_new(&salvage, bad, NULL), QED_OK);
    ck_assert_int_eq(io_salvage_read(salvage, got, BYTES, 0, note, NULL, NULL), QED_OK);
    ck_assert_uint_eq(io_bad_reads(bad), 1);
    ck_assert_int_eq(io_salvage_read(salvage, got, 0, 0, note, NULL, NULL), QED_OK);
    io_salvage_free(salvage);
    io_close(bad);
    io_close(below);
}
END_TEST

START_TEST(a_bad_sector_costs_two_reads_a_halving)
{
    struct io *below = noise(), *bad = io_bad_new(below);
    struct io_salvage *salvage = NULL;
    struct lost lost = {.stop_at = 0};
    static uint8_t got[BYTES];

    io_bad_add(bad, 512 * 777, 512);
    ck_assert_int_eq(io_salvage_new(&salvage, bad, NULL), QED_OK);
    ck_assert_int_eq(io_salvage_read(salvage, got, BYTES, 0, note, &lost, NULL), QED_OK);
    ck_assert_uint_le(io_bad_reads(bad), 1 + 2 * 11);
    ck_assert_uint_eq(lost.calls, 1);
    io_salvage_free(salvage);
    io_close(bad);
    io_close(below);
}
END_TEST

START_TEST(it_stops_when_it_is_told_to)
{
    struct io *below = noise(), *bad = io_bad_new(below);
    struct io_salvage *salvage = NULL;
    struct lost lost = {.stop_at = 3};
    static uint8_t got[BYTES];

    io_bad_add(bad, 0, BYTES);
    ck_assert_int_eq(io_salvage_new(&salvage, bad, NULL), QED_OK);
    ck_assert_int_eq(io_salvage_read(salvage, got, BYTES, 0, note, &lost, NULL), QED_ERR_STOPPED);
    ck_assert_uint_eq(lost.calls, 3);
    io_salvage_free(salvage);
    io_close(bad);
    io_close(below);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("io_salvage");

    tcase_add_loop_test(tests, random_bad_sectors_are_lost_and_nothing_else, 0, 100);
    tcase_add_test(tests, a_sound_file_is_read_at_once);
    tcase_add_test(tests, a_bad_sector_costs_two_reads_a_halving);
    tcase_add_test(tests, it_stops_when_it_is_told_to);
    return unit_run(tests);
}
