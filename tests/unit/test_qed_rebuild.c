/*
 * Headers that make no sense: what is found in their place, what is kept, and what is refused.
 * Every flip of a single bit is in test_qed_rebuild_flips.c.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_rebuild.h"

#include <stdlib.h>
#include <string.h>

#include "support/io_fault.h"
#include "support/io_mem.h"
#include "support/unit.h"

#define C UINT64_C(65536)
#define T 4
#define L1 C
#define SPAN (C * C * T / 8)
#define GIB (UINT64_C(1) << 30)

/* Places of header fields. */
#define CLUSTER_SIZE 4
#define L1_OFFSET 40

static uint64_t add_clusters(struct io *io, uint64_t count)
{
    uint64_t length = 0;

    ck_assert_int_eq(io_get_length(io, &length, NULL), QED_OK);
    ck_assert_int_eq(io_set_length(io, length + count * C, NULL), QED_OK);
    return length;
}

/* A cluster of noise, as far as its first sector goes. */
static uint64_t add_data(struct io *io, struct unit_random *random)
{
    uint64_t at = add_clusters(io, 1);

    for (unsigned int i = 0; i < 64; i++)
        unit_put_entry(io, at, i, unit_random(random));
    return at;
}

/* A table in the order in which QEMU allocates: the first data cluster comes before it. */
static uint64_t add_table(struct io *io, uint64_t l1, uint64_t l1_index, uint64_t count,
                          struct unit_random *random)
{
    uint64_t first = add_data(io, random), table = add_clusters(io, T);

    unit_put_entry(io, l1, l1_index, table);
    unit_put_entry(io, table, 0, first);
    for (uint64_t i = 1; i < count; i++)
        unit_put_entry(io, table, i, add_data(io, random));
    return table;
}

static struct io *new_image(void)
{
    struct unit_image spec = {.image_size = 10 * GIB, .cluster_size = C, .table_size = T};
    struct unit_random random = {.state = 1};
    struct io *io = unit_image_new(&spec);

    add_table(io, L1, 0, 25, &random);
    add_table(io, L1, 3, 9, &random);
    return io;
}

static void lose_header(struct io *io)
{
    unit_fill(io, 0, 512, 0);
}

static struct qed_rebuild rebuild_with(struct io *io, const struct qed_rebuild_options *options)
{
    struct qed_error error = QED_ERROR_INIT;
    struct qed_rebuild found;

    ck_assert_msg(qed_rebuild_header(io, options, &found, &error) == QED_OK, "%s", error.text);
    return found;
}

/* Rebuild an image with the geometry of new_image. */
static struct qed_rebuild rebuild(struct io *io)
{
    struct qed_rebuild found = rebuild_with(io, NULL);

    ck_assert_uint_eq(found.header.magic, QED_MAGIC);
    ck_assert_uint_eq(found.header.cluster_size, C);
    ck_assert_uint_eq(found.header.table_size, T);
    ck_assert_uint_eq(found.header.header_size, 1);
    ck_assert_uint_eq(found.header.l1_table_offset, L1);
    return found;
}

static bool says(const struct qed_rebuild *found, const char *words)
{
    for (size_t i = 0; i < found->evidence_count; i++) {
        if (strstr(found->evidence[i], words))
            return true;
    }
    return false;
}

static void refuse(struct io *io)
{
    struct qed_rebuild found;

    ck_assert_int_eq(qed_rebuild_header(io, NULL, &found, NULL), QED_ERR_HEADER);
    ck_assert_uint_lt(found.confidence, QED_REBUILD_CONFIDENCE_MIN);
    io_close(io);
}

START_TEST(the_evidence_is_told)
{
    struct io *io = new_image();
    struct qed_rebuild found;

    lose_header(io);
    found = rebuild(io);
    ck_assert(says(&found, "L1 table at 0x10000: 2 of 2 entries name L2 tables"));
    ck_assert(says(&found, "L2 entries: 34 of 34 are multiples of 65536"));
    ck_assert(says(&found, "100.0 % of the file's 46 clusters are accounted for, none twice"));
    ck_assert(says(&found, "nothing in it is trusted"));
    ck_assert_uint_eq(found.change_count, 6);
    ck_assert_str_eq(found.changes[0].field, "magic");
    ck_assert_uint_eq(found.changes[0].from, 0);
    ck_assert_uint_eq(found.changes[0].to, QED_MAGIC);
    ck_assert_str_eq(found.changes[5].field, "image_size");
    ck_assert_uint_eq(found.changes[5].to, 3 * SPAN + 9 * C);
    io_close(io);
}
END_TEST

