/*
 * qedcompare: how much of what a guest reads in one QED image it reads in another one, too.
 *
 * Like qedcraft it shares no code with the library, and is a second opinion on what can be read.
 * SPDX-License-Identifier: MIT
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR 512
#define CHUNK 65536
#define ENTRY 8
#define CLUSTERS_MAX ((size_t)1 << 20)

static const char usage[] =
    "Usage: qedcompare IMAGE OTHER\n"
    "Print how many of the sectors that OTHER holds for its guest read the same in IMAGE, how "
    "many\n"
    "cannot be read, and how many differ; and how many that OTHER does not hold are not empty.\n"
    "Backing files are not looked at.\n";

struct image {
    int fd;
    bool usable; /* the header makes sense */
    bool backing;
    uint64_t cluster, table, header, l1, size, end; /* bytes; end: of the whole clusters */
    uint64_t entries;
};

struct list {
    uint64_t *items;
    size_t count, room;
};

enum kind { UNREADABLE, NOTHING, ZEROES, DATA };

__attribute__((noreturn)) static void die(const char *what)
{
    fprintf(stderr, "qedcompare: %s: %s\n", what, strerror(errno));
    exit(2);
}

/* What lies past the end of the file reads as zeroes. */
static void read_at(const struct image *image, uint64_t off, void *buf, size_t len)
{
    size_t done = 0;

    memset(buf, 0, len);
    while (done < len) {
        ssize_t n = pread(image->fd, (char *)buf + done, len - done, (off_t)(off + done));

        if (n < 0 && errno != EINTR)
            die("cannot read");
        if (n == 0)
            return;
        done += n > 0 ? (size_t)n : 0;
    }
}

static uint64_t number(const unsigned char *p, unsigned bytes)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < bytes; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static bool power_of_two(uint64_t v, uint64_t least, uint64_t most)
{
    return v >= least && v <= most && (v & (v - 1)) == 0;
}

/* Whether [off, off + len) is aligned and lies between the header and the end of the file. */
static bool inside(const struct image *image, uint64_t off, uint64_t len)
{
    return off % image->cluster == 0 && off >= image->header && off <= image->end &&
           len <= image->end - off;
}

static struct image open_image(const char *path)
{
    struct image image = {.fd = open(path, O_RDONLY)};
    unsigned char h[64];
    struct stat st;

    if (image.fd < 0 || fstat(image.fd, &st) < 0)
        die(path);
    read_at(&image, 0, h, sizeof(h));
    image.cluster = number(h + 4, 4);
    image.table = number(h + 8, 4);
    image.header = number(h + 12, 4);
    image.backing = h[16] & 1;
    image.l1 = number(h + 40, 8);
    image.size = number(h + 48, 8);
    if (memcmp(h, "QED", 4) != 0 || !power_of_two(image.cluster, 4096, 64 << 20) ||
        !power_of_two(image.table, 1, 16) || image.header == 0 || number(h + 16, 8) > 7 ||
        image.size % SECTOR)
        return image;
    image.header *= image.cluster;
    image.table *= image.cluster;
    image.entries = image.table / ENTRY;
    image.end = ((uint64_t)st.st_size + SECTOR - 1) / SECTOR * SECTOR;
    image.end = image.end / image.cluster * image.cluster;
    image.usable =
        inside(&image, image.l1, image.table) &&
        (image.size + image.cluster - 1) / image.cluster / image.entries <= image.entries;
    return image;
}

static void add(struct list *list, uint64_t item)
{
    if (list->count == CLUSTERS_MAX) {
        puts("too many clusters to compare");
        exit(0);
    }
    if (list->count == list->room) {
        list->room = list->room ? list->room * 2 : 256;
        list->items = realloc(list->items, list->room * sizeof(item));
        if (!list->items)
            die("list");
    }
    list->items[list->count++] = item;
}

/* Add base + i for each entry i of a table that is not 0; holes in the file cost nothing. */
static void add_entries(const struct image *image, uint64_t table, uint64_t base, struct list *list)
{
    uint64_t end = table + image->table;
    unsigned char buf[CHUNK];

    for (uint64_t at = table; at < end;) {
        off_t data = lseek(image->fd, (off_t)at, SEEK_DATA);
        size_t len;

        if (data < 0 && errno == ENXIO)
            return;
        if (data > 0 && (uint64_t)data > at)
            at = (uint64_t)data / ENTRY * ENTRY;
        if (at >= end)
            return;
        len = end - at < CHUNK ? (size_t)(end - at) : CHUNK;
        read_at(image, at, buf, len);
        for (size_t i = 0; i < len; i += ENTRY) {
            if (number(buf + i, ENTRY))
                add(list, base + (at - table + i) / ENTRY);
        }
        at += len;
    }
}

