/*
 * Guests put their requests into one line in the order in which they come free to do so. The disk
 * looks at the head of that line only, as far as its own queue reaches, so that to choose the
 * nearest costs the same however many guests there are. SPDX-License-Identifier: MIT
 */
#include "core/diskmodel.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"

#define HDD_BYTES 4e12
#define HDD_QUEUE 32
#define HDD_HALF_TURN (0.5 * 60 / 7200)
#define SEEK_TRACK 1e-3   /* the shortest seek */
#define SEEK_LINE 14.4e-3 /* slope of the line, a whole disk */
#define SEEK_LINE_BEGINS 0.2

/* A request of a guest. */
struct waiting {
    unsigned int guest;
    size_t number;
};

struct run {
    const struct diskmodel *disk;
    const struct diskmodel_load *load;
    double disk_bytes;
    size_t *sent, *done;  /* of each guest */
    struct waiting *line; /* a ring of as many as can be in flight */
    size_t line_room, line_first, line_count;
    struct diskmodel_times *times;
    size_t guests_done;
};

double diskmodel_seek_seconds(double distance)
{
    double root = 2 * SEEK_LINE * sqrt(SEEK_LINE_BEGINS);

    if (distance <= 0)
        return 0;
    if (distance < SEEK_LINE_BEGINS)
        return SEEK_TRACK + root * sqrt(distance);
    return SEEK_TRACK + SEEK_LINE * (SEEK_LINE_BEGINS + distance);
}

static bool parse_iops(const char *text, struct diskmodel *disk)
{
    unsigned long long iops;
    uint64_t bytes;
    char *end;

    if (strncmp(text, "iops=", 5) != 0 || text[5] < '0' || text[5] > '9')
        return false;
    errno = 0;
    iops = strtoull(text + 5, &end, 10);
    if (errno != 0 || iops == 0 || strncmp(end, ",bw=", 4) != 0 ||
        !units_parse_size(end + 4, &bytes) || bytes == 0)
        return false;
    *disk = (struct diskmodel){.kind = DISKMODEL_SERIAL,
                               .latency = 1 / (double)iops,
                               .bytes_per_second = (double)bytes,
                               .parallel = 1};
    return true;
}

int diskmodel_parse(const char *text, struct diskmodel *disk, struct qed_error *error)
{
    static const struct {
        const char *name;
        struct diskmodel disk;
    } known[] = {
        {"hdd", {.kind = DISKMODEL_HDD, .bytes_per_second = 150e6, .parallel = 1}},
        {"sata-ssd",
         {.kind = DISKMODEL_SSD, .latency = 90e-6, .bytes_per_second = 530e6, .parallel = 32}},
        {"nvme",
         {.kind = DISKMODEL_SSD, .latency = 80e-6, .bytes_per_second = 3000e6, .parallel = 64}},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(text, known[i].name) == 0) {
            *disk = known[i].disk;
            return QED_OK;
        }
    }
    if (parse_iops(text, disk))
        return QED_OK;
    return qed_fail(error, QED_ERR_INVALID,
                    "Unknown disk '%s': hdd, sata-ssd, nvme or iops=N,bw=M is expected", text);
}

/* The guest's next request joins the line, if it has one left. */
static void send_next(struct run *run, unsigned int guest)
{
    size_t at;

    if (run->sent[guest] == run->load->count)
        return;
    at = (run->line_first + run->line_count++) % run->line_room;
    run->line[at] = (struct waiting){.guest = guest, .number = run->sent[guest]++};
}

static struct waiting *in_line(struct run *run, size_t place)
{
    return &run->line[(run->line_first + place) % run->line_room];
}

/* Take the request at a place of the line out; those before it move up. */
static struct waiting take(struct run *run, size_t place)
{
    struct waiting taken = *in_line(run, place);

    for (size_t i = place; i > 0; i--)
        *in_line(run, i) = *in_line(run, i - 1);
    run->line_first = (run->line_first + 1) % run->line_room;
    run->line_count--;
    return taken;
}

static void finish(struct run *run, struct waiting served, double now)
{
    if (++run->done[served.guest] == run->load->count) {
        if (run->guests_done++ == 0)
            run->times->first = now;
        run->times->last = now;
    }
    send_next(run, served.guest);
}

static const struct qed_scan_request *request_of(const struct run *run, struct waiting waiting)
{
    return &run->load->requests[waiting.number];
}

static double transfer_seconds(const struct run *run, struct waiting waiting)
{
    return (double)request_of(run, waiting)->len / run->disk->bytes_per_second;
}

