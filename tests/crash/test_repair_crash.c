/*
 * Repairs that a power cut ends: at every point, whatever the disk has of what was written, the
 * image is no worse than before, and a second repair finishes the job.
 * SPDX-License-Identifier: MIT
 */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/zero.h"
#include "support/damaged.h"
#include "support/io_crash.h"
#include "support/io_mem.h"
#include "support/mend.h"
#include "support/rows.h"
#include "support/unit.h"

#define IMAGES 400       /* random ones */
#define ROW_STATES 4000  /* of a cut: of one kind of damage, */
#define PAIR_STATES 32   /* of two, */
#define RANDOM_STATES 64 /* and of random ones */

struct trial {
    char what[600];
    struct io *damaged; /* the caller's */
    struct io *io, *recorder;
    struct guest found, before,
        after; /* the repair that nothing cuts; before: less what it gives up */
    struct check_report report;
    bool reads_tables; /* entries read tables as data */
};

#define FAIL(trial, ...)                        \
    do {                                        \
        fprintf(stderr, "%s\n", (trial)->what); \
        ck_abort_msg(__VA_ARGS__);              \
    } while (0)

static bool reads_tables(const struct problem_list *fixes)
{
    for (size_t i = 0; i < fixes->count; i++) {
        if (fixes->problems[i].action == ACTION_COPY && fixes->problems[i].id != PROBLEM_L2_SHARED)
            return true;
    }
    return false;
}

/* Repair the image, which nothing cuts, and record what is written. */
static void begin(struct trial *trial, struct io *damaged)
{
    struct qed_error error = QED_ERROR_INIT;

    trial->damaged = damaged;
    trial->io = io_mem_copy(damaged);
    trial->recorder = io_crash_new(trial->io);
    guest_read(trial->io, &trial->found);
    guest_read(trial->io, &trial->before);
    if (mend(trial->recorder, CHECK_REPAIR_ALL, &trial->report, &error) < 0)
        FAIL(trial, "repair failed: %s", error.text);
    guest_read(trial->io, &trial->after);
    mend_forget_given_up(&trial->before, &trial->report);
    trial->reads_tables = reads_tables(&trial->report.repair.fixes);
}

static void end(struct trial *trial)
{
    check_release(&trial->report);
    guest_release(&trial->found);
    guest_release(&trial->before);
    guest_release(&trial->after);
    io_close(trial->recorder);
    io_close(trial->io);
}

static void tell(struct trial *trial, const struct io_crash_state *state)
{
    char *text = io_crash_describe(trial->recorder, state);

    fprintf(stderr, "cut %zu of %zu, state %" PRIu64 ":\n%s", state->cut,
            io_crash_ops(trial->recorder), state->selector, text);
    free(text);
}

/* What is left is no worse than what was there before. */
static void check_left(struct trial *trial, struct io *left, const struct io_crash_state *state)
{
    struct guest guest;
    uint64_t lost;

    guest_read(left, &guest);
    lost = guest_first_loss(&trial->before, &guest);
    guest_release(&guest);
    if (lost == UINT64_MAX)
        return;
    tell(trial, state);
    FAIL(trial, "guest byte 0x%" PRIx64 " is lost", lost);
}

static void set_mark(struct io *io)
{
    unit_put64(io, 16, unit_get64(io, 16) | QED_FEATURE_NEED_CHECK);
}

/* But for the mark. */
static bool is_same(struct io *a, struct io *b)
{
    struct io *a_marked = io_mem_copy(a), *b_marked = io_mem_copy(b);
    bool same;

    set_mark(a_marked);
    set_mark(b_marked);
    same = io_mem_equal(a_marked, b_marked);
    io_close(a_marked);
    io_close(b_marked);
    return same;
}

/* An image in the middle of a repair is marked, so that whoever opens it next looks at it. */
static void check_mark(struct trial *trial, struct io *left, const struct io_crash_state *state)
{
    if (!trial->report.repaired || unit_get64(left, 16) & QED_FEATURE_NEED_CHECK ||
        is_same(left, trial->damaged) || is_same(left, trial->io))
        return;
    tell(trial, state);
    FAIL(trial, "the image is not marked");
}

static const struct guest_cluster *find_cluster(const struct guest *guest, uint64_t virt_off)
{
    size_t low = 0, high = guest->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (guest->clusters[middle].virt_off < virt_off)
            low = middle + 1;
        else
            high = middle;
    }
    return low < guest->count && guest->clusters[low].virt_off == virt_off ? &guest->clusters[low]
                                                                           : NULL;
}

/* Whether bytes are those of a cluster of a table in the damaged image. */
static bool is_of_a_table(struct trial *trial, const uint8_t *bytes)
{
    struct qed_image *image = unit_open(trial->damaged, false);
    const struct qed_geometry *g = &image->geometry;
    uint8_t *table = malloc(g->cluster_size);
    bool is = false;

    for (uint64_t i = 0; !is && i <= qed_l1_entries_used(g); i++) {
        uint64_t file_off =
            i ? unit_get_entry(trial->damaged, g->l1_table_offset, i - 1) : g->l1_table_offset;

        if (!qed_table_offset_valid(g, file_off))
            continue;
        for (uint32_t j = 0; !is && j < g->table_size; j++, file_off += g->cluster_size)
            is = io_read(trial->damaged, table, g->cluster_size, file_off, NULL) == QED_OK &&
                 memcmp(table, bytes, g->cluster_size) == 0 && !zero_all(table, g->cluster_size);
    }
    free(table);
    qed_close(image);
    return is;
}

