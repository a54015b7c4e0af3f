/*
 * Guest writes, by hand and against a flat array, with and without something below.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_write.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "format/qed_lookup.h"
#include "support/io_fault.h"
#include "support/io_mem.h"
#include "support/unit.h"

#define C UINT64_C(4096)
#define SPAN (512 * C)

/* An image, its writer, and what the guest is to read. */
struct disk {
    struct io *io;
    struct qed_image *image;
    struct qed_writer *writer;
    bool has_below;
    enum qed_durability durability;
    uint64_t size;
    uint8_t *expected, *found;
};

/* What shows through from below: bytes that tell their place, none of them zero. */
static void fill_below(uint64_t virt_off, void *buffer, size_t len)
{
    uint8_t *bytes = buffer;

    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)((virt_off + i) * 2654435761U >> 24 | 1);
}

static int read_below(void *context, uint64_t virt_off, void *buffer, size_t len,
                      struct qed_error *error)
{
    const struct disk *disk = context;

    if (virt_off > disk->size || len > disk->size - virt_off)
        return qed_fail(error, QED_ERR_INVALID, "read past the end of the image");
    fill_below(virt_off, buffer, len);
    return QED_OK;
}

static void start(struct disk *disk)
{
    struct qed_error error = QED_ERROR_INIT;

    disk->image = unit_open(disk->io, true);
    struct qed_writer_options options = {.commit = {.durability = disk->durability},
                                         .read_below = disk->has_below ? read_below : NULL,
                                         .below_context = disk};

    ck_assert_msg(qed_writer_new(&disk->writer, disk->image, &options, &error) == QED_OK, "%s",
                  error.text);
}

static void stop(struct disk *disk)
{
    ck_assert_int_eq(qed_writer_finish(disk->writer, NULL), QED_OK);
    qed_writer_free(disk->writer);
    qed_close(disk->image);
}

static struct disk new_disk(const struct unit_image *spec, bool has_below)
{
    struct disk disk = {.io = unit_image_new(spec),
                        .has_below = has_below,
                        .size = spec->image_size,
                        .expected = calloc(1, (size_t)spec->image_size),
                        .found = malloc((size_t)spec->image_size)};

    ck_assert(disk.expected && disk.found);
    if (has_below)
        fill_below(0, disk.expected, (size_t)spec->image_size);
    return disk;
}

static void free_disk(struct disk *disk)
{
    io_close(disk->io);
    free(disk->expected);
    free(disk->found);
}

static void put(struct disk *disk, uint64_t virt_off, size_t len, uint8_t value)
{
    struct qed_error error = QED_ERROR_INIT;

    memset(disk->expected + virt_off, value, len);
    ck_assert_msg(
        qed_writer_write(disk->writer, virt_off, disk->expected + virt_off, len, &error) == QED_OK,
        "%s", error.text);
}

static void zero(struct disk *disk, uint64_t virt_off, size_t len)
{
    struct qed_error error = QED_ERROR_INIT;

    memset(disk->expected + virt_off, 0, len);
    ck_assert_msg(qed_writer_zero(disk->writer, virt_off, len, &error) == QED_OK, "%s", error.text);
}

static void check_guest(struct disk *disk)
{
    for (uint64_t at = 0; at < disk->size;) {
        struct extent run;

        ck_assert_int_eq(qed_lookup_run(disk->image, at, disk->size - at, &run, NULL), QED_OK);
        if (run.kind == EXTENT_UNALLOCATED && disk->has_below)
            fill_below(at, disk->found + at, (size_t)run.length);
        else
            unit_read_guest(disk->image, at, disk->found + at, (size_t)run.length);
        at += run.length;
    }
    for (uint64_t i = 0; i < disk->size; i += 512) {
        if (memcmp(disk->found + i, disk->expected + i, 512) != 0)
            ck_abort_msg("the sector at %" PRIu64 " differs", i);
    }
}

static void check_closed(struct disk *disk)
{
    struct qed_check_totals totals = unit_check(disk->io);
    struct qed_image *image = unit_open(disk->io, false);

    ck_assert_uint_eq(totals.corruptions, 0);
    ck_assert_uint_eq(totals.leaks, 0);
    ck_assert(!qed_needs_check(image));
    qed_close(image);
}

