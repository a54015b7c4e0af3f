/*
 * Every kind is a function that picks what to change by the damage's random numbers, changes it
 * in the file, and says so.
 *
 * SPDX-License-Identifier: MIT
 */
#include "damage_kinds.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "damage_random.h"

#define WORD sizeof(uint64_t)
#define PAGE 4096
#define MAGIC 0x00444551
#define ENTRIES_MAX 8 /* that one damage changes */

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static uint64_t below(struct damage *damage, uint64_t n)
{
    return random_below(&damage->random, n);
}

static bool one_in(struct damage *damage, uint64_t n)
{
    return below(damage, n) == 0;
}

static void put(struct damage *damage, uint64_t at, const void *bytes, size_t len)
{
    if (pwrite(damage->fd, bytes, len, (off_t)at) != (ssize_t)len)
        die("damage: write");
}

static void lose(struct damage *damage, uint64_t begin, uint64_t end)
{
    damage->lost[damage->lost_count++] = (struct span){begin, end};
}

static void set_entry(struct damage *damage, const struct entry *entry, uint64_t value)
{
    printf("  L1[%" PRIu64 "]", entry->l1_index);
    if (!entry->is_l1)
        printf(" L2[%" PRIu64 "]", entry->l2_index);
    printf(" at file 0x%" PRIx64 ": 0x%" PRIx64 " is now 0x%" PRIx64 "\n", entry->at, entry->value,
           value);
    put(damage, entry->at, &value, WORD);
}

/* Which entries. */

static void append(struct entries *entries, struct entry entry)
{
    if (entries->count == entries->room) {
        entries->room = entries->room ? 2 * entries->room : 1024;
        entries->list = realloc(entries->list, entries->room * sizeof(*entries->list));
        if (!entries->list)
            die("damage");
    }
    entries->list[entries->count++] = entry;
}

static void list_entries(struct damage *damage)
{
    const struct image *base = damage->base;

    for (uint64_t i = 0; i < base->entries; i++) {
        uint64_t l1_at = base->l1_offset + i * WORD, table = image_word(base, l1_at);

        if (!table)
            continue;
        append(&damage->l1,
               (struct entry){.at = l1_at, .value = table, .l1_index = i, .is_l1 = true});
        for (uint64_t j = 0; j < base->entries; j++) {
            struct entry entry = {.at = table + j * WORD, .l1_index = i, .l2_index = j};

            entry.value = image_word(base, entry.at);
            if (entry.value > 1)
                append(&damage->l2, entry);
        }
    }
}

static const struct entry *any(struct damage *damage, const struct entries *entries)
{
    return &entries->list[below(damage, entries->count)];
}

/* An L1 entry in one case of three, where there are as many; else an L2 entry. */
static const struct entries *either_level(struct damage *damage, size_t needed)
{
    return damage->l1.count >= needed && one_in(damage, 3) ? &damage->l1 : &damage->l2;
}

/* Up to so many different data entries of one table, side by side or scattered. */
static size_t some_of_a_table(struct damage *damage, const struct entry **some, size_t wanted)
{
    const struct entry *list = damage->l2.list, *first = any(damage, &damage->l2), *end = first;
    bool scattered = one_in(damage, 2);
    size_t count = 0;

    while (end < list + damage->l2.count && end->l1_index == first->l1_index)
        end++;
    if (!scattered) {
        while (count < wanted && first + count < end) {
            some[count] = first + count;
            count++;
        }
        return count;
    }
    while (first > list && first[-1].l1_index == first->l1_index)
        first--;
    for (uint64_t left = (uint64_t)(end - first); first < end && count < wanted; first++, left--)
        if (below(damage, left) < wanted - count)
            some[count++] = first;
    return count;
}

static size_t one_to_eight(struct damage *damage, const struct entry **some)
{
    return some_of_a_table(damage, some, 1 + below(damage, ENTRIES_MAX));
}

static uint64_t end_of_file(const struct damage *damage)
{
    return damage->base->file.length;
}

/* The kinds. */

static void flip_header(struct damage *damage)
{
    uint64_t bit = below(damage, HEADER_BYTES * 8);
    uint8_t byte = damage->base->file.bytes[bit / 8] ^ (uint8_t)(1u << bit % 8);

    printf("  header byte %" PRIu64 ": 0x%02x is now 0x%02x\n", bit / 8,
           damage->base->file.bytes[bit / 8], byte);
    put(damage, bit / 8, &byte, 1);
}

static void flip_bit(struct damage *damage, const struct entry *entry)
{
    set_entry(damage, entry, entry->value ^ UINT64_C(1) << below(damage, 64));
}

static void flip_l1(struct damage *damage)
{
    flip_bit(damage, any(damage, &damage->l1));
}

