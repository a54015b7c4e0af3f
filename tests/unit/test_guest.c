/*
 * What a guest can read, and whether it can afterwards, by hand and against a model that looks at
 * entries alone.
 * SPDX-License-Identifier: MIT
 */
#include "support/guest.h"

#include <string.h>

#include "base/zero.h"
#include "format/qed_layout.h"
#include "support/io_mem.h"
#include "support/unit.h"

#define C UINT64_C(4096)
#define SPAN (512 * C)
#define L1 C
#define T0 (2 * C)
#define D (3 * C) /* clusters for data, up to END */
#define END (12 * C)
#define SIZE (SPAN + 9 * C + 512) /* guest bytes: the last cluster is not whole */

/* Two spans, of which the first has a table. */
static struct io *new_image(void)
{
    struct unit_image spec = {.image_size = SIZE, .clusters = END / C};
    struct io *io = unit_image_new(&spec);

    unit_put_entry(io, L1, 0, T0);
    return io;
}

/* That image, made to say that it has a backing file. */
static void give_backing(struct io *io)
{
    unit_put64(io, 16, QED_FEATURE_BACKING_FILE);
    unit_put64(io, 56, 64 | UINT64_C(4) << 32);
    ck_assert_int_eq(io_write(io, "base", 4, 64, NULL), QED_OK);
}

static uint64_t loss(struct io *before, struct io *after)
{
    struct guest old, new;
    uint64_t virt_off;

    guest_read(before, &old);
    guest_read(after, &new);
    ck_assert_uint_eq(guest_first_loss(&old, &old), UINT64_MAX);
    virt_off = guest_first_loss(&old, &new);
    guest_release(&old);
    guest_release(&new);
    return virt_off;
}

START_TEST(only_clusters_with_bytes_are_listed)
{
    struct io *io = new_image();
    struct guest guest;

    unit_put_entry(io, T0, 3, D + C);
    unit_put_entry(io, T0, 4, D); /* zeroes */
    unit_put_entry(io, T0, 5, QED_ENTRY_ZERO);
    unit_put_entry(io, T0, 511, D + 2 * C);
    unit_fill(io, D + C, C, 'a');
    unit_fill(io, D + 3 * C - 1, 1, 'b');
    ck_assert_int_eq(guest_read(io, &guest), QED_OK);
    ck_assert_uint_eq(guest.size, SIZE);
    ck_assert_uint_eq(guest.count, 2);
    ck_assert_uint_eq(guest.unreadable, 0);
    ck_assert_uint_eq(guest.clusters[0].virt_off, 3 * C);
    ck_assert_uint_eq(guest.clusters[1].virt_off, 511 * C);
    ck_assert(guest.clusters[0].readable && guest.clusters[1].readable);
    for (size_t i = 0; i < C; i++) {
        if (guest.bytes[guest.clusters[0].at + i] != 'a')
            ck_abort_msg("byte %zu", i);
    }
    ck_assert(zero_all(guest.bytes + guest.clusters[1].at, C - 1));
    ck_assert_uint_eq(guest.bytes[guest.clusters[1].at + C - 1], 'b');
    guest_release(&guest);
    guest_release(NULL);
    io_close(io);
}
END_TEST

START_TEST(over_a_backing_file_zeroes_are_listed)
{
    struct io *io = new_image();
    struct guest guest;

    give_backing(io);
    unit_put_entry(io, T0, 4, D);
    unit_put_entry(io, T0, 5, QED_ENTRY_ZERO);
    ck_assert_int_eq(guest_read(io, &guest), QED_OK);
    ck_assert(guest.has_backing);
    ck_assert_uint_eq(guest.count, 2);
    ck_assert(guest.clusters[0].readable && guest.clusters[1].readable);
    ck_assert(zero_all(guest.bytes, 2 * C));
    guest_release(&guest);
    io_close(io);
}
END_TEST

START_TEST(invalid_entries_are_not_readable)
{
    struct io *io = new_image();
    struct guest guest;

    unit_put_entry(io, T0, 7, END);
    unit_put_entry(io, T0, 8, D);
    unit_fill(io, D, 1, 'a');
    unit_put_entry(io, T0, 9, D + 8);
    unit_put_entry(io, L1, 1, END);
    ck_assert_int_eq(guest_read(io, &guest), QED_OK);
    ck_assert_uint_eq(guest.unreadable, 2 + 10);
    ck_assert_uint_eq(guest.count, 3 + 10);
    ck_assert(!guest.clusters[0].readable && guest.clusters[1].readable);
    ck_assert_uint_eq(guest.clusters[2].virt_off, 9 * C);
    ck_assert_uint_eq(guest.clusters[12].virt_off, SPAN + 9 * C);
    guest_release(&guest);
    io_close(io);
}
END_TEST