static void random_step(struct disk *disk, struct unit_random *random)
{
    uint64_t cluster = disk->image->geometry.cluster_size;
    uint64_t at = unit_random_below(random, disk->size);
    uint64_t len = 1 + unit_random_below(random, 5 * cluster);

    if (unit_random_below(random, 3) == 0)
        at = round_down(at, cluster);
    if (unit_random_below(random, 8) == 0)
        at = round_down(at, SPAN);
    if (unit_random_below(random, 3) == 0)
        len = round_down(len, cluster);
    if (unit_random_below(random, 6) == 0)
        at = disk->size - min_u64(len, disk->size);
    len = min_u64(len, disk->size - at);
    switch (unit_random_below(random, 8)) {
    case 0:
        ck_assert_int_eq(qed_writer_flush(disk->writer, NULL), QED_OK);
        break;
    case 1:
    case 2:
    case 3:
        zero(disk, at, (size_t)len);
        break;
    default:
        put(disk, at, (size_t)len, (uint8_t)unit_random(random));
    }
}

START_TEST(random_writes_read_back)
{
    static const struct unit_image specs[] = {
        {.image_size = 5 << 20, .header_size = 2},
        {.image_size = (6 << 20) + 512, .table_size = 2, .header_size = 3},
        {.image_size = (3 << 20) + 1536, .cluster_size = 8192, .header_size = 2},
        {.image_size = (3 << 20) - 512, .cluster_size = 65536, .table_size = 4},
        {.image_size = 5 << 20, .cluster_size = 1 << 20},
        {.image_size = 512, .header_size = 2},
    };
    size_t spec_count = sizeof(specs) / sizeof(specs[0]);
    struct unit_random random = {_i};
    struct disk disk = new_disk(&specs[(size_t)_i / 2 % spec_count], _i % 2);

    disk.durability = (enum qed_durability)(_i / 2 / (int)spec_count % QED_DURABILITY_COUNT);
    for (int session = 0; session < 3; session++) {
        start(&disk);
        for (int i = 0; i < 25; i++)
            random_step(&disk, &random);
        check_guest(&disk);
        stop(&disk);
        check_closed(&disk);
    }
    disk.image = unit_open(disk.io, false);
    check_guest(&disk);
    qed_close(disk.image);
    free_disk(&disk);
}
END_TEST

static void check_kind(struct disk *disk, uint64_t virt_off, enum extent_kind kind)
{
    struct extent run;

    ck_assert_int_eq(qed_lookup_run(disk->image, virt_off, 1, &run, NULL), QED_OK);
    ck_assert_int_eq(run.kind, kind);
}

START_TEST(part_of_a_new_cluster_brings_the_rest_from_below)
{
    struct unit_image spec = {.image_size = 16 * C};

    for (int has_below = 0; has_below < 2; has_below++) {
        struct disk disk = new_disk(&spec, has_below);

        start(&disk);
        put(&disk, 3 * C + 100, 50, 0xaa);
        put(&disk, 5 * C, 1, 0xab);
        put(&disk, 8 * C - 1, 2, 0xac);
        check_kind(&disk, 3 * C, EXTENT_DATA);
        check_kind(&disk, 4 * C, EXTENT_UNALLOCATED);
        check_guest(&disk);
        stop(&disk);
        check_closed(&disk);
        free_disk(&disk);
    }
}
END_TEST

START_TEST(part_of_a_zero_cluster_leaves_the_rest_zero)
{
    struct unit_image spec = {.image_size = 16 * C};
    struct disk disk = new_disk(&spec, true);

    start(&disk);
    zero(&disk, 2 * C, 3 * C);
    put(&disk, 3 * C + 7, 9, 0x55);
    check_kind(&disk, 2 * C, EXTENT_ZERO);
    check_kind(&disk, 3 * C, EXTENT_DATA);
    check_kind(&disk, 4 * C, EXTENT_ZERO);
    check_guest(&disk);
    stop(&disk);
    check_closed(&disk);
    free_disk(&disk);
}
END_TEST

START_TEST(zeroes_over_something_below_are_zero_clusters)
{
    struct unit_image spec = {.image_size = 16 * C + 512};
    struct disk disk = new_disk(&spec, true);

    start(&disk);
    zero(&disk, 2 * C + 100, 4 * C);
    check_kind(&disk, 2 * C, EXTENT_DATA);
    check_kind(&disk, 3 * C, EXTENT_ZERO);
    check_kind(&disk, 5 * C, EXTENT_ZERO);
    check_kind(&disk, 6 * C, EXTENT_DATA);
    zero(&disk, 15 * C, C + 512);
    check_kind(&disk, 15 * C, EXTENT_ZERO);
    check_kind(&disk, 16 * C, EXTENT_ZERO); /* short, but it is all there is */
    check_guest(&disk);
    stop(&disk);
    check_closed(&disk);
    free_disk(&disk);
}
END_TEST

