/*
 * Real files: whole transfers, ends, holes, and what is not opened.
 * SPDX-License-Identifier: MIT
 */
#include "io/io_file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/io_queue.h"
#include "io/io_space.h"
#include "support/io_mem.h"
#include "support/unit.h"

static struct io *open_file(const char *name, bool writable)
{
    struct qed_error error = QED_ERROR_INIT;
    struct io *io = NULL;

    ck_assert_msg(io_file_open(&io, name, writable, NULL, &error) == QED_OK, "%s", error.text);
    return io;
}

START_TEST(what_was_written_is_read)
{
    struct io *io;
    uint8_t bytes[8];
    uint64_t length;

    unit_write_file("f", "0123456789", 10);
    io = open_file("f", true);
    ck_assert_int_eq(io_write(io, "abcd", 4, 8, NULL), QED_OK);
    ck_assert_int_eq(io_flush(io, NULL), QED_OK);
    ck_assert_int_eq(io_get_length(io, &length, NULL), QED_OK);
    ck_assert_uint_eq(length, 12);
    ck_assert_int_eq(io_read(io, bytes, 5, 7, NULL), QED_OK);
    ck_assert_mem_eq(bytes, "7abcd", 5);
    ck_assert_int_eq(io_read(io, bytes, 0, 12, NULL), QED_OK);
    io_close(io);
}
END_TEST

START_TEST(a_read_past_the_end_is_short_not_filled_up)
{
    struct qed_error error = QED_ERROR_INIT;
    uint8_t bytes[8];
    struct io *io;

    unit_write_file("f", "0123456789", 10);
    io = open_file("f", false);
    ck_assert_int_eq(io_read(io, bytes, 8, 3, &error), QED_ERR_SHORT_READ);
    ck_assert_int_eq(error.code, QED_ERR_SHORT_READ);
    ck_assert_uint_eq(error.file_off, 10);
    ck_assert_int_eq(io_read(io, bytes, 1, 10, NULL), QED_ERR_SHORT_READ);
    ck_assert_int_eq(io_read(io, bytes, 1, INT64_MAX, NULL), QED_ERR_SHORT_READ);
    ck_assert_int_eq(io_read(io, bytes, 8, UINT64_MAX - 3, NULL), QED_ERR_SHORT_READ);
    io_close(io);
}
END_TEST

START_TEST(offsets_that_no_file_has_are_refused)
{
    struct io *io;

    unit_write_file("f", "0123456789", 10);
    io = open_file("f", true);
    ck_assert_int_eq(io_write(io, "x", 1, INT64_MAX, NULL), QED_ERR_INVALID);
    ck_assert_int_eq(io_write(io, "x", 1, UINT64_MAX, NULL), QED_ERR_INVALID);
    ck_assert_int_eq(io_zero(io, 5, INT64_MAX, NULL), QED_ERR_INVALID);
    ck_assert_int_eq(io_set_length(io, (uint64_t)INT64_MAX + 1, NULL), QED_ERR_INVALID);
    io_close(io);
}
END_TEST

START_TEST(a_file_opened_for_reading_is_not_written)
{
    struct qed_error error = QED_ERROR_INIT;
    struct io *io;

    unit_write_file("f", "0123456789", 10);
    io = open_file("f", false);
    ck_assert_int_eq(io_write(io, "x", 1, 0, &error), QED_ERR_IO);
    ck_assert_int_eq(error.sys_errno, EBADF);
    ck_assert_uint_eq(error.file_off, 0);
    ck_assert_int_eq(io_zero(io, 0, 4, NULL), QED_ERR_IO);
    ck_assert_int_eq(io_set_length(io, 4, NULL), QED_ERR_IO);
    io_close(io);
}
END_TEST

START_TEST(the_length_is_cut_and_grown_with_zeroes)
{
    uint8_t bytes[6];
    uint64_t length;
    struct io *io;

    unit_write_file("f", "0123456789", 10);
    io = open_file("f", true);
    ck_assert_int_eq(io_set_length(io, 3, NULL), QED_OK);
    ck_assert_int_eq(io_set_length(io, 6, NULL), QED_OK);
    ck_assert_int_eq(io_get_length(io, &length, NULL), QED_OK);
    ck_assert_uint_eq(length, 6);
    ck_assert_int_eq(io_read(io, bytes, 6, 0, NULL), QED_OK);
    ck_assert_mem_eq(bytes, "012\0\0\0", 6);
    io_close(io);
}
END_TEST

