/*
 * The cache of table pieces: what it reads, keeps, drops and writes back.
 * SPDX-License-Identifier: MIT
 */
#include "format/qed_table.h"

#include "support/io_fault.h"
#include "support/io_mem.h"
#include "support/unit.h"

#define TABLE 4096 /* bytes; a table of one piece */
#define PIECE UINT64_C(65536)

static uint64_t get(struct qed_table_cache *cache, uint64_t table_off, uint64_t index)
{
    const uint64_t *entries;
    size_t count;

    ck_assert_int_eq(qed_table_get(cache, table_off, index, &entries, &count, NULL), QED_OK);
    ck_assert_uint_gt(count, 0);
    return entries[0];
}

static void set(struct qed_table_cache *cache, uint64_t table_off, uint64_t index, uint64_t value)
{
    ck_assert_int_eq(qed_table_set(cache, table_off, index, value, NULL), QED_OK);
}

static bool all_tables(void *context, uint64_t table_off)
{
    (void)context;
    (void)table_off;
    return true;
}

static bool one_table(void *context, uint64_t table_off)
{
    return *(const uint64_t *)context == table_off;
}

static void check_read(struct io *io, struct qed_table_cache *cache, uint64_t table_off,
                       bool from_file)
{
    size_t before = io_mem_counts(io).reads;

    get(cache, table_off, 3);
    ck_assert_uint_eq(io_mem_counts(io).reads - before, from_file);
}

START_TEST(entries_are_those_of_the_file)
{
    struct io *io = io_mem_new(4 * TABLE);
    struct qed_table_cache *cache = qed_table_cache_new(io, TABLE, 1 << 20);
    const uint64_t *entries;
    size_t count;

    unit_put_entry(io, TABLE, 5, UINT64_C(0x123456789abcdef0));
    unit_put_entry(io, TABLE, 511, 77);
    ck_assert_int_eq(qed_table_get(cache, TABLE, 5, &entries, &count, NULL), QED_OK);
    ck_assert_uint_eq(count, 507);
    ck_assert_uint_eq(entries[0], UINT64_C(0x123456789abcdef0));
    ck_assert_uint_eq(entries[506], 77);
    ck_assert_uint_eq(get(cache, TABLE, 511), 77);
    ck_assert_uint_eq(get(cache, 2 * TABLE, 5), 0);
    qed_table_cache_free(cache);
    qed_table_cache_free(NULL);
    io_close(io);
}
END_TEST

START_TEST(a_piece_is_read_once_while_it_is_kept)
{
    struct io *io = io_mem_new(8 * TABLE);
    struct qed_table_cache *cache = qed_table_cache_new(io, TABLE, 2 * TABLE);

    check_read(io, cache, 0, true);
    check_read(io, cache, TABLE, true);
    check_read(io, cache, 0, false);
    check_read(io, cache, TABLE, false);
    qed_table_cache_free(cache);
    io_close(io);
}
END_TEST

START_TEST(the_piece_used_longest_ago_goes_first)
{
    struct io *io = io_mem_new(8 * TABLE);
    struct qed_table_cache *cache = qed_table_cache_new(io, TABLE, 3 * TABLE);

    for (uint64_t i = 0; i < 3; i++)
        check_read(io, cache, i * TABLE, true);
    check_read(io, cache, 0, false);
    check_read(io, cache, 3 * TABLE, true); /* drops the table at TABLE */
    check_read(io, cache, 0, false);
    check_read(io, cache, 2 * TABLE, false);
    check_read(io, cache, TABLE, true);
    qed_table_cache_free(cache);
    io_close(io);
}
END_TEST

START_TEST(a_cache_without_room_still_works)
{
    struct io *io = io_mem_new(8 * TABLE);
    struct qed_table_cache *cache = qed_table_cache_new(io, TABLE, 0);

    for (int i = 0; i < 2; i++) {
        check_read(io, cache, 0, true);
        check_read(io, cache, TABLE, true);
    }
    qed_table_cache_free(cache);
    io_close(io);
}
END_TEST

START_TEST(tables_that_share_a_slot_are_told_apart)
{
    uint64_t tables = 3000; /* more than the hash has slots */
    struct io *io = io_mem_new(tables * TABLE);
    struct qed_table_cache *cache = qed_table_cache_new(io, TABLE, (size_t)tables * TABLE);

    for (uint64_t i = 0; i < tables; i++)
        set(cache, i * TABLE, i % 512, i + 1);
    for (uint64_t i = 0; i < tables; i++)
        ck_assert_uint_eq(get(cache, i * TABLE, i % 512), i + 1);
    ck_assert_uint_eq(qed_table_dirty_bytes(cache), tables * TABLE);
    ck_assert_int_eq(qed_table_write_back(cache, all_tables, NULL, NULL), QED_OK);
    for (uint64_t i = 0; i < tables; i++)
        ck_assert_uint_eq(unit_get_entry(io, i * TABLE, i % 512), i + 1);
    qed_table_forget(cache);
    check_read(io, cache, 5 * TABLE, true);
    qed_table_cache_free(cache);
    io_close(io);
}
END_TEST

