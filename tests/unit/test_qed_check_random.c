/*
 * Checks of random small images against a slow model that counts every reference.
 * SPDX-License-Identifier: MIT
 */
#include <string.h>

#include "format/qed_check.h"
#include "support/io_mem.h"
#include "support/unit.h"

#define C UINT64_C(4096)
#define CLUSTERS_MAX 48
#define TABLES_MAX 40
#define IMAGES 5000 /* a seed's */

/* The geometry of one image, read off its header by hand. */
struct shape {
    uint64_t header_bytes, table_bytes, entries, l1, clusters;
};

/* What a check has to say of an image. */
struct model {
    unsigned int used[CLUSTERS_MAX];
    bool is_table[CLUSTERS_MAX];
    uint64_t corruptions, allocated, fragmented, leaks;
    bool l1_makes_sense, l1_is_empty, has_nonsense;
};

static bool is_valid(const struct shape *shape, uint64_t entry, uint64_t len)
{
    return entry % C == 0 && entry >= shape->header_bytes && entry <= shape->clusters * C &&
           len <= shape->clusters * C - entry;
}

/* Count one more use of clusters; returns how many of them were in use. */
static uint64_t use(struct model *model, uint64_t file_off, uint64_t len, bool is_table)
{
    uint64_t already = 0;

    for (uint64_t at = file_off / C; at < (file_off + len) / C; at++) {
        already += model->used[at] > 0;
        model->used[at]++;
        model->is_table[at] = model->is_table[at] || is_table;
    }
    return already;
}

/* What a data pass over one table counts. */
static void count_table(struct model *model, struct io *io, const struct shape *shape,
                        uint64_t table)
{
    uint64_t last = 0, entries = 0, fragmented = 0, invalid = 0, misaligned = 0;

    for (uint64_t i = 0; i < shape->entries; i++) {
        uint64_t entry = unit_get_entry(io, table, i);

        if (entry < 2)
            continue;
        entries++;
        fragmented += last && last + C != entry;
        last = entry;
        misaligned += entry % C != 0;
        if (!is_valid(shape, entry, C))
            invalid++;
        else
            model->corruptions += use(model, entry, C, false) > 0;
    }
    if (misaligned >= 8 && misaligned > entries / 2) {
        model->has_nonsense = true;
        return;
    }
    model->corruptions += invalid;
    model->allocated += entries;
    model->fragmented += fragmented;
}

/* A table that overlaps others: what it names is in use, and nothing is said of it. */
static void use_quietly(struct model *model, struct io *io, const struct shape *shape,
                        uint64_t table)
{
    for (uint64_t i = 0; i < shape->entries; i++) {
        uint64_t entry = unit_get_entry(io, table, i);

        if (entry > 1 && is_valid(shape, entry, C))
            use(model, entry, C, false);
    }
}

static bool is_among(const uint64_t *tables, size_t count, uint64_t table)
{
    for (size_t i = 0; i < count; i++) {
        if (tables[i] == table)
            return true;
    }
    return false;
}

static struct model run_model(struct io *io, const struct shape *shape)
{
    struct model model = {.l1_makes_sense = true};
    uint64_t clean[TABLES_MAX], overlapping[TABLES_MAX];
    size_t clean_count = 0, overlapping_count = 0;
    uint64_t l1_entries = 0, l1_misaligned = 0;

    use(&model, shape->l1, shape->table_bytes, true);
    for (uint64_t i = 0; i < shape->entries; i++) {
        uint64_t entry = unit_get_entry(io, shape->l1, i), already;

        if (entry == 0)
            continue;
        l1_entries++;
        l1_misaligned += entry % C != 0;
        if (!is_valid(shape, entry, shape->table_bytes)) {
            model.corruptions++;
            continue;
        }
        already = use(&model, entry, shape->table_bytes, true);
        model.corruptions += already;
        if (!already)
            clean[clean_count++] = entry;
        else if (!is_among(clean, clean_count, entry) &&
                 !is_among(overlapping, overlapping_count, entry))
            overlapping[overlapping_count++] = entry;
    }
    for (size_t i = 0; i < clean_count; i++)
        count_table(&model, io, shape, clean[i]);
    for (size_t i = 0; i < overlapping_count; i++)
        use_quietly(&model, io, shape, overlapping[i]);
    for (uint64_t i = shape->header_bytes / C; i < shape->clusters; i++)
        model.leaks += model.used[i] == 0;
    model.l1_is_empty = l1_entries == 0;
    model.l1_makes_sense = l1_misaligned < 8 || l1_misaligned <= l1_entries / 2;
    return model;
}

/* An entry that is mostly right, now and then wrong in one way or another. */
static uint64_t random_entry(const struct shape *shape, struct unit_random *random)
{
    uint64_t entry = unit_random_below(random, shape->clusters) * C;

    switch (unit_random_below(random, 12)) {
    case 0:
        return entry + 512 * unit_random_below(random, 8);
    case 1:
        return entry + shape->clusters * C;
    case 2:
        return unit_random_below(random, 3);
    case 3:
        return unit_random(random);
    default:
        return entry;
    }
}

static struct io *random_image(struct shape *shape, struct unit_random *random)
{
    struct unit_image spec = {
        .image_size = 64 << 20,
        .table_size = 1U << unit_random_below(random, 3),
        .header_size = 1 + (uint32_t)unit_random_below(random, 2),
    };
    uint64_t tables = 1 + unit_random_below(random, 6);
    uint64_t most = 1 + unit_random_below(random, 25);
    struct io *io;

