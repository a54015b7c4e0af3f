/*
 * What is written as gzip comes back, here and from gzip(1); it is the same whatever the threads
 * did; failures end it without a hang.
 * SPDX-License-Identifier: MIT
 */
#include "format/gzip_writer.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/le.h"
#include "format/gzip_reader.h"
#include "format/zcodec.h"
#include "support/io_fault.h"
#include "support/io_mem.h"
#include "support/unit.h"

#define BLOCK GZIP_BLOCK_BYTES

static bool has_gzip;

/* A writer to a stream over io, both to be released by close_writer. */
struct output {
    struct io_stream *stream;
    struct gzip_writer *writer;
};

static struct output open_writer(struct io *io, int level, unsigned int threads)
{
    struct output output = {NULL, NULL};
    struct qed_error error = QED_ERROR_INIT;

    ck_assert_int_eq(io_stream_over(&output.stream, io, NULL), QED_OK);
    ck_assert_msg(gzip_writer_new(&output.writer, output.stream, level, threads, &error) == QED_OK,
                  "%s", error.text);
    return output;
}

static void close_writer(struct output *output)
{
    gzip_writer_free(output->writer);
    io_stream_close(output->stream);
}

/* plain as a gzip file in memory. */
static struct io *pack(const uint8_t *plain, size_t len, int level, unsigned int threads)
{
    struct io *io = io_mem_new(0);
    struct output output = open_writer(io, level, threads);

    ck_assert_int_eq(gzip_writer_write(output.writer, plain, len, NULL), QED_OK);
    ck_assert_int_eq(gzip_writer_finish(output.writer, NULL), QED_OK);
    close_writer(&output);
    return io;
}

static uint8_t *file_bytes(struct io *io, size_t *len)
{
    uint64_t length;
    uint8_t *bytes;

    ck_assert_int_eq(io_get_length(io, &length, NULL), QED_OK);
    *len = (size_t)length;
    bytes = malloc(*len + 1);
    ck_assert_ptr_nonnull(bytes);
    ck_assert_int_eq(io_read(io, bytes, *len, 0, NULL), QED_OK);
    return bytes;
}

/* The file in io is plain, says our reader, and says gzip where it is installed. */
static void unpacks_to(struct io *io, const uint8_t *plain, size_t len)
{
    struct io_stream *stream = NULL;
    struct gzip_reader *reader = NULL;
    uint8_t *read_back = malloc(len + 1), *bytes;
    size_t got, packed_len;

    ck_assert_ptr_nonnull(read_back);
    ck_assert_int_eq(io_stream_over(&stream, io, NULL), QED_OK);
    ck_assert_int_eq(gzip_reader_new(&reader, stream, len, NULL), QED_OK);
    ck_assert_int_eq(gzip_reader_read(reader, read_back, len + 1, &got, NULL), QED_OK);
    ck_assert_uint_eq(got, len);
    ck_assert(memcmp(read_back, plain, len) == 0);
    gzip_reader_free(reader);
    io_stream_close(stream);
    free(read_back);
    if (!has_gzip)
        return;
    bytes = file_bytes(io, &packed_len);
    unit_write_file("f.gz", bytes, packed_len);
    unit_write_file("f", plain, len);
    free(bytes);
    ck_assert_int_eq(system("gzip -t f.gz && gzip -dc f.gz | cmp - f && zcat f.gz | cmp - f"), 0);
}

START_TEST(every_length_comes_back)
{
    static const size_t lens[] = {0,         1,         2,         100,           32767,
                                  32768,     32769,     BLOCK - 1, BLOCK,         BLOCK + 1,
                                  2 * BLOCK, 5 * BLOCK, 8 * BLOCK, 9 * BLOCK - 1, 20 * BLOCK + 1};
    uint8_t *plain = unit_mixed(1, 21 * BLOCK);

    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        struct io *io = pack(plain, lens[i], GZIP_LEVEL_DEFAULT, 3);

        unpacks_to(io, plain, lens[i]);
        io_close(io);
    }
    free(plain);
}
END_TEST

START_TEST(every_level_comes_back)
{
    size_t len = 6 * BLOCK + 777;
    uint8_t *plain = unit_mixed(2, len);

    for (int level = 0; level <= 9; level++) {
        struct io *io = pack(plain, len, level, 2);

        unpacks_to(io, plain, len);
        io_close(io);
    }
    free(plain);
}
END_TEST