START_TEST(large_tables_are_read_in_pieces)
{
    uint64_t table_bytes = UINT64_C(1) << 30;
    struct io *io = io_mem_new(3 * table_bytes);
    struct qed_table_cache *cache = qed_table_cache_new(io, table_bytes, 4 * PIECE);
    uint64_t last = table_bytes / 8 - 1;
    const uint64_t *entries;
    size_t count;

    unit_put_entry(io, table_bytes, last, 42);
    unit_put_entry(io, table_bytes, PIECE / 8, 43);
    ck_assert_uint_eq(get(cache, table_bytes, last), 42);
    ck_assert_int_eq(qed_table_get(cache, table_bytes, PIECE / 8 - 2, &entries, &count, NULL), 0);
    ck_assert_uint_eq(count, 2);
    ck_assert_int_eq(qed_table_get(cache, table_bytes, PIECE / 8, &entries, &count, NULL), 0);
    ck_assert_uint_eq(count, PIECE / 8);
    ck_assert_uint_eq(entries[0], 43);
    ck_assert_uint_eq(io_mem_counts(io).bytes_read, 3 * PIECE);
    set(cache, table_bytes, last, 44);
    ck_assert_uint_eq(qed_table_dirty_bytes(cache), PIECE);
    ck_assert_int_eq(qed_table_write_back(cache, all_tables, NULL, NULL), QED_OK);
    ck_assert_uint_eq(unit_get_entry(io, table_bytes, last), 44);
    qed_table_cache_free(cache);
    io_close(io);
}
END_TEST

START_TEST(changed_pieces_are_kept_over_the_limit)
{
    struct io *io = io_mem_new(20 * TABLE);
    struct qed_table_cache *cache = qed_table_cache_new(io, TABLE, 2 * TABLE);

    for (uint64_t i = 0; i < 10; i++)
        set(cache, i * TABLE, 3, i + 1);
    ck_assert_uint_eq(qed_table_dirty_bytes(cache), 10 * TABLE);
    for (uint64_t i = 10; i < 20; i++)
        get(cache, i * TABLE, 3);
    qed_table_forget(cache);
    for (uint64_t i = 0; i < 10; i++) {
        check_read(io, cache, i * TABLE, false);
        ck_assert_uint_eq(get(cache, i * TABLE, 3), i + 1);
        ck_assert_uint_eq(unit_get_entry(io, i * TABLE, 3), 0);
    }
    ck_assert_int_eq(qed_table_write_back(cache, all_tables, NULL, NULL), QED_OK);
    ck_assert_uint_eq(qed_table_dirty_bytes(cache), 0);
    get(cache, 15 * TABLE, 3); /* now there is room to make */
    check_read(io, cache, 0, true);
    qed_table_cache_free(cache);
    io_close(io);
}
END_TEST

START_TEST(only_selected_tables_are_written_back)
{
    struct io *io = io_mem_new(8 * TABLE);
    struct qed_table_cache *cache = qed_table_cache_new(io, TABLE, 1 << 20);
    uint64_t selected = TABLE;

    set(cache, 0, 1, 10);
    set(cache, TABLE, 1, 11);
    set(cache, 2 * TABLE, 1, 12);
    ck_assert_int_eq(qed_table_write_back(cache, one_table, &selected, NULL), QED_OK);
    ck_assert_uint_eq(qed_table_dirty_bytes(cache), 2 * TABLE);
    ck_assert_uint_eq(unit_get_entry(io, 0, 1), 0);
    ck_assert_uint_eq(unit_get_entry(io, TABLE, 1), 11);
    ck_assert_uint_eq(unit_get_entry(io, 2 * TABLE, 1), 0);
    ck_assert_uint_eq(io_mem_counts(io).flushes, 0);
    qed_table_cache_free(cache);
    ck_assert_uint_eq(unit_get_entry(io, 0, 1), 0);
    io_close(io);
}
END_TEST

START_TEST(a_piece_of_a_large_table_is_selected_by_its_table)
{
    struct io *io = io_mem_new(8 * PIECE);
    struct qed_table_cache *cache = qed_table_cache_new(io, 4 * PIECE, 1 << 20);
    uint64_t selected = 4 * PIECE;

    set(cache, 0, 3 * PIECE / 8, 1);
    set(cache, 4 * PIECE, 3 * PIECE / 8, 2);
    ck_assert_int_eq(qed_table_write_back(cache, one_table, &selected, NULL), QED_OK);
    ck_assert_uint_eq(unit_get_entry(io, 3 * PIECE, 0), 0);
    ck_assert_uint_eq(unit_get_entry(io, 7 * PIECE, 0), 2);
    qed_table_cache_free(cache);
    io_close(io);
}
END_TEST

