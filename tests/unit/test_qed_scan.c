/*
 * Scans hand on every entry that the file holds, once and in its table's order, whatever reads
 * them.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_scan.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/io_file.h"
#include "support/io_fault.h"
#include "support/io_mem.h"
#include "support/unit.h"

#define C UINT64_C(4096)

/* What a scan has handed on; fn is called by several threads, so nothing is asserted there. */
struct seen {
    pthread_mutex_t lock;
    const struct qed_scan_list *list;
    uint64_t per_table; /* entries */
    uint64_t *entries;  /* of all tables, one behind the other */
    uint64_t *next;     /* of each table: the smallest index that may come now */
    uint64_t *carried;  /* of each table: what carry must be */
    size_t pieces;
    const char *wrong; /* the first thing that was */
    int fail_with;     /* what to return instead of QED_OK */
};

static struct seen new_seen(const struct qed_scan_list *list, uint64_t table_bytes)
{
    struct seen seen = {.list = list, .per_table = table_bytes / 8};

    ck_assert_int_eq(pthread_mutex_init(&seen.lock, NULL), 0);
    seen.entries = calloc(list->count, table_bytes);
    seen.next = calloc(list->count, sizeof(uint64_t));
    seen.carried = calloc(list->count, sizeof(uint64_t));
    ck_assert(seen.entries && seen.next && seen.carried);
    return seen;
}

static void free_seen(struct seen *seen)
{
    pthread_mutex_destroy(&seen->lock);
    free(seen->entries);
    free(seen->next);
    free(seen->carried);
}

static const char *look_at_piece(struct seen *seen, const struct qed_scan_piece *piece)
{
    size_t number = piece->table_number;

    if (number >= seen->list->count || piece->table != &seen->list->tables[number])
        return "a table that is not in the list";
    if (piece->count == 0 || piece->first_index + piece->count > seen->per_table)
        return "a piece outside its table";
    if (piece->first_index < seen->next[number])
        return "pieces out of order";
    if (*piece->carry != seen->carried[number])
        return "the number carried from piece to piece was lost";
    if (piece->thread >= QED_SCAN_THREADS_MAX)
        return "a thread's number is too high";
    *piece->carry = ++seen->carried[number];
    seen->next[number] = piece->first_index + piece->count;
    memcpy(seen->entries + number * seen->per_table + piece->first_index, piece->entries,
           piece->count * 8);
    return NULL;
}

static int note_piece(void *context, const struct qed_scan_piece *piece, struct qed_error *error)
{
    struct seen *seen = context;
    const char *wrong;

    pthread_mutex_lock(&seen->lock);
    seen->pieces++;
    wrong = look_at_piece(seen, piece);
    seen->wrong = seen->wrong ? seen->wrong : wrong;
    pthread_mutex_unlock(&seen->lock);
    return seen->fail_with < 0 ? qed_fail(error, seen->fail_with, "told to") : QED_OK;
}

static void check_entries(struct io *io, const struct seen *seen)
{
    ck_assert_msg(!seen->wrong, "%s", seen->wrong);
    for (size_t i = 0; i < seen->list->count; i++) {
        for (uint64_t j = 0; j < seen->per_table; j++) {
            if (seen->entries[i * seen->per_table + j] !=
                unit_get_entry(io, seen->list->tables[i].file_off, j))
                ck_abort_msg("entry %u of table %u", (unsigned int)j, (unsigned int)i);
        }
    }
}

static void add(struct qed_scan_list *list, uint64_t l1_index, uint64_t file_off)
{
    ck_assert_int_eq(qed_scan_list_add(list, l1_index, file_off, NULL), QED_OK);
}

START_TEST(lists_grow_and_are_sorted_by_place)
{
    struct unit_random random = {1};
    struct qed_scan_list list = {0};

    for (uint64_t i = 0; i < 500; i++)
        add(&list, i, unit_random_below(&random, 50) * C);
    ck_assert_uint_eq(list.count, 500);
    qed_scan_list_sort(&list);
    for (size_t i = 1; i < list.count; i++) {
        const struct qed_scan_table *a = &list.tables[i - 1], *b = &list.tables[i];

        ck_assert(a->file_off < b->file_off ||
                  (a->file_off == b->file_off && a->l1_index < b->l1_index));
    }
    qed_scan_list_free(&list);
    ck_assert_uint_eq(list.count, 0);
    qed_scan_list_sort(&list);
    qed_scan_list_free(&list);
}
END_TEST