START_TEST(the_number_of_threads_does_not_show)
{
    static const unsigned int threads[] = {0, 2, 3, 8, GZIP_THREADS_MAX, 1000};
    size_t len = 60 * BLOCK + 5;

    for (uint64_t seed = 0; seed < 5; seed++) {
        uint8_t *plain = unit_mixed(seed, len);
        struct io *one = pack(plain, len, 1, 1);

        for (size_t i = 0; i < sizeof(threads) / sizeof(threads[0]); i++) {
            struct io *many = pack(plain, len, 1, threads[i]);

            ck_assert_msg(io_mem_equal(one, many), "%u threads", threads[i]);
            io_close(many);
        }
        unpacks_to(one, plain, len);
        io_close(one);
        free(plain);
    }
}
END_TEST

/* Hand plain over in pieces of any length; zeroes now and then as such. */
static void write_in_pieces(struct gzip_writer *writer, struct unit_random *random,
                            const uint8_t *plain, size_t len)
{
    for (size_t at = 0; at < len;) {
        size_t step = 1 + unit_random_below(random, unit_random_below(random, 2) ? 1000 : 300000);
        size_t zeroes = 0;

        step = step < len - at ? step : len - at;
        while (zeroes < step && plain[at + zeroes] == 0)
            zeroes++;
        if (zeroes > 0 && unit_random_below(random, 2)) {
            step = zeroes;
            ck_assert_int_eq(gzip_writer_zeroes(writer, step, NULL), QED_OK);
        } else {
            ck_assert_int_eq(gzip_writer_write(writer, plain + at, step, NULL), QED_OK);
        }
        at += step;
    }
}

START_TEST(how_bytes_are_handed_over_does_not_show)
{
    size_t len = 40 * BLOCK + 5;
    uint8_t *plain = unit_mixed(7, len);
    struct io *whole;

    memset(plain + 11 * BLOCK - 5, 0, 9 * BLOCK);
    memset(plain, 0, 3 * BLOCK + 1);
    whole = pack(plain, len, 6, 1);
    for (uint64_t seed = 0; seed < 10; seed++) {
        struct unit_random random = {seed};
        struct io *io = io_mem_new(0);
        struct output output = open_writer(io, 6, 2);

        write_in_pieces(output.writer, &random, plain, len);
        ck_assert_int_eq(gzip_writer_finish(output.writer, NULL), QED_OK);
        close_writer(&output);
        ck_assert(io_mem_equal(whole, io));
        io_close(io);
    }
    unpacks_to(whole, plain, len);
    io_close(whole);
    free(plain);
}
END_TEST

START_TEST(the_header_says_nothing_of_the_day)
{
    static const struct {
        int level;
        uint8_t header[10];
    } cases[] = {{1, {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 3}},
                 {6, {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3}},
                 {9, {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3}}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct io *io = pack((const uint8_t *)"abc", 3, cases[i].level, 1);
        uint8_t header[10];

        ck_assert_int_eq(io_read(io, header, 10, 0, NULL), QED_OK);
        ck_assert_mem_eq(header, cases[i].header, 10);
        io_close(io);
    }
}
END_TEST

START_TEST(long_runs_of_zeroes_are_quick_and_short)
{
    size_t zeroes = (size_t)64 << 20, len = zeroes + 200000;
    uint8_t *plain = calloc(1, len), *ends = unit_mixed(4, 200000);
    struct io *io = io_mem_new(0);
    struct output output = open_writer(io, 6, 2);
    uint64_t packed_len;

    ck_assert_ptr_nonnull(plain);
    memcpy(plain, ends, 100000);
    memcpy(plain + 100000 + zeroes, ends + 100000, 100000);
    ck_assert_int_eq(gzip_writer_write(output.writer, ends, 100000, NULL), QED_OK);
    ck_assert_int_eq(gzip_writer_zeroes(output.writer, zeroes, NULL), QED_OK);
    ck_assert_int_eq(gzip_writer_write(output.writer, ends + 100000, 100000, NULL), QED_OK);
    ck_assert_int_eq(gzip_writer_finish(output.writer, NULL), QED_OK);
    close_writer(&output);
    ck_assert_int_eq(io_get_length(io, &packed_len, NULL), QED_OK);
    ck_assert_uint_lt(packed_len, zeroes / 800 + 200000);
    unpacks_to(io, plain, len);
    io_close(io);
    free(ends);
    free(plain);
}
END_TEST

