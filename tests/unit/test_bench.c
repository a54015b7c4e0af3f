/*
 * A bench sends the requests that it was asked for, to the places where they belong, and counts
 * what they did. SPDX-License-Identifier: MIT
 */
#include "core/bench.h"

#include <stdlib.h>
#include <string.h>

#include "support/unit.h"

#define MIB (1 << 20)

static const struct bench_io_options usual = {
    .backing = IMAGE_BACKING_FOLLOW, .count = 100, .depth = 8, .request_bytes = 4096, .step = 4096};

static int run(const char *name, const struct bench_io_options *options,
               struct bench_io_report *report, struct qed_error *error)
{
    struct bench_io *bench = NULL;
    int ret = bench_io_open(&bench, name, options, error);

    if (ret == QED_OK)
        ret = bench_io_run(bench, report, error);
    bench_io_close(bench);
    return ret;
}

static void write_raw(const char *name, size_t len, uint8_t value)
{
    uint8_t *bytes = malloc(len);

    ck_assert_ptr_nonnull(bytes);
    memset(bytes, value, len);
    unit_write_file(name, bytes, len);
    free(bytes);
}

/* Requests of 4096 bytes, every second one written, round and round: not all of the image is. */
static void check_written(const char *name, const struct bench_cache *cache, unsigned int depth)
{
    struct bench_io_options options = usual;
    struct bench_io_report report;
    struct qed_error error = QED_ERROR_INIT;
    uint8_t *bytes;
    size_t size;

    options.write = true;
    options.pattern = 0x77;
    options.offset = 4096;
    options.step = 8192;
    options.depth = depth;
    options.flush_interval = 10;
    options.cache = *cache;
    ck_assert_msg(run(name, &options, &report, &error) == QED_OK, "%s", error.text);
    ck_assert_uint_eq(report.requests, 100);
    ck_assert_uint_eq(report.latency.count, 100);
    ck_assert_uint_eq(report.guest_bytes, 100 * 4096);
    ck_assert_uint_ge(report.host_bytes_written, 100 * 4096);
    ck_assert_uint_eq(report.flushes, 10);
    ck_assert_uint_ge(report.host_flushes, cache->no_flush ? 0 : 10);
    bytes = unit_read_image(name, &size);
    for (size_t at = 0; at < MIB; at += 4096) {
        uint8_t expected = at % 8192 == 4096 && at < 200 * 4096 ? 0x77 : 0;

        ck_assert_msg(bytes[at] == expected && memcmp(bytes + at, bytes + at + 1, 4095) == 0,
                      "at %zu", at);
    }
    free(bytes);
}

START_TEST(raw_images_are_written)
{
    static const struct bench_cache caches[] = {
        {0}, {.write_through = true}, {.direct = true}, {.no_flush = true}};

    for (size_t i = 0; i < sizeof(caches) / sizeof(caches[0]); i++) {
        for (unsigned int depth = 1; depth <= 8; depth += 7) {
            write_raw("a.raw", MIB, 0);
            check_written("a.raw", &caches[i], depth);
        }
    }
}
END_TEST

START_TEST(qed_images_are_written_and_closed)
{
    static const struct bench_cache caches[] = {{0}, {.write_through = true}};

    for (size_t i = 0; i < sizeof(caches) / sizeof(caches[0]); i++) {
        unit_create_qed("a.qed", MIB, NULL, false);
        check_written("a.qed", &caches[i], 8);
    }
    write_raw("base.raw", MIB, 0x11);
    unit_create_qed("over.qed", MIB, "base.raw", true);
    {
        struct bench_io_options options = usual;
        struct bench_io_report report;

        options.write = true;
        options.pattern = 0x22;
        options.request_bytes = 512;
        options.count = 1;
        ck_assert_int_eq(run("over.qed", &options, &report, NULL), QED_OK);
    }
    ck_assert(unit_reads_as("over.qed", 0, 512, 0x22));
    ck_assert(unit_reads_as("over.qed", 512, MIB - 512, 0x11));
}
END_TEST

START_TEST(write_through_flushes_each_write)
{
    struct bench_io_options options = usual;
    struct bench_io_report report;

    write_raw("a.raw", MIB, 0);
    options.write = true;
    options.cache.write_through = true;
    ck_assert_int_eq(run("a.raw", &options, &report, NULL), QED_OK);
    ck_assert_uint_eq(report.flushes, 0);
    ck_assert_uint_eq(report.host_flushes, 100);
}
END_TEST

