/*
 * Gzip files that are damaged, cut short, or too much: an error or the right data, never a hang.
 * SPDX-License-Identifier: MIT
 */
#include "format/gzip_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/gzip_writer.h"
#include "support/gzip_file.h"
#include "support/io_fault.h"
#include "support/io_mem.h"
#include "support/unit.h"

#define CUT_SHORT "the gzip data ends too early"
#define NOT_GZIP "not in gzip format"

START_TEST(what_is_not_gzip_is_told)
{
    static const char *const files[] = {"x", "\x1f\x8c\x08", "QED", "\0\0\0", "hello, world"};
    struct io *io;

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        io = io_mem_new(0);
        gzip_file_add_bytes(io, files[i], i == 3 ? 3 : strlen(files[i]));
        gzip_file_fails(io, QED_ERR_FORMAT, NOT_GZIP, (const uint8_t *)"", 0);
        io_close(io);
    }
    io = io_mem_new(0);
    gzip_file_add_bytes(io, "\x1f\x8b\x07\0\0\0\0\0\0\3", 10);
    gzip_file_fails(io, QED_ERR_CORRUPT, "the gzip data is damaged: unknown compression method",
                    (const uint8_t *)"", 0);
    io_close(io);
}
END_TEST

START_TEST(a_file_cut_anywhere_is_told)
{
    size_t len = 700, done;
    uint8_t *plain = unit_mixed(8, len);
    struct io *io = io_mem_new(0);
    struct qed_error error = QED_ERROR_INIT;
    uint64_t length, one;

    gzip_file_add_member(io, plain, len / 2);
    ck_assert_int_eq(io_get_length(io, &one, NULL), QED_OK);
    gzip_file_add_member(io, plain + len / 2, len / 2);
    ck_assert_int_eq(io_get_length(io, &length, NULL), QED_OK);
    while (length-- > 0) {
        uint8_t *bytes;
        int expected = length == one ? QED_OK : QED_ERR_SHORT_READ;

        ck_assert_int_eq(io_set_length(io, length, NULL), QED_OK);
        if (gzip_file_read(io, len, 100, &bytes, &done, &error) != expected)
            ck_abort_msg("cut to %zu bytes", (size_t)length);
        if (expected < 0)
            ck_assert_str_eq(error.text, CUT_SHORT);
        ck_assert(memcmp(bytes, plain, done) == 0);
        free(bytes);
    }
    io_close(io);
    free(plain);
}
END_TEST

/* What is read of a file that holds len bytes when max may come out. */
static void read_at_most(struct io *io, uint64_t max, size_t len)
{
    struct qed_error error = QED_ERROR_INIT;
    uint8_t *bytes;
    char text[100];
    size_t got;

    snprintf(text, sizeof(text), "the gzip data is more than the %llu bytes that it may be",
             (unsigned long long)max);
    if (max >= len) {
        ck_assert_int_eq(gzip_file_read(io, max, 50000, &bytes, &got, &error), QED_OK);
        ck_assert_uint_eq(got, len);
    } else {
        ck_assert_int_eq(gzip_file_read(io, max, 50000, &bytes, &got, &error), QED_ERR_NO_SPACE);
        ck_assert_str_eq(error.text, text);
        ck_assert_uint_eq(got, max);
    }
    free(bytes);
}

START_TEST(no_more_comes_out_than_may)
{
    static const size_t len = 1 << 20;
    uint8_t *plain = unit_mixed(9, len);
    struct io *io = io_mem_new(0), *empty = io_mem_new(0);

    gzip_file_add_member(io, plain, len / 2);
    gzip_file_add_member(io, plain + len / 2, len / 2);
    gzip_file_add_member(empty, plain, 0);
    for (uint64_t max = 0; max <= 2 * len; max += 65536) {
        read_at_most(io, max, len);
        read_at_most(io, max + 1, len);
        read_at_most(io, max + 65535, len);
    }
    read_at_most(io, UINT64_MAX, len);
    read_at_most(io, UINT64_MAX - 1, len);
    read_at_most(empty, 0, 0);
    io_close(io);
    io_close(empty);
    free(plain);
}
END_TEST

