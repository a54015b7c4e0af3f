/*
 * The way that is chosen for what was asked for, and for what the page cache holds; each way copies
 * the same bytes.
 * SPDX-License-Identifier: MIT
 */
#include "core/copy_policy.h"

#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

#include "io/io_cache.h"
#include "io/io_file.h"
#include "support/unit.h"

#define MIB ((size_t)1 << 20)

static const struct convert_options automatic = {.target_cache = CONVERT_CACHE_AUTO};

static void make_raw(const char *name, size_t len)
{
    uint8_t *bytes = unit_mixed(7, len);

    unit_write_file(name, bytes, len);
    free(bytes);
}

/* Have all of a file written out and, if asked for, leave memory; false where it cannot. */
static bool settle(const char *name, bool drop)
{
    struct io *io = NULL;
    uint64_t length, cached;
    struct statfs st;

    ck_assert_int_eq(io_file_open(&io, name, true, NULL, NULL), QED_OK);
    ck_assert_int_eq(io_flush(io, NULL), QED_OK);
    ck_assert_int_eq(io_get_length(io, &length, NULL), QED_OK);
    if (drop)
        io_drop_cached(io, 0, 0);
    ck_assert(io_cached_bytes(io, 0, length, &cached));
    io_close(io);
    ck_assert_int_eq(statfs(".", &st), 0);
    if (st.f_type == EXT4_SUPER_MAGIC || st.f_type == XFS_SUPER_MAGIC)
        ck_assert_int_eq(cached < length / 2, drop);
    return (cached < length / 2) == drop;
}

static struct copy_options choose(const char *source, const struct convert_options *options,
                                  unsigned int depth)
{
    struct image_options source_options = {.format = "raw"};
    struct create_options create;
    struct copy_options copy = {.depth = depth};
    struct image *image = NULL;
    struct target *target = NULL;

    create_options_init(&create);
    create.format = "raw";
    create.size = MIB;
    create.has_size = true;
    ck_assert_int_eq(target_open(&target, "target", &create, false, IMAGE_BACKING_NONE, NULL),
                     QED_OK);
    ck_assert_int_eq(image_open(&image, source, &source_options, NULL), QED_OK);
    copy_policy_choose(&copy, options, image, target);
    image_close(image);
    target_close(target);
    return copy;
}

static void check_writes(enum convert_cache cache, const char *source, enum copy_writes expected)
{
    struct convert_options options = {.target_cache = cache};

    ck_assert_int_eq(choose(source, &options, 0).writes, expected);
}

START_TEST(writes_follow_mode_and_size)
{
    make_raw("small", MIB);
    make_raw("large", 32 * MIB);
    check_writes(CONVERT_CACHE_AUTO, "small", COPY_WRITES_BUFFERED);
    check_writes(CONVERT_CACHE_AUTO, "large", COPY_WRITES_WINDOWED);
    check_writes(CONVERT_CACHE_NONE, "small", COPY_WRITES_DIRECT);
    check_writes(CONVERT_CACHE_NONE, "large", COPY_WRITES_DIRECT);
    check_writes(CONVERT_CACHE_WRITEBACK, "large", COPY_WRITES_BUFFERED);
    check_writes(CONVERT_CACHE_UNSAFE, "large", COPY_WRITES_BUFFERED);
}
END_TEST

START_TEST(what_is_in_memory_is_read_from_there)
{
    struct convert_options options = automatic;

    make_raw("large", 32 * MIB);
    ck_assert(settle("large", false));
    ck_assert(!choose("large", &options, 0).direct_reads);
    ck_assert_uint_eq(choose("large", &options, 0).depth, 2);
    ck_assert_uint_eq(choose("large", &options, 7).depth, 7);
    options.source_cache = CONVERT_CACHE_NONE;
    ck_assert(choose("large", &options, 0).direct_reads);
    ck_assert_uint_eq(choose("large", &options, 0).depth, 0);
    options = automatic;
    options.target_cache = CONVERT_CACHE_NONE;
    ck_assert_uint_eq(choose("large", &options, 0).depth, 0);
}
END_TEST

START_TEST(what_is_not_is_read_past_it)
{
    struct convert_options options = automatic;

    make_raw("small", MIB);
    make_raw("large", 32 * MIB);
    if (!settle("small", true) || !settle("large", true))
        return; /* memory is all there is */
    ck_assert(choose("large", &options, 0).direct_reads);
    ck_assert_uint_eq(choose("large", &options, 0).depth, 0);
    ck_assert(!choose("small", &options, 0).direct_reads);
    options.source_cache = CONVERT_CACHE_WRITEBACK;
    ck_assert(!choose("large", &options, 0).direct_reads);
}
END_TEST

static void check_copy(enum convert_cache source_cache, enum convert_cache target_cache,
                       const char *format)
{
    struct convert_options options = {.source_format = "raw",
                                      .sparse_bytes = CONVERT_SPARSE_DEFAULT,
                                      .source_cache = source_cache,
                                      .target_cache = target_cache};
    struct qed_error error = QED_ERROR_INIT;
    size_t expected_len, len;
    uint8_t *expected = unit_read_file("source", &expected_len), *bytes;

    create_options_init(&options.target);
    options.target.format = format;
    ck_assert_msg(convert_image("source", "copy", &options, &error) == QED_OK, "%s", error.text);
    bytes = unit_read_image("copy", &len);
    ck_assert_uint_eq(len, expected_len);
    ck_assert(memcmp(bytes, expected, len) == 0);
    free(bytes);
    free(expected);
}

/* More than a window, with zeroes here and there, and an end that is no whole block. */
START_TEST(each_way_copies_the_same)
{
    static const enum convert_cache caches[] = {CONVERT_CACHE_AUTO, CONVERT_CACHE_NONE,
                                                CONVERT_CACHE_WRITEBACK, CONVERT_CACHE_UNSAFE};
    size_t len = 90 * MIB + 512;
    uint8_t *bytes = unit_mixed(3, len);

    for (size_t at = 0; at < len - 3 * MIB; at += 7 * MIB)
        memset(bytes + at + 4096 * (at / MIB), 0, 2 * MIB);
    unit_write_file("source", bytes, len);
    free(bytes);
    for (size_t i = 0; i < sizeof(caches) / sizeof(caches[0]); i++) {
        check_copy(CONVERT_CACHE_AUTO, caches[i], "raw");
        check_copy(CONVERT_CACHE_NONE, caches[i], "qed");
    }
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("copy_policy");

    unit_use_folder(tests);
    tcase_add_test(tests, writes_follow_mode_and_size);
    tcase_add_test(tests, what_is_in_memory_is_read_from_there);
    tcase_add_test(tests, what_is_not_is_read_past_it);
    tcase_add_test(tests, each_way_copies_the_same);
    return unit_run(tests);
}