/*
 * What could not be read before may come to be mended in another way by a second repair, which sees
 * a table that nothing reads any more; but it does not come to read the copy of a table.
 */
static void check_no_copy_is_read(struct trial *trial, const struct guest *guest,
                                  const struct io_crash_state *state)
{
    for (size_t i = 0; i < guest->count; i++) {
        const struct guest_cluster *cluster = &guest->clusters[i], *found, *after;
        const uint8_t *bytes = guest->bytes + cluster->at;

        found = find_cluster(&trial->found, cluster->virt_off);
        after = find_cluster(&trial->after, cluster->virt_off);
        if (!cluster->readable || !found || found->readable ||
            (after && after->readable &&
             memcmp(trial->after.bytes + after->at, bytes, guest->cluster_size) == 0) ||
            !is_of_a_table(trial, bytes))
            continue;
        tell(trial, state);
        FAIL(trial, "guest cluster 0x%" PRIx64 " reads the copy of a table", cluster->virt_off);
    }
}

/* A second repair does what the first one would have done. */
static void check_second(struct trial *trial, struct io *left, const struct io_crash_state *state)
{
    struct qed_error error = QED_ERROR_INIT;
    struct check_report report;
    struct guest guest;
    uint64_t lost;
    int ret = mend(left, CHECK_REPAIR_ALL, &report, &error);

    guest_read(left, &guest);
    lost = guest_first_loss(&trial->before, &guest);
    if (ret < 0 || lost != UINT64_MAX ||
        report.totals.corruptions > trial->report.totals.corruptions)
        tell(trial, state);
    if (ret < 0)
        FAIL(trial, "a second repair failed: %s", error.text);
    if (lost != UINT64_MAX)
        FAIL(trial, "a second repair has lost guest byte 0x%" PRIx64, lost);
    if (report.totals.corruptions > trial->report.totals.corruptions)
        FAIL(trial, "%" PRIu64 " corruptions are left", report.totals.corruptions);
    lost = guest_first_loss(&trial->after, &guest);
    check_no_copy_is_read(trial, &guest, state);
    if (lost != UINT64_MAX && !trial->reads_tables) {
        tell(trial, state);
        FAIL(trial, "guest byte 0x%" PRIx64 " is not as after one repair", lost);
    }
    guest_release(&guest);
    check_release(&report);
}

/* Try what every cut may leave; adds up how many states that is. */
static void check_states(struct trial *trial, uint64_t limit, size_t *states)
{
    struct io_crash_walk *walk =
        io_crash_walk_new(trial->recorder, 0, io_crash_ops(trial->recorder) + 1, limit);
    struct io_crash_state state;
    struct io *left;

    while ((left = io_crash_walk_next(walk, &state))) {
        check_left(trial, left, &state);
        check_mark(trial, left, &state);
        check_second(trial, left, &state);
        io_close(left);
    }
    *states += io_crash_walk_count(walk);
    io_crash_walk_free(walk);
}

START_TEST(each_kind_of_damage)
{
    size_t states = 0;

    for (size_t i = 0; i < rows_count; i++) {
        struct rows_image image = rows_image_new(1U << _i);
        struct trial trial = {0};

        snprintf(trial.what, sizeof(trial.what), "%s", rows[i].name);
        rows[i].damage(&image);
        begin(&trial, image.io);
        check_states(&trial, ROW_STATES, &states);
        end(&trial);
        io_close(image.io);
    }
    printf("each kind of damage, tables of %d clusters: %zu states\n", 1 << _i, states);
    ck_assert_uint_gt(states, 3000);
}
END_TEST

START_TEST(two_kinds_together)
{
    size_t states = 0;

    for (size_t i = 0; i < rows_count * rows_count; i++) {
        size_t first = i / rows_count, second = i % rows_count;
        struct rows_image image;
        struct trial trial = {0};

        if (first >= second)
            continue;
        image = rows_image_new(1U << _i);
        snprintf(trial.what, sizeof(trial.what), "%s; %s", rows[first].name, rows[second].name);
        rows[first].damage(&image);
        rows[second].damage(&image);
        begin(&trial, image.io);
        check_states(&trial, PAIR_STATES, &states);
        end(&trial);
        io_close(image.io);
    }
    printf("two kinds together, tables of %d clusters: %zu states\n", 1 << _i, states);
    ck_assert_uint_gt(states, 3000);
}
END_TEST

START_TEST(random_damage)
{
    size_t states = 0;

    for (unsigned int i = 0; i < IMAGES; i++) {
        uint64_t seed = (uint64_t)_i * 1000000 + i;
        struct damaged damaged;
        struct trial trial = {0};

        damaged_make(&damaged, seed, 1 + (unsigned int)(seed % DAMAGED_HURTS_MAX));
        snprintf(trial.what, sizeof(trial.what), "image %" PRIu64 ":%s", seed, damaged.what);
        begin(&trial, damaged.io);
        check_states(&trial, RANDOM_STATES, &states);
        end(&trial);
        damaged_release(&damaged);
    }
    printf("random damage: %zu states\n", states);
    ck_assert_uint_gt(states, 3000);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("repair_crash");

    /* Every state takes and releases some MiB: let the kernel not give them out anew each time. */
    mallopt(M_MMAP_THRESHOLD, 64 << 20);
    mallopt(M_TRIM_THRESHOLD, 256 << 20);

    tcase_add_loop_test(tests, each_kind_of_damage, 0, 2);
    tcase_add_loop_test(tests, two_kinds_together, 0, 2);
    tcase_add_loop_test(tests, random_damage, 0, 4);
    return unit_run_long(tests, 900);
}
