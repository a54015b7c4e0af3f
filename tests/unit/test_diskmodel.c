/*
 * The modelled disks take what can be worked out by hand, more guests take longer, and large loads
 * are soon counted.
 * SPDX-License-Identifier: MIT
 */
#include "core/diskmodel.h"

#include <math.h>
#include <stdlib.h>

#include "support/unit.h"

#define MIB (UINT64_C(1) << 20)
#define HALF_TURN (0.5 * 60 / 7200)

static struct diskmodel disk_of(const char *text)
{
    struct diskmodel disk;

    ck_assert_int_eq(diskmodel_parse(text, &disk, NULL), QED_OK);
    return disk;
}

static struct diskmodel_times run(const char *text, const struct qed_scan_request *requests,
                                  size_t count, unsigned int depth, unsigned int guests)
{
    struct diskmodel disk = disk_of(text);
    struct diskmodel_load load = {.requests = requests,
                                  .count = count,
                                  .depth = depth,
                                  .guests = guests,
                                  .file_bytes = 1000 * MIB};
    struct diskmodel_times times;

    ck_assert_int_eq(diskmodel_run(&disk, &load, &times, NULL), QED_OK);
    return times;
}

#define assert_seconds(found, expected) ck_assert_double_eq_tol(found, expected, 1e-9)

START_TEST(names_are_read)
{
    static const char *const wrong[] = {"",
                                        "ssd",
                                        "hdd ",
                                        "iops=100",
                                        "iops=,bw=1M",
                                        "iops=0,bw=1M",
                                        "iops=1,bw=0",
                                        "iops=-1,bw=1M",
                                        "iops=1,bw=",
                                        "iops=1,bw=x",
                                        "bw=1M,iops=1",
                                        "iops=1,bw=1M,",
                                        "iops= 1,bw=1",
                                        "iops=99999999999999999999,bw=1"};
    struct diskmodel disk = disk_of("iops=200,bw=1k");

    assert_seconds(disk.latency, 0.005);
    assert_seconds(disk.bytes_per_second, 1024);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        ck_assert_int_eq(diskmodel_parse(wrong[i], &disk, NULL), QED_ERR_INVALID);
}
END_TEST

START_TEST(requests_one_at_a_time_cost_the_sum)
{
    const struct qed_scan_request requests[] = {{0, MIB}, {500 * MIB, 3 * MIB}};
    struct diskmodel_times times = run("iops=100,bw=1M", requests, 2, 1, 1);

    assert_seconds(times.first, 2 * 0.01 + 4);
    assert_seconds(times.last, 2 * 0.01 + 4);
    /* One after the other: A B A B. */
    times = run("iops=100,bw=1M", requests, 2, 1, 2);
    assert_seconds(times.first, 3 * 0.01 + 1 + 1 + 3);
    assert_seconds(times.last, 4 * 0.01 + 8);
    /* A A B B. */
    times = run("iops=100,bw=1M", requests, 2, 2, 2);
    assert_seconds(times.first, 2 * 0.01 + 4);
    assert_seconds(times.last, 4 * 0.01 + 8);
}
END_TEST

START_TEST(no_requests_take_no_time)
{
    struct diskmodel_times times = run("hdd", NULL, 0, 1, 50);

    ck_assert(times.first == 0 && times.last == 0);
}
END_TEST

START_TEST(flash_serves_many_at_a_time)
{
    struct qed_scan_request requests[64];
    double transfer = 4096 / 530e6;

    for (size_t i = 0; i < 64; i++)
        requests[i] = (struct qed_scan_request){.file_off = i * MIB, .len = 4096};
    assert_seconds(run("sata-ssd", requests, 64, 1, 1).last, 64 * (90e-6 + transfer));
    /* Those behind the first 32 begin as places come free, and are ready before the path is. */
    assert_seconds(run("sata-ssd", requests, 32, 32, 1).last, 90e-6 + 32 * transfer);
    ck_assert(run("sata-ssd", requests, 64, 64, 1).last < 2 * 90e-6 + 64 * transfer);
    ck_assert(run("sata-ssd", requests, 64, 64, 1).last >= 90e-6 + 64 * transfer - 1e-12);
}
END_TEST

START_TEST(seeks_follow_the_curve)
{
    double average = 0;

    ck_assert(diskmodel_seek_seconds(0) == 0);
    assert_seconds(diskmodel_seek_seconds(0.05), 1e-3 + 2 * 14.4e-3 * sqrt(0.2) * sqrt(0.05));
    assert_seconds(diskmodel_seek_seconds(1), 1e-3 + 14.4e-3 * 1.2);
    ck_assert_double_eq_tol(diskmodel_seek_seconds(0.2), diskmodel_seek_seconds(0.2 - 1e-12), 1e-9);
    for (int i = 0; i < 10000; i++) {
        double x = (i + 0.5) / 10000;

        ck_assert(diskmodel_seek_seconds(x) > diskmodel_seek_seconds(x - 1e-4));
        average += 2 * (1 - x) * diskmodel_seek_seconds(x) / 10000;
    }
    ck_assert_double_eq_tol(average, 8.5e-3, 0.05e-3);
}
END_TEST