START_TEST(zeroing_what_reads_as_zeroes_writes_nothing)
{
    struct unit_image spec = {.image_size = 4 * SPAN};
    struct disk disk = new_disk(&spec, false);

    start(&disk);
    io_mem_reset_counts(disk.io);
    zero(&disk, 0, 4 * SPAN);
    zero(&disk, 77, 5);
    stop(&disk);
    ck_assert_uint_eq(io_mem_counts(disk.io).writes, 0);
    ck_assert_uint_eq(io_mem_counts(disk.io).set_lengths, 0);
    check_closed(&disk);
    free_disk(&disk);
    disk = new_disk(&spec, true);
    start(&disk);
    zero(&disk, 2 * C, 4 * C);
    ck_assert_int_eq(qed_writer_flush(disk.writer, NULL), QED_OK);
    io_mem_reset_counts(disk.io);
    zero(&disk, 2 * C + 5, 3 * C);
    ck_assert_int_eq(qed_writer_flush(disk.writer, NULL), QED_OK);
    ck_assert_uint_eq(io_mem_counts(disk.io).writes, 0);
    stop(&disk);
    free_disk(&disk);
}
END_TEST

START_TEST(allocated_clusters_are_zeroed_and_overwritten_in_place)
{
    struct unit_image spec = {.image_size = 16 * C};
    struct disk disk = new_disk(&spec, false);
    uint64_t length, length_after;

    start(&disk);
    put(&disk, 0, 4 * C, 0x11);
    ck_assert_int_eq(qed_writer_flush(disk.writer, NULL), QED_OK);
    ck_assert_int_eq(io_get_length(disk.io, &length, NULL), QED_OK);
    io_mem_reset_counts(disk.io);
    zero(&disk, 100, 2 * C);
    put(&disk, C, 10, 0x22);
    ck_assert_int_eq(qed_writer_flush(disk.writer, NULL), QED_OK);
    ck_assert_uint_eq(io_mem_counts(disk.io).writes, 1); /* no table, no header */
    ck_assert_uint_eq(io_mem_counts(disk.io).zeroes, 1);
    ck_assert_int_eq(io_get_length(disk.io, &length_after, NULL), QED_OK);
    ck_assert_uint_eq(length, length_after);
    check_kind(&disk, 0, EXTENT_DATA);
    check_guest(&disk);
    stop(&disk);
    check_closed(&disk);
    free_disk(&disk);
}
END_TEST

START_TEST(ranges_past_the_end_are_refused)
{
    struct unit_image spec = {.image_size = 16 * C};
    struct disk disk = new_disk(&spec, false);
    uint8_t bytes[1024] = {1};

    start(&disk);
    io_mem_reset_counts(disk.io);
    ck_assert_int_eq(qed_writer_write(disk.writer, 16 * C - 512, bytes, 1024, NULL),
                     QED_ERR_INVALID);
    ck_assert_int_eq(qed_writer_write(disk.writer, UINT64_MAX, bytes, 1, NULL), QED_ERR_INVALID);
    ck_assert_int_eq(qed_writer_zero(disk.writer, 16 * C, 1, NULL), QED_ERR_INVALID);
    ck_assert_int_eq(qed_writer_zero(disk.writer, 1, UINT64_MAX, NULL), QED_ERR_INVALID);
    ck_assert_int_eq(qed_writer_write(disk.writer, 16 * C, bytes, 0, NULL), QED_OK);
    ck_assert_uint_eq(io_mem_counts(disk.io).writes, 0);
    check_guest(&disk);
    stop(&disk);
    free_disk(&disk);
}
END_TEST

START_TEST(an_image_that_needs_a_check_is_not_written)
{
    struct unit_image spec = {.image_size = 16 * C, .features = QED_FEATURE_NEED_CHECK};
    struct io *io = unit_image_new(&spec);
    struct qed_image *image = unit_open(io, true);
    struct qed_writer *writer = NULL;

    ck_assert_int_eq(qed_writer_new(&writer, image, NULL, NULL), QED_ERR_CORRUPT);
    ck_assert_ptr_null(writer);
    qed_writer_free(NULL);
    qed_close(image);
    io_close(io);
}
END_TEST

START_TEST(unknown_autoclear_bits_are_cleared_before_anything_is_written)
{
    struct unit_image spec = {.image_size = 16 * C};
    struct disk disk = new_disk(&spec, false);

    unit_put64(disk.io, 32, 6);
    start(&disk);
    ck_assert_uint_eq(unit_get64(disk.io, 32), 0);
    stop(&disk);
    free_disk(&disk);
}
END_TEST

