/*
 * Ranges handed from file to file by the kernel, on whatever file system the tests run on: what it
 * does is right, and what it does not do leaves the target alone. Where blocks can be shared is
 * tested by tests/filesystems/.
 * SPDX-License-Identifier: MIT
 */
#include "io/io_transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include "io/io_file.h"
#include "io/io_space.h"
#include "io/io_window.h"
#include "support/io_mem.h"
#include "support/unit.h"

#define MIB ((size_t)1 << 20)

static struct io *open_file(const char *name)
{
    struct io *io = NULL;

    ck_assert_int_eq(io_file_open(&io, name, true, NULL, NULL), QED_OK);
    return io;
}

static uint8_t *random_bytes(size_t len, uint64_t seed)
{
    struct unit_random random = {seed};
    uint8_t *bytes = malloc(len);

    ck_assert_ptr_nonnull(bytes);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)unit_random(&random);
    return bytes;
}

/* Two files of random bytes, and what is expected to stand in "to". */
struct pair {
    struct io *from, *to;
    size_t from_len, to_len;
    uint8_t *source, *expected;
};

static struct pair open_pair(size_t from_len, size_t to_len)
{
    struct pair pair = {.from_len = from_len, .to_len = to_len};

    pair.source = random_bytes(from_len, 1);
    pair.expected = random_bytes(to_len, 2);
    unit_write_file("from", pair.source, from_len);
    unit_write_file("to", pair.expected, to_len);
    pair.from = open_file("from");
    pair.to = open_file("to");
    return pair;
}

static void close_pair(struct pair *pair)
{
    io_close(pair->from);
    io_close(pair->to);
    free(pair->source);
    free(pair->expected);
}

/* len bytes of the source were copied to to_off, growing the file where needed. */
static void expect_copied(struct pair *pair, size_t to_off, size_t from_off, size_t len)
{
    if (to_off + len > pair->to_len && len > 0) {
        pair->expected = realloc(pair->expected, to_off + len);
        ck_assert_ptr_nonnull(pair->expected);
        if (to_off > pair->to_len)
            memset(pair->expected + pair->to_len, 0, to_off - pair->to_len);
        pair->to_len = to_off + len;
    }
    memcpy(pair->expected + to_off, pair->source + from_off, len);
}

static void check_pair(const struct pair *pair)
{
    size_t len;
    uint8_t *bytes = unit_read_file("to", &len);

    ck_assert_uint_eq(len, pair->to_len);
    ck_assert(memcmp(bytes, pair->expected, len) == 0);
    free(bytes);
    bytes = unit_read_file("from", &len);
    ck_assert_uint_eq(len, pair->from_len);
    ck_assert(memcmp(bytes, pair->source, len) == 0);
    free(bytes);
}

START_TEST(copied_ranges_are_those_that_were_named)
{
    static const struct {
        size_t to_off, from_off, len;
    } ranges[] = {{0, 0, MIB},       {777, 4097, 100001},         {5, 2 * MIB - 3, 3},
                  {MIB, 0, 2 * MIB}, {4 * MIB, MIB, MIB / 2 + 1}, {9, 9, 0}};
    struct pair pair = open_pair(2 * MIB, MIB + 5);
    uint64_t done;

    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        int ret = io_copy_range(pair.to, ranges[i].to_off, pair.from, ranges[i].from_off,
                                ranges[i].len, &done, NULL);

        if (ret != QED_ERR_UNSUPPORTED) {
            ck_assert_int_eq(ret, QED_OK);
            ck_assert_uint_eq(done, ranges[i].len);
        }
        expect_copied(&pair, ranges[i].to_off, ranges[i].from_off, (size_t)done);
        check_pair(&pair);
    }
    close_pair(&pair);
}
END_TEST

START_TEST(a_source_that_ends_early_is_told_after_what_was_there)
{
    struct qed_error error = QED_ERROR_INIT;
    struct pair pair = open_pair(10000, 20000);
    uint64_t done;
    int ret = io_copy_range(pair.to, 4096, pair.from, 5000, 8192, &done, &error);

    if (ret != QED_ERR_UNSUPPORTED) {
        ck_assert_int_eq(ret, QED_ERR_SHORT_READ);
        ck_assert_int_eq(error.code, QED_ERR_SHORT_READ);
        ck_assert_uint_eq(done, 5000);
    }
    expect_copied(&pair, 4096, 5000, (size_t)done);
    check_pair(&pair);
    ret = io_clone_range(pair.to, 4096, pair.from, 4096, 8192, &error);
    ck_assert(ret == QED_ERR_SHORT_READ || ret == QED_ERR_UNSUPPORTED);
    check_pair(&pair);
    close_pair(&pair);
}
END_TEST