START_TEST(leaks_and_damage_lessen_the_confidence)
{
    struct io *io = new_image();
    struct unit_random random = {.state = 2};
    struct qed_rebuild found;

    for (int i = 0; i < 10; i++)
        add_data(io, &random);
    unit_put_entry(io, 6 * C, 3, 0x1234567);
    unit_put_entry(io, 6 * C, 4, 5 * C); /* twice */
    lose_header(io);
    found = rebuild(io);
    ck_assert_uint_lt(found.confidence, 80);
    ck_assert(says(&found, "78.6 % of the file's 56 clusters are accounted for, 1 of them twice"));
    io_close(io);
}
END_TEST

START_TEST(an_l1_offset_that_is_valid_but_wrong_is_found)
{
    static const uint64_t wrong[] = {5 * C, 6 * C, 12 * C, 35 * C, 42 * C};
    struct io *io = new_image();

    unit_put64(io, L1_OFFSET, wrong[_i]);
    ck_assert_uint_eq(rebuild(io).change_count, 1);
    io_close(io);
}
END_TEST

/* Where no writer puts it, it takes a pass over the file. */
START_TEST(an_l1_anywhere_is_found)
{
    static const uint64_t header_sizes[] = {2, 3, 9, 16};
    struct unit_image spec = {.image_size = 10 * GIB,
                              .cluster_size = C,
                              .table_size = T,
                              .header_size = (uint32_t)header_sizes[_i]};
    struct unit_random random = {.state = 1};
    struct io *io = unit_image_new(&spec);
    uint64_t l1 = header_sizes[_i] * C, noise;
    struct qed_rebuild found;

    for (uint64_t i = 0; i < 4; i++)
        add_table(io, l1, i, 10, &random);
    noise = add_clusters(io, 1); /* with a few words that could be entries */
    for (uint64_t i = 0; i < 23; i++)
        unit_put_entry(io, noise, i, i < 3 ? i * C : unit_random(&random));
    lose_header(io);
    found = rebuild_with(io, NULL);
    ck_assert_uint_eq(found.header.cluster_size, C);
    ck_assert_uint_eq(found.header.table_size, T);
    ck_assert_uint_eq(found.header.l1_table_offset, l1);
    ck_assert_uint_eq(found.header.header_size, header_sizes[_i]);
    ck_assert(says(&found, "5 pages look like tables, 1 like an L1 table"));
    io_close(io);
}
END_TEST

START_TEST(an_image_inside_the_guest_is_not_taken_for_it)
{
    struct io *io = new_image(), *inner = new_image();
    uint64_t length = 0, table = 6 * C;
    uint8_t *bytes;

    ck_assert_int_eq(io_get_length(inner, &length, NULL), QED_OK);
    bytes = malloc((size_t)length);
    ck_assert_ptr_nonnull(bytes);
    ck_assert_int_eq(io_read(inner, bytes, (size_t)length, 0, NULL), QED_OK);
    for (uint64_t copy = 0; copy < 4; copy++) {
        uint64_t at = add_clusters(io, length / C);

        ck_assert_int_eq(io_write(io, bytes, (size_t)length, at, NULL), QED_OK);
        for (uint64_t i = 0; i < length / C; i++)
            unit_put_entry(io, table, 100 + copy * 50 + i, at + i * C);
    }
    lose_header(io);
    ck_assert_uint_ge(rebuild(io).confidence, 90);
    free(bytes);
    io_close(inner);
    io_close(io);
}
END_TEST

START_TEST(a_file_that_was_cut_is_found)
{
    struct io *io = new_image();
    struct qed_rebuild found;

    ck_assert_int_eq(io_set_length(io, 44 * C, NULL), QED_OK);
    unit_fill(io, CLUSTER_SIZE, 4, 0);
    found = rebuild(io);
    ck_assert(says(&found, "3 L2 entries point past the end of the file"));
    io_close(io);
}
END_TEST

/* No entry says anything: the L1 lies where the other fields put it. */
START_TEST(without_any_table_the_header_alone_tells)
{
    struct unit_image spec = {.image_size = GIB, .cluster_size = C, .table_size = T};
    struct unit_random random = {.state = 4};
    struct io *io = unit_image_new(&spec);

    for (int i = 0; i < 40; i++)
        add_data(io, &random); /* leaks */
    unit_fill(io, CLUSTER_SIZE, 4, 0);
    ck_assert_uint_lt(rebuild(io).confidence, 60);
    io_close(io);
}
END_TEST

/* An L1 that was overwritten is no reason to distrust the header. */
START_TEST(a_header_is_kept_where_the_l1_is_nonsense)
{
    struct io *io = new_image();

    unit_fill(io, L1, T * C, 'a');
    ck_assert_uint_eq(rebuild(io).change_count, 0);
    io_close(io);
}
END_TEST