START_TEST(more_than_4_gib_are_counted_as_gzip_does)
{
    uint64_t zeroes = (UINT64_C(4) << 30) + 12345, packed_len;
    struct io *io = io_mem_new(0);
    struct output output = open_writer(io, 6, 1);
    uint8_t trailer[8];

    ck_assert_int_eq(gzip_writer_write(output.writer, "abc", 3, NULL), QED_OK);
    ck_assert_int_eq(gzip_writer_zeroes(output.writer, zeroes, NULL), QED_OK);
    ck_assert_int_eq(gzip_writer_finish(output.writer, NULL), QED_OK);
    close_writer(&output);
    ck_assert_int_eq(io_get_length(io, &packed_len, NULL), QED_OK);
    ck_assert_int_eq(io_read(io, trailer, 8, packed_len - 8, NULL), QED_OK);
    ck_assert_uint_eq(le32_load(trailer), zcodec_crc32_zeroes(zcodec_crc32(0, "abc", 3), zeroes));
    ck_assert_uint_eq(le32_load(trailer + 4), 12348);
    io_close(io);
}
END_TEST

START_TEST(levels_that_there_are_not_are_refused)
{
    struct io *io = io_mem_new(0);
    struct io_stream *stream = NULL;
    struct gzip_writer *writer = NULL;

    ck_assert_int_eq(io_stream_over(&stream, io, NULL), QED_OK);
    ck_assert_int_eq(gzip_writer_new(&writer, stream, 10, 1, NULL), QED_ERR_INVALID);
    ck_assert_int_eq(gzip_writer_new(&writer, stream, -1, 1, NULL), QED_ERR_INVALID);
    ck_assert_ptr_null(writer);
    gzip_writer_free(NULL);
    ck_assert_int_eq(io_stream_write(stream, "x", 1, NULL), QED_OK);
    io_stream_close(stream);
    io_close(io);
}
END_TEST

START_TEST(after_the_end_nothing_is_taken)
{
    struct io *io = io_mem_new(0);
    struct output output = open_writer(io, 6, 1);

    ck_assert_int_eq(gzip_writer_finish(output.writer, NULL), QED_OK);
    ck_assert_int_eq(gzip_writer_write(output.writer, "x", 1, NULL), QED_ERR_INVALID);
    ck_assert_int_eq(gzip_writer_zeroes(output.writer, 1, NULL), QED_ERR_INVALID);
    ck_assert_int_eq(gzip_writer_finish(output.writer, NULL), QED_ERR_INVALID);
    close_writer(&output);
    unpacks_to(io, (const uint8_t *)"", 0);
    io_close(io);
}
END_TEST

static void fill_noise(uint8_t *bytes, size_t len)
{
    struct unit_random random = {9};

    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)unit_random(&random);
}

/* Write noise until it fails, half a GiB at most; how much was taken. */
static int write_until_failure(struct gzip_writer *writer, uint64_t *taken, struct qed_error *error)
{
    uint8_t *noise = malloc(BLOCK);
    int ret = QED_OK;

    ck_assert_ptr_nonnull(noise);
    fill_noise(noise, BLOCK);
    for (*taken = 0; ret == QED_OK && *taken < 512 << 20; *taken += ret == QED_OK ? BLOCK : 0)
        ret = gzip_writer_write(writer, noise, BLOCK, error);
    free(noise);
    return ret;
}

/* A writer on fd, which it then owns. */
static struct output open_on(int fd, unsigned int threads)
{
    struct output output = {NULL, NULL};

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(io_stream_adopt(&output.stream, fd, NULL), QED_OK);
    ck_assert_int_eq(gzip_writer_new(&output.writer, output.stream, 0, threads, NULL), QED_OK);
    return output;
}

START_TEST(an_output_that_fails_is_told_again_and_again)
{
    for (unsigned int threads = 1; threads < 5; threads++) {
        struct qed_error error = QED_ERROR_INIT, later = QED_ERROR_INIT;
        struct output output = open_on(open("/dev/full", O_WRONLY | O_CLOEXEC), threads);
        uint64_t taken;

        ck_assert_int_eq(write_until_failure(output.writer, &taken, &error), QED_ERR_NO_SPACE);
        ck_assert_ptr_nonnull(strstr(error.text, "No space left on device"));
        ck_assert_int_eq(gzip_writer_zeroes(output.writer, BLOCK, &later), QED_ERR_NO_SPACE);
        ck_assert_str_eq(later.text, error.text);
        ck_assert_int_eq(gzip_writer_finish(output.writer, NULL), QED_ERR_NO_SPACE);
        close_writer(&output);
    }
}
END_TEST

START_TEST(a_reader_that_goes_away_is_told)
{
    struct qed_error error = QED_ERROR_INIT;
    struct output output;
    uint64_t taken;
    int ends[2];

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    output = open_on(ends[1], 2);
    close(ends[0]);
    ck_assert_int_eq(gzip_writer_write(output.writer, "abc", 3, NULL), QED_OK);
    ck_assert_int_eq(gzip_writer_finish(output.writer, &error), QED_ERR_PIPE);
    ck_assert_int_eq(error.code, QED_ERR_PIPE);
    ck_assert_int_eq(write_until_failure(output.writer, &taken, NULL), QED_ERR_PIPE);
    ck_assert_uint_eq(taken, 0);
    close_writer(&output);
}
END_TEST

