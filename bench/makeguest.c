/*
 * Makes the guest disks that bench/convert measures: a raw file with bytes that cannot be
 * compressed, and holes where the guest has never written. Deterministic.
 *
 *   makeguest runs       MIB FILE   runs of 1 to 64 MiB; gaps like them
 *   makeguest fragmented MIB FILE   single blocks of 4 KiB; gaps of 4 to 12 KiB
 *   makeguest zero       MIB FILE   as runs, each with four times as many written zeroes behind it;
 *                                   gaps 24 times as long
 *
 * Prints the stretches where zeroes were written: offset and length in bytes.
 * SPDX-License-Identifier: MIT
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK ((uint64_t)4096)
#define MIB ((uint64_t)1 << 20)

struct kind {
    const char *name;
    uint64_t shortest;      /* run, bytes */
    unsigned int doublings; /* the longest run is so many times twice that */
    uint64_t zeroes, gap;   /* times the length of a run, on average */
};

static const struct kind kinds[] = {
    {"runs", MIB, 6, 0, 1}, {"fragmented", BLOCK, 0, 0, 2}, {"zero", MIB, 6, 4, 24}};

static uint64_t state = 88172645463325252u;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* Whole blocks; each doubling is as likely as the others. */
static uint64_t run_length(const struct kind *kind)
{
    uint64_t least = kind->shortest;

    if (kind->doublings == 0)
        return least;
    least <<= next_random() % kind->doublings;
    return least + next_random() % least / BLOCK * BLOCK;
}

static uint64_t gap_length(const struct kind *kind)
{
    if (kind->doublings == 0)
        return BLOCK * (1 + next_random() % (2 * kind->gap - 1));
    return kind->gap * run_length(kind);
}

static void put(int fd, uint64_t at, uint64_t len, int is_zero)
{
    static uint64_t bytes[MIB / sizeof(uint64_t)];

    if (is_zero)
        printf("%" PRIu64 " %" PRIu64 "\n", at, len);
    while (len > 0) {
        uint64_t step = len < MIB ? len : MIB;

        for (uint64_t i = 0; i < step / sizeof(uint64_t); i++)
            bytes[i] = is_zero ? 0 : next_random();
        if (pwrite(fd, bytes, step, (off_t)at) != (ssize_t)step)
            die("makeguest: write");
        at += step;
        len -= step;
    }
}

static uint64_t cut(uint64_t len, uint64_t left)
{
    return len < left ? len : left;
}

static void make(int fd, const struct kind *kind, uint64_t size)
{
    uint64_t at = 0;

    if (ftruncate(fd, (off_t)size) < 0)
        die("makeguest: set length");
    while (at < size) {
        uint64_t len = cut(run_length(kind), size - at), zeroes;

        put(fd, at, len, 0);
        at += len;
        zeroes = cut(kind->zeroes * len, size - at);
        if (zeroes)
            put(fd, at, zeroes, 1);
        at += zeroes + gap_length(kind);
    }
}

int main(int argc, char **argv)
{
    uint64_t size = argc == 4 ? strtoull(argv[2], NULL, 10) * MIB : 0;

    for (size_t i = 0; size && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        int fd;

        if (strcmp(argv[1], kinds[i].name) != 0)
            continue;
        fd = open(argv[3], O_RDWR | O_CREAT | O_TRUNC, 0666);
        if (fd < 0)
            die(argv[3]);
        make(fd, &kinds[i], size);
        if (fsync(fd) < 0 || close(fd) < 0)
            die(argv[3]);
        return 0;
    }
    fprintf(stderr, "usage: makeguest runs|fragmented|zero MIB FILE\n");
    return 1;
}
