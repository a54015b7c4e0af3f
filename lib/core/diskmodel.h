/*
 * How long a disk that is not here would take over a list of reads: requests in, seconds out. The
 * same list gives the same seconds on every machine.
 *
 *   iops=N,bw=M  requests are served one at a time, each for 1/N seconds and its bytes at M a
 * second. sata-ssd     90 us a request, 32 at a time, 530 MB/s for all of them. nvme         80 us
 * a request, 64 at a time, 3,000 MB/s for all of them. hdd          7,200 rpm, 4 TB, 150 MB/s. The
 * queue holds 32 requests (SATA's NCQ), in the order they came in; the one nearest to the head is
 * served next. It takes a seek, half a turn (4.17 ms, what is to be expected) and the transfer. A
 * request a little further on is reached without seek where passing over what is between is faster;
 * the next bytes of all take the transfer alone.
 *
 * The seek curve has the form that Ruemmler and Wilkes measured ("An introduction to disk drive
 * modeling", IEEE Computer 27(3), 1994): a constant and a square root for short distances, a
 * constant and a line for long ones; the two meet, with one slope, at a fifth of the disk, as they
 * do there. Its numbers make 1 ms to the next track and 8.5 ms on average over all pairs of places,
 * which is what data sheets of such drives say. The SSDs' numbers are rounded from data sheets of
 * drives with flash: the latency of a random read, and the rate of sequential reads.
 * SPDX-License-Identifier: MIT
 */
#ifndef CORE_DISKMODEL_H
#define CORE_DISKMODEL_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "format/qed_scan_plan.h"

#define DISKMODEL_GUESTS_MAX 10000

enum diskmodel_kind { DISKMODEL_SERIAL, DISKMODEL_SSD, DISKMODEL_HDD };

struct diskmodel {
    enum diskmodel_kind kind;
    double latency;          /* seconds a request; not of an HDD */
    double bytes_per_second; /* of the whole disk */
    unsigned int parallel;   /* requests served at a time */
};

/* Guests that start at once, each with the same list of requests into a file of its own. */
struct diskmodel_load {
    const struct qed_scan_request *requests;
    size_t count;
    unsigned int depth;  /* of its requests that each guest has in flight, not 0 */
    unsigned int guests; /* 1 to DISKMODEL_GUESTS_MAX */
    uint64_t
        file_bytes; /* of each file, at least; files lie evenly over the disk, in one piece each */
};

/* Seconds from the start until the first and the last guest is done. */
struct diskmodel_times {
    double first, last;
};

/*
 * Read "hdd", "sata-ssd", "nvme" or "iops=N,bw=M" (N a number not 0, M a size as in base/units.h, a
 * second); QED_ERR_INVALID on anything else.
 */
int diskmodel_parse(const char *text, struct diskmodel *disk, struct qed_error *error);

/* QED_ERR_NO_MEMORY or QED_ERR_INVALID (guests out of range). */
int diskmodel_run(const struct diskmodel *disk, const struct diskmodel_load *load,
                  struct diskmodel_times *times, struct qed_error *error);

/* Seconds that the HDD's head takes over a distance, a share of the disk from 0 to 1. */
double diskmodel_seek_seconds(double distance);

#endif
