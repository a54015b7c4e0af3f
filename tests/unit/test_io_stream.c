/*
 * Streams over files, devices, standard input and output, and struct io.
 * SPDX-License-Identifier: MIT
 */
#include "io/io_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/io_fault.h"
#include "support/io_mem.h"
#include "support/unit.h"

static void make_pipe(int ends[2])
{
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
}

START_TEST(a_file_is_read_to_its_end)
{
    struct io_stream *stream = NULL;
    uint8_t bytes[16];
    size_t got;

    unit_write_file("f", "0123456789", 10);
    ck_assert_int_eq(io_stream_open_read(&stream, "f", NULL), QED_OK);
    ck_assert_int_eq(io_stream_read(stream, bytes, 4, &got, NULL), QED_OK);
    ck_assert_uint_eq(got, 4);
    ck_assert_mem_eq(bytes, "0123", 4);
    ck_assert_uint_eq(io_stream_offset(stream), 4);
    ck_assert_int_eq(io_stream_read(stream, bytes, sizeof(bytes), &got, NULL), QED_OK);
    ck_assert_uint_eq(got, 6);
    ck_assert_mem_eq(bytes, "456789", 6);
    ck_assert_int_eq(io_stream_read(stream, bytes, sizeof(bytes), &got, NULL), QED_OK);
    ck_assert_uint_eq(got, 0);
    ck_assert_uint_eq(io_stream_offset(stream), 10);
    io_stream_close(stream);
    io_stream_close(NULL);
}
END_TEST

START_TEST(a_file_is_made_or_emptied_then_written)
{
    struct io_stream *stream = NULL;
    uint8_t *bytes;
    size_t len;

    unit_write_file("f", "0123456789", 10);
    for (int i = 0; i < 2; i++) {
        const char *name = i ? "new" : "f";

        ck_assert_int_eq(io_stream_open_write(&stream, name, NULL), QED_OK);
        ck_assert_int_eq(io_stream_write(stream, "abc", 3, NULL), QED_OK);
        ck_assert_int_eq(io_stream_write_zeroes(stream, 100000, NULL), QED_OK);
        ck_assert_int_eq(io_stream_write(stream, "", 0, NULL), QED_OK);
        ck_assert_int_eq(io_stream_write(stream, "x", 1, NULL), QED_OK);
        ck_assert_int_eq(io_stream_flush(stream, NULL), QED_OK);
        ck_assert_uint_eq(io_stream_offset(stream), 100004);
        io_stream_close(stream);
        bytes = unit_read_file(name, &len);
        ck_assert_uint_eq(len, 100004);
        ck_assert_mem_eq(bytes, "abc\0\0", 5);
        ck_assert_uint_eq(bytes[100002], 0);
        ck_assert_uint_eq(bytes[100003], 'x');
        free(bytes);
    }
}
END_TEST

START_TEST(a_full_device_is_no_space)
{
    struct qed_error error = QED_ERROR_INIT;
    struct io_stream *stream = NULL;

    ck_assert_int_eq(io_stream_open_write(&stream, "/dev/full", NULL), QED_OK);
    ck_assert_int_eq(io_stream_write(stream, "abc", 3, &error), QED_ERR_NO_SPACE);
    ck_assert_int_eq(error.sys_errno, ENOSPC);
    ck_assert_uint_eq(error.file_off, 0);
    ck_assert_int_eq(io_stream_write_zeroes(stream, 1 << 20, NULL), QED_ERR_NO_SPACE);
    io_stream_close(stream);
}
END_TEST

START_TEST(what_cannot_be_a_stream_is_refused)
{
    struct qed_error error = QED_ERROR_INIT;
    struct io_stream *stream = NULL;

    ck_assert_int_eq(io_stream_open_read(&stream, "missing", &error), QED_ERR_OPEN);
    ck_assert_int_eq(error.sys_errno, ENOENT);
    ck_assert_str_eq(error.text, "Could not open 'missing': No such file or directory");
    ck_assert_int_eq(io_stream_open_read(&stream, ".", &error), QED_ERR_NOT_FILE);
    ck_assert_str_eq(error.text, "Could not open '.': Is a directory");
    ck_assert_int_eq(io_stream_open_write(&stream, ".", &error), QED_ERR_OPEN);
    ck_assert_int_eq(io_stream_adopt(&stream, 1000, &error), QED_ERR_OPEN);
    ck_assert_int_eq(error.sys_errno, EBADF);
    ck_assert_ptr_null(stream);
}
END_TEST

/* Put fd in the place of a standard descriptor; returns what was there. */
static int replace_standard(int fd, int standard_fd)
{
    int saved = dup(standard_fd);

    ck_assert_int_ge(saved, 0);
    ck_assert_int_eq(dup2(fd, standard_fd), standard_fd);
    close(fd);
    return saved;
}

static void restore_standard(int saved, int standard_fd)
{
    ck_assert_int_eq(dup2(saved, standard_fd), standard_fd);
    close(saved);
}