static void run_serial(struct run *run)
{
    double now = 0;

    while (run->line_count > 0) {
        struct waiting next = take(run, 0);

        now += run->disk->latency + transfer_seconds(run, next);
        finish(run, next, now);
    }
}

/*
 * A request holds one of the places for its latency, then waits for the one path that all bytes go
 * over; so those in service end in the order in which they began.
 */
static void run_ssd(struct run *run)
{
    struct {
        struct waiting waiting;
        double ready;
    } service[64];
    size_t first = 0, count = 0;
    double now = 0;

    while (run->line_count > 0 || count > 0) {
        while (run->line_count > 0 && count < run->disk->parallel) {
            size_t at = (first + count++) % run->disk->parallel;

            service[at].waiting = take(run, 0);
            service[at].ready = now + run->disk->latency;
        }
        now = fmax(now, service[first].ready) + transfer_seconds(run, service[first].waiting);
        finish(run, service[first].waiting, now);
        first = (first + 1) % run->disk->parallel;
        count--;
    }
}

/* Where the head is: behind the last byte that it read. */
struct head {
    unsigned int guest;
    uint64_t file_off;
};

/* Bytes of the disk from its start to a place in a guest's file. */
static double place_on_disk(const struct run *run, unsigned int guest, uint64_t file_off)
{
    return run->disk_bytes / run->load->guests * guest + (double)file_off;
}

static double positioning_seconds(const struct run *run, struct head head, struct waiting waiting)
{
    uint64_t file_off = request_of(run, waiting)->file_off;
    double distance = fabs(place_on_disk(run, waiting.guest, file_off) -
                           place_on_disk(run, head.guest, head.file_off));
    double seek = diskmodel_seek_seconds(distance / run->disk_bytes) + HDD_HALF_TURN;

    if (waiting.guest == head.guest && file_off >= head.file_off)
        return fmin(seek, (double)(file_off - head.file_off) / run->disk->bytes_per_second);
    return seek;
}

/* The place in line of the request that the head is at soonest; of equals the one that came first.
 */
static size_t nearest(struct run *run, struct head head, double *seconds)
{
    size_t best = 0;

    *seconds = positioning_seconds(run, head, *in_line(run, 0));
    for (size_t i = 1; i < run->line_count && i<HDD_QUEUE && * seconds> 0; i++) {
        double other = positioning_seconds(run, head, *in_line(run, i));

        if (other < *seconds) {
            best = i;
            *seconds = other;
        }
    }
    return best;
}

static void run_hdd(struct run *run)
{
    struct head head = {0};
    double now = 0;

    while (run->line_count > 0) {
        double positioning;
        struct waiting next = take(run, nearest(run, head, &positioning));

        now += positioning + transfer_seconds(run, next);
        head.guest = next.guest;
        head.file_off = request_of(run, next)->file_off + request_of(run, next)->len;
        finish(run, next, now);
    }
}

/* Every guest fills its share of the line, one guest after the other. */
static int prepare(struct run *run, struct qed_error *error)
{
    const struct diskmodel_load *load = run->load;
    size_t per_guest = load->depth < load->count ? load->depth : load->count;

    run->disk_bytes = fmax(HDD_BYTES, (double)load->file_bytes * load->guests);
    run->line_room = per_guest * load->guests; /* DISKMODEL_GUESTS_MAX << 32 at most */
    run->line = calloc(run->line_room, sizeof(*run->line));
    run->sent = calloc(load->guests, sizeof(*run->sent));
    run->done = calloc(load->guests, sizeof(*run->done));
    if (!run->line || !run->sent || !run->done)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    for (unsigned int guest = 0; guest < load->guests; guest++) {
        for (size_t i = 0; i < per_guest; i++)
            send_next(run, guest);
    }
    return QED_OK;
}

int diskmodel_run(const struct diskmodel *disk, const struct diskmodel_load *load,
                  struct diskmodel_times *times, struct qed_error *error)
{
    struct run run = {.disk = disk, .load = load, .times = times};
    int ret;

    *times = (struct diskmodel_times){0};
    if (load->guests < 1 || load->guests > DISKMODEL_GUESTS_MAX)
        return qed_fail(error, QED_ERR_INVALID, "Guests must be from 1 to %d",
                        DISKMODEL_GUESTS_MAX);
    if (load->count == 0)
        return QED_OK;
    ret = prepare(&run, error);
    if (ret == QED_OK && disk->kind == DISKMODEL_SERIAL)
        run_serial(&run);
    else if (ret == QED_OK && disk->kind == DISKMODEL_SSD)
        run_ssd(&run);
    else if (ret == QED_OK)
        run_hdd(&run);
    free(run.line);
    free(run.sent);
    free(run.done);
    return ret;
}
