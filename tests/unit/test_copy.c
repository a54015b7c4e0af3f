/*
 * Copies whose queue fails, whose reads and writes fail one after the other, and every option that
 * chooses a way: the target is whole, or the copy says that it is not.
 * SPDX-License-Identifier: MIT
 */
#include "core/copy.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "support/unit.h"

#define C UINT64_C(4096)
#define BYTES ((size_t)9 << 20)

/* What a failed queue leaves is not freed, and is not to be. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:io_queue_buffer";
}

struct images {
    struct image *source;
    struct target *target;
};

static void open_images(struct images *images, const char *source, const char *format)
{
    struct create_options create;
    bool can;

    create_options_init(&create);
    create.format = format;
    create.cluster_size = strcmp(format, "qed") == 0 ? 2 * C : create.cluster_size;
    ck_assert_int_eq(
        image_open(&images->source, source, &(struct image_options){.format = NULL}, NULL), QED_OK);
    create.size = image_size(images->source);
    create.has_size = true;
    ck_assert_int_eq(
        target_open(&images->target, "target", &create, false, IMAGE_BACKING_FOLLOW, NULL), QED_OK);
    ck_assert_int_eq(target_start_placing(images->target, &can, NULL), QED_OK);
    ck_assert(can);
}

static void close_images(struct images *images)
{
    target_close(images->target);
    image_close(images->source);
}

static void make_source(void)
{
    uint8_t *bytes = unit_mixed(11, BYTES);

    unit_write_file("source.raw", bytes, BYTES);
    free(bytes);
}

static void check_same_as_source(void)
{
    size_t size, len;
    uint8_t *target = unit_read_image("target", &size),
            *source = unit_read_file("source.raw", &len);

    ck_assert_uint_eq(size, len);
    ck_assert_int_eq(memcmp(target, source, len), 0);
    free(target);
    free(source);
}

/* A number whose bits choose each option. */
START_TEST(every_way_copies_the_same)
{
    struct copy_options options = {.depth = _i & 1 ? 1 : 0,
                                   .block = 2 * C,
                                   .store_zeroes = (_i & 2) != 0,
                                   .direct_reads = (_i & 4) != 0,
                                   .writes = _i & 8     ? COPY_WRITES_DIRECT
                                             : _i & 128 ? COPY_WRITES_WINDOWED
                                                        : COPY_WRITES_BUFFERED,
                                   .out_of_order = (_i & 16) && !(_i & 64),
                                   .offload = (_i & 32) != 0};
    struct images images;

    make_source();
    open_images(&images, "source.raw", _i & 64 ? "qed" : "raw");
    ck_assert_int_eq(copy_image(images.source, "source.raw", images.target, &options, NULL),
                     QED_OK);
    ck_assert_int_eq(target_finish(images.target, NULL), QED_OK);
    close_images(&images);
    check_same_as_source();
}
END_TEST

/* Close the descriptor of every ring that this process has. */
static void break_rings(void)
{
    DIR *folder = opendir("/proc/self/fd");
    struct dirent *entry;

    while ((entry = readdir(folder))) {
        char link[64] = "";

        if (readlinkat(dirfd(folder), entry->d_name, link, sizeof(link) - 1) > 0 &&
            strcmp(link, "anon_inode:[io_uring]") == 0)
            close(atoi(entry->d_name));
    }
    closedir(folder);
}

static bool break_once(void *context, uint64_t done, uint64_t total)
{
    bool *broken = context;

    (void)done;
    (void)total;
    if (!*broken)
        break_rings();
    *broken = true;
    return false;
}

START_TEST(a_ring_that_fails_ends_the_copy)
{
    struct qed_error error = QED_ERROR_INIT;
    bool broken = false, has_ring;
    struct copy_options options = {
        .block = 2 * C, .depth = 2, .progress = break_once, .progress_context = &broken};
    struct images images;
    struct io_queue *queue = NULL;

    make_source();
    open_images(&images, "source.raw", "raw");
    ck_assert_int_eq(
        io_queue_new(&queue, image_io(images.source, 0), IO_QUEUE_AUTO, 1, false, NULL), QED_OK);
    has_ring = io_queue_kind(queue) == IO_QUEUE_URING;
    io_queue_free(queue);
    /* Where there is none there is nothing to fail. */
    ck_assert_int_eq(copy_image(images.source, "source.raw", images.target, &options, &error),
                     has_ring ? QED_ERR_IO : QED_OK);
    ck_assert(broken);
    if (has_ring)
        ck_assert_ptr_nonnull(strstr(error.text, "queue"));
    close_images(&images);
    ck_assert_uint_eq(unit_count_names("."), 1);
}
END_TEST

/* Cuts the source, or limits the target, when so much is done. */
struct trouble {
    uint64_t at;
    bool is_write;
};

static bool make_trouble(void *context, uint64_t done, uint64_t total)
{
    const struct trouble *trouble = context;

    (void)total;
    if (done >= trouble->at && !trouble->is_write)
        ck_assert_int_eq(truncate("source.raw", (off_t)(trouble->at + C)), 0);
    if (done >= trouble->at && trouble->is_write)
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){trouble->at + C, RLIM_INFINITY}),
                         0);
    return false;
}

START_TEST(a_failure_on_the_way_is_told_and_leaves_nothing)
{
    struct trouble trouble = {.at = ((uint64_t)_i / 2) << 20, .is_write = _i % 2};
    struct copy_options options = {
        .block = 2 * C, .depth = 1, .progress = make_trouble, .progress_context = &trouble};
    struct qed_error error = QED_ERROR_INIT;
    struct images images;
    int ret;

    signal(SIGXFSZ, SIG_IGN);
    make_source();
    options.store_zeroes = true;
    open_images(&images, "source.raw", "raw");
    ret = copy_image(images.source, "source.raw", images.target, &options, &error);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY});
    ck_assert_msg(ret == (trouble.is_write ? QED_ERR_IO : QED_ERR_SHORT_READ), "%s", error.text);
    ck_assert_ptr_nonnull(strstr(error.text, trouble.is_write
                                                 ? "target: error while writing at byte"
                                                 : "source.raw: error while reading at byte"));
    close_images(&images);
    ck_assert_uint_eq(unit_count_names("."), 1);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("copy");

    unit_use_folder(tests);
    tcase_add_loop_test(tests, every_way_copies_the_same, 0, 256);
    tcase_add_test(tests, a_ring_that_fails_ends_the_copy);
    tcase_add_loop_test(tests, a_failure_on_the_way_is_told_and_leaves_nothing, 0, 14);
    return unit_run(tests);
}
