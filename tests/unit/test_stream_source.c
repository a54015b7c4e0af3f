/*
 * Streams as sources: counted to the byte, whatever the buffers; nothing passes for whole that is
 * not.
 * SPDX-License-Identifier: MIT
 */
#include "core/stream_source.h"

#include <stdlib.h>
#include <string.h>

#include "core/stream_sink.h"
#include "support/unit.h"

#define SECTOR 512

static uint8_t byte_at(uint64_t at)
{
    return (uint8_t)(1 + at % 251);
}

/* A compressed file of len bytes, none of them zero. */
static void make_gzip(const char *name, size_t len)
{
    struct create_options create;
    struct stream_sink *sink = NULL;
    uint8_t *bytes = malloc(len + 1);

    ck_assert_ptr_nonnull(bytes);
    for (size_t i = 0; i < len; i++)
        bytes[i] = byte_at(i);
    create_options_init(&create);
    create.format = STREAM_FORMAT_GZIP;
    ck_assert_int_eq(stream_sink_open(&sink, name, &create, NULL), QED_OK);
    ck_assert_int_eq(stream_sink_write(sink, bytes, len, NULL), QED_OK);
    ck_assert_int_eq(stream_sink_finish(sink, false, NULL), QED_OK);
    stream_sink_close(sink);
    free(bytes);
}

static struct stream_source *open_source(const char *name, const char *format)
{
    struct stream_source *source = NULL;
    struct qed_error error = QED_ERROR_INIT;
    int ret = stream_source_open(&source, name, format, false, NULL, NULL, &error);

    ck_assert_msg(ret == QED_OK, "%s", error.text);
    return source;
}

/* Read len bytes and what they are filled up with, a buffer at a time; the sum of what came. */
static int read_all(struct stream_source *source, size_t len, size_t buffer_bytes, uint64_t *sum)
{
    uint8_t *buffer = malloc(buffer_bytes);
    size_t got = buffer_bytes;
    int ret = QED_OK;

    ck_assert_ptr_nonnull(buffer);
    *sum = 0;
    while (ret == QED_OK && got == buffer_bytes) {
        ret = stream_source_read(source, buffer, buffer_bytes, &got, NULL);
        ck_assert_uint_eq(got % SECTOR, 0);
        for (size_t i = 0; i < got; i++) {
            if (buffer[i] != (*sum + i < len ? byte_at(*sum + i) : 0))
                ck_abort_msg("byte %zu of %zu is %u", (size_t)*sum + i, len, buffer[i]);
        }
        *sum += got;
    }
    free(buffer);
    return ret;
}

static const size_t lengths[] = {1, 511, 512, 513, 1023, 1024, 4096, 4097, 300000};
static const size_t buffers[] = {512, 1024, 4096, 65536, 1 << 20};

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

static int read_limited(size_t len, size_t buffer_bytes, uint64_t size, bool exact)
{
    struct stream_source *source = open_source("a.gz", NULL);
    uint64_t sum;
    int ret;

    stream_source_set_size(source, size, exact);
    ret = read_all(source, len, buffer_bytes, &sum);
    if (ret == QED_OK)
        ck_assert_uint_eq(sum, (len + SECTOR - 1) / SECTOR * SECTOR);
    ck_assert_uint_le(sum, (size + SECTOR - 1) / SECTOR * SECTOR);
    stream_source_close(source);
    return ret;
}

START_TEST(sizes_are_kept_to_the_byte)
{
    size_t len = lengths[_i];

    make_gzip("a.gz", len);
    for (int i = 0; i < COUNT(buffers); i++) {
        ck_assert_int_eq(read_limited(len, buffers[i], len, true), QED_OK);
        ck_assert_int_eq(read_limited(len, buffers[i], len, false), QED_OK);
        ck_assert_int_eq(read_limited(len, buffers[i], len + 1, false), QED_OK);
        ck_assert_int_eq(read_limited(len, buffers[i], INT64_MAX, false), QED_OK);
        ck_assert_int_eq(read_limited(len, buffers[i], len - 1, true), QED_ERR_INVALID);
        ck_assert_int_eq(read_limited(len, buffers[i], len - 1, false), QED_ERR_NO_SPACE);
        ck_assert_int_eq(read_limited(len, buffers[i], len + 1, true), QED_ERR_SHORT_READ);
        ck_assert_int_eq(read_limited(len, buffers[i], 0, false), QED_ERR_NO_SPACE);
    }
}
END_TEST