START_TEST(a_file_that_ends_inside_its_last_sector_is_read)
{
    struct io *io = new_image();
    struct guest guest;

    unit_put_entry(io, T0, 0, END - C);
    unit_fill(io, END - C, C, 'a');
    ck_assert_int_eq(io_set_length(io, END - 100, NULL), QED_OK);
    ck_assert_int_eq(guest_read(io, &guest), QED_OK);
    ck_assert_uint_eq(guest.count, 1);
    ck_assert(guest.clusters[0].readable);
    ck_assert_uint_eq(guest.bytes[C - 101], 'a');
    ck_assert(zero_all(guest.bytes + C - 100, 100));
    guest_release(&guest);
    io_close(io);
}
END_TEST

START_TEST(of_what_is_no_image_nothing_can_be_read)
{
    struct io *io = new_image(), *bad = io_mem_new(END);
    struct guest guest;

    ck_assert_int_lt(guest_read(bad, &guest), 0);
    ck_assert_uint_eq(guest.count, 0);
    ck_assert_uint_eq(guest.cluster_size, 0);
    guest_release(&guest);
    unit_put_entry(io, T0, 0, END);
    ck_assert_uint_eq(loss(io, bad), C);
    ck_assert_uint_eq(loss(bad, io), UINT64_MAX);
    ck_assert_uint_eq(loss(bad, bad), UINT64_MAX);
    io_close(bad);
    io_close(io);
}
END_TEST

START_TEST(losses_are_found_where_they_are)
{
    struct io *io = new_image(), *after;

    unit_put_entry(io, T0, 2, END);
    unit_put_entry(io, T0, 3, D);
    unit_put_entry(io, T0, 5, QED_ENTRY_ZERO);
    unit_fill(io, D + 10, 100, 'a');
    after = io_mem_copy(io);
    unit_fill(after, D + 20, 1, 'b'); /* another byte */
    ck_assert_uint_eq(loss(io, after), 3 * C + 20);
    unit_put_entry(after, T0, 3, 0); /* zeroes */
    ck_assert_uint_eq(loss(io, after), 3 * C + 10);
    ck_assert_uint_eq(loss(after, io), 3 * C + 10); /* what read as zeroes is data */
    unit_put_entry(after, T0, 3, D + 1);            /* not readable */
    ck_assert_uint_eq(loss(io, after), 3 * C);
    unit_put_entry(after, L1, 0, END);
    ck_assert_uint_eq(loss(io, after), 0);
    ck_assert_uint_eq(loss(after, io), UINT64_MAX); /* what was lost is there */
    io_close(after);
    io_close(io);
}
END_TEST

START_TEST(what_reads_the_same_is_kept)
{
    struct io *io = new_image(), *after;
    uint8_t bytes[C];

    unit_put_entry(io, T0, 2, END);
    unit_put_entry(io, T0, 3, D);
    unit_put_entry(io, T0, 5, QED_ENTRY_ZERO);
    unit_fill(io, D + 10, 100, 'a');
    after = io_mem_copy(io);
    ck_assert_int_eq(io_read(io, bytes, C, D, NULL), QED_OK);
    ck_assert_int_eq(io_write(after, bytes, C, D + 2 * C, NULL), QED_OK);
    unit_put_entry(after, T0, 3, D + 2 * C); /* a copy elsewhere */
    unit_fill(after, D, C, 'x');
    unit_put_entry(after, T0, 5, 0);
    unit_put_entry(after, T0, 6, QED_ENTRY_ZERO);
    unit_put_entry(after, T0, 7, D + 3 * C);
    unit_put_entry(after, T0, 2, D); /* not readable before */
    ck_assert_uint_eq(loss(io, after), UINT64_MAX);
    io_close(after);
    io_close(io);
}
END_TEST

START_TEST(a_guest_that_is_shorter_has_lost_its_end)
{
    struct io *io = new_image(), *after = io_mem_copy(io);

    unit_put64(after, 48, SPAN + 1024);
    ck_assert_uint_eq(loss(io, after), SPAN + 1024);
    ck_assert_uint_eq(loss(after, io), UINT64_MAX);
    unit_put_entry(io, L1, 1, 5); /* none of it was readable */
    unit_put_entry(after, L1, 1, 5);
    ck_assert_uint_eq(loss(io, after), UINT64_MAX);
    unit_put64(after, 48, 512);
    ck_assert_uint_eq(loss(io, after), 512);
    unit_put_entry(io, T0, 0, D);
    unit_fill(io, D + 600, 1, 'x'); /* past the end of the shorter one */
    ck_assert_uint_eq(loss(after, io), UINT64_MAX);
    io_close(after);
    io_close(io);
}
END_TEST

