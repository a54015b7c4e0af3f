/*
 * Every single bit of the header is flipped, on images of several geometries, and the header that
 * is found is held against the one that was there. What cannot be told is counted.
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "format/qed_rebuild.h"
#include "support/io_mem.h"
#include "support/unit.h"

struct shape {
    const char *what;
    uint32_t cluster_size, table_size, header_size;
    uint64_t tables, per_table; /* L2 tables, and entries in each */
    uint64_t image_size, features;
    const char *name; /* of a backing file, or NULL */
    bool holes;       /* data clusters are holes */
    unsigned int
        wrong_sizes;        /* flips of image_size that make it impossible, and are guessed wrong */
    unsigned int cut_names; /* flips that make the name's size smaller: it may have been so */
    unsigned int confidence; /* the least of all */
};

#define K UINT64_C(1024)
#define G (UINT64_C(1) << 30)

static const struct shape shapes[] = {
    {"64K x 4, one table", 65536, 4, 1, 1, 20, 10 * G, .confidence = 99},
    {"64K x 4, three tables", 65536, 4, 1, 3, 30, 10 * G, .wrong_sizes = 1, .confidence = 99},
    {"64K x 4, raw backing", 65536, 4, 1, 2, 30, 5 * G, .features = 4, .name = "base.img",
     .wrong_sizes = 1, .confidence = 99},
    {"64K x 4, one cluster", 65536, 4, 1, 1, 1, 10 * G, .confidence = 85},
    {"64K x 4, nothing in it", 65536, 4, 1, 0, 0, 10 * G, .confidence = 52},
    {"4K x 1", 4096, 1, 1, 2, 100, 4096 * K, .confidence = 99},
    {"4K x 1, backing", 4096, 1, 1, 2, 100, G / 2, .name = "/some/where/base.qed", .wrong_sizes = 1,
     .cut_names = 2, .confidence = 99},
    {"4K x 1, header of two", 4096, 1, 2, 2, 40, 4096 * K, .name = "x", .confidence = 99},
    {"4K x 16", 4096, 16, 1, 2, 50, G, .wrong_sizes = 1, .confidence = 99},
    {"1M x 4, sparse", 1 << 20, 4, 1, 2, 12, 16384 * G, .holes = true, .wrong_sizes = 1,
     .confidence = 95},
};

#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))

static void add_data(struct io *io, uint64_t file_off, struct unit_random *random)
{
    uint8_t bytes[512];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)unit_random(random);
    ck_assert_int_eq(io_write(io, bytes, sizeof(bytes), file_off, NULL), QED_OK);
}

static void add_name(struct io *io, struct qed_header *header, const char *name)
{
    header->features |= QED_FEATURE_BACKING_FILE;
    header->backing_filename_offset = QED_HEADER_BYTES;
    header->backing_filename_size = (uint32_t)strlen(name);
    ck_assert_int_eq(io_write(io, name, strlen(name), QED_HEADER_BYTES, NULL), QED_OK);
}

static struct io *build(const struct shape *shape, struct qed_header *header)
{
    struct unit_random random = {.state = 7};
    uint64_t cluster = shape->cluster_size, at = (shape->header_size + shape->table_size) * cluster;
    struct unit_image spec = {.image_size = shape->image_size,
                              .cluster_size = shape->cluster_size,
                              .table_size = shape->table_size,
                              .header_size = shape->header_size,
                              .features = shape->features,
                              .clusters = shape->header_size + shape->table_size +
                                          shape->tables * (shape->table_size + shape->per_table)};
    struct io *io = unit_image_new(&spec);
    uint8_t bytes[QED_HEADER_BYTES];