START_TEST(only_changed_sectors_are_written)
{
    struct io *io = io_mem_new(4 * TABLE);
    struct qed_table_cache *cache = qed_table_cache_new(io, TABLE, 1 << 20);

    get(cache, 0, 0);
    unit_put_entry(io, 0, 63, 1);  /* behind the cache's back, in the sector before */
    unit_put_entry(io, 0, 192, 2); /* and in the one behind */
    set(cache, 0, 130, 4);
    set(cache, 0, 70, 3);
    io_mem_reset_counts(io);
    ck_assert_int_eq(qed_table_write_back(cache, all_tables, NULL, NULL), QED_OK);
    ck_assert_uint_eq(io_mem_counts(io).writes, 1);
    ck_assert_uint_eq(io_mem_counts(io).bytes_written, 1024);
    ck_assert_uint_eq(unit_get_entry(io, 0, 63), 1);
    ck_assert_uint_eq(unit_get_entry(io, 0, 70), 3);
    ck_assert_uint_eq(unit_get_entry(io, 0, 130), 4);
    ck_assert_uint_eq(unit_get_entry(io, 0, 192), 2);
    qed_table_cache_free(cache);
    io_close(io);
}
END_TEST

START_TEST(what_could_not_be_written_stays_to_be_written)
{
    struct io *io = io_mem_new(4 * TABLE);
    struct io_fault_plan plan = {
        .kinds = IO_FAULT_BIT(IO_FAULT_WRITE), .fail_at = 2, .code = QED_ERR_NO_SPACE};
    struct io *fault = io_fault_new(io, &plan);
    struct qed_table_cache *cache = qed_table_cache_new(fault, TABLE, 1 << 20);

    for (uint64_t i = 0; i < 3; i++)
        set(cache, i * TABLE, 7, i + 1);
    ck_assert_int_eq(qed_table_write_back(cache, all_tables, NULL, NULL), QED_ERR_NO_SPACE);
    ck_assert_uint_eq(qed_table_dirty_bytes(cache), 2 * TABLE);
    ck_assert_int_eq(qed_table_write_back(cache, all_tables, NULL, NULL), QED_OK);
    ck_assert_uint_eq(qed_table_dirty_bytes(cache), 0);
    for (uint64_t i = 0; i < 3; i++)
        ck_assert_uint_eq(unit_get_entry(io, i * TABLE, 7), i + 1);
    qed_table_cache_free(cache);
    io_close(fault);
    io_close(io);
}
END_TEST

START_TEST(a_piece_that_could_not_be_read_is_not_kept)
{
    struct io *io = io_mem_new(4 * TABLE);
    struct io_fault_plan plan = {.fail_at = 1, .code = QED_ERR_IO};
    struct io *fault = io_fault_new(io, &plan);
    struct qed_table_cache *cache = qed_table_cache_new(fault, TABLE, 1 << 20);
    const uint64_t *entries;
    size_t count;

    unit_put_entry(io, 0, 0, 9);
    ck_assert_int_eq(qed_table_get(cache, 0, 0, &entries, &count, NULL), QED_ERR_IO);
    ck_assert_uint_eq(get(cache, 0, 0), 9);
    ck_assert_int_eq(qed_table_get(cache, 4 * TABLE, 0, &entries, &count, NULL),
                     QED_ERR_SHORT_READ);
    ck_assert_int_eq(qed_table_set(cache, 4 * TABLE, 0, 1, NULL), QED_ERR_SHORT_READ);
    ck_assert_uint_eq(qed_table_dirty_bytes(cache), 0);
    qed_table_cache_free(cache);
    io_close(fault);
    io_close(io);
}
END_TEST

START_TEST(clean_pieces_are_forgotten_when_the_file_was_changed)
{
    struct io *io = io_mem_new(4 * TABLE);
    struct qed_table_cache *cache = qed_table_cache_new(io, TABLE, 1 << 20);

    ck_assert_uint_eq(get(cache, 0, 0), 0);
    unit_put_entry(io, 0, 0, 5);
    ck_assert_uint_eq(get(cache, 0, 0), 0);
    qed_table_forget(cache);
    ck_assert_uint_eq(get(cache, 0, 0), 5);
    qed_table_cache_free(cache);
    io_close(io);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("qed_table");

    tcase_add_test(tests, entries_are_those_of_the_file);
    tcase_add_test(tests, a_piece_is_read_once_while_it_is_kept);
    tcase_add_test(tests, the_piece_used_longest_ago_goes_first);
    tcase_add_test(tests, a_cache_without_room_still_works);
    tcase_add_test(tests, tables_that_share_a_slot_are_told_apart);
    tcase_add_test(tests, large_tables_are_read_in_pieces);
    tcase_add_test(tests, changed_pieces_are_kept_over_the_limit);
    tcase_add_test(tests, only_selected_tables_are_written_back);
    tcase_add_test(tests, a_piece_of_a_large_table_is_selected_by_its_table);
    tcase_add_test(tests, only_changed_sectors_are_written);
    tcase_add_test(tests, what_could_not_be_written_stays_to_be_written);
    tcase_add_test(tests, a_piece_that_could_not_be_read_is_not_kept);
    tcase_add_test(tests, clean_pieces_are_forgotten_when_the_file_was_changed);
    return unit_run(tests);
}