START_TEST(zeroed_ranges_read_as_zeroes_and_nothing_else_changes)
{
    static const struct {
        uint64_t off, len;
    } ranges[] = {{0, 1}, {4095, 2}, {8192, 65536}, {100000, 77777}, {299999, 1}, {300000, 0}};
    size_t size = 300000;
    uint8_t *bytes = malloc(size), *expected = malloc(size);
    uint64_t length;
    struct io *io;

    ck_assert(bytes && expected);
    memset(expected, 0x77, size);
    unit_write_file("f", expected, size);
    io = open_file("f", true);
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        ck_assert_int_eq(io_zero(io, ranges[i].off, ranges[i].len, NULL), QED_OK);
        memset(expected + ranges[i].off, 0, ranges[i].len);
        ck_assert_int_eq(io_read(io, bytes, size, 0, NULL), QED_OK);
        ck_assert(memcmp(bytes, expected, size) == 0);
    }
    ck_assert_int_eq(io_get_length(io, &length, NULL), QED_OK);
    ck_assert_uint_eq(length, size);
    io_close(io);
    free(bytes);
    free(expected);
}
END_TEST

/* Whether the file system under the test's folder tells holes at all. */
static bool holes_are_told(struct io *io)
{
    struct io_run run;

    ck_assert_int_eq(io_next_run(io, 0, &run, NULL), QED_OK);
    return !run.is_data;
}

START_TEST(holes_are_told_from_data)
{
    uint64_t mib = UINT64_C(1) << 20;
    struct io_run run;
    struct io *io;

    unit_write_file("f", "", 0);
    io = open_file("f", true);
    ck_assert_int_eq(io_next_run(io, 0, &run, NULL), QED_OK);
    ck_assert_uint_eq(run.length, 0);
    ck_assert_int_eq(io_set_length(io, 3 * mib, NULL), QED_OK);
    unit_fill(io, mib, mib, 1);
    ck_assert_int_eq(io_next_run(io, mib + 5, &run, NULL), QED_OK);
    ck_assert(run.is_data);
    ck_assert_uint_eq(run.file_off, mib + 5);
    if (holes_are_told(io)) {
        ck_assert_uint_eq(run.length, mib - 5);
        ck_assert_int_eq(io_next_run(io, 7, &run, NULL), QED_OK);
        ck_assert(!run.is_data);
        ck_assert_uint_eq(run.length, mib - 7);
        ck_assert_int_eq(io_next_run(io, 2 * mib, &run, NULL), QED_OK);
        ck_assert(!run.is_data);
        ck_assert_uint_eq(run.length, mib);
    } else {
        ck_assert_uint_eq(run.length, 2 * mib - 5);
    }
    ck_assert_int_eq(io_next_run(io, 3 * mib, &run, NULL), QED_OK);
    ck_assert_uint_eq(run.length, 0);
    ck_assert_int_eq(io_next_run(io, UINT64_MAX, &run, NULL), QED_OK);
    ck_assert_uint_eq(run.length, 0);
    io_close(io);
}
END_TEST

START_TEST(a_full_disk_is_told_after_what_fits_was_written)
{
    struct rlimit before, limit;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    struct qed_error error = QED_ERROR_INIT;
    char bytes[8192];
    uint64_t length;
    struct io *io;
    int ret;

    memset(bytes, 0x33, sizeof(bytes));
    unit_write_file("f", "", 0);
    io = open_file("f", true);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = 5000;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ret = io_write(io, bytes, sizeof(bytes), 0, &error);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
    ck_assert_int_eq(ret, QED_ERR_IO);
    ck_assert_int_eq(error.sys_errno, EFBIG);
    ck_assert_uint_eq(error.file_off, 5000);
    ck_assert_int_eq(io_get_length(io, &length, NULL), QED_OK);
    ck_assert_uint_eq(length, 5000);
    io_close(io);
}
END_TEST

static void check_refused(const char *name, int code)
{
    struct qed_error error = QED_ERROR_INIT;
    struct io *io = NULL;

    ck_assert_int_eq(io_file_open(&io, name, false, NULL, &error), code);
    ck_assert_int_eq(error.code, code);
    ck_assert_ptr_null(io);
}