START_TEST(a_clone_is_whole_or_not_there)
{
    struct qed_error error = QED_ERROR_INIT;
    struct pair pair = open_pair(MIB, MIB);
    int ret = io_clone_range(pair.to, MIB / 2, pair.from, 0, MIB, &error);

    if (ret == QED_OK) {
        expect_copied(&pair, MIB / 2, 0, MIB);
    } else {
        ck_assert_int_eq(ret, QED_ERR_UNSUPPORTED);
        ck_assert_int_eq(error.code, QED_ERR_UNSUPPORTED);
        ck_assert_int_ne(error.sys_errno, 0);
    }
    check_pair(&pair);
    /* To the kernel a length of 0 is everything. */
    ck_assert_int_eq(io_clone_range(pair.to, 0, pair.from, 0, 0, NULL), QED_OK);
    check_pair(&pair);
    /* Not whole blocks on any file system. */
    ck_assert_int_eq(io_clone_range(pair.to, 1, pair.from, 0, 4096, NULL), QED_ERR_UNSUPPORTED);
    ck_assert_int_eq(io_clone_range(pair.to, 0, pair.from, 3, 4096, NULL), QED_ERR_UNSUPPORTED);
    check_pair(&pair);
    close_pair(&pair);
}
END_TEST

START_TEST(what_is_no_file_or_has_no_such_offset_is_refused)
{
    struct io *memory = io_mem_new(8192);
    struct pair pair = open_pair(8192, 8192);
    uint64_t done = 1;

    ck_assert_int_eq(io_clone_range(memory, 0, pair.from, 0, 4096, NULL), QED_ERR_UNSUPPORTED);
    ck_assert_int_eq(io_clone_range(pair.to, 0, memory, 0, 4096, NULL), QED_ERR_UNSUPPORTED);
    ck_assert_int_eq(io_copy_range(memory, 0, pair.from, 0, 4096, &done, NULL),
                     QED_ERR_UNSUPPORTED);
    ck_assert_uint_eq(done, 0);
    ck_assert_int_eq(io_copy_range(pair.to, 0, memory, 0, 4096, &done, NULL), QED_ERR_UNSUPPORTED);
    ck_assert_int_eq(io_clone_range(pair.to, INT64_MAX, pair.from, 0, 4096, NULL), QED_ERR_INVALID);
    ck_assert_int_eq(io_clone_range(pair.to, 0, pair.from, UINT64_MAX, 4096, NULL),
                     QED_ERR_INVALID);
    ck_assert_int_eq(io_copy_range(pair.to, UINT64_MAX, pair.from, 0, 4096, &done, NULL),
                     QED_ERR_INVALID);
    ck_assert_uint_eq(done, 0);
    check_pair(&pair);
    close_pair(&pair);
    io_close(memory);
}
END_TEST

START_TEST(overlapping_ranges_of_one_file_are_left_to_others)
{
    struct pair pair = open_pair(8192, 65536);
    uint64_t done;

    ck_assert_int_eq(io_copy_range(pair.to, 0, pair.to, 4096, 16384, &done, NULL),
                     QED_ERR_UNSUPPORTED);
    ck_assert_uint_eq(done, 0);
    ck_assert_int_eq(io_clone_range(pair.to, 0, pair.to, 4096, 16384, NULL), QED_ERR_UNSUPPORTED);
    check_pair(&pair);
    close_pair(&pair);
}
END_TEST

START_TEST(a_device_that_is_always_full_is_left_to_others)
{
    struct pair pair = open_pair(8192, 1);
    struct qed_error error = QED_ERROR_INIT;
    struct io *full = NULL;
    int fd = open("/dev/full", O_RDWR | O_CLOEXEC);
    uint64_t done;

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(io_file_adopt(&full, fd, false, NULL), QED_OK);
    ck_assert_int_eq(io_copy_range(full, 0, pair.from, 0, 8192, &done, NULL), QED_ERR_UNSUPPORTED);
    ck_assert_uint_eq(done, 0);
    ck_assert_int_eq(io_clone_range(full, 0, pair.from, 0, 8192, NULL), QED_ERR_UNSUPPORTED);
    ck_assert_int_eq(io_write_zeroes(full, 0, 1, &error), QED_ERR_NO_SPACE);
    io_close(full);
    close_pair(&pair);
}
END_TEST

