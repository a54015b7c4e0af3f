/*
 * What gzip(1) and our writer make is read; what stands behind it is told.
 * SPDX-License-Identifier: MIT
 */
#include "format/gzip_reader.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "format/gzip_writer.h"
#include "format/zcodec.h"
#include "support/gzip_file.h"
#include "support/io_mem.h"
#include "support/unit.h"

static bool has_gzip;

#define TRAILING "there is something else behind the gzip data"

START_TEST(a_member_is_read_in_steps_of_any_size)
{
    static const size_t steps[] = {1000, 65536, 262144, 262145, 3000000};
    size_t len = 2000003;
    uint8_t *plain = unit_mixed(1, len);
    struct io *io = io_mem_new(0);

    gzip_file_add_member(io, plain, len);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        gzip_file_holds(io, plain, len, steps[i]);
    io_close(io);
    free(plain);
}
END_TEST

START_TEST(members_are_read_one_after_the_other)
{
    size_t len = 500000;
    uint8_t *plain = unit_mixed(2, len);
    struct io *io = io_mem_new(0);

    for (size_t at = 0, step = 1; at < len;
         at += step, step = step * 5 < len - at ? step * 5 : len - at) {
        gzip_file_add_member(io, plain + at, step);
        gzip_file_add_member(io, plain, 0);
    }
    gzip_file_holds(io, plain, len, 4096);
    io_close(io);
    free(plain);
}
END_TEST

START_TEST(many_small_members_are_read)
{
    size_t len = 300;
    uint8_t *plain = unit_mixed(3, len);
    struct io *io = io_mem_new(0);

    for (size_t at = 0; at < len; at++)
        gzip_file_add_member(io, plain + at, 1);
    gzip_file_holds(io, plain, len, 7);
    io_close(io);
    free(plain);
}
END_TEST

START_TEST(what_gzip_makes_is_read)
{
    size_t len = 1500001, packed_len;
    uint8_t *plain = unit_mixed(4, len);

    unit_write_file("f", plain, len);
    unit_write_file("empty", "", 0);
    for (int level = 1; level <= 9; level++) {
        struct io *io = io_mem_new(0);
        uint8_t *packed;
        char command[100];

        snprintf(command, sizeof(command), "gzip -kfN%d f && cat f.gz >g && gzip -c empty >>g",
                 level);
        ck_assert_int_eq(system(command), 0);
        packed = unit_read_file("g", &packed_len);
        gzip_file_add_bytes(io, packed, packed_len);
        gzip_file_holds(io, plain, len, 100000);
        io_close(io);
        free(packed);
    }
    free(plain);
}
END_TEST

START_TEST(every_field_of_a_header_is_skipped)
{
    /* All flags: a CRC of the header, an extra field, a name, a comment; RFC 1952, 2.3.1. */
    static const uint8_t header[] = "\x1f\x8b\x08\x1f\x01\x02\x03\x04\x02\x03\x05\x00"
                                    "extraname\0comment";
    uint8_t *plain = unit_mixed(5, 5000), crc[2], *packed;
    struct io *member = io_mem_new(0), *io = io_mem_new(0);
    uint32_t value = zcodec_crc32(0, header, sizeof(header));
    uint64_t packed_len;

    crc[0] = (uint8_t)value;
    crc[1] = (uint8_t)(value >> 8);
    gzip_file_add_member(member, plain, 5000);
    ck_assert_int_eq(io_get_length(member, &packed_len, NULL), QED_OK);
    packed = malloc(packed_len);
    ck_assert_ptr_nonnull(packed);
    ck_assert_int_eq(io_read(member, packed, packed_len, 0, NULL), QED_OK);
    gzip_file_add_bytes(io, header, sizeof(header));
    gzip_file_add_bytes(io, crc, 2);
    gzip_file_add_bytes(io, packed + 10, packed_len - 10);
    gzip_file_holds(io, plain, 5000, 512);
    io_close(io);
    io_close(member);
    free(packed);
    free(plain);
}
END_TEST

START_TEST(zeroes_behind_the_last_member_are_padding)
{
    static const size_t paddings[] = {1, 511, 300000};
    uint8_t *plain = unit_mixed(6, 100000), *zeroes = calloc(1, 300000);

    ck_assert_ptr_nonnull(zeroes);
    for (size_t i = 0; i < sizeof(paddings) / sizeof(paddings[0]); i++) {
        struct io *io = io_mem_new(0);

        gzip_file_add_member(io, plain, 100000);
        gzip_file_add_bytes(io, zeroes, paddings[i]);
        gzip_file_holds(io, plain, 100000, 4096);
        gzip_file_add_bytes(io, "x", 1);
        gzip_file_fails(io, QED_ERR_CORRUPT, TRAILING, plain, 100000);
        io_close(io);
    }
    free(plain);
    free(zeroes);
}
END_TEST

