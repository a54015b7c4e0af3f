/*
 * Fixtures of the unit tests. Check reports every assertion that holds to its parent process: what
 * is called thousands of times asserts nothing but failures.
 * SPDX-License-Identifier: MIT
 */
#include "support/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/le.h"
#include "core/image.h"
#include "format/qed_create.h"
#include "format/qed_lookup.h"
#include "format/qed_write.h"
#include "io/io_file.h"
#include "support/io_mem.h"

int unit_run(TCase *tcase)
{
    return unit_run_long(tcase, 60);
}

int unit_run_long(TCase *tcase, double seconds)
{
    Suite *suite = suite_create("unit");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tcase, seconds);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static char root_folder[] = "/tmp/qedtool-unit.XXXXXX";
static int start_folder = -1;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

static void make_root(void)
{
    start_folder = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (start_folder < 0 || !mkdtemp(root_folder))
        abort();
}

static void remove_root(void)
{
    close(start_folder);
    if (nftw(root_folder, remove_one, 16, FTW_DEPTH | FTW_PHYS) < 0)
        abort();
}

static void enter_folder(void)
{
    char folder[64];

    snprintf(folder, sizeof(folder), "%s/XXXXXX", root_folder);
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
}

static void leave_folder(void)
{
    ck_assert_int_eq(fchdir(start_folder), 0);
}

void unit_use_folder(TCase *tcase)
{
    tcase_add_unchecked_fixture(tcase, make_root, remove_root);
    tcase_add_checked_fixture(tcase, enter_folder, leave_folder);
}

uint64_t unit_random(struct unit_random *random)
{
    uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t unit_random_below(struct unit_random *random, uint64_t limit)
{
    return unit_random(random) % limit;
}

uint8_t *unit_mixed(uint64_t seed, size_t len)
{
    struct unit_random random = {seed};
    uint8_t *bytes = malloc(len + 1);
    size_t at = 0;

    ck_assert_ptr_nonnull(bytes);
    while (at < len) {
        uint64_t kind = unit_random_below(&random, 4);
        size_t run = 1 + (size_t)unit_random_below(&random, kind == 3 ? 400000 : 20000);

        run = run < len - at ? run : len - at;
        for (size_t end = at + run; at < end; at++) {
            if (kind == 0)
                bytes[at] = (uint8_t)unit_random(&random);
            else if (kind == 1)
                bytes[at] = (uint8_t)('a' + unit_random_below(&random, 6));
            else if (kind == 2)
                bytes[at] = at < 30000 ? (uint8_t)(at % 251) : bytes[at - 30000];
            else
                bytes[at] = 0;
        }
    }
    return bytes;
}

void unit_write_file(const char *name, const void *bytes, size_t len)
{
    FILE *file = fopen(name, "wb");

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, len, file), len);
    ck_assert_int_eq(fclose(file), 0);
}

uint8_t *unit_read_file(const char *name, size_t *len)
{
    FILE *file = fopen(name, "rb");
    struct stat st;
    uint8_t *bytes;

    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fstat(fileno(file), &st), 0);
    *len = (size_t)st.st_size;
    bytes = malloc(*len + 1);
    ck_assert_ptr_nonnull(bytes);
    ck_assert_uint_eq(fread(bytes, 1, *len, file), *len);
    fclose(file);
    return bytes;
}

size_t unit_count_names(const char *folder)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    size_t count = 0;

    ck_assert_ptr_nonnull(dir);
    while ((entry = readdir(dir)))
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(dir);
    return count;
}

struct io *unit_image_new(const struct unit_image *spec)
{
    struct qed_header header = {
        .magic = QED_MAGIC,
        .cluster_size = spec->cluster_size ? spec->cluster_size : QED_CLUSTER_SIZE_MIN,
        .table_size = spec->table_size ? spec->table_size : 1,
        .header_size = spec->header_size ? spec->header_size : 1,
        .features = spec->features,
        .image_size = spec->image_size,
    };
    uint64_t clusters = max_u64(spec->clusters, (uint64_t)header.header_size + header.table_size);
    struct io *io = io_mem_new(clusters * header.cluster_size);

    header.l1_table_offset = (uint64_t)header.header_size * header.cluster_size;
    ck_assert_int_eq(qed_header_write(io, &header, NULL), QED_OK);
    return io;
}

struct qed_image *unit_open(struct io *io, bool writable)
{
    struct qed_error error = QED_ERROR_INIT;
    struct qed_image *image = NULL;
    int ret = qed_open(&image, io, writable, &error);

    ck_assert_msg(ret == QED_OK, "open: %s", error.text);
    return image;
}

void unit_put_entry(struct io *io, uint64_t table_off, uint64_t index, uint64_t value)
{
    unit_put64(io, table_off + index * sizeof(value), value);
}

uint64_t unit_get_entry(struct io *io, uint64_t table_off, uint64_t index)
{
    return unit_get64(io, table_off + index * sizeof(uint64_t));
}