START_TEST(a_bomb_is_refused_long_before_its_end)
{
    struct io *io = io_mem_new(0);
    struct io_stream *stream = NULL;
    struct gzip_writer *writer = NULL;

    ck_assert_int_eq(io_stream_over(&stream, io, NULL), QED_OK);
    ck_assert_int_eq(gzip_writer_new(&writer, stream, 9, 0, NULL), QED_OK);
    ck_assert_int_eq(gzip_writer_zeroes(writer, UINT64_C(8) << 30, NULL), QED_OK);
    ck_assert_int_eq(gzip_writer_finish(writer, NULL), QED_OK);
    gzip_writer_free(writer);
    io_stream_close(stream);
    io_mem_reset_counts(io);
    read_at_most(io, 3 << 20, SIZE_MAX);
    ck_assert_uint_lt(io_mem_counts(io).bytes_read, 1 << 20);
    io_close(io);
}
END_TEST

/* Change, put in or take out a few bytes somewhere. */
static struct io *damage(struct io *io, struct unit_random *random)
{
    uint64_t length, at;
    uint8_t *bytes;
    struct io *damaged = io_mem_new(0);

    ck_assert_int_eq(io_get_length(io, &length, NULL), QED_OK);
    bytes = malloc(length);
    ck_assert_ptr_nonnull(bytes);
    ck_assert_int_eq(io_read(io, bytes, length, 0, NULL), QED_OK);
    for (uint64_t times = 1 + unit_random_below(random, 3); times > 0; times--) {
        at = unit_random_below(random, unit_random_below(random, 3) ? length : 12);
        switch (unit_random_below(random, 5)) {
        case 0:
            bytes[at] ^= (uint8_t)(1 << unit_random_below(random, 8));
            break;
        case 1:
            bytes[at] = (uint8_t)unit_random(random);
            break;
        case 2:
            memset(bytes + at, (int)unit_random_below(random, 2) * 0xff,
                   unit_random_below(random, length - at + 1) % 100);
            break;
        case 3:
            memmove(bytes + at, bytes + at + 1, --length - at);
            break;
        default:
            memmove(bytes + at, bytes + length / 2, (length - at) / 2);
        }
    }
    gzip_file_add_bytes(damaged, bytes, length);
    free(bytes);
    return damaged;
}

START_TEST(damaged_files_give_the_right_data_or_an_error)
{
    size_t len = 30000, good = 0, bad = 0;
    uint8_t *plain = unit_mixed(10, len);
    struct io *io = io_mem_new(0);

    gzip_file_add_member(io, plain, len / 2);
    gzip_file_add_member(io, plain + len / 2, len / 2);
    for (uint64_t seed = 0; seed < 1500; seed++) {
        struct unit_random random = {seed};
        struct io *damaged = damage(io, &random);
        uint8_t *bytes;
        size_t got;
        int ret = gzip_file_read(damaged, 2 * len, 10000, &bytes, &got, NULL);

        if (ret == QED_OK && !(got == len && memcmp(bytes, plain, len) == 0))
            ck_abort_msg("seed %llu: wrong data", (unsigned long long)seed);
        good += ret == QED_OK;
        bad += ret < 0;
        free(bytes);
        io_close(damaged);
    }
    ck_assert_uint_gt(good, 10); /* the time, the system: what nobody reads */
    ck_assert_uint_gt(bad, 1000);
    io_close(io);
    free(plain);
}
END_TEST

START_TEST(a_failure_of_any_read_is_told)
{
    size_t len = 2 << 20, fail_at = 1;
    uint8_t *plain = malloc(len);
    struct unit_random random = {13};
    struct io *io = io_mem_new(0);
    bool happened = true;

    ck_assert_ptr_nonnull(plain);
    for (size_t i = 0; i < len; i++)
        plain[i] = (uint8_t)unit_random(&random);
    gzip_file_add_member(io, plain, len);
    for (; happened; fail_at++) {
        struct io_fault_plan plan = {.fail_at = fail_at, .code = QED_ERR_IO};
        struct io *fault = io_fault_new(io, &plan);
        uint8_t *bytes;
        size_t got;
        int ret = gzip_file_read(fault, len, 100000, &bytes, &got, NULL);

        happened = io_fault_happened(fault);
        ck_assert_int_eq(ret, happened ? QED_ERR_IO : QED_OK);
        ck_assert(memcmp(bytes, plain, got) == 0);
        free(bytes);
        io_close(fault);
    }
    ck_assert_uint_gt(fail_at, 15);
    io_close(io);
    free(plain);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("gzip_reader_damage");

    tcase_add_test(tests, what_is_not_gzip_is_told);
    tcase_add_test(tests, a_file_cut_anywhere_is_told);
    tcase_add_test(tests, no_more_comes_out_than_may);
    tcase_add_test(tests, a_bomb_is_refused_long_before_its_end);
    tcase_add_test(tests, damaged_files_give_the_right_data_or_an_error);
    tcase_add_test(tests, a_failure_of_any_read_is_told);
    return unit_run(tests);
}
