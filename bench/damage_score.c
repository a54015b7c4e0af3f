/*
 * Goes through the guest cluster by cluster. Where both sides are known to be zeroes without
 * looking at bytes, it does not look.
 *
 * SPDX-License-Identifier: MIT
 */
#define _GNU_SOURCE /* SEEK_DATA */
#include "damage_score.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const uint8_t zeroes[SECTOR];

/* What is judged. */
struct source {
    const struct image *image; /* NULL: a raw file */
    int fd;
    uint64_t length, next_data; /* of the raw file; next_data is of the last place asked for */
};

static void print_wrong(const struct tally *tally)
{
    uint64_t begin = tally->wrong.begin, end = tally->wrong.end;
    struct place place = image_find(tally->base, begin);
    uint64_t cluster = begin / tally->base->cluster_size;

    printf("  guest 0x%" PRIx64 "+0x%" PRIx64 ", from L1[%" PRIu64 "] L2[%" PRIu64 "] on", begin,
           end - begin, cluster / tally->base->entries, cluster % tally->base->entries);
    if (place.kind == PLACE_DATA)
        printf(", was data at file 0x%" PRIx64 "\n", place.data_at);
    else
        printf(", was %s\n", place.kind == PLACE_ZERO ? "a zero cluster" : "unallocated");
}

static void list_wrong(struct tally *tally, uint64_t guest)
{
    if (!tally->lists)
        return;
    if (tally->wrong.end != guest || tally->wrong.begin == tally->wrong.end) {
        if (tally->wrong.end > tally->wrong.begin)
            print_wrong(tally);
        tally->wrong.begin = guest;
    }
    tally->wrong.end = guest + SECTOR;
}

static void count_sector(struct tally *tally, uint64_t guest, bool is_data, bool is_right)
{
    tally->data += is_data;
    tally->data_right += is_data && is_right;
    tally->other_wrong += !is_data && !is_right;
    if (!is_right)
        list_wrong(tally, guest);
}

static bool reads_zeroes_unseen(const struct image *image, enum place_kind kind)
{
    return kind == PLACE_ZERO || (kind == PLACE_HOLE && !image->backing.bytes);
}

/* Whether a raw file has a hole there. */
static bool is_hole(struct source *source, uint64_t at, uint64_t len)
{
    if (at + len > source->length)
        return false;
    if (source->next_data < at + len) {
        off_t next = lseek(source->fd, (off_t)at, SEEK_DATA);

        if (next < 0 && errno != ENXIO)
            next = (off_t)at;
        source->next_data = next < 0 ? source->length : (uint64_t)next;
    }
    return source->next_data >= at + len;
}

static bool source_is_zero(struct source *source, uint64_t guest, uint64_t len)
{
    if (!source->image)
        return is_hole(source, guest, len);
    return guest + len <= source->image->image_size &&
           reads_zeroes_unseen(source->image, image_find(source->image, guest).kind);
}

static bool source_read(const struct source *source, uint64_t guest, uint8_t *bytes)
{
    if (source->image)
        return image_read(source->image, guest, bytes, SECTOR);
    return pread(source->fd, bytes, SECTOR, (off_t)guest) == SECTOR;
}

static uint64_t cluster_length(const struct image *base, uint64_t guest)
{
    uint64_t left = base->image_size - guest;

    return left < base->cluster_size ? left : base->cluster_size;
}

static void judge_cluster(struct tally *tally, struct source *source, uint64_t guest, uint64_t len,
                          bool is_data)
{
    uint8_t expected[SECTOR], found[SECTOR];

    for (uint64_t at = guest; at < guest + len; at += SECTOR) {
        bool readable = source_read(source, at, found);

        image_read(tally->base, at, expected, SECTOR);
        if (is_data || readable)
            count_sector(tally, at, is_data, readable && memcmp(found, expected, SECTOR) == 0);
    }
}

static void judge(struct tally *tally, const struct image *base, struct source *source)
{
    uint64_t len;

    tally->base = base;
    for (uint64_t guest = 0; guest < base->image_size; guest += len) {
        enum place_kind kind = image_find(base, guest).kind;

        len = cluster_length(base, guest);
        if (!reads_zeroes_unseen(base, kind) || !source_is_zero(source, guest, len))
            judge_cluster(tally, source, guest, len, kind == PLACE_DATA);
    }
    if (tally->wrong.end > tally->wrong.begin)
        print_wrong(tally);
}

