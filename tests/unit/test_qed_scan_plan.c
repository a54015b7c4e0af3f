/*
 * What a plan says is what a scan reads: the same requests, in the same order.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_scan_plan.h"

#include <stdlib.h>

#include "support/io_mem.h"
#include "support/unit.h"

#define C UINT64_C(4096)

/* Hands all on to a file in memory, and notes what is read. */
struct recorder {
    struct io io;
    struct io *below;
    struct qed_scan_request *seen;
    size_t count, room;
};

static struct recorder *to_recorder(struct io *io)
{
    return (struct recorder *)io;
}

static int record_read(struct io *io, void *buffer, size_t len, uint64_t file_off,
                       struct qed_error *error)
{
    struct recorder *recorder = to_recorder(io);

    if (recorder->count < recorder->room)
        recorder->seen[recorder->count] =
            (struct qed_scan_request){.file_off = file_off, .len = len};
    recorder->count++;
    return io_read(recorder->below, buffer, len, file_off, error);
}

static int record_get_length(struct io *io, uint64_t *length, struct qed_error *error)
{
    return io_get_length(to_recorder(io)->below, length, error);
}

static int record_next_run(struct io *io, uint64_t file_off, struct io_run *run,
                           struct qed_error *error)
{
    return io_next_run(to_recorder(io)->below, file_off, run, error);
}

static const struct io_ops recorder_ops = {
    .read = record_read, .get_length = record_get_length, .next_run = record_next_run};

static int ignore(void *context, const struct qed_scan_piece *piece, struct qed_error *error)
{
    (void)context;
    (void)piece;
    (void)error;
    return QED_OK;
}

/* A random image with tables here and there, side by side and apart, with holes in them. */
static struct io *random_image(struct unit_random *random, struct qed_scan_list *list)
{
    static const uint32_t clusters[] = {4096, 65536, 1 << 20};
    static const uint32_t table_sizes[] = {1, 4, 16};
    struct unit_image spec = {.image_size = 1 << 20,
                              .cluster_size = clusters[unit_random_below(random, 3)],
                              .table_size = table_sizes[unit_random_below(random, 3)]};
    uint64_t table_bytes = (uint64_t)spec.cluster_size * spec.table_size;
    size_t count = unit_random_below(random, table_bytes > 1 << 20 ? 4 : 300);
    uint64_t at;
    struct io *io;

    spec.clusters = 1 + spec.table_size + 3 * spec.table_size * (count + 1);
    at = (1 + spec.table_size) * (uint64_t)spec.cluster_size;
    io = unit_image_new(&spec);
    for (size_t i = 0; i < count; i++) {
        ck_assert_int_eq(qed_scan_list_add(list, i, at, NULL), QED_OK);
        for (uint64_t page = 0; page < table_bytes / C && page < 200; page++) {
            uint64_t place = unit_random_below(random, table_bytes / C) * C;

            if (unit_random_below(random, 4) != 0)
                unit_put64(io, at + place, 1);
        }
        at += table_bytes * (unit_random_below(random, 4) == 0 ? 2 : 1);
    }
    return io;
}

static void compare(struct unit_random *random, const struct qed_scan_options *options)
{
    struct recorder recorder = {.io = {.ops = &recorder_ops}};
    struct qed_scan_list list = {0};
    struct qed_scan_plan plan = {0};
    struct qed_image *image;
    uint64_t bytes = 0;

    recorder.below = random_image(random, &list);
    image = unit_open(&recorder.io, false);
    ck_assert_int_eq(qed_scan_plan(image, &list, options, &plan, NULL), QED_OK);
    recorder.room = plan.count;
    recorder.seen = calloc(plan.count + 1, sizeof(*recorder.seen));
    recorder.count = 0;
    ck_assert_ptr_nonnull(recorder.seen);
    ck_assert_int_eq(qed_scan_l2(image, &list, options, ignore, NULL, NULL, NULL), QED_OK);
    ck_assert_uint_eq(recorder.count, plan.count);
    for (size_t i = 0; i < plan.count; i++) {
        ck_assert_uint_eq(recorder.seen[i].file_off, plan.requests[i].file_off);
        ck_assert_uint_eq(recorder.seen[i].len, plan.requests[i].len);
        bytes += plan.requests[i].len;
    }
    ck_assert_uint_eq(plan.bytes, bytes);
    ck_assert_uint_ge(plan.depth, 1);
    qed_scan_plan_free(&plan);
    qed_scan_list_free(&list);
    qed_close(image);
    io_close(recorder.below);
    free(recorder.seen);
}

START_TEST(a_scan_reads_what_was_planned)
{
    struct qed_scan_options options = {.queue = IO_QUEUE_SYNC, .threads = 1};
    struct unit_random random = {11};

    for (int i = 0; i < 30; i++) {
        options.memory = unit_random_below(&random, 2) ? QED_SCAN_MEMORY_MIN : 0;
        compare(&random, &options);
    }
}
END_TEST

START_TEST(short_scans_too)
{
    struct unit_random random = {5};
    struct io *io = NULL;

    for (int i = 0; i < 30; i++) {
        struct qed_scan_list list = {0};
        struct qed_scan_plan plan = {0};
        struct qed_image *image;

        io = random_image(&random, &list);
        image = unit_open(io, false);
        if (qed_scan_is_short(&list, NULL, image->geometry.table_bytes)) {
            io_mem_reset_counts(io);
            ck_assert_int_eq(qed_scan_plan(image, &list, NULL, &plan, NULL), QED_OK);
            ck_assert_uint_eq(io_mem_counts(io).reads, 0);
            ck_assert_int_eq(qed_scan_l2(image, &list, NULL, ignore, NULL, NULL, NULL), QED_OK);
            ck_assert_uint_eq(io_mem_counts(io).reads, plan.count);
            ck_assert_uint_eq(io_mem_counts(io).bytes_read, plan.bytes);
        }
        qed_scan_plan_free(&plan);
        qed_scan_list_free(&list);
        qed_close(image);
        io_close(io);
    }
}
END_TEST

START_TEST(qemu_reads_each_table_as_a_whole_in_the_order_of_the_l1)
{
    struct io *io = unit_image_new(&(struct unit_image){.image_size = 1 << 20, .clusters = 20});
    struct qed_image *image = unit_open(io, false);
    struct qed_scan_list list = {0};
    struct qed_scan_plan plan = {0};

    ck_assert_int_eq(qed_scan_list_add(&list, 0, 9 * C, NULL), QED_OK);
    ck_assert_int_eq(qed_scan_list_add(&list, 1, 3 * C, NULL), QED_OK);
    ck_assert_int_eq(qed_scan_plan_qemu(image, &list, &plan, NULL), QED_OK);
    ck_assert_uint_eq(plan.count, 2);
    ck_assert_uint_eq(plan.depth, 1);
    ck_assert_uint_eq(plan.requests[0].file_off, 9 * C);
    ck_assert_uint_eq(plan.requests[1].file_off, 3 * C);
    ck_assert_uint_eq(plan.requests[0].len, image->geometry.table_bytes);
    ck_assert_uint_eq(plan.bytes, 2 * image->geometry.table_bytes);
    qed_scan_plan_free(&plan);
    qed_scan_list_free(&list);
    qed_close(image);
    io_close(io);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("qed_scan_plan");

    tcase_add_test(tcase, a_scan_reads_what_was_planned);
    tcase_add_test(tcase, short_scans_too);
    tcase_add_test(tcase, qemu_reads_each_table_as_a_whole_in_the_order_of_the_l1);
    return unit_run(tcase);
}