    spec.clusters = 20 + unit_random_below(random, CLUSTERS_MAX - 20);
    *shape = (struct shape){.header_bytes = spec.header_size * C,
                            .table_bytes = spec.table_size * C,
                            .entries = spec.table_size * 512,
                            .l1 = spec.header_size * C,
                            .clusters = spec.clusters};
    io = unit_image_new(&spec);
    for (uint64_t i = 0; i < tables; i++) {
        uint64_t table = random_entry(shape, random);

        unit_put_entry(io, shape->l1, unit_random_below(random, 12), table);
        if (!is_valid(shape, table, shape->table_bytes) || table == shape->l1)
            continue;
        for (uint64_t n = unit_random_below(random, most); n > 0; n--)
            unit_put_entry(io, table, unit_random_below(random, shape->entries),
                           random_entry(shape, random));
    }
    return io;
}

static struct qed_check_result run_check(struct qed_image *image, unsigned int threads,
                                         size_t limit)
{
    struct qed_scan_options options = {.queue = IO_QUEUE_SYNC, .threads = threads};
    struct qed_error error = QED_ERROR_INIT;
    struct qed_check_result result;

    if (qed_check(image, &options, limit, &result, &error) < 0)
        ck_abort_msg("%s", error.text);
    return result;
}

/* The findings, added up, are the totals, and their order is that of reports. */
static void check_findings(const struct qed_check_result *result, uint64_t seed)
{
    uint64_t corruptions = 0, leaks = 0;

    for (size_t i = 0; i < result->problems.count; i++) {
        const struct problem *problem = &result->problems.problems[i];
        enum problem_severity severity = problem_kind(problem->id)->severity;

        corruptions += severity == SEVERITY_CORRUPTION ? problem->clusters : 0;
        leaks += severity == SEVERITY_LEAK ? problem->clusters : 0;
        if (i > 0 && problem_compare(problem - 1, problem) > 0)
            ck_abort_msg("image %u: findings out of order", (unsigned int)seed);
    }
    if (result->problems.count != result->problems.found)
        ck_abort_msg("image %u: %u findings told, %u kept", (unsigned int)seed,
                     (unsigned int)result->problems.found, (unsigned int)result->problems.count);
    if (corruptions != result->totals.corruptions || leaks != result->totals.leaks)
        ck_abort_msg("image %u: the findings do not add up", (unsigned int)seed);
}

static void compare(const struct qed_check_result *result, const struct model *model,
                    const struct shape *shape, uint64_t seed)
{
    const struct qed_check_totals *totals = &result->totals;
    /* Whether leaks look like tables the model does not know: an empty L1 table is wrong then. */
    uint64_t corruptions = model->corruptions + (model->l1_is_empty && totals->orphans > 0);

    if (totals->corruptions != corruptions || totals->leaks != model->leaks ||
        totals->allocated_clusters != model->allocated ||
        totals->fragmented_clusters != model->fragmented)
        ck_abort_msg("image %u: %u corruptions (%u expected), %u leaks (%u), %u allocated (%u), "
                     "%u fragmented (%u)",
                     (unsigned int)seed, (unsigned int)totals->corruptions,
                     (unsigned int)corruptions, (unsigned int)totals->leaks,
                     (unsigned int)model->leaks, (unsigned int)totals->allocated_clusters,
                     (unsigned int)model->allocated, (unsigned int)totals->fragmented_clusters,
                     (unsigned int)model->fragmented);
    for (uint64_t i = 0; i < shape->clusters; i++) {
        bool shared = result->shared && bitmap_test(result->shared, i);

        /* Tables that overlap are read quietly: what only those name twice need not be marked. */
        if (shared && !model->used[i])
            ck_abort_msg("image %u: cluster %u is not in use", (unsigned int)seed, (unsigned int)i);
    }
}

/* Returns whether there was anything to compare. */
static bool check_image(uint64_t seed)
{
    struct unit_random random = {seed};
    struct shape shape;
    struct io *io = random_image(&shape, &random), *before = io_mem_copy(io);
    struct model model = run_model(io, &shape);
    struct qed_image *image = unit_open(io, false);
    struct qed_check_result result = run_check(image, 1 + (seed % 64 == 0) * 3, 10000);
    bool comparable = result.makes_sense && !model.has_nonsense;

    if (comparable) {
        check_findings(&result, seed);
        compare(&result, &model, &shape, seed);
    }
    if (result.makes_sense && !model.l1_makes_sense)
        ck_abort_msg("image %u: its L1 table is none", (unsigned int)seed);
    if (!io_mem_equal(io, before))
        ck_abort_msg("image %u was written to", (unsigned int)seed);
    qed_check_release(&result);
    qed_close(image);
    io_close(before);
    io_close(io);
    return comparable;
}

START_TEST(checks_count_what_a_slow_count_of_references_says)
{
    unsigned int compared = 0;

    for (unsigned int i = 0; i < IMAGES; i++)
        compared += check_image((uint64_t)_i * IMAGES + i);
    ck_assert_uint_gt(compared, IMAGES * 8 / 10); /* few are so wrong that they make no sense */
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("qed_check_random");

    tcase_add_loop_test(tests, checks_count_what_a_slow_count_of_references_says, 0, 2);
    return unit_run(tests);
}