static uint64_t entry_at(const struct image *image, uint64_t table, uint64_t index)
{
    unsigned char buf[ENTRY];

    read_at(image, table + index * ENTRY, buf, ENTRY);
    return number(buf, ENTRY);
}

/* Add the guest clusters that have an entry. */
static void add_clusters(const struct image *image, struct list *list)
{
    struct list tables = {0};

    if (!image->usable)
        return;
    add_entries(image, image->l1, 0, &tables);
    for (size_t i = 0; i < tables.count; i++) {
        uint64_t table = entry_at(image, image->l1, tables.items[i]);

        if (inside(image, table, image->table))
            add_entries(image, table, tables.items[i] * image->entries, list);
    }
    free(tables.items);
}

/* What a guest cluster is; *off is where its bytes are. */
static enum kind look_up(const struct image *image, uint64_t n, uint64_t *off)
{
    uint64_t table;

    if (!image->usable || n / image->entries >= image->entries)
        return UNREADABLE;
    table = entry_at(image, image->l1, n / image->entries);
    if (table == 0)
        return NOTHING;
    if (!inside(image, table, image->table))
        return UNREADABLE;
    *off = entry_at(image, table, n % image->entries);
    if (*off <= 1)
        return *off ? ZEROES : NOTHING;
    return inside(image, *off, image->cluster) ? DATA : UNREADABLE;
}

struct counts {
    uint64_t same, unreadable, differ, total, not_empty;
};

static void read_sector(const struct image *image, enum kind kind, uint64_t off,
                        unsigned char *sector)
{
    if (kind == DATA)
        read_at(image, off, sector, SECTOR);
    else
        memset(sector, 0, SECTOR);
}

static void compare_sector(const struct image *image, const struct image *other, enum kind kind,
                           enum kind other_kind, uint64_t off, uint64_t other_off,
                           struct counts *counts)
{
    unsigned char a[SECTOR], b[SECTOR];
    bool same;

    read_sector(image, kind, off, a);
    read_sector(other, other_kind, other_off, b);
    same = kind != UNREADABLE && memcmp(a, b, SECTOR) == 0;
    if (image->backing || other->backing)
        same = same && (kind == NOTHING) == (other_kind == NOTHING);
    if (other_kind == NOTHING) {
        counts->not_empty += !same;
        return;
    }
    counts->total++;
    counts->same += same;
    counts->unreadable += kind == UNREADABLE;
    counts->differ += !same && kind != UNREADABLE;
}

static void compare_cluster(const struct image *image, const struct image *other, uint64_t n,
                            struct counts *counts)
{
    uint64_t off = 0, other_off = 0, left = other->size - n * other->cluster;
    enum kind other_kind = look_up(other, n, &other_off);
    enum kind kind = image->cluster == other->cluster && image->entries == other->entries
                         ? look_up(image, n, &off)
                         : UNREADABLE;

    if (other_kind == UNREADABLE)
        return;
    left = left < other->cluster ? left : other->cluster;
    for (uint64_t at = 0; at < left; at += SECTOR)
        compare_sector(image, other, kind, other_kind, off + at, other_off + at, counts);
}

static int by_number(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

int main(int argc, char **argv)
{
    struct image image, other;
    struct list list = {0};
    struct counts counts = {0};

    if (argc != 3) {
        fputs(usage, stderr);
        return 2;
    }
    image = open_image(argv[1]);
    other = open_image(argv[2]);
    add_clusters(&other, &list);
    if (image.cluster == other.cluster && image.entries == other.entries)
        add_clusters(&image, &list);
    if (list.count)
        qsort(list.items, list.count, sizeof(*list.items), by_number);
    for (size_t i = 0; i < list.count; i++) {
        if ((i == 0 || list.items[i] != list.items[i - 1]) &&
            list.items[i] < (other.size + other.cluster - 1) / other.cluster)
            compare_cluster(&image, &other, list.items[i], &counts);
    }
    free(list.items);
    printf("%" PRIu64 " of %" PRIu64 " the same, %" PRIu64 " not readable, %" PRIu64
           " differ, %" PRIu64 " others not empty\n",
           counts.same, counts.total, counts.unreadable, counts.differ, counts.not_empty);
    return 0;
}