START_TEST(only_files_are_opened_and_nothing_is_waited_for)
{
    struct io_file_info info;
    struct io *io = NULL;
    bool exists;

    ck_assert_int_eq(mkfifo("fifo", 0600), 0);
    ck_assert_int_eq(mkdir("dir", 0700), 0);
    check_refused("fifo", QED_ERR_NOT_FILE);
    check_refused("dir", QED_ERR_NOT_FILE);
    check_refused("/dev/null", QED_ERR_NOT_FILE);
    check_refused("missing", QED_ERR_OPEN);
    check_refused("", QED_ERR_OPEN);
    ck_assert_int_eq(io_file_open(&io, "fifo", true, NULL, NULL), QED_ERR_NOT_FILE);
    ck_assert_int_eq(io_file_open(&io, "dir", true, NULL, NULL), QED_ERR_OPEN);
    ck_assert_int_eq(io_file_query("fifo", &exists, &info, NULL), QED_ERR_NOT_FILE);
    ck_assert_int_eq(io_file_query("dir", &exists, &info, NULL), QED_ERR_NOT_FILE);
}
END_TEST

START_TEST(a_file_is_the_same_under_every_name)
{
    struct io_file_info opened, linked, other;
    struct io *io = NULL;
    bool exists = false;

    unit_write_file("f", "x", 1);
    unit_write_file("g", "x", 1);
    ck_assert_int_eq(symlink("f", "soft"), 0);
    ck_assert_int_eq(link("f", "hard"), 0);
    ck_assert_int_eq(io_file_open(&io, "soft", false, &opened, NULL), QED_OK);
    io_close(io);
    ck_assert(!opened.is_block_device);
    ck_assert_int_eq(io_file_query("hard", &exists, &linked, NULL), QED_OK);
    ck_assert(exists);
    ck_assert(io_identity_equal(&opened.identity, &linked.identity));
    ck_assert_int_eq(io_file_query("g", &exists, &other, NULL), QED_OK);
    ck_assert(!io_identity_equal(&opened.identity, &other.identity));
}
END_TEST

START_TEST(a_missing_file_is_told_without_an_error)
{
    struct qed_error error = QED_ERROR_INIT;
    struct io_file_info info;
    bool exists = true;

    ck_assert_int_eq(io_file_query("missing", &exists, &info, &error), QED_OK);
    ck_assert(!exists);
    ck_assert_int_eq(error.code, QED_OK);
    unit_write_file("f", "x", 1);
    ck_assert_int_eq(io_file_query("f/below", &exists, &info, &error), QED_ERR_OPEN);
    ck_assert_int_eq(error.sys_errno, ENOTDIR);
}
END_TEST

START_TEST(allocated_bytes_are_what_the_file_system_gave)
{
    struct io_file_info info;
    struct io *io = NULL;
    struct stat st;

    unit_write_file("f", "", 0);
    ck_assert_int_eq(truncate("f", 50 << 20), 0);
    ck_assert_int_eq(io_file_open(&io, "f", false, &info, NULL), QED_OK);
    ck_assert_int_eq(stat("f", &st), 0);
    ck_assert_uint_eq(info.allocated_bytes, (uint64_t)st.st_blocks * 512);
    io_close(io);
}
END_TEST

START_TEST(a_descriptor_past_the_page_cache_allows_no_more_than_the_file)
{
    struct io *io, *memory = io_mem_new(4096);
    void *block;
    int fd;

    ck_assert_int_eq(posix_memalign(&block, 4096, 4096), 0);
    memset(block, 0x42, 4096);
    unit_write_file("f", block, 4096);
    io = open_file("f", true);
    fd = io_file_open_direct(io, true);
    if (fd >= 0) {
        ck_assert_int_ne(fcntl(fd, F_GETFL) & O_DIRECT, 0);
        ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
        ck_assert_int_eq(pwrite(fd, block, 4096, 4096), 4096);
        close(fd);
        fd = io_file_open_direct(io, false);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(pread(fd, block, 4096, 4096), 4096);
        ck_assert_int_eq(pwrite(fd, block, 4096, 0), -1);
        ck_assert_int_eq(errno, EBADF);
        close(fd);
    }
    io_close(io);
    io = open_file("f", false);
    ck_assert_int_eq(io_file_open_direct(io, true), -1);
    ck_assert_int_eq(io_file_open_direct(memory, false), -1);
    ck_assert_int_eq(io_file_open_direct(memory, true), -1);
    io_close(io);
    io_close(memory);
    free(block);
}
END_TEST

