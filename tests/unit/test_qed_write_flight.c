/*
 * Guest writes, many at once. What is in flight when the power fails is in tests/crash.
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "format/qed_write.h"
#include "support/io_mem.h"
#include "support/unit.h"

#define C 4096
#define SIZE (16 * C)
#define COUNT 5

struct disk {
    struct io *io;
    struct qed_image *image;
    struct qed_writer *writer;
    struct qed_write_request requests[COUNT];
    size_t begun;
    uint8_t expected[SIZE];
    uint8_t bytes[COUNT][4 * C];
};

static void start(struct disk *disk)
{
    struct unit_image spec = {.image_size = SIZE};
    struct qed_writer_options options = {.depth = COUNT};

    memset(disk, 0, sizeof(*disk));
    disk->io = unit_image_new(&spec);
    disk->image = unit_open(disk->io, true);
    ck_assert_int_eq(qed_writer_new(&disk->writer, disk->image, &options, NULL), QED_OK);
}

static void begin(struct disk *disk, enum qed_write_op op, uint64_t virt_off, size_t len,
                  uint8_t value)
{
    struct qed_write_request *request = &disk->requests[disk->begun];
    uint8_t *bytes = disk->bytes[disk->begun++];

    memset(bytes, value, len);
    memset(disk->expected + virt_off, value, len);
    *request = (struct qed_write_request){
        .op = op, .virt_off = virt_off, .len = len, .buffer = bytes, .status = 1};
    qed_writer_submit(disk->writer, request);
}

/* Each request is given back once, and has succeeded. */
static void wait_for_all(struct disk *disk)
{
    struct qed_write_request *request;
    size_t count = 0;

    while ((request = qed_writer_wait(disk->writer))) {
        ck_assert_int_eq(request->status, QED_OK);
        request->status = 1;
        count++;
    }
    ck_assert_uint_eq(count, disk->begun);
}

/* All is there, and no cluster was taken twice or for nothing. */
static void finish(struct disk *disk, uint64_t allocated)
{
    uint8_t found[SIZE];
    struct qed_check_totals totals;

    unit_read_guest(disk->image, 0, found, SIZE);
    ck_assert_mem_eq(found, disk->expected, SIZE);
    ck_assert_int_eq(qed_writer_finish(disk->writer, NULL), QED_OK);
    qed_writer_free(disk->writer);
    qed_close(disk->image);
    totals = unit_check(disk->io);
    ck_assert_uint_eq(totals.corruptions + totals.leaks, 0);
    ck_assert_uint_eq(totals.allocated_clusters, allocated);
    io_close(disk->io);
}

static void check_states(const struct disk *disk, const enum qed_write_state *states)
{
    for (size_t i = 0; i < disk->begun; i++)
        ck_assert_msg(disk->requests[i].state == states[i], "request %zu", i);
}

START_TEST(requests_on_a_cluster_that_is_being_allocated_wait)
{
    static const enum qed_write_state states[] = {QED_WRITE_NEW, QED_WRITE_WAITING,
                                                  QED_WRITE_WAITING, QED_WRITE_NEW, QED_WRITE_NEW};
    struct disk disk;

    start(&disk);
    begin(&disk, QED_WRITE_DATA, 2 * C + 512, 2 * C, 1);
    begin(&disk, QED_WRITE_DATA, 4 * C + 1024, 512, 2);
    begin(&disk, QED_WRITE_ZEROES, 3 * C + 700, 800, 0);
    begin(&disk, QED_WRITE_DATA, C, 2 * C, 3); /* its first cluster is nobody's */
    begin(&disk, QED_WRITE_DATA, 9 * C, C, 4); /* has nothing to do with them */
    check_states(&disk, states);
    wait_for_all(&disk);
    finish(&disk, 5);
}
END_TEST

START_TEST(those_that_waited_go_on_where_others_have_allocated)
{
    static const enum qed_write_state states[] = {QED_WRITE_NEW, QED_WRITE_WAITING, QED_WRITE_NEW,
                                                  QED_WRITE_WAITING, QED_WRITE_NEW};
    struct disk disk;

    start(&disk);
    begin(&disk, QED_WRITE_DATA, 0, 3 * C + 100, 1);
    for (uint8_t i = 1; i < COUNT; i++) /* each begins in the last cluster of the one before */
        begin(&disk, QED_WRITE_DATA, (2 + i) * C + 200, C - 100, i + 1);
    check_states(&disk, states);
    wait_for_all(&disk);
    finish(&disk, 8);
}
END_TEST

START_TEST(allocated_clusters_keep_nobody_waiting)
{
    static const enum qed_write_state states[] = {QED_WRITE_IN_PLACE, QED_WRITE_IN_PLACE,
                                                  QED_WRITE_IDLE};
    struct disk disk;

    start(&disk);
    begin(&disk, QED_WRITE_DATA, 0, 4 * C, 1);
    wait_for_all(&disk);
    disk.begun = 0;
    begin(&disk, QED_WRITE_DATA, 100, C, 2);
    begin(&disk, QED_WRITE_DATA, C + 100, C, 3);
    begin(&disk, QED_WRITE_ZEROES, 2 * C + 100, 50, 0);
    check_states(&disk, states);
    wait_for_all(&disk);
    finish(&disk, 4);
}
END_TEST

START_TEST(zeroes_over_a_cluster_that_is_being_allocated_come_after_it)
{
    struct disk disk;

    start(&disk);
    begin(&disk, QED_WRITE_DATA, C, C, 1);
    begin(&disk, QED_WRITE_ZEROES, 0, 3 * C, 0);
    wait_for_all(&disk);
    finish(&disk, 1);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("qed_write_flight");

    tcase_add_test(tests, requests_on_a_cluster_that_is_being_allocated_wait);
    tcase_add_test(tests, those_that_waited_go_on_where_others_have_allocated);
    tcase_add_test(tests, allocated_clusters_keep_nobody_waiting);
    tcase_add_test(tests, zeroes_over_a_cluster_that_is_being_allocated_come_after_it);
    return unit_run(tests);
}