/* Tables all over a file of 300 clusters, with holes in them, next to each other and apart. */
static void scatter_tables(struct io *io, uint64_t table_size, struct qed_scan_list *list,
                           struct unit_random *random)
{
    uint64_t at = (1 + table_size) * C;

    while (at + table_size * C <= 300 * C) {
        add(list, unit_random_below(random, 512), at);
        for (uint64_t page = 0; page < table_size; page++) {
            if (unit_random_below(random, 3) == 0)
                continue;
            for (int i = 0; i < 30; i++)
                unit_put_entry(io, at + page * C, unit_random_below(random, 512),
                               unit_random(random));
        }
        at +=
            table_size * C + (unit_random_below(random, 2) ? unit_random_below(random, 12) * C : 0);
    }
}

static void check_scan(struct io *io, const struct qed_scan_list *list,
                       const struct qed_scan_options *options)
{
    struct qed_image *image = unit_open(io, false);
    struct seen seen = new_seen(list, image->geometry.table_bytes);
    struct qed_error error = QED_ERROR_INIT;
    struct qed_scan_stats stats;

    ck_assert_msg(qed_scan_l2(image, list, options, note_piece, &seen, &stats, &error) == QED_OK,
                  "%s", error.text);
    check_entries(io, &seen);
    ck_assert_uint_eq(stats.tables, list->count);
    ck_assert_uint_gt(stats.threads, 0);
    ck_assert(options->threads == 0 || stats.threads <= options->threads);
    free_seen(&seen);
    qed_close(image);
}

START_TEST(every_entry_is_handed_on_by_any_number_of_threads)
{
    static const unsigned int threads[] = {1, 2, 7, 0};

    for (uint64_t table_size = 1; table_size <= 16; table_size *= 4) {
        struct unit_image spec = {
            .image_size = 1 << 20, .table_size = (uint32_t)table_size, .clusters = 300};
        struct io *io = unit_image_new(&spec);
        struct unit_random random = {table_size};
        struct qed_scan_list list = {0};

        scatter_tables(io, table_size, &list, &random);
        for (size_t i = 0; i < sizeof(threads) / sizeof(threads[0]); i++) {
            struct qed_scan_options options = {.queue = IO_QUEUE_SYNC, .threads = threads[i]};

            check_scan(io, &list, &options);
            options.memory = QED_SCAN_MEMORY_MIN;
            check_scan(io, &list, &options);
        }
        qed_scan_list_free(&list);
        io_close(io);
    }
}
END_TEST

START_TEST(files_of_the_host_are_scanned_by_every_kind_of_queue)
{
    struct unit_image spec = {.image_size = 1 << 20, .table_size = 4, .clusters = 300};
    struct io *memory = unit_image_new(&spec), *io = NULL;
    struct unit_random random = {7};
    struct qed_scan_list list = {0};
    uint8_t *bytes = malloc(300 * C);

    ck_assert_ptr_nonnull(bytes);
    scatter_tables(memory, 4, &list, &random);
    ck_assert_int_eq(io_read(memory, bytes, 300 * C, 0, NULL), QED_OK);
    unit_write_file("f", bytes, 300 * C);
    ck_assert_int_eq(io_file_open(&io, "f", false, NULL, NULL), QED_OK);
    check_scan(io, &list, &(struct qed_scan_options){.queue = IO_QUEUE_AUTO});
    check_scan(io, &list, &(struct qed_scan_options){.queue = IO_QUEUE_SYNC});
    check_scan(io, &list, &(struct qed_scan_options){.queue = IO_QUEUE_AUTO, .threads = 1});
    qed_scan_list_free(&list);
    free(bytes);
    io_close(io);
    io_close(memory);
}
END_TEST

START_TEST(an_empty_list_is_scanned_at_once)
{
    struct unit_image spec = {.image_size = 1 << 20};
    struct io *io = unit_image_new(&spec);
    struct qed_image *image = unit_open(io, false);
    struct qed_scan_list list = {0};
    struct qed_scan_stats stats;

    ck_assert_int_eq(qed_scan_l2(image, &list, NULL, NULL, NULL, &stats, NULL), QED_OK);
    ck_assert_uint_eq(stats.tables, 0);
    ck_assert_uint_eq(stats.bytes_read, 0);
    qed_close(image);
    io_close(io);
}
END_TEST