/* Whatever the file system has of it, and whatever is aligned: the bytes are those of a model. */
START_TEST(transfers_past_the_page_cache_are_whole)
{
    enum { SIZE = 40 * 4096 + 777 };
    struct unit_random random = {5};
    uint8_t *model = unit_mixed(9, SIZE), *buffer = io_queue_buffer(SIZE + 4096);
    struct io *io;

    ck_assert_ptr_nonnull(buffer);
    unit_write_file("f", model, SIZE);
    io = open_file("f", true);
    io_file_use_direct(io, true);
    for (int i = 0; i < 500; i++) {
        bool aligned = i % 2 == 0;
        size_t at = unit_random_below(&random, SIZE), len;
        uint8_t *here = buffer + (aligned ? 0 : unit_random_below(&random, 4096));

        at -= aligned ? at % 4096 : 0;
        len = unit_random_below(&random, SIZE - at + 1);
        if (i % 3 == 0) {
            memset(here, i, len);
            memset(model + at, i, len);
            ck_assert_int_eq(io_write(io, here, len, at, NULL), QED_OK);
        } else {
            ck_assert_int_eq(io_read(io, here, len, at, NULL), QED_OK);
            ck_assert_int_eq(memcmp(here, model + at, len), 0);
        }
    }
    ck_assert_int_eq(io_read(io, buffer, 8192, 38 * 4096, NULL), QED_OK);
    ck_assert_int_eq(io_read(io, buffer, 8192, 40 * 4096, NULL), QED_ERR_SHORT_READ);
    io_close(io);
    free(buffer);
    free(model);
}
END_TEST

START_TEST(what_a_file_takes_is_told)
{
    struct io *io, *memory = io_mem_new(10);

    unit_write_file("f", "", 0);
    io = open_file("f", true);
    ck_assert_uint_eq(io_file_allocated_bytes(io), 0);
    ck_assert_int_eq(io_write_zeroes(io, 0, 65536, NULL), QED_OK);
    io_file_skip_flush(io);
    ck_assert_int_eq(io_flush(io, NULL), QED_OK);
    ck_assert_uint_ge(io_file_allocated_bytes(io), 65536);
    ck_assert_uint_eq(io_file_allocated_bytes(memory), 0);
    io_file_use_direct(memory, true);
    io_file_skip_flush(memory);
    ck_assert_int_eq(io_flush(memory, NULL), QED_OK);
    io_close(io);
    io_close(memory);
}
END_TEST

START_TEST(the_folder_of_a_path)
{
    static const char *const cases[][2] = {{"a", ""},           {"b/a", "b/"}, {"/a", "/"},
                                           {"/x/y/a", "/x/y/"}, {"x/", "x/"},  {"", ""}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *folder = io_file_folder(cases[i][0]);

        ck_assert_str_eq(folder, cases[i][1]);
        free(folder);
    }
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("io_file");

    unit_use_folder(tests);
    tcase_add_test(tests, what_was_written_is_read);
    tcase_add_test(tests, a_read_past_the_end_is_short_not_filled_up);
    tcase_add_test(tests, offsets_that_no_file_has_are_refused);
    tcase_add_test(tests, a_file_opened_for_reading_is_not_written);
    tcase_add_test(tests, the_length_is_cut_and_grown_with_zeroes);
    tcase_add_test(tests, zeroed_ranges_read_as_zeroes_and_nothing_else_changes);
    tcase_add_test(tests, holes_are_told_from_data);
    tcase_add_test(tests, a_full_disk_is_told_after_what_fits_was_written);
    tcase_add_test(tests, only_files_are_opened_and_nothing_is_waited_for);
    tcase_add_test(tests, a_file_is_the_same_under_every_name);
    tcase_add_test(tests, a_missing_file_is_told_without_an_error);
    tcase_add_test(tests, allocated_bytes_are_what_the_file_system_gave);
    tcase_add_test(tests, a_descriptor_past_the_page_cache_allows_no_more_than_the_file);
    tcase_add_test(tests, transfers_past_the_page_cache_are_whole);
    tcase_add_test(tests, what_a_file_takes_is_told);
    tcase_add_test(tests, the_folder_of_a_path);
    return unit_run(tests);
}
