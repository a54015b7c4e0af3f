/*
 * The parts of bench/salvage that look at bytes: damages QED images, and judges what is read from
 * them after a repair. Written from the format alone; deterministic.
 *
 *   damage kinds
 *       the kinds of damage
 *   damage scatter SEED SIZE UNIT RUNS MAX
 *       extents of a guest, "offset length" a line: RUNS runs of 1 to MAX units, in random order
 *   damage fill SEED SIZE FILE
 *       a raw file with random bytes in the extents on stdin
 *   damage break SEED KIND BASE COPY
 *       damage COPY, a copy of BASE; print how, and the best possible score: "best RIGHT ALL"
 *   damage score BASE image|raw FILE
 *       the score of what FILE reads: "RIGHT ALL"
 *   damage harm BASE DAMAGED REPAIRED
 *       how many sectors read right from DAMAGED and not from REPAIRED
 *   damage wrong BASE image|raw FILE
 *       which guest ranges read wrong
 *
 * What a score is stands in damage_score.h; RIGHT and ALL are sectors.
 *
 * SPDX-License-Identifier: MIT
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "damage_kinds.h"
#include "damage_random.h"

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static uint64_t number(const char *text)
{
    return strtoull(text, NULL, 0);
}

static int open_base(struct image *base, const char *path)
{
    const char *reason;

    if (image_open(base, path, &reason))
        return 0;
    fprintf(stderr, "damage: %s: %s\n", path, reason);
    return 1;
}

static int harm(char **args)
{
    struct image base;

    if (open_base(&base, args[0]) != 0)
        return 1;
    printf("%" PRIu64 "\n", score_harm(&base, args[1], args[2]));
    image_close(&base);
    return 0;
}

static int list_kinds(char **args)
{
    (void)args;
    for (size_t i = 0; damage_kind_name(i); i++)
        printf("%s\n", damage_kind_name(i));
    return 0;
}

static int scatter(char **args)
{
    uint64_t random = number(args[0]), size = number(args[1]), unit = number(args[2]);
    uint64_t runs = number(args[3]), units_max = number(args[4]);

    for (uint64_t i = 0; i < runs; i++) {
        uint64_t at = random_below(&random, size / unit) * unit;
        uint64_t len = (1 + random_below(&random, units_max)) * unit;

        printf("%" PRIu64 " %" PRIu64 "\n", at, len < size - at ? len : size - at);
    }
    return 0;
}

/* What a sector holds depends on its place alone, so no two hold the same. */
static void fill_sector(int fd, uint64_t seed, uint64_t at)
{
    uint64_t words[SECTOR / sizeof(uint64_t)], random = seed << 48 ^ at;

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        words[i] = random_next(&random);
    if (pwrite(fd, words, SECTOR, (off_t)at) != SECTOR)
        die("damage: write");
}

static int fill(char **args)
{
    int fd = open(args[2], O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    uint64_t at, len;

    if (fd < 0 || ftruncate(fd, (off_t)number(args[1])) < 0)
        die(args[2]);
    while (scanf("%" SCNu64 "%" SCNu64, &at, &len) == 2)
        for (uint64_t i = 0; i < len; i += SECTOR)
            fill_sector(fd, number(args[0]), at + i);
    if (close(fd) < 0)
        die(args[2]);
    return 0;
}

static int break_copy(char **args)
{
    struct image base;
    struct damage damage;
    struct tally best = {0};
    int fd = open(args[3], O_RDWR | O_CLOEXEC);
    bool is_kind;

    if (fd < 0)
        die(args[3]);
    if (open_base(&base, args[2]) != 0)
        return 1;
    is_kind = damage_do(&damage, &base, fd, args[1], number(args[0]));
    if (is_kind) {
        score_best(&best, &base, damage.lost, damage.lost_count);
        printf("best %" PRIu64 " %" PRIu64 "\n", best.data_right, best.data);
    }
    damage_release(&damage);
    image_close(&base);
    close(fd);
    return is_kind ? 0 : 1;
}

static int judge(char **args, bool lists)
{
    bool is_raw = strcmp(args[1], "raw") == 0;
    struct tally tally = {.lists = lists};
    const char *reason;
    struct image base;

    if (open_base(&base, args[0]) != 0)
        return 1;
    if (!(is_raw ? score_raw : score_image)(&tally, &base, args[2], &reason))
        fprintf(stderr, "damage: %s cannot be opened: %s\n", args[2], reason);
    if (!lists)
        printf("%" PRIu64 " %" PRIu64 "\n", tally.data_right, tally.data + tally.other_wrong);
    image_close(&base);
    return 0;
}

static int score(char **args)
{
    return judge(args, false);
}

static int wrong(char **args)
{
    return judge(args, true);
}

static const struct action {
    const char *name;
    int args;
    int (*run)(char **args);
} actions[] = {
    {"kinds", 0, list_kinds}, {"scatter", 5, scatter}, {"fill", 3, fill}, {"break", 4, break_copy},
    {"score", 3, score},      {"wrong", 3, wrong},     {"harm", 3, harm},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc >= 2 && i < sizeof(actions) / sizeof(actions[0]); i++)
        if (strcmp(argv[1], actions[i].name) == 0 && argc == actions[i].args + 2)
            return actions[i].run(argv + 2);
    fprintf(stderr, "usage: damage kinds|scatter|fill|break|score|wrong|harm ARGUMENTS\n");
    return 1;
}