/* The entries that came of one table, added up. */
static int add_entries(void *context, const struct qed_scan_piece *piece, struct qed_error *error)
{
    (void)error;
    for (size_t i = 0; i < piece->count; i++)
        *(uint64_t *)context += piece->entries[i] * (piece->first_index + i + 1);
    return QED_OK;
}

START_TEST(holes_of_a_large_table_are_not_read)
{
    uint64_t cluster = 64 << 20, l1 = cluster, table = 17 * cluster;
    struct unit_image spec = {.image_size = UINT64_C(1) << 60,
                              .cluster_size = 64 << 20,
                              .table_size = 16,
                              .clusters = 40};
    struct io *io = unit_image_new(&spec);
    struct qed_image *image = unit_open(io, false);
    struct qed_scan_options options = {.queue = IO_QUEUE_SYNC, .threads = 1};
    struct qed_scan_list list = {0};
    uint64_t last = (UINT64_C(1) << 27) - 1, sum = 0, expected = 3 * 1 + 5 * (last + 1);

    for (uint64_t at = l1; at <= table; at += table - l1) {
        unit_put_entry(io, at, 0, 3);
        unit_put_entry(io, at, last, 5);
    }
    add(&list, 0, table);
    io_mem_reset_counts(io);
    ck_assert_int_eq(qed_scan_l2(image, &list, &options, add_entries, &sum, NULL, NULL), QED_OK);
    ck_assert_uint_eq(sum, expected);
    sum = 0;
    ck_assert_int_eq(qed_scan_l1(image, add_entries, &sum, NULL), QED_OK);
    ck_assert_uint_eq(sum, expected);
    sum = 0;
    ck_assert_int_eq(qed_scan_table(image, &list.tables[0], add_entries, &sum, NULL), QED_OK);
    ck_assert_uint_eq(sum, expected);
    ck_assert_uint_le(io_mem_counts(io).bytes_read, 1 << 20);
    qed_scan_list_free(&list);
    qed_close(image);
    io_close(io);
}
END_TEST

START_TEST(a_table_whose_last_sector_is_cut_is_read_to_its_end)
{
    static const uint64_t cuts[] = {0, 1, 8, 100, 511};

    for (size_t i = 0; i < 2 * sizeof(cuts) / sizeof(cuts[0]); i++) {
        struct unit_image spec = {.image_size = 1 << 20, .clusters = 6};
        struct io *io = unit_image_new(&spec);
        struct qed_scan_options options = {.queue = IO_QUEUE_SYNC, .threads = 1};
        struct qed_scan_list list = {0};
        struct qed_image *image;
        struct qed_error error = QED_ERROR_INIT;
        uint64_t sum = 0;
        bool is_hole = i % 2;

        if (!is_hole)
            unit_put_entry(io, 5 * C, 447, 7);
        ck_assert_int_eq(io_set_length(io, 6 * C - cuts[i / 2], NULL), QED_OK);
        add(&list, 0, 5 * C);
        image = unit_open(io, false);
        ck_assert_msg(qed_scan_l2(image, &list, &options, add_entries, &sum, NULL, &error) ==
                          QED_OK,
                      "%u bytes cut of a %s: %s", (unsigned int)cuts[i / 2],
                      is_hole ? "hole" : "table", error.text);
        ck_assert_uint_eq(sum, is_hole ? 0 : 7 * 448);
        sum = 0;
        ck_assert_int_eq(qed_scan_table(image, &list.tables[0], add_entries, &sum, NULL), QED_OK);
        ck_assert_uint_eq(sum, is_hole ? 0 : 7 * 448);
        qed_close(image);
        qed_scan_list_free(&list);
        io_close(io);
    }
}
END_TEST

