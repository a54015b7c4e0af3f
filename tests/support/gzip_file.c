/*
 * Fixtures of the tests of gzip files.
 * SPDX-License-Identifier: MIT
 */
#include "support/gzip_file.h"

#include <stdlib.h>
#include <string.h>

#include "format/gzip_reader.h"
#include "format/gzip_writer.h"
#include "support/io_mem.h"
#include "support/unit.h"

void gzip_file_add_member(struct io *io, const uint8_t *plain, size_t len)
{
    struct io *member = io_mem_new(0);
    struct io_stream *stream = NULL;
    struct gzip_writer *writer = NULL;
    uint64_t end, packed_len;
    uint8_t *packed;

    ck_assert_int_eq(io_stream_over(&stream, member, NULL), QED_OK);
    ck_assert_int_eq(gzip_writer_new(&writer, stream, 6, 1, NULL), QED_OK);
    ck_assert_int_eq(gzip_writer_write(writer, plain, len, NULL), QED_OK);
    ck_assert_int_eq(gzip_writer_finish(writer, NULL), QED_OK);
    gzip_writer_free(writer);
    packed_len = io_stream_offset(stream);
    io_stream_close(stream);
    packed = malloc(packed_len);
    ck_assert_ptr_nonnull(packed);
    ck_assert_int_eq(io_read(member, packed, packed_len, 0, NULL), QED_OK);
    ck_assert_int_eq(io_get_length(io, &end, NULL), QED_OK);
    ck_assert_int_eq(io_write(io, packed, packed_len, end, NULL), QED_OK);
    free(packed);
    io_close(member);
}

void gzip_file_add_bytes(struct io *io, const void *bytes, size_t len)
{
    uint64_t end;

    ck_assert_int_eq(io_get_length(io, &end, NULL), QED_OK);
    ck_assert_int_eq(io_write(io, bytes, len, end, NULL), QED_OK);
}

int gzip_file_read(struct io *io, uint64_t max_bytes, size_t step, uint8_t **bytes, size_t *len,
                   struct qed_error *error)
{
    struct io_stream *stream = NULL;
    struct gzip_reader *reader = NULL;
    size_t size = 0, got;
    int ret;

    *bytes = NULL;
    *len = 0;
    ck_assert_int_eq(io_stream_over(&stream, io, NULL), QED_OK);
    ck_assert_int_eq(gzip_reader_new(&reader, stream, max_bytes, NULL), QED_OK);
    do {
        if (size - *len < step) {
            size = 2 * size + step;
            *bytes = realloc(*bytes, size);
            ck_assert_ptr_nonnull(*bytes);
        }
        ret = gzip_reader_read(reader, *bytes + *len, step, &got, error);
        *len += got;
    } while (ret == QED_OK && got == step);
    if (gzip_reader_read(reader, *bytes, 1, &got, NULL) != ret || got != 0)
        ck_abort_msg("the end is not the end");
    gzip_reader_free(reader);
    io_stream_close(stream);
    return ret;
}

void gzip_file_holds(struct io *io, const uint8_t *plain, size_t len, size_t step)
{
    struct qed_error error = QED_ERROR_INIT;
    uint8_t *bytes;
    size_t got;

    ck_assert_msg(gzip_file_read(io, len, step, &bytes, &got, &error) == QED_OK, "%s", error.text);
    ck_assert_uint_eq(got, len);
    ck_assert(memcmp(bytes, plain, len) == 0);
    free(bytes);
}

void gzip_file_fails(struct io *io, int code, const char *text, const uint8_t *plain, size_t len)
{
    struct qed_error error = QED_ERROR_INIT;
    uint8_t *bytes;
    size_t got;

    ck_assert_int_eq(gzip_file_read(io, UINT64_MAX, 10000, &bytes, &got, &error), code);
    ck_assert_int_eq(error.code, code);
    ck_assert_str_eq(error.text, text);
    ck_assert_uint_eq(got, len);
    ck_assert(memcmp(bytes, plain, len) == 0);
    free(bytes);
}