START_TEST(over_a_backing_file_zeroes_are_not_nothing)
{
    struct io *io = new_image(), *after;

    give_backing(io);
    unit_put_entry(io, T0, 4, D);
    unit_put_entry(io, T0, 5, QED_ENTRY_ZERO);
    after = io_mem_copy(io);
    unit_put_entry(after, T0, 4, QED_ENTRY_ZERO);
    unit_put_entry(after, T0, 5, D);
    ck_assert_uint_eq(loss(io, after), UINT64_MAX);
    unit_put_entry(after, T0, 5, 0);
    ck_assert_uint_eq(loss(io, after), 5 * C);
    ck_assert_uint_eq(loss(after, io), 5 * C);
    unit_put64(after, 16, 0);
    ck_assert_uint_eq(loss(io, after), 0);
    io_close(after);
    io_close(io);
}
END_TEST

START_TEST(images_of_other_clusters_have_nothing_in_common)
{
    struct unit_image spec = {.image_size = SIZE, .cluster_size = 2 * C};
    struct io *io = new_image(), *other = unit_image_new(&spec);

    ck_assert_uint_eq(loss(io, other), 0);
    io_close(other);
    io_close(io);
}
END_TEST

/* The model: a byte is -1 where it cannot be read, -2 where the backing file shows through. */
static void model_read(struct io *io, bool has_backing, int16_t bytes[10 * C])
{
    for (uint64_t i = 0; i < 10; i++) {
        uint64_t entry = unit_get_entry(io, T0, i);
        bool is_data = entry >= L1 && entry < END && entry % C == 0;
        uint8_t data[C] = {0};

        if (is_data)
            ck_assert(io_read(io, data, C, entry, NULL) == QED_OK);
        for (uint64_t at = 0; at < C; at++)
            bytes[i * C + at] = entry == 0 && has_backing ? -2
                                : entry > 1 && !is_data   ? -1
                                                          : data[at];
    }
}

static void random_entry(struct io *io, struct unit_random *random)
{
    const uint64_t entries[] = {0, QED_ENTRY_ZERO, END, D + 5, L1};
    uint64_t entry = D + unit_random_below(random, 9) * C;

    if (unit_random_below(random, 2))
        entry = entries[unit_random_below(random, 5)];
    unit_put_entry(io, T0, unit_random_below(random, 10), entry);
}

START_TEST(random_losses_are_those_of_a_model)
{
    static int16_t old[10 * C], new[10 * C];
    struct unit_random random = {(uint64_t)_i};
    bool has_backing = _i % 2;
    size_t losses = 0;

    for (int i = 0; i < 50; i++) {
        struct io *io = new_image(), *after;
        uint64_t at = 0;

        if (has_backing)
            give_backing(io);
        for (uint64_t cluster = 0; cluster < 8; cluster++) /* some have the same bytes */
            unit_fill(io, D + cluster * C, C / 2, (uint8_t)unit_random_below(&random, 3));
        for (int n = 0; n < 12; n++)
            random_entry(io, &random);
        after = io_mem_copy(io);
        for (uint64_t n = unit_random_below(&random, 4); n > 0; n--)
            random_entry(after, &random);
        unit_fill(after, D + unit_random_below(&random, 9 * C), 1, 2);
        model_read(io, has_backing, old);
        model_read(after, has_backing, new);
        while (at < 10 * C && (old[at] == -1 || old[at] == new[at]))
            at++;
        ck_assert_uint_eq(loss(io, after), at < 10 * C ? at : UINT64_MAX);
        losses += at < 10 * C;
        io_close(after);
        io_close(io);
    }
    ck_assert(losses > 5 && losses < 45);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("guest");

    tcase_add_test(tests, only_clusters_with_bytes_are_listed);
    tcase_add_test(tests, over_a_backing_file_zeroes_are_listed);
    tcase_add_test(tests, invalid_entries_are_not_readable);
    tcase_add_test(tests, a_file_that_ends_inside_its_last_sector_is_read);
    tcase_add_test(tests, of_what_is_no_image_nothing_can_be_read);
    tcase_add_test(tests, losses_are_found_where_they_are);
    tcase_add_test(tests, what_reads_the_same_is_kept);
    tcase_add_test(tests, a_guest_that_is_shorter_has_lost_its_end);
    tcase_add_test(tests, over_a_backing_file_zeroes_are_not_nothing);
    tcase_add_test(tests, images_of_other_clusters_have_nothing_in_common);
    tcase_add_loop_test(tests, random_losses_are_those_of_a_model, 0, 10);
    return unit_run(tests);
}