START_TEST(a_refusal_ends_the_scan)
{
    struct unit_image spec = {.image_size = 1 << 20, .clusters = 300};
    struct io *io = unit_image_new(&spec);
    struct qed_scan_options options = {.queue = IO_QUEUE_SYNC, .threads = 1};
    struct qed_image *image = unit_open(io, false);
    struct qed_scan_list list = {0};
    struct unit_random random = {3};
    struct qed_error error = QED_ERROR_INIT;
    struct seen seen;

    scatter_tables(io, 1, &list, &random);
    seen = new_seen(&list, C);
    seen.fail_with = QED_ERR_NO_MEMORY;
    ck_assert_int_eq(qed_scan_l2(image, &list, &options, note_piece, &seen, NULL, &error),
                     QED_ERR_NO_MEMORY);
    ck_assert_int_eq(error.code, QED_ERR_NO_MEMORY);
    ck_assert_str_eq(error.text, "told to");
    ck_assert_uint_eq(seen.pieces, 1);
    free_seen(&seen);
    qed_scan_list_free(&list);
    qed_close(image);
    io_close(io);
}
END_TEST

START_TEST(every_failure_to_read_ends_the_scan)
{
    struct unit_image spec = {.image_size = 1 << 20, .clusters = 60};
    struct io *io = unit_image_new(&spec);
    struct unit_random random = {5};
    struct qed_scan_list list = {0};
    bool failed = true;

    scatter_tables(io, 1, &list, &random);
    while (list.tables[list.count - 1].file_off >= 60 * C)
        list.count--;
    for (size_t fail_at = 1; failed; fail_at++) {
        struct qed_scan_options options = {.queue = IO_QUEUE_SYNC, .threads = 1 + _i};
        struct io_fault_plan plan = {.fail_at = fail_at + 3, .code = QED_ERR_IO};
        struct io *fault = io_fault_new(io, &plan);
        struct qed_image *image = unit_open(fault, false);
        struct seen seen = new_seen(&list, C);
        int ret = qed_scan_l2(image, &list, &options, note_piece, &seen, NULL, NULL);

        failed = io_fault_happened(fault);
        ck_assert_int_eq(ret, failed ? QED_ERR_IO : QED_OK);
        free_seen(&seen);
        qed_close(image);
        io_close(fault);
        ck_assert(failed || fail_at > 3);
    }
    qed_scan_list_free(&list);
    io_close(io);
}
END_TEST

static bool stop_now(void *context, uint64_t done, uint64_t total)
{
    __atomic_store_n((bool *)context, done <= total, __ATOMIC_SEQ_CST);
    return true;
}

/* Wait in the first piece until progress was asked for. */
static int wait_for_progress(void *context, const struct qed_scan_piece *piece,
                             struct qed_error *error)
{
    (void)piece;
    (void)error;
    for (int i = 0; i < 2000 && !__atomic_load_n((bool *)context, __ATOMIC_SEQ_CST); i++)
        usleep(5000);
    return QED_OK;
}

START_TEST(whoever_watches_the_progress_can_stop_the_scan)
{
    struct unit_image spec = {.image_size = 1 << 20, .clusters = 300};
    struct io *io = unit_image_new(&spec);
    struct qed_image *image = unit_open(io, false);
    struct qed_scan_list list = {0};
    struct unit_random random = {9};
    bool asked = false;
    struct qed_scan_options options = {
        .queue = IO_QUEUE_SYNC, .threads = 2, .progress = stop_now, .progress_context = &asked};

    scatter_tables(io, 1, &list, &random);
    ck_assert_int_eq(qed_scan_l2(image, &list, &options, wait_for_progress, &asked, NULL, NULL),
                     QED_ERR_STOPPED);
    ck_assert(asked);
    qed_scan_list_free(&list);
    qed_close(image);
    io_close(io);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("qed_scan");

    unit_use_folder(tests);
    tcase_add_test(tests, lists_grow_and_are_sorted_by_place);
    tcase_add_test(tests, every_entry_is_handed_on_by_any_number_of_threads);
    tcase_add_test(tests, files_of_the_host_are_scanned_by_every_kind_of_queue);
    tcase_add_test(tests, an_empty_list_is_scanned_at_once);
    tcase_add_test(tests, holes_of_a_large_table_are_not_read);
    tcase_add_test(tests, a_table_whose_last_sector_is_cut_is_read_to_its_end);
    tcase_add_test(tests, a_refusal_ends_the_scan);
    tcase_add_loop_test(tests, every_failure_to_read_ends_the_scan, 0, 2);
    tcase_add_test(tests, whoever_watches_the_progress_can_stop_the_scan);
    return unit_run(tests);
}