    for (uint64_t t = 0; t < shape->tables; t++) {
        uint64_t table = at;

        unit_put_entry(io, shape->header_size * cluster, t, table);
        at += shape->table_size * cluster;
        for (uint64_t i = 0; i < shape->per_table; i++, at += cluster) {
            unit_put_entry(io, table, i, at);
            if (!shape->holes)
                add_data(io, at, &random);
        }
    }
    ck_assert_int_eq(io_read(io, bytes, sizeof(bytes), 0, NULL), QED_OK);
    qed_header_decode(header, bytes);
    if (shape->name)
        add_name(io, header, shape->name);
    ck_assert_int_eq(qed_header_write(io, header, NULL), QED_OK);
    return io;
}

static void flip(struct io *io, unsigned int bit)
{
    uint8_t byte;

    if (io_read(io, &byte, 1, bit / 8, NULL) < 0)
        ck_abort();
    byte ^= (uint8_t)(1U << bit % 8);
    if (io_write(io, &byte, 1, bit / 8, NULL) < 0)
        ck_abort();
}

/* Whether the image could have that size, for all that anyone can tell. */
static bool size_can_be(const struct shape *shape, uint64_t size)
{
    uint64_t entries = (uint64_t)shape->cluster_size * shape->table_size / 8;
    uint64_t most = qed_image_size_max(shape->cluster_size, shape->table_size);
    uint64_t last = 0;

    if (shape->tables)
        last = ((shape->tables - 1) * entries + shape->per_table - 1) * shape->cluster_size + 1;
    return size % 512 == 0 && size <= most && size >= last;
}

struct outcome {
    unsigned int kept_sizes, wrong_sizes, cut_names, kept_flags, confidence;
};

static bool same_geometry(const struct qed_header *a, const struct qed_header *b)
{
    return a->magic == b->magic && a->cluster_size == b->cluster_size &&
           a->table_size == b->table_size && a->header_size == b->header_size &&
           a->l1_table_offset == b->l1_table_offset;
}

/* Hold what was found after a flip against the header that was there. */
static void judge(const struct shape *shape, unsigned int bit, const struct qed_header *was,
                  const struct qed_header *found, struct outcome *outcome)
{
    uint64_t flags = was->features ^ found->features;
    bool has_name = shape->name != NULL;

    if (!same_geometry(was, found))
        ck_abort_msg("%s, bit %u: wrong geometry", shape->what, bit);
    if (was->image_size != found->image_size) {
        bool is_kept = found->image_size == (was->image_size ^ UINT64_C(1) << (bit - 48 * 8));

        outcome->kept_sizes += is_kept;
        outcome->wrong_sizes += !is_kept;
    }
    if (flags & ~(QED_FEATURE_NEED_CHECK | QED_FEATURE_BACKING_NO_PROBE))
        ck_abort_msg("%s, bit %u: wrong features", shape->what, bit);
    outcome->kept_flags += flags != 0;
    if (!has_name)
        return;
    if (was->backing_filename_offset != found->backing_filename_offset)
        ck_abort_msg("%s, bit %u: wrong place of the name", shape->what, bit);
    outcome->cut_names += found->backing_filename_size < was->backing_filename_size;
    if (found->backing_filename_size > was->backing_filename_size)
        ck_abort_msg("%s, bit %u: wrong size of the name", shape->what, bit);
}

/* The image as a plan leaves it can be opened, and has the geometry that was found. */
static void check_plan(struct io *io, const struct qed_rebuild *found)
{
    struct qed_plan *plan = NULL;
    struct qed_image *image = NULL;

    if (qed_plan_new(&plan, io, NULL) < 0 || qed_rebuild_plan_header(plan, found, NULL) < 0)
        ck_abort();
    qed_plan_settle(plan);
    if (qed_plan_is_empty(plan) != (found->change_count == 0))
        ck_abort_msg("the plan does not have the changes");
    if (qed_open(&image, qed_plan_view(plan), false, NULL) < 0 ||
        memcmp(&image->header, &found->header, sizeof(found->header)) != 0)
        ck_abort_msg("the plan does not lead to the header that was found");
    qed_close(image);
    qed_plan_free(plan);
}