/* What cannot be opened: all data is wrong, and nothing is made up. */
static void judge_nothing(struct tally *tally, const struct image *base)
{
    for (uint64_t guest = 0; guest < base->image_size; guest += base->cluster_size)
        if (image_find(base, guest).kind == PLACE_DATA)
            tally->data += cluster_length(base, guest) / SECTOR;
}

bool score_image(struct tally *tally, const struct image *base, const char *path,
                 const char **reason)
{
    struct image image;
    struct source source = {.image = &image};

    if (!image_open(&image, path, reason)) {
        judge_nothing(tally, base);
        return false;
    }
    judge(tally, base, &source);
    image_close(&image);
    return true;
}

bool score_raw(struct tally *tally, const struct image *base, const char *path, const char **reason)
{
    struct source source = {.fd = open(path, O_RDONLY | O_CLOEXEC)};
    struct stat about;

    if (source.fd < 0 || fstat(source.fd, &about) < 0) {
        *reason = "file";
        judge_nothing(tally, base);
        return false;
    }
    source.length = (uint64_t)about.st_size;
    judge(tally, base, &source);
    close(source.fd);
    return true;
}

static uint64_t harm_in_cluster(const struct image *base, const struct image *before,
                                const struct image *after, uint64_t guest, uint64_t len)
{
    uint8_t expected[SECTOR], first[SECTOR], then[SECTOR];
    uint64_t harm = 0;

    for (uint64_t at = guest; at < guest + len; at += SECTOR) {
        image_read(base, at, expected, SECTOR);
        if (image_read(before, at, first, SECTOR) && memcmp(first, expected, SECTOR) == 0)
            harm += !image_read(after, at, then, SECTOR) || memcmp(then, expected, SECTOR) != 0;
    }
    return harm;
}

uint64_t score_harm(const struct image *base, const char *before, const char *after)
{
    struct image first, then = {0};
    struct source source = {.image = &then};
    const char *reason;
    uint64_t harm = 0;

    if (!image_open(&first, before, &reason))
        return 0;
    if (!image_open(&then, after, &reason))
        then.image_size = 0; /* nothing can be read */
    for (uint64_t guest = 0; guest < base->image_size; guest += base->cluster_size) {
        uint64_t len = cluster_length(base, guest);

        if (!reads_zeroes_unseen(base, image_find(base, guest).kind) || !then.image_size ||
            !source_is_zero(&source, guest, len))
            harm += harm_in_cluster(base, &first, &then, guest, len);
    }
    image_close(&first);
    image_close(&then);
    return harm;
}

static bool is_lost(const struct span *lost, size_t count, uint64_t at, uint64_t len)
{
    for (size_t i = 0; i < count; i++)
        if (at < lost[i].end && at + len > lost[i].begin)
            return true;
    return false;
}

/* Whether a sector reads right although its data is lost. */
static bool is_right_by_default(const struct image *base, uint64_t guest)
{
    uint8_t held[SECTOR], backing[SECTOR];

    image_read(base, guest, held, SECTOR);
    image_read_backing(base, guest, backing, SECTOR);
    return memcmp(held, zeroes, SECTOR) == 0 || memcmp(held, backing, SECTOR) == 0;
}

void score_best(struct tally *tally, const struct image *base, const struct span *lost,
                size_t lost_count)
{
    for (uint64_t guest = 0; guest < base->image_size; guest += base->cluster_size) {
        struct place place = image_find(base, guest);
        bool reachable;

        if (place.kind != PLACE_DATA)
            continue;
        reachable = !is_lost(lost, lost_count, place.l1_at, sizeof(uint64_t)) &&
                    !is_lost(lost, lost_count, place.l2_at, sizeof(uint64_t));
        for (uint64_t i = 0; i < cluster_length(base, guest); i += SECTOR)
            count_sector(tally, guest + i, true,
                         (reachable && !is_lost(lost, lost_count, place.data_at + i, SECTOR)) ||
                             is_right_by_default(base, guest + i));
    }
}