START_TEST(invalid_entries_are_told_and_not_written_through)
{
    struct unit_image spec = {.image_size = 2 * SPAN, .clusters = 6};
    struct disk disk = new_disk(&spec, false);
    uint8_t bytes[512] = {1};

    unit_put_entry(disk.io, C, 0, 3 * C);
    unit_put_entry(disk.io, 3 * C, 4, 100 * C);
    unit_put_entry(disk.io, C, 1, 7);
    start(&disk);
    io_mem_reset_counts(disk.io);
    ck_assert_int_eq(qed_writer_write(disk.writer, 4 * C, bytes, 512, NULL), QED_ERR_CORRUPT);
    ck_assert_int_eq(qed_writer_zero(disk.writer, 4 * C + 5, 512, NULL), QED_ERR_CORRUPT);
    ck_assert_int_eq(qed_writer_write(disk.writer, SPAN, bytes, 512, NULL), QED_ERR_CORRUPT);
    ck_assert_uint_eq(io_mem_counts(disk.io).writes, 0);
    stop(&disk);
    free_disk(&disk);
}
END_TEST

START_TEST(gathered_entries_are_written_before_they_grow_large)
{
    uint64_t tables = 140, span = 8192 * C; /* tables of 64 KiB: 8 MiB are 128 of them */
    struct unit_image spec = {.image_size = tables * span, .table_size = 16};
    struct io *io = unit_image_new(&spec);
    struct qed_image *image = unit_open(io, true);
    struct qed_writer *writer = NULL;
    struct qed_check_totals totals;
    uint8_t bytes[512] = {1};
    size_t most = 0;

    ck_assert_int_eq(qed_writer_new(&writer, image, NULL, NULL), QED_OK);
    for (uint64_t i = 0; i < tables; i++) {
        ck_assert_int_eq(qed_writer_write(writer, i * span + i * C, bytes, 512, NULL), QED_OK);
        if (qed_table_dirty_bytes(image->tables) > most)
            most = qed_table_dirty_bytes(image->tables);
    }
    ck_assert_uint_le(most, (size_t)8 << 20);
    ck_assert_uint_ne(unit_get_entry(io, C, 0), 0);
    ck_assert_int_eq(qed_writer_finish(writer, NULL), QED_OK);
    qed_writer_free(writer);
    qed_close(image);
    totals = unit_check(io);
    ck_assert_uint_eq(totals.allocated_clusters, tables);
    ck_assert_uint_eq(totals.corruptions + totals.leaks, 0);
    io_close(io);
}
END_TEST

START_TEST(what_was_not_flushed_is_dropped)
{
    struct unit_image spec = {.image_size = 16 * C};
    struct disk disk = new_disk(&spec, false);

    start(&disk);
    put(&disk, 0, C, 1);
    qed_writer_free(disk.writer);
    qed_close(disk.image);
    disk.image = unit_open(disk.io, false);
    ck_assert(!qed_needs_check(disk.image)); /* no entry was written */
    check_kind(&disk, 0, EXTENT_UNALLOCATED);
    qed_close(disk.image);
    ck_assert_uint_eq(unit_check(disk.io).corruptions, 0);
    free_disk(&disk);
}
END_TEST

START_TEST(a_failure_below_is_passed_on_and_leaves_the_cluster_as_it_was)
{
    struct unit_image spec = {.image_size = 16 * C};
    struct disk disk = new_disk(&spec, true);
    uint8_t byte = 9;

    start(&disk);
    disk.size = 0; /* now there is nothing that could be read below */
    ck_assert_int_eq(qed_writer_write(disk.writer, 5 * C + 5, &byte, 1, NULL), QED_ERR_INVALID);
    disk.size = spec.image_size;
    check_kind(&disk, 5 * C, EXTENT_UNALLOCATED);
    check_guest(&disk);
    stop(&disk);
    ck_assert_uint_eq(unit_check(disk.io).corruptions, 0);
    free_disk(&disk);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("qed_write");

    tcase_add_loop_test(tests, random_writes_read_back, 0, 120);
    tcase_add_test(tests, part_of_a_new_cluster_brings_the_rest_from_below);
    tcase_add_test(tests, part_of_a_zero_cluster_leaves_the_rest_zero);
    tcase_add_test(tests, zeroes_over_something_below_are_zero_clusters);
    tcase_add_test(tests, zeroing_what_reads_as_zeroes_writes_nothing);
    tcase_add_test(tests, allocated_clusters_are_zeroed_and_overwritten_in_place);
    tcase_add_test(tests, ranges_past_the_end_are_refused);
    tcase_add_test(tests, an_image_that_needs_a_check_is_not_written);
    tcase_add_test(tests, unknown_autoclear_bits_are_cleared_before_anything_is_written);
    tcase_add_test(tests, invalid_entries_are_told_and_not_written_through);
    tcase_add_test(tests, gathered_entries_are_written_before_they_grow_large);
    tcase_add_test(tests, what_was_not_flushed_is_dropped);
    tcase_add_test(tests, a_failure_below_is_passed_on_and_leaves_the_cluster_as_it_was);
    return unit_run(tests);
}