/* Now and then an entry that is not in use is hit, one beside an entry that is. */
static void flip_l2(struct damage *damage)
{
    const struct entry *some[ENTRIES_MAX];
    size_t count = one_to_eight(damage, some);

    for (size_t i = 0; i < count; i++) {
        struct entry entry = *some[i];

        if (one_in(damage, 8) && entry.l2_index + 1 < damage->base->entries &&
            image_word(damage->base, entry.at + WORD) == 0) {
            entry.l2_index++;
            entry.at += WORD;
            entry.value = 0;
        }
        flip_bit(damage, &entry);
    }
}

static void zero_entries(struct damage *damage)
{
    const struct entry *some[ENTRIES_MAX];
    size_t count = 1;

    if (one_in(damage, 4))
        some[0] = any(damage, &damage->l1);
    else
        count = one_to_eight(damage, some);
    for (size_t i = 0; i < count; i++)
        set_entry(damage, some[i], 0);
}

/* Random bytes, or what was meant for another place: the bytes of a data cluster. */
static void overwrite_l2(struct damage *damage)
{
    size_t len = one_in(damage, 2) ? SECTOR : PAGE;
    uint64_t at = any(damage, &damage->l2)->at / len * len;
    uint64_t from = any(damage, &damage->l2)->value;
    bool is_data = one_in(damage, 2);
    uint8_t bytes[PAGE];

    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)random_next(&damage->random);
    if (is_data)
        memcpy(bytes, damage->base->file.bytes + from, len);
    printf("  file 0x%" PRIx64 "+0x%zx, in an L2 table, is overwritten with ", at, len);
    if (is_data)
        printf("data from 0x%" PRIx64 "\n", from);
    else
        printf("random bytes\n");
    put(damage, at, bytes, len);
    lose(damage, at, at + len);
}

static void cut(struct damage *damage, uint64_t length, const char *where)
{
    printf("  the file of 0x%" PRIx64 " bytes ends at 0x%" PRIx64 ", %s\n", end_of_file(damage),
           length, where);
    if (ftruncate(damage->fd, (off_t)length) < 0)
        die("damage: cut");
    lose(damage, length, end_of_file(damage));
}

/* A place past begin, within len: of a sector, or inside one. */
static uint64_t place_inside(struct damage *damage, uint64_t begin, uint64_t len)
{
    uint64_t sectors = len / SECTOR - 1;
    uint64_t at = begin + (1 + below(damage, sectors)) * SECTOR;

    return one_in(damage, 2) ? at : at - 1 - below(damage, SECTOR - 1);
}

static void cut_data(struct damage *damage)
{
    uint64_t cluster_size = damage->base->cluster_size, last = 0;

    for (size_t i = 0; i < damage->l2.count; i++)
        if (damage->l2.list[i].value > last)
            last = damage->l2.list[i].value;
    if (one_in(damage, 3))
        cut(damage, place_inside(damage, last, cluster_size), "inside the last data cluster");
    else if (one_in(damage, 2))
        cut(damage, any(damage, &damage->l2)->value, "before a data cluster");
    else
        cut(damage, place_inside(damage, any(damage, &damage->l2)->value, cluster_size),
            "inside a data cluster");
}

static void cut_table(struct damage *damage)
{
    uint64_t table_bytes = damage->base->table_bytes;

    if (one_in(damage, 5))
        cut(damage, place_inside(damage, damage->base->l1_offset, table_bytes),
            "inside the L1 table");
    else
        cut(damage, place_inside(damage, any(damage, &damage->l1)->value, table_bytes),
            "inside an L2 table");
}

static void swap_entries(struct damage *damage)
{
    const struct entries *entries = either_level(damage, 2);
    const struct entry *one = any(damage, entries), *other = one;

    while (other == one)
        other = any(damage, entries);
    set_entry(damage, one, other->value);
    set_entry(damage, other, one->value);
}

static void duplicate_entry(struct damage *damage)
{
    const struct entries *entries = either_level(damage, 2);
    const struct entry *one = any(damage, entries), *other = one;

    while (other == one)
        other = any(damage, entries);
    set_entry(damage, one, other->value);
}

/* The cluster 0 of the header cannot be named: that is no entry. A place inside it can. */
static void alias_metadata(struct damage *damage)
{
    const struct image *base = damage->base;
    const struct entries *entries = either_level(damage, 1);
    const struct entry *entry = any(damage, entries);
    uint64_t table = any(damage, &damage->l1)->value, value = base->l1_offset;
    uint64_t cluster = below(damage, base->table_bytes / base->cluster_size) * base->cluster_size;

    switch (below(damage, 3)) {
    case 0:
        value = (1 + below(damage, PAGE / SECTOR - 1)) * SECTOR;
        break;
    case 1:
        value += cluster;
        break;
    default:
        value = table + cluster == entry->value ? base->l1_offset : table + cluster;
    }
    set_entry(damage, entry, value);
}