START_TEST(a_dash_is_standard_input_or_output)
{
    struct io_stream *in = NULL, *out = NULL;
    int ends[2], saved_in, saved_out;
    uint8_t bytes[8];
    size_t got;

    make_pipe(ends);
    saved_in = replace_standard(ends[0], STDIN_FILENO);
    saved_out = replace_standard(ends[1], STDOUT_FILENO);
    ck_assert_int_eq(io_stream_open_write(&out, "-", NULL), QED_OK);
    ck_assert_int_eq(io_stream_open_read(&in, "-", NULL), QED_OK);
    ck_assert_int_eq(io_stream_write(out, "abcdef", 6, NULL), QED_OK);
    ck_assert_int_eq(io_stream_read(in, bytes, 6, &got, NULL), QED_OK);
    ck_assert_mem_eq(bytes, "abcdef", 6);
    io_stream_close(out);
    io_stream_close(in);
    ck_assert_int_ge(fcntl(STDIN_FILENO, F_GETFD), 0);
    ck_assert_int_ge(fcntl(STDOUT_FILENO, F_GETFD), 0);
    restore_standard(saved_in, STDIN_FILENO);
    restore_standard(saved_out, STDOUT_FILENO);
}
END_TEST

START_TEST(a_standard_descriptor_for_the_other_direction_is_refused)
{
    struct qed_error error = QED_ERROR_INIT;
    struct io_stream *stream = NULL;
    int ends[2], saved;

    make_pipe(ends);
    saved = replace_standard(ends[1], STDIN_FILENO);
    ck_assert_int_eq(io_stream_open_read(&stream, "-", &error), QED_ERR_OPEN);
    ck_assert_int_eq(error.sys_errno, EBADF);
    ck_assert_ptr_null(stream);
    restore_standard(saved, STDIN_FILENO);
    close(ends[0]);
}
END_TEST

START_TEST(a_struct_io_is_read_and_written_from_its_start)
{
    struct io *io = io_mem_new(0);
    struct io_stream *stream = NULL;
    uint8_t bytes[16];
    size_t got;

    ck_assert_int_eq(io_stream_over(&stream, io, NULL), QED_OK);
    ck_assert_int_eq(io_stream_write(stream, "abcd", 4, NULL), QED_OK);
    ck_assert_int_eq(io_stream_write(stream, "efg", 3, NULL), QED_OK);
    ck_assert_int_eq(io_stream_flush(stream, NULL), QED_OK);
    ck_assert_uint_eq(io_mem_counts(io).flushes, 1);
    ck_assert_uint_eq(io_stream_offset(stream), 7);
    io_stream_close(stream);
    ck_assert_int_eq(io_stream_over(&stream, io, NULL), QED_OK);
    ck_assert_int_eq(io_stream_read(stream, bytes, 5, &got, NULL), QED_OK);
    ck_assert_uint_eq(got, 5);
    ck_assert_mem_eq(bytes, "abcde", 5);
    ck_assert_int_eq(io_stream_read(stream, bytes, 16, &got, NULL), QED_OK);
    ck_assert_uint_eq(got, 2);
    ck_assert_mem_eq(bytes, "fg", 2);
    ck_assert_int_eq(io_stream_read(stream, bytes, 16, &got, NULL), QED_OK);
    ck_assert_uint_eq(got, 0);
    io_stream_cancel(stream);
    ck_assert_int_eq(io_stream_read(stream, bytes, 16, &got, NULL), QED_ERR_STOPPED);
    io_stream_close(stream);
    io_close(io);
}
END_TEST

START_TEST(failures_of_a_struct_io_are_passed_on)
{
    struct io_fault_plan plan = {.fail_at = 2, .code = QED_ERR_NO_SPACE, .from_then_on = true};
    struct io *io = io_mem_new(0), *fault = io_fault_new(io, &plan);
    struct io_stream *stream = NULL;
    uint8_t byte;
    size_t got;

    ck_assert_int_eq(io_stream_over(&stream, fault, NULL), QED_OK);
    ck_assert_int_eq(io_stream_write(stream, "abcd", 4, NULL), QED_OK);
    ck_assert_int_eq(io_stream_write(stream, "efg", 3, NULL), QED_ERR_NO_SPACE);
    ck_assert_uint_eq(io_stream_offset(stream), 4);
    ck_assert_int_eq(io_stream_read(stream, &byte, 1, &got, NULL), QED_ERR_NO_SPACE);
    ck_assert_int_eq(io_stream_flush(stream, NULL), QED_ERR_NO_SPACE);
    io_stream_close(stream);
    io_close(fault);
    io_close(io);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("io_stream");

    unit_use_folder(tests);
    tcase_add_test(tests, a_file_is_read_to_its_end);
    tcase_add_test(tests, a_file_is_made_or_emptied_then_written);
    tcase_add_test(tests, a_full_device_is_no_space);
    tcase_add_test(tests, what_cannot_be_a_stream_is_refused);
    tcase_add_test(tests, a_dash_is_standard_input_or_output);
    tcase_add_test(tests, a_standard_descriptor_for_the_other_direction_is_refused);
    tcase_add_test(tests, a_struct_io_is_read_and_written_from_its_start);
    tcase_add_test(tests, failures_of_a_struct_io_are_passed_on);
    return unit_run(tests);
}