START_TEST(the_head_moves_as_little_as_it_can)
{
    const struct qed_scan_request in_order[] = {{0, MIB}, {MIB, MIB}, {2 * MIB, MIB}};
    const struct qed_scan_request gap[] = {{0, MIB}, {MIB + 150000, MIB}};
    const struct qed_scan_request far[] = {{0, MIB}, {900 * MIB, MIB}, {MIB, MIB}};
    double transfer = MIB / 150e6;
    double seek = diskmodel_seek_seconds(899.0 * MIB / 4e12) + HALF_TURN;
    double back = diskmodel_seek_seconds(900.0 * MIB / 4e12) + HALF_TURN;

    assert_seconds(run("hdd", in_order, 3, 1, 1).last, 3 * transfer);
    assert_seconds(run("hdd", gap, 2, 1, 1).last, 2 * transfer + 150000 / 150e6);
    assert_seconds(run("hdd", far, 3, 1, 1).last, 3 * transfer + seek + back);
    /* With all three known, the far one comes last. */
    assert_seconds(run("hdd", far, 3, 3, 1).last,
                   3 * transfer + diskmodel_seek_seconds(898.0 * MIB / 4e12) + HALF_TURN);
}
END_TEST

/* A random list of requests that do not overlap, in random order. */
static struct qed_scan_request *random_requests(struct unit_random *random, size_t count)
{
    struct qed_scan_request *requests = malloc(count * sizeof(*requests));

    ck_assert_ptr_nonnull(requests);
    for (size_t i = 0; i < count; i++)
        requests[i] = (struct qed_scan_request){.file_off = unit_random_below(random, 1000) * MIB,
                                                .len = 4096 << unit_random_below(random, 9)};
    return requests;
}

START_TEST(more_guests_are_never_faster_and_runs_are_alike)
{
    static const char *const disks[] = {"hdd", "sata-ssd", "nvme", "iops=100,bw=150M"};
    struct unit_random random = {3};

    for (int round = 0; round < 40; round++) {
        size_t count = 1 + unit_random_below(&random, 100);
        struct qed_scan_request *requests = random_requests(&random, count);
        const char *disk = disks[round % 4];
        unsigned int depth = 1 + (unsigned int)unit_random_below(&random, 40);
        struct diskmodel_times before = {0};

        for (unsigned int guests = 1; guests <= 20; guests++) {
            struct diskmodel_times times = run(disk, requests, count, depth, guests);
            struct diskmodel_times again = run(disk, requests, count, depth, guests);

            ck_assert(times.first == again.first && times.last == again.last);
            ck_assert(times.first <= times.last && times.last > before.last);
            before = times;
        }
        free(requests);
    }
}
END_TEST

START_TEST(fifty_full_images_are_soon_counted)
{
    enum { TABLES = 32768, GUESTS = 50 };
    struct qed_scan_request *requests = malloc(TABLES * sizeof(*requests));
    struct diskmodel disk = disk_of("hdd");
    struct diskmodel_load load = {.requests = requests,
                                  .count = TABLES,
                                  .depth = 64,
                                  .guests = GUESTS,
                                  .file_bytes = INT64_MAX};
    struct diskmodel_times times;

    ck_assert_ptr_nonnull(requests);
    for (size_t i = 0; i < TABLES; i++) /* all over the longest file there is, in no order */
        requests[i] = (struct qed_scan_request){
            .file_off = (i * UINT64_C(12345) % TABLES) * (INT64_MAX / TABLES), .len = 256 << 10};
    ck_assert_int_eq(diskmodel_run(&disk, &load, &times, NULL), QED_OK);
    ck_assert(times.last > TABLES * (double)GUESTS * (256 << 10) / 150e6);
    ck_assert(isfinite(times.last));
    free(requests);
}
END_TEST

START_TEST(too_many_guests_are_refused)
{
    const struct qed_scan_request request = {0, 4096};
    struct diskmodel disk = disk_of("nvme");
    struct diskmodel_load load = {.requests = &request, .count = 1, .depth = 1};
    struct diskmodel_times times;

    ck_assert_int_eq(diskmodel_run(&disk, &load, &times, NULL), QED_ERR_INVALID);
    load.guests = DISKMODEL_GUESTS_MAX + 1;
    ck_assert_int_eq(diskmodel_run(&disk, &load, &times, NULL), QED_ERR_INVALID);
    load.guests = DISKMODEL_GUESTS_MAX;
    ck_assert_int_eq(diskmodel_run(&disk, &load, &times, NULL), QED_OK);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("diskmodel");

    tcase_add_test(tcase, names_are_read);
    tcase_add_test(tcase, requests_one_at_a_time_cost_the_sum);
    tcase_add_test(tcase, no_requests_take_no_time);
    tcase_add_test(tcase, flash_serves_many_at_a_time);
    tcase_add_test(tcase, seeks_follow_the_curve);
    tcase_add_test(tcase, the_head_moves_as_little_as_it_can);
    tcase_add_test(tcase, more_guests_are_never_faster_and_runs_are_alike);
    tcase_add_test(tcase, fifty_full_images_are_soon_counted);
    tcase_add_test(tcase, too_many_guests_are_refused);
    return unit_run(tcase);
}