void unit_put64(struct io *io, uint64_t file_off, uint64_t value)
{
    uint8_t bytes[8];

    le64_store(bytes, value);
    if (io_write(io, bytes, sizeof(bytes), file_off, NULL) < 0)
        ck_abort_msg("cannot write at %" PRIu64, file_off);
}

uint64_t unit_get64(struct io *io, uint64_t file_off)
{
    uint8_t bytes[8];

    if (io_read(io, bytes, sizeof(bytes), file_off, NULL) < 0)
        ck_abort_msg("cannot read at %" PRIu64, file_off);
    return le64_load(bytes);
}

void unit_fill(struct io *io, uint64_t file_off, uint64_t len, uint8_t value)
{
    void *bytes = malloc((size_t)len);

    ck_assert_ptr_nonnull(bytes);
    memset(bytes, value, (size_t)len);
    ck_assert_int_eq(io_write(io, bytes, (size_t)len, file_off, NULL), QED_OK);
    free(bytes);
}

void unit_read_guest(struct qed_image *image, uint64_t virt_off, void *buffer, size_t len)
{
    uint8_t *at = buffer;

    while (len > 0) {
        struct qed_error error = QED_ERROR_INIT;
        struct extent run;
        int ret = qed_lookup_run(image, virt_off, len, &run, &error);

        if (ret < 0 || run.length == 0 || run.length > len || run.virt_off != virt_off)
            ck_abort_msg("lookup at %" PRIu64 ": %s", virt_off, error.text);
        if (run.kind != EXTENT_DATA)
            memset(at, 0, (size_t)run.length);
        else if (io_read(image->io, at, (size_t)run.length, run.file_off, &error) < 0)
            ck_abort_msg("read at %" PRIu64 ": %s", virt_off, error.text);
        at += run.length;
        virt_off += run.length;
        len -= (size_t)run.length;
    }
}

struct qed_check_totals unit_check(struct io *io)
{
    struct qed_scan_options options = {.queue = IO_QUEUE_SYNC, .threads = 1};
    struct qed_error error = QED_ERROR_INIT;
    struct qed_image *image = unit_open(io, false);
    struct qed_check_result result;
    struct qed_check_totals totals;

    ck_assert_msg(qed_check(image, &options, 0, &result, &error) == QED_OK, "%s", error.text);
    totals = result.totals;
    qed_check_release(&result);
    qed_close(image);
    return totals;
}

void unit_create_qed(const char *name, uint64_t size, const char *backing_name, bool backing_is_raw)
{
    struct qed_create_options options = {.image_size = size,
                                         .cluster_size = QED_CLUSTER_SIZE_MIN,
                                         .table_size = 1,
                                         .backing_name = backing_name,
                                         .backing_is_raw = backing_is_raw};
    struct io *io = NULL;

    unit_write_file(name, "", 0);
    ck_assert_int_eq(io_file_open(&io, name, true, NULL, NULL), QED_OK);
    ck_assert_int_eq(qed_create(io, &options, NULL), QED_OK);
    io_close(io);
}

void unit_write_qed(const char *name, uint64_t virt_off, size_t len, uint8_t value)
{
    struct io *io = NULL;
    struct qed_image *image;
    struct qed_writer *writer = NULL;
    void *bytes = malloc(len);

    ck_assert_ptr_nonnull(bytes);
    memset(bytes, value, len);
    ck_assert_int_eq(io_file_open(&io, name, true, NULL, NULL), QED_OK);
    image = unit_open(io, true);
    ck_assert_int_eq(qed_writer_new(&writer, image, NULL, NULL), QED_OK);
    ck_assert_int_eq(qed_writer_write(writer, virt_off, bytes, len, NULL), QED_OK);
    ck_assert_int_eq(qed_writer_finish(writer, NULL), QED_OK);
    qed_writer_free(writer);
    qed_close(image);
    io_close(io);
    free(bytes);
}

uint8_t *unit_read_image(const char *name, size_t *size)
{
    static const struct image_options options = {.backing = IMAGE_BACKING_FOLLOW};
    struct qed_error error = QED_ERROR_INIT;
    struct image *image = NULL;
    uint8_t *bytes;

    if (image_open(&image, name, &options, &error) < 0)
        ck_abort_msg("%s", error.text);
    *size = (size_t)image_size(image);
    bytes = malloc(*size + 1);
    ck_assert_ptr_nonnull(bytes);
    if (image_read(image, 0, bytes, *size, &error) < 0)
        ck_abort_msg("%s", error.text);
    image_close(image);
    return bytes;
}

bool unit_reads_as(const char *name, uint64_t virt_off, size_t len, uint8_t value)
{
    size_t size, same = 0;
    uint8_t *bytes = unit_read_image(name, &size);

    ck_assert(virt_off <= size && len <= size - virt_off);
    while (same < len && bytes[virt_off + same] == value)
        same++;
    free(bytes);
    return same == len;
}