START_TEST(a_failure_of_any_write_is_told)
{
    size_t len = 30 * BLOCK, fail_at = 1;
    uint8_t *noise = malloc(len);
    bool happened = true;

    ck_assert_ptr_nonnull(noise);
    fill_noise(noise, len);
    for (; happened; fail_at++) {
        struct io_fault_plan plan = {
            .kinds = IO_FAULT_BIT(IO_FAULT_WRITE), .fail_at = fail_at, .code = QED_ERR_IO};
        struct io *io = io_mem_new(0), *fault = io_fault_new(io, &plan);
        struct output output = open_writer(fault, 1, 2);
        int ret = gzip_writer_write(output.writer, noise, len, NULL);

        if (ret == QED_OK)
            ret = gzip_writer_finish(output.writer, NULL);
        close_writer(&output);
        happened = io_fault_happened(fault);
        ck_assert_int_eq(ret, happened ? QED_ERR_IO : QED_OK);
        io_close(fault);
        io_close(io);
    }
    ck_assert_uint_gt(fail_at, 10);
    free(noise);
}
END_TEST

static bool stop_after(void *context)
{
    int *left = context;

    return (*left)-- <= 0;
}

START_TEST(an_output_that_is_not_read_holds_the_caller_up)
{
    struct output output;
    uint64_t taken;
    int ends[2], left = 6;

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    output.stream = NULL;
    ck_assert_int_eq(io_stream_adopt(&output.stream, ends[1], NULL), QED_OK);
    io_stream_set_stop(output.stream, stop_after, &left);
    ck_assert_int_eq(gzip_writer_new(&output.writer, output.stream, 0, 2, NULL), QED_OK);
    ck_assert_int_eq(write_until_failure(output.writer, &taken, NULL), QED_ERR_STOPPED);
    /* The ring, the pipe and what is gathered for it. */
    ck_assert_uint_le(taken, 7 * BLOCK + (1 << 20) + (256 << 10));
    close_writer(&output);
    close(ends[0]);
}
END_TEST

START_TEST(an_unfinished_writer_does_not_wait_for_its_output)
{
    struct qed_error error = QED_ERROR_INIT;
    struct output output;
    uint8_t *noise = malloc(10 * BLOCK);
    int ends[2];

    ck_assert_ptr_nonnull(noise);
    fill_noise(noise, 10 * BLOCK);
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    output = open_on(ends[1], 2);
    ck_assert_int_eq(gzip_writer_write(output.writer, noise, 10 * BLOCK, NULL), QED_OK);
    gzip_writer_free(output.writer);
    ck_assert_int_eq(io_stream_write(output.stream, "x", 1, &error), QED_ERR_STOPPED);
    io_stream_close(output.stream);
    close(ends[0]);
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    output = open_on(ends[1], 2);
    close_writer(&output);
    close(ends[0]);
    free(noise);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("gzip_writer");
    int status;

    signal(SIGPIPE, SIG_IGN);
    has_gzip = system("{ command -v gzip && command -v zcat && command -v cmp; } >/dev/null") == 0;
    unit_use_folder(tests);
    tcase_add_test(tests, every_length_comes_back);
    tcase_add_test(tests, every_level_comes_back);
    tcase_add_test(tests, the_number_of_threads_does_not_show);
    tcase_add_test(tests, how_bytes_are_handed_over_does_not_show);
    tcase_add_test(tests, the_header_says_nothing_of_the_day);
    tcase_add_test(tests, long_runs_of_zeroes_are_quick_and_short);
    tcase_add_test(tests, more_than_4_gib_are_counted_as_gzip_does);
    tcase_add_test(tests, levels_that_there_are_not_are_refused);
    tcase_add_test(tests, after_the_end_nothing_is_taken);
    tcase_add_test(tests, an_output_that_fails_is_told_again_and_again);
    tcase_add_test(tests, a_reader_that_goes_away_is_told);
    tcase_add_test(tests, a_failure_of_any_write_is_told);
    tcase_add_test(tests, an_output_that_is_not_read_holds_the_caller_up);
    tcase_add_test(tests, an_unfinished_writer_does_not_wait_for_its_output);
    status = unit_run(tests);
    if (!has_gzip)
        fprintf(stderr, "SKIP: needs gzip, zcat and cmp; all that needs none of them was run\n");
    return status == 0 && !has_gzip ? 77 : status;
}
