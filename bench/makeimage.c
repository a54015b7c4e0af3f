/*
 * Makes the images that bench/check measures: valid QED images with many L2 tables and few bytes of
 * guest data. Data clusters are holes. Written from the format alone; deterministic.
 *
 *   makeimage one-entry  FILE   all 32,768 tables, one entry each, holes elsewhere
 *   makeimage dense      FILE   the same, every byte of the tables stored
 *   makeimage shuffled   FILE   the same as dense, tables and data in random order in the file
 *   makeimage full       FILE   2,048 tables full of entries
 *   makeimage small      FILE   16 GiB of 4 KiB clusters, all allocated in guest order
 *
 * SPDX-License-Identifier: MIT
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct layout {
    const char *name;
    uint64_t cluster_size, tables, entries_used; /* entries in each table */
    int dense, shuffled;
};

static const struct layout layouts[] = {
    {"one-entry", 65536, 32768, 1, 0, 0}, {"dense", 65536, 32768, 1, 1, 0},
    {"shuffled", 65536, 32768, 1, 1, 1},  {"full", 65536, 2048, 32768, 1, 0},
    {"small", 4096, 2048, 2048, 1, 0},
};

#define TABLE_CLUSTERS 4

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void put(int fd, const void *bytes, size_t len, uint64_t at)
{
    if (pwrite(fd, bytes, len, (off_t)at) != (ssize_t)len)
        die("makeimage: write");
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Places of the parts of the file (tables, then blocks of data), each of its size, in order. */
static void place_parts(const struct layout *layout, uint64_t *places)
{
    uint64_t table_bytes = TABLE_CLUSTERS * layout->cluster_size;
    uint64_t count = 2 * layout->tables, seed = 88172645463325252u;
    uint64_t at = layout->cluster_size + table_bytes;
    uint64_t *order = malloc(count * sizeof(*order));

    if (!order)
        die("makeimage");
    for (uint64_t i = 0; i < count; i++)
        order[i] = strcmp(layout->name, "small") == 0 ? i / 2 + i % 2 * layout->tables : i;
    for (uint64_t i = count - 1; layout->shuffled && i > 0; i--) {
        uint64_t j = next_random(&seed) % (i + 1), swapped = order[i];

        order[i] = order[j];
        order[j] = swapped;
    }
    for (uint64_t i = 0; i < count; i++) {
        places[order[i]] = at;
        at += order[i] < layout->tables ? table_bytes
                                        : layout->entries_used * layout->cluster_size;
    }
    places[count] = at;
    free(order);
}

/* The header's fields, little-endian on the hosts that run benchmarks. */
static void put_header(int fd, const struct layout *layout, uint64_t entries)
{
    uint32_t words[4] = {0x00444551, (uint32_t)layout->cluster_size, TABLE_CLUSTERS, 1};
    uint64_t rest[6] = {0, 0, 0, layout->cluster_size,
                        layout->tables * entries * layout->cluster_size, 0};

    put(fd, words, sizeof(words), 0);
    put(fd, rest, sizeof(rest), sizeof(words));
}

static void make(int fd, const struct layout *layout)
{
    uint64_t table_bytes = TABLE_CLUSTERS * layout->cluster_size;
    uint64_t entries = table_bytes / sizeof(uint64_t);
    uint64_t *places = malloc((2 * layout->tables + 1) * sizeof(*places));
    uint64_t *table = malloc(table_bytes);

    if (!places || !table)
        die("makeimage");
    place_parts(layout, places);
    put_header(fd, layout, entries);
    put(fd, places, layout->tables * sizeof(*places), layout->cluster_size);
    for (uint64_t i = 0; i < layout->tables; i++) {
        memset(table, 0, table_bytes);
        for (uint64_t j = 0; j < layout->entries_used; j++)
            table[j] = places[layout->tables + i] + j * layout->cluster_size;
        put(fd, table, layout->dense ? table_bytes : 4096, places[i]);
    }
    if (ftruncate(fd, (off_t)places[2 * layout->tables]) < 0)
        die("makeimage: set length");
    free(places);
    free(table);
}

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 3 && i < sizeof(layouts) / sizeof(layouts[0]); i++) {
        int fd;

        if (strcmp(argv[1], layouts[i].name) != 0)
            continue;
        fd = open(argv[2], O_RDWR | O_CREAT | O_TRUNC, 0666);
        if (fd < 0)
            die(argv[2]);
        make(fd, &layouts[i]);
        if (fsync(fd) < 0 || close(fd) < 0)
            die(argv[2]);
        return 0;
    }
    fprintf(stderr, "usage: makeimage one-entry|dense|shuffled|full|small FILE\n");
    return 1;
}
