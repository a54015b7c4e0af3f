/*
 * What is in the page cache is told, and nothing that is done to it changes a byte.
 * SPDX-License-Identifier: MIT
 */
#include "io/io_cache.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "io/io_file.h"
#include "support/io_mem.h"
#include "support/unit.h"

#define MIB (UINT64_C(1) << 20)

static struct io *open_filled(uint64_t len)
{
    struct io *io = NULL;

    unit_write_file("f", "", 0);
    ck_assert_int_eq(io_file_open(&io, "f", true, NULL, NULL), QED_OK);
    unit_fill(io, 0, len, 0x5a);
    return io;
}

static uint64_t cached(struct io *io, uint64_t file_off, uint64_t len)
{
    uint64_t bytes = UINT64_MAX;

    ck_assert(io_cached_bytes(io, file_off, len, &bytes));
    return bytes;
}

/* Whether what is in memory is only a copy of what is on a device. */
static bool folder_is_on_a_device(void)
{
    struct statfs st;

    ck_assert_int_eq(statfs(".", &st), 0);
    return st.f_type == EXT4_SUPER_MAGIC || st.f_type == XFS_SUPER_MAGIC ||
           st.f_type == BTRFS_SUPER_MAGIC;
}

START_TEST(what_was_just_written_is_cached)
{
    struct io *io = open_filled(4 * MIB);
    uint64_t bytes;

    ck_assert_uint_eq(cached(io, 0, 4 * MIB), 4 * MIB);
    ck_assert_uint_eq(cached(io, 1, 3 * MIB), 3 * MIB);
    ck_assert_uint_eq(cached(io, 4095, 2), 2);
    ck_assert_uint_eq(cached(io, 4 * MIB, MIB), 0);
    ck_assert(!io_cached_bytes(io, 0, 0, &bytes));
    ck_assert(!io_cached_bytes(io, UINT64_MAX - 5, 4, &bytes));
    io_close(io);
}
END_TEST

START_TEST(what_was_dropped_is_not_cached)
{
    struct io *io = open_filled(4 * MIB);
    uint8_t bytes[4096];

    if (folder_is_on_a_device()) {
        ck_assert_int_eq(io_flush(io, NULL), QED_OK);
        /* The kernel keeps memory in pieces of up to 2 MiB, and drops whole ones. */
        io_drop_cached(io, 2 * MIB, 2 * MIB);
        ck_assert_uint_lt(cached(io, 2 * MIB, 2 * MIB), MIB);
        ck_assert_uint_gt(cached(io, 0, 2 * MIB), MIB);
    }
    io_drop_cached(io, UINT64_MAX, 1);
    ck_assert_int_eq(io_read(io, bytes, sizeof(bytes), 2 * MIB, NULL), QED_OK);
    ck_assert_uint_ge(cached(io, 2 * MIB, sizeof(bytes)), sizeof(bytes));
    io_close(io);
}
END_TEST

/* A file of which everything before an offset is in memory, and that is no file of the host. */
struct half_cached {
    struct io io;
    uint64_t cached_end;
    size_t looked_at;
};

static bool half_read_cached(struct io *io, void *buffer, size_t len, uint64_t file_off,
                             size_t *done)
{
    struct half_cached *half = (struct half_cached *)io;

    half->looked_at++;
    *done = file_off < half->cached_end ? len : 0;
    memset(buffer, 0, *done);
    return true;
}

START_TEST(what_cannot_be_counted_is_estimated)
{
    static const struct io_ops ops = {.read_cached = half_read_cached}, blind = {0};
    struct half_cached half = {.io = {.ops = &ops}, .cached_end = 8 * MIB};
    uint64_t bytes;

    ck_assert_uint_eq(cached(&half.io, 0, 16 * MIB), 8 * MIB);
    ck_assert_uint_eq(cached(&half.io, 0, 8 * MIB), 8 * MIB);
    ck_assert_uint_eq(cached(&half.io, 8 * MIB, 8 * MIB), 0);
    ck_assert_uint_eq(cached(&half.io, 0, 3), 3);
    ck_assert_uint_eq(cached(&half.io, 0, 1000003), 1000003);
    ck_assert_uint_lt(half.looked_at, 5 * 64);
    half.io.ops = &blind;
    ck_assert(!io_cached_bytes(&half.io, 0, MIB, &bytes));
}
END_TEST

START_TEST(of_what_is_no_file_nothing_is_told)
{
    struct io *io = io_mem_new(16);
    uint64_t bytes;
    char text[4];

    ck_assert_int_eq(io_write(io, "abcd", 4, 6, NULL), QED_OK);
    io_drop_cached(io, 0, 16);
    ck_assert(!io_cached_bytes(io, 0, 16, &bytes));
    ck_assert_int_eq(io_read(io, text, 4, 6, NULL), QED_OK);
    ck_assert_mem_eq(text, "abcd", 4);
    io_close(io);
}
END_TEST

START_TEST(memory_is_told)
{
    ck_assert_uint_gt(io_memory_bytes(), 8 * MIB);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("io_cache");

    unit_use_folder(tests);
    tcase_add_test(tests, what_was_just_written_is_cached);
    tcase_add_test(tests, what_was_dropped_is_not_cached);
    tcase_add_test(tests, what_cannot_be_counted_is_estimated);
    tcase_add_test(tests, of_what_is_no_file_nothing_is_told);
    tcase_add_test(tests, memory_is_told);
    return unit_run(tests);
}