START_TEST(anything_else_behind_the_last_member_is_an_error)
{
    static const char *const tails[] = {"x", "\x1fx", "\x8b\x1f", "hello, world"};
    uint8_t *plain = unit_mixed(7, 100000);
    struct io *io;

    for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
        io = io_mem_new(0);
        gzip_file_add_member(io, plain, 100000);
        gzip_file_add_bytes(io, tails[i], strlen(tails[i]));
        gzip_file_fails(io, QED_ERR_CORRUPT, TRAILING, plain, 100000);
        io_close(io);
    }
    io = io_mem_new(0);
    gzip_file_add_member(io, plain, 100000);
    gzip_file_add_bytes(io, "", 1);
    gzip_file_add_member(io, plain, 10);
    gzip_file_fails(io, QED_ERR_CORRUPT, TRAILING, plain, 100000);
    io_close(io);
    free(plain);
}
END_TEST

START_TEST(a_reader_that_is_given_up_does_not_wait)
{
    struct io_stream *stream = NULL;
    struct gzip_reader *reader = NULL;
    uint8_t *plain = unit_mixed(14, 4 << 20), byte;
    struct io *io = io_mem_new(0);
    int ends[2];
    size_t got;

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    ck_assert_int_eq(io_stream_adopt(&stream, ends[0], NULL), QED_OK);
    ck_assert_int_eq(gzip_reader_new(&reader, stream, 10, NULL), QED_OK);
    gzip_reader_free(reader); /* nothing came */
    ck_assert_int_eq(io_stream_read(stream, &byte, 1, &got, NULL), QED_ERR_STOPPED);
    io_stream_close(stream);
    close(ends[1]);
    gzip_file_add_member(io, plain, 4 << 20);
    ck_assert_int_eq(io_stream_over(&stream, io, NULL), QED_OK);
    ck_assert_int_eq(gzip_reader_new(&reader, stream, UINT64_MAX, NULL), QED_OK);
    ck_assert_int_eq(gzip_reader_read(reader, &byte, 1, &got, NULL), QED_OK);
    ck_assert_uint_eq(byte, plain[0]);
    gzip_reader_free(reader); /* most of it is not read */
    gzip_reader_free(NULL);
    io_stream_close(stream);
    io_close(io);
    free(plain);
}
END_TEST

struct sender {
    int fd;
    const uint8_t *plain;
    size_t len;
    int status;
};

static void *send_packed(void *context)
{
    struct sender *sender = context;
    struct io_stream *stream = NULL;
    struct gzip_writer *writer = NULL;

    sender->status = io_stream_adopt(&stream, sender->fd, NULL);
    if (sender->status == QED_OK)
        sender->status = gzip_writer_new(&writer, stream, 1, 2, NULL);
    for (size_t at = 0; sender->status == QED_OK && at < sender->len; at += 8192)
        sender->status = gzip_writer_write(writer, sender->plain + at,
                                           sender->len - at < 8192 ? sender->len - at : 8192, NULL);
    if (sender->status == QED_OK)
        sender->status = gzip_writer_finish(writer, NULL);
    gzip_writer_free(writer);
    io_stream_close(stream);
    return NULL;
}

START_TEST(a_writer_and_a_reader_work_through_a_pipe)
{
    size_t len = (16 << 20) + 1, got;
    uint8_t *plain = unit_mixed(15, len), *bytes = malloc(len + 1);
    struct io_stream *stream = NULL;
    struct gzip_reader *reader = NULL;
    struct sender sender = {.plain = plain, .len = len};
    pthread_t thread;
    int ends[2];

    ck_assert_ptr_nonnull(bytes);
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    sender.fd = ends[1];
    ck_assert_int_eq(pthread_create(&thread, NULL, send_packed, &sender), 0);
    ck_assert_int_eq(io_stream_adopt(&stream, ends[0], NULL), QED_OK);
    ck_assert_int_eq(gzip_reader_new(&reader, stream, len, NULL), QED_OK);
    ck_assert_int_eq(gzip_reader_read(reader, bytes, len + 1, &got, NULL), QED_OK);
    ck_assert_uint_eq(got, len);
    ck_assert(memcmp(bytes, plain, len) == 0);
    gzip_reader_free(reader);
    io_stream_close(stream);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(sender.status, QED_OK);
    free(plain);
    free(bytes);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("gzip_reader");
    int status;

    signal(SIGPIPE, SIG_IGN);
    has_gzip = system("command -v gzip >/dev/null") == 0;
    unit_use_folder(tests);
    tcase_add_test(tests, a_member_is_read_in_steps_of_any_size);
    tcase_add_test(tests, members_are_read_one_after_the_other);
    tcase_add_test(tests, many_small_members_are_read);
    if (has_gzip)
        tcase_add_test(tests, what_gzip_makes_is_read);
    tcase_add_test(tests, every_field_of_a_header_is_skipped);
    tcase_add_test(tests, zeroes_behind_the_last_member_are_padding);
    tcase_add_test(tests, anything_else_behind_the_last_member_is_an_error);
    tcase_add_test(tests, a_reader_that_is_given_up_does_not_wait);
    tcase_add_test(tests, a_writer_and_a_reader_work_through_a_pipe);
    status = unit_run(tests);
    if (!has_gzip)
        fprintf(stderr, "SKIP: needs gzip; all that does not was run\n");
    return status == 0 && !has_gzip ? 77 : status;
}