static void set_low_bits(struct damage *damage)
{
    const struct entry *some[ENTRIES_MAX];
    size_t count = 1;

    if (one_in(damage, 3))
        some[0] = any(damage, &damage->l1);
    else
        count = one_to_eight(damage, some);
    for (size_t i = 0; i < count; i++)
        set_entry(damage, some[i], some[i]->value | (1 + below(damage, PAGE - 1)));
}

static void wipe_l1(struct damage *damage)
{
    uint64_t begin = damage->base->l1_offset;
    uint8_t zeroes[PAGE] = {0};

    printf("  the L1 table at file 0x%" PRIx64 " is all zeroes\n", begin);
    for (uint64_t at = begin; at < begin + damage->base->table_bytes; at += PAGE)
        put(damage, at, zeroes, PAGE);
}

/* The place of the L1 table of an image that the guest keeps; 0 without one that can be an L1. */
static uint64_t inner_l1(const struct damage *damage)
{
    const struct image *base = damage->base;

    for (size_t i = 0; i < damage->l2.count; i++) {
        const struct entry *entry = &damage->l2.list[i];
        uint64_t guest = (entry->l1_index * base->entries + entry->l2_index) * base->cluster_size;

        for (uint64_t at = 0; at < base->cluster_size; at += PAGE) {
            uint64_t file_off = entry->value + at;
            uint64_t l1 = guest + at + image_word(base, file_off + HEADER_L1_OFFSET);

            if ((uint32_t)image_word(base, file_off) == MAGIC && l1 % base->cluster_size == 0 &&
                l1 < base->image_size)
                return image_find(base, l1).data_at;
        }
    }
    return 0;
}

static void move_l1(struct damage *damage)
{
    const struct image *base = damage->base;
    uint64_t value = base->l1_offset;

    switch (below(damage, 5)) {
    case 0:
        value = any(damage, &damage->l1)->value;
        break;
    case 1:
        value = one_in(damage, 2) ? inner_l1(damage) : 0;
        if (!value)
            value = any(damage, &damage->l2)->value;
        break;
    case 2:
        value += (1 + below(damage, 3)) * base->cluster_size;
        break;
    case 3:
        value = (end_of_file(damage) / base->cluster_size + below(damage, 8)) * base->cluster_size;
        break;
    default:
        value += (1 + below(damage, 7)) * SECTOR;
    }
    printf("  l1_table_offset: 0x%" PRIx64 " is now 0x%" PRIx64 "\n", base->l1_offset, value);
    put(damage, HEADER_L1_OFFSET, &value, WORD);
}

static void set_need_check(struct damage *damage)
{
    uint64_t features = image_word(damage->base, HEADER_FEATURES) | FEATURE_NEED_CHECK;

    printf("  NEED_CHECK is set\n");
    put(damage, HEADER_FEATURES, &features, WORD);
}

static void set_need_check_and_more(struct damage *damage);

static const struct kind {
    const char *name;
    void (*apply)(struct damage *damage);
} kinds[] = {
    {"header-flip", flip_header},
    {"l1-flip", flip_l1},
    {"l2-flip", flip_l2},
    {"zeroed", zero_entries},
    {"l2-garbage", overwrite_l2},
    {"cut-data", cut_data},
    {"cut-table", cut_table},
    {"swapped", swap_entries},
    {"duplicated", duplicate_entry},
    {"aliased", alias_metadata},
    {"low-bits", set_low_bits},
    {"l1-wiped", wipe_l1},
    {"l1-moved", move_l1},
    {"dirty", set_need_check},
    {"dirty-and-more", set_need_check_and_more},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))
#define KINDS_ALONE (KINDS - 2)

/* The mark comes last: one flipped bit of the features would be undone by it. */
static void set_need_check_and_more(struct damage *damage)
{
    const struct kind *kind = &kinds[1 + below(damage, KINDS_ALONE - 1)];

    printf("  %s:\n", kind->name);
    kind->apply(damage);
    set_need_check(damage);
}

const char *damage_kind_name(size_t i)
{
    return i < KINDS ? kinds[i].name : NULL;
}

bool damage_do(struct damage *damage, const struct image *base, int fd, const char *kind,
               uint64_t random)
{
    *damage = (struct damage){.base = base, .fd = fd, .random = random};
    list_entries(damage);
    for (size_t i = 0; i < KINDS; i++) {
        if (strcmp(kind, kinds[i].name) != 0)
            continue;
        kinds[i].apply(damage);
        return true;
    }
    return false;
}

void damage_release(struct damage *damage)
{
    free(damage->l1.list);
    free(damage->l2.list);
}