START_TEST(nothing_is_an_image_only_when_it_is_said_to_be)
{
    make_gzip("a.gz", 0);
    ck_assert_int_eq(read_limited(0, SECTOR, 0, true), QED_OK);
    ck_assert_int_eq(read_limited(0, SECTOR, 0, false), QED_ERR_SHORT_READ);
    ck_assert_int_eq(read_limited(0, SECTOR, 1 << 20, false), QED_ERR_SHORT_READ);
    ck_assert_int_eq(read_limited(0, SECTOR, 1, true), QED_ERR_SHORT_READ);
}
END_TEST

START_TEST(streams_are_told_by_name_and_content)
{
    static const uint8_t other[600] = {1, 2, 3};

    make_gzip("a.gz", 600);
    make_gzip("a", 600);
    unit_write_file("b.gz", other, sizeof(other));
    unit_write_file("c.gz", other, 0);
    ck_assert(stream_source_wanted("-", NULL));
    ck_assert(stream_source_wanted("-", "qed"));
    ck_assert(stream_source_wanted("/dev/null", NULL));
    ck_assert(stream_source_wanted("a.gz", NULL));
    ck_assert(stream_source_wanted("a", "raw.gz"));
    ck_assert(!stream_source_wanted("a.gz", "raw"));
    ck_assert(!stream_source_wanted("a", NULL));
    ck_assert(!stream_source_wanted("b.gz", NULL));
    ck_assert(!stream_source_wanted("c.gz", NULL));
    ck_assert(!stream_source_wanted(".gz", NULL));
    ck_assert(!stream_source_wanted("none.gz", NULL));
    ck_assert(!stream_source_wanted(".", NULL));
}
END_TEST

START_TEST(a_file_is_locked_unless_shared)
{
    struct stream_source *source, *other = NULL;
    struct qed_error error = QED_ERROR_INIT;
    struct io_identity identity;
    struct stream_sink *sink = NULL;
    struct create_options create;

    make_gzip("a.gz", 600);
    source = open_source("a.gz", "raw.gz");
    ck_assert(stream_source_identity(source, &identity));
    ck_assert_str_eq(stream_source_name(source), "a.gz");
    create_options_init(&create);
    create.format = STREAM_FORMAT_GZIP;
    ck_assert_int_eq(stream_sink_open(&sink, "a.gz", &create, &error), QED_ERR_IN_USE);
    ck_assert_int_eq(stream_source_open(&other, "a.gz", NULL, true, NULL, NULL, &error), QED_OK);
    stream_source_close(other);
    stream_source_close(source);
    ck_assert_int_eq(stream_source_open(&other, "a.gz", "qed", true, NULL, NULL, &error),
                     QED_ERR_UNSUPPORTED);
    ck_assert_int_eq(stream_source_open(&other, "none", "raw.gz", true, NULL, NULL, &error),
                     QED_ERR_OPEN);
    ck_assert_int_eq(stream_source_open(&other, ".", "raw.gz", true, NULL, NULL, &error),
                     QED_ERR_NOT_FILE);
    ck_assert_str_eq(error.text, "Could not open '.': '.' is not a regular file or a block device");
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("stream_source");

    unit_use_folder(tests);
    tcase_add_loop_test(tests, sizes_are_kept_to_the_byte, 0, COUNT(lengths));
    tcase_add_test(tests, nothing_is_an_image_only_when_it_is_said_to_be);
    tcase_add_test(tests, streams_are_told_by_name_and_content);
    tcase_add_test(tests, a_file_is_locked_unless_shared);
    return unit_run(tests);
}