START_TEST(a_flipped_bit_of_the_header_is_found)
{
    const struct shape *shape = &shapes[_i];
    struct outcome outcome = {.confidence = 100};
    unsigned int possible_sizes = 0;
    struct qed_header was;
    struct io *io = build(shape, &was);

    for (unsigned int bit = 0; bit < QED_HEADER_BYTES * 8; bit++) {
        struct qed_error error = QED_ERROR_INIT;
        struct qed_rebuild found;

        flip(io, bit);
        if (qed_rebuild_header(io, NULL, &found, &error) < 0)
            ck_abort_msg("%s, bit %u: %s", shape->what, bit, error.text);
        judge(shape, bit, &was, &found.header, &outcome);
        check_plan(io, &found);
        if (found.confidence < outcome.confidence)
            outcome.confidence = found.confidence;
        flip(io, bit);
    }
    for (unsigned int bit = 0; bit < 64; bit++)
        possible_sizes += size_can_be(shape, was.image_size ^ UINT64_C(1) << bit);
    ck_assert_uint_eq(outcome.kept_sizes, possible_sizes);
    ck_assert_uint_eq(outcome.wrong_sizes, shape->wrong_sizes);
    ck_assert_uint_eq(outcome.cut_names, shape->cut_names);
    /* NEED_CHECK; and whether a backing file is raw. */
    ck_assert_uint_eq(outcome.kept_flags, shape->name ? 2 : 1);
    ck_assert_uint_ge(outcome.confidence, shape->confidence);
    io_close(io);
}
END_TEST

START_TEST(a_header_with_nothing_wrong_stays)
{
    struct qed_rebuild found;
    struct qed_header was;
    struct io *io = build(&shapes[_i], &was);

    ck_assert_int_eq(qed_rebuild_header(io, NULL, &found, NULL), QED_OK);
    ck_assert_uint_eq(found.change_count, 0);
    ck_assert_uint_ge(found.confidence, 85);
    ck_assert(!found.image_size_is_a_guess);
    check_plan(io, &found);
    io_close(io);
}
END_TEST

/* A first sector of zeroes, or of noise: the tables alone tell. */
START_TEST(a_first_sector_that_is_lost_is_found)
{
    const struct shape *shape = &shapes[_i / 2];
    struct unit_random random = {.state = 99};
    struct qed_rebuild found;
    struct qed_header was;
    struct io *io = build(shape, &was);
    int ret;

    unit_fill(io, 0, 512, 0);
    if (_i % 2)
        add_data(io, 0, &random);
    ret = qed_rebuild_header(io, NULL, &found, NULL);
    if (shape->tables * shape->per_table < 2) {
        /* One data cluster, or none, proves nothing. */
        ck_assert_int_eq(ret, QED_ERR_HEADER);
        ck_assert_uint_ge(found.evidence_count, 3);
        ck_assert_uint_lt(found.confidence, QED_REBUILD_CONFIDENCE_MIN);
        io_close(io);
        return;
    }
    ck_assert_int_eq(ret, QED_OK);
    ck_assert(same_geometry(&found.header, &was));
    ck_assert(found.image_size_is_a_guess);
    ck_assert(size_can_be(shape, found.header.image_size));
    ck_assert_uint_le(found.header.image_size, was.image_size);
    ck_assert_uint_eq(found.header.features, 0);
    ck_assert_uint_eq(found.header.compat_features, 0);
    ck_assert_uint_eq(found.header.autoclear_features, 0);
    ck_assert_uint_ge(found.confidence, 90);
    check_plan(io, &found);
    io_close(io);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("qed_rebuild_flips");

    tcase_add_loop_test(tests, a_flipped_bit_of_the_header_is_found, 0, SHAPES);
    tcase_add_loop_test(tests, a_header_with_nothing_wrong_stays, 0, SHAPES);
    tcase_add_loop_test(tests, a_first_sector_that_is_lost_is_found, 0, 2 * SHAPES);
    return unit_run(tests);
}