START_TEST(what_is_no_image_is_refused)
{
    struct unit_random random = {.state = 3};
    struct io *io = io_mem_new(0);

    refuse(io);
    refuse(io_mem_new(2 * 4096 - 1));
    refuse(io_mem_new(100 * C)); /* zeroes */
    io = io_mem_new(0);
    for (int i = 0; i < 40; i++)
        add_data(io, &random);
    refuse(io);
    io = io_mem_new(0);
    unit_fill(io, 0, 100 * C, 'a');
    refuse(io);
    io = new_image(); /* all its tables gone, and the header */
    unit_fill(io, 0, 2 * C, 0);
    refuse(io);
}
END_TEST

/* All that a file can do to keep us busy. The time limit of the tests is the assertion. */
START_TEST(hostile_files_cost_no_more_than_what_they_store)
{
    struct io *io = io_mem_new(INT64_MAX);
    struct qed_rebuild found;

    qed_rebuild_header(io, NULL, &found, NULL);
    for (uint64_t at = 4096; at < 256 * 4096; at += 8) /* an L1 for every geometry, far and wide */
        unit_put64(io, at, (at << 30) & ~(UINT64_C(64) * 1024 * 1024 - 1));
    qed_rebuild_header(io, NULL, &found, NULL);
    io_close(io);
    io = io_mem_new(UINT64_C(1) << 40);
    for (uint64_t at = 0; at < 512 * 4096; at += 8) /* tables that name one, and that one */
        unit_put64(io, at, at % 4096 == 0 ? C : at / 8 * C);
    qed_rebuild_header(io, NULL, &found, NULL);
    ck_assert_uint_lt(io_mem_counts(io).bytes_read, GIB * 8);
    io_close(io);
}
END_TEST

static bool stop(void *context, uint64_t done, uint64_t total)
{
    unsigned int *calls = context;

    ck_assert_uint_le(done, total);
    return --*calls == 0;
}

START_TEST(it_can_be_stopped)
{
    unsigned int calls = 1000000;
    struct qed_rebuild_options options = {.scan = {.progress = stop, .progress_context = &calls}};
    struct io *io = new_image();
    struct qed_rebuild found;

    unit_fill(io, 0, 2 * C, 0); /* so that it comes to the pass */
    ck_assert_int_eq(qed_rebuild_header(io, &options, &found, NULL), QED_ERR_HEADER);
    for (unsigned int all = 1000000 - calls; all > 0; all--) {
        calls = all;
        ck_assert_int_eq(qed_rebuild_header(io, &options, &found, NULL), QED_ERR_STOPPED);
    }
    io_close(io);
}
END_TEST

START_TEST(every_failure_to_read_is_told)
{
    struct io *io = new_image();
    bool failed = true;

    lose_header(io);
    if (_i)
        unit_put_entry(io, L1, 3, 0); /* so that it comes to the pass */
    for (size_t fail_at = 1; failed; fail_at++) {
        struct io_fault_plan plan = {.fail_at = fail_at, .code = QED_ERR_IO};
        struct io *fault = io_fault_new(io, &plan);
        struct qed_rebuild found;
        int ret = qed_rebuild_header(fault, NULL, &found, NULL);

        failed = io_fault_happened(fault);
        if ((ret == QED_ERR_IO) != failed)
            ck_abort_msg("failure %zu: %d", fail_at, ret);
        io_close(fault);
        ck_assert(failed || fail_at > 20);
    }
    io_close(io);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("qed_rebuild");

    tcase_add_test(tests, the_evidence_is_told);
    tcase_add_test(tests, leaks_and_damage_lessen_the_confidence);
    tcase_add_loop_test(tests, an_l1_offset_that_is_valid_but_wrong_is_found, 0, 5);
    tcase_add_loop_test(tests, an_l1_anywhere_is_found, 0, 4);
    tcase_add_test(tests, an_image_inside_the_guest_is_not_taken_for_it);
    tcase_add_test(tests, a_file_that_was_cut_is_found);
    tcase_add_test(tests, without_any_table_the_header_alone_tells);
    tcase_add_test(tests, a_header_is_kept_where_the_l1_is_nonsense);
    tcase_add_test(tests, what_is_no_image_is_refused);
    tcase_add_test(tests, hostile_files_cost_no_more_than_what_they_store);
    tcase_add_test(tests, it_can_be_stopped);
    tcase_add_loop_test(tests, every_failure_to_read_is_told, 0, 2);
    return unit_run(tests);
}