START_TEST(a_target_that_may_not_grow_is_an_error)
{
    struct rlimit before, limit;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    struct qed_error error = QED_ERROR_INIT;
    struct pair pair = open_pair(65536, 0);
    uint64_t done;
    int ret;

    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = 8192;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ret = io_copy_range(pair.to, 0, pair.from, 0, 65536, &done, &error);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
    if (ret != QED_ERR_UNSUPPORTED) {
        ck_assert_int_eq(ret, QED_ERR_IO);
        ck_assert_int_eq(error.sys_errno, EFBIG);
        ck_assert_uint_le(done, 8192);
    }
    expect_copied(&pair, 0, 0, (size_t)done);
    check_pair(&pair);
    close_pair(&pair);
}
END_TEST

START_TEST(asking_whether_a_clone_works_changes_nothing)
{
    struct pair pair = open_pair(3 * 4096, 5 * 4096 + 9);
    struct io *memory = io_mem_new(8192);
    bool can = io_can_clone(pair.to, pair.from);

    check_pair(&pair);
    ck_assert_int_eq(io_clone_range(pair.to, UINT64_C(4) << 20, pair.from, 0, 4096, NULL) == QED_OK,
                     can);
    ck_assert(!io_can_clone(memory, pair.from));
    ck_assert(!io_can_clone(pair.to, memory));
    io_close(memory);
    close_pair(&pair);
}
END_TEST

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
    (void)number;
    signals++;
}

START_TEST(signals_do_not_cut_anything_short)
{
    struct sigaction action = {.sa_handler = count_signal}; /* no SA_RESTART */
    struct itimerval often = {{0, 300}, {0, 300}}, never = {0};
    struct pair pair = open_pair(8 * MIB, 0);
    struct io_window window = {.io = pair.to};
    uint64_t done;

    ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
    ck_assert_int_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
    for (int i = 0; i < 20 || signals < 20; i++) {
        int ret = io_allocate(pair.to, 0, 8 * MIB, NULL);

        ck_assert(ret == QED_OK || ret == QED_ERR_UNSUPPORTED);
        ck_assert_int_eq(io_window_write(&window, pair.source, MIB, 7 * MIB, NULL), QED_OK);
        ck_assert_int_eq(io_zero(pair.to, MIB, 7 * MIB, NULL), QED_OK);
        ck_assert_int_eq(io_zero_allocated(pair.to, 0, 2 * MIB, NULL), QED_OK);
        ret = io_copy_range(pair.to, 0, pair.from, 0, 7 * MIB, &done, NULL);
        ck_assert(ret == QED_OK || ret == QED_ERR_UNSUPPORTED);
        if (ret == QED_ERR_UNSUPPORTED)
            ck_assert_int_eq(io_write(pair.to, pair.source, 7 * MIB, 0, NULL), QED_OK);
        ret = io_clone_range(pair.to, 7 * MIB, pair.from, 7 * MIB, MIB, NULL);
        ck_assert(ret == QED_OK || ret == QED_ERR_UNSUPPORTED);
        if (ret == QED_ERR_UNSUPPORTED)
            ck_assert_int_eq(io_window_write(&window, pair.source + 7 * MIB, MIB, 7 * MIB, NULL),
                             QED_OK);
    }
    ck_assert_int_eq(setitimer(ITIMER_REAL, &never, NULL), 0);
    expect_copied(&pair, 0, 0, 8 * MIB);
    check_pair(&pair);
    close_pair(&pair);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("io_transfer");

    unit_use_folder(tests);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, copied_ranges_are_those_that_were_named);
    tcase_add_test(tests, a_source_that_ends_early_is_told_after_what_was_there);
    tcase_add_test(tests, a_clone_is_whole_or_not_there);
    tcase_add_test(tests, what_is_no_file_or_has_no_such_offset_is_refused);
    tcase_add_test(tests, overlapping_ranges_of_one_file_are_left_to_others);
    tcase_add_test(tests, a_device_that_is_always_full_is_left_to_others);
    tcase_add_test(tests, a_target_that_may_not_grow_is_an_error);
    tcase_add_test(tests, asking_whether_a_clone_works_changes_nothing);
    tcase_add_test(tests, signals_do_not_cut_anything_short);
    return unit_run(tests);
}