START_TEST(all_kinds_of_runs_are_read)
{
    struct bench_io_options options = usual;
    struct bench_io_report report;

    write_raw("base.raw", MIB / 2, 0x11);
    unit_create_qed("over.qed", MIB, "base.raw", true);
    for (int i = 0; i < 20; i++)
        unit_write_qed("over.qed", (uint64_t)i * 16384, 4096, 0x22);
    options.request_bytes = 256 << 10; /* more runs than are in flight of a request */
    options.step = 100 << 10;
    options.count = 8;
    for (int direct = 0; direct < 2; direct++) {
        options.cache.direct = direct;
        options.depth = 1;
        ck_assert_int_eq(run("over.qed", &options, &report, NULL), QED_OK);
        options.depth = 4;
        ck_assert_int_eq(run("over.qed", &options, &report, NULL), QED_OK);
        ck_assert_uint_eq(report.guest_bytes, 8 * (256 << 10));
        ck_assert_uint_eq(report.host_bytes_written, 0);
    }
}
END_TEST

START_TEST(requests_go_round)
{
    struct bench_io_options options = usual;
    struct bench_io_report report;

    write_raw("a.raw", MIB, 0);
    options.count = 3 * MIB / 4096;
    ck_assert_int_eq(run("a.raw", &options, &report, NULL), QED_OK);
    options.request_bytes = options.step = 0;
    ck_assert_int_eq(run("a.raw", &options, &report, NULL), QED_OK);
    ck_assert_uint_eq(report.guest_bytes, 0);
    options.count = 0;
    ck_assert_int_eq(run("a.raw", &options, &report, NULL), QED_OK);
    ck_assert_uint_eq(report.latency.count, 0);
}
END_TEST

START_TEST(no_request_reaches_past_the_end)
{
    struct bench_io_options options = usual;
    struct bench_io_report report;
    struct qed_error error = QED_ERROR_INIT;

    write_raw("a.raw", MIB, 0);
    options.offset = MIB - 512;
    ck_assert_int_eq(run("a.raw", &options, &report, &error), QED_ERR_INVALID);
    ck_assert_str_eq(error.text, "Failed request: Input/output error");
    options.offset = MIB;
    options.write = true;
    ck_assert_int_eq(run("a.raw", &options, &report, &error), QED_ERR_INVALID);
    options.offset = INT64_MAX;
    ck_assert_int_eq(run("a.raw", &options, &report, &error), QED_ERR_INVALID);
}
END_TEST

START_TEST(what_cannot_be_done_is_refused)
{
    struct bench_io_options options = usual;
    struct bench_io_report report;

    unit_create_qed("a.qed", MIB, NULL, false);
    options.request_bytes = (size_t)1 << 30; /* eight of them */
    ck_assert_int_eq(run("a.qed", &options, &report, NULL), QED_ERR_INVALID);
    options = usual;
    options.write = true;
    options.cache.direct = true;
    ck_assert_int_eq(run("a.qed", &options, &report, NULL), QED_ERR_INVALID);
    ck_assert_int_eq(run("none.qed", &options, &report, NULL), QED_ERR_OPEN);
}
END_TEST

START_TEST(a_check_is_timed_and_modelled)
{
    struct bench_check_options options = {0};
    struct bench_check_report report;
    struct diskmodel disk;
    struct diskmodel_times times;

    unit_create_qed("a.qed", 8 * MIB, NULL, false);
    unit_write_qed("a.qed", 0, 4096, 1);
    unit_write_qed("a.qed", 4 * MIB, 4096, 1);
    ck_assert_int_eq(bench_check("a.qed", &options, &report, NULL), QED_OK);
    ck_assert_uint_eq(report.tables, 2);
    ck_assert_uint_eq(report.qemu_plan.count, 2);
    ck_assert(report.cold.seconds > 0 && report.warm.seconds > 0);
    ck_assert_int_eq(diskmodel_parse("iops=10,bw=1G", &disk, NULL), QED_OK);
    ck_assert_int_eq(bench_check_model(&report, &report.qemu_plan, &disk, 3, &times, NULL), QED_OK);
    ck_assert(times.last > 0.6 && times.last < 0.61 && times.first < 0.41);
    bench_check_release(&report);
    write_raw("a.raw", MIB, 0);
    options.format = "raw";
    ck_assert_int_eq(bench_check("a.raw", &options, &report, NULL), QED_ERR_UNSUPPORTED);
    bench_check_release(&report);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("bench");

    unit_use_folder(tcase);
    tcase_add_test(tcase, raw_images_are_written);
    tcase_add_test(tcase, qed_images_are_written_and_closed);
    tcase_add_test(tcase, write_through_flushes_each_write);
    tcase_add_test(tcase, all_kinds_of_runs_are_read);
    tcase_add_test(tcase, requests_go_round);
    tcase_add_test(tcase, no_request_reaches_past_the_end);
    tcase_add_test(tcase, what_cannot_be_done_is_refused);
    tcase_add_test(tcase, a_check_is_timed_and_modelled);
    return unit_run(tcase);
}
