/*
 * Lays tables and clusters out in the file, gives them bytes, then hurts entries, header and end.
 * SPDX-License-Identifier: MIT
 */
#include "support/damaged.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "support/io_mem.h"
#include "support/unit.h"

#define TABLES_MAX 4
#define DATA_MAX 10 /* of a table */
#define L1_USED 8   /* L1 entries that the guest's size reaches */

struct table {
    uint64_t l1_index, file_off;
    size_t count;
    uint64_t l2_index[DATA_MAX], entry[DATA_MAX];
};

struct maker {
    struct unit_random random;
    struct damaged *damaged;
    uint64_t cluster, table_bytes, entries, l1, next; /* next: where the file ends so far */
    struct table tables[TABLES_MAX];
    size_t table_count;
};

static void must(int ret)
{
    if (ret < 0)
        ck_abort_msg("io_mem refused");
}

static uint64_t pick(struct maker *maker, uint64_t limit)
{
    return unit_random_below(&maker->random, limit);
}

static bool chance(struct maker *maker, unsigned int percent)
{
    return pick(maker, 100) < percent;
}

__attribute__((format(printf, 2, 3))) static void say(struct maker *maker, const char *format, ...)
{
    char *what = maker->damaged->what;
    size_t used = strlen(what);
    va_list args;

    va_start(args, format);
    vsnprintf(what + used, sizeof(maker->damaged->what) - used, format, args);
    va_end(args);
}

/* What a guest may have in a cluster; some of it looks like entries. */
static void fill_cluster(struct maker *maker, uint64_t file_off)
{
    struct io *io = maker->damaged->sound;
    uint64_t words = maker->cluster / 8;

    switch (pick(maker, 6)) {
    case 0: /* zeroes */
        return;
    case 1: /* a little text */
        for (uint64_t i = 0; i < 1 + pick(maker, 12); i++)
            unit_put64(io, file_off + 8 * i, UINT64_C(0x2068747461206f74) + i * file_off);
        return;
    case 2: /* numbers that could be entries */
        for (uint64_t i = 0; i < 1 + pick(maker, 12); i++)
            unit_put64(io, file_off + 8 * pick(maker, words),
                       pick(maker, 2 * maker->next / maker->cluster) * maker->cluster);
        return;
    default:
        unit_fill(io, file_off, maker->cluster, (uint8_t)(0x80 + file_off / maker->cluster));
    }
}

static uint64_t append(struct maker *maker, uint64_t len)
{
    uint64_t at;

    if (chance(maker, 6)) { /* a leak */
        if (chance(maker, 50))
            unit_fill(maker->damaged->sound, maker->next, maker->cluster, 0x6c);
        maker->next += maker->cluster;
    }
    at = maker->next;
    maker->next += len;
    must(io_set_length(maker->damaged->sound, maker->next, NULL));
    return at;
}

static void add_data(struct maker *maker, struct table *table)
{
    uint64_t index = table->count ? table->l2_index[table->count - 1] + 1 : pick(maker, 8);
    uint64_t entry = QED_ENTRY_ZERO;

    if (chance(maker, 25))
        index += pick(maker, 40);
    if (!chance(maker, 12)) {
        entry = append(maker, maker->cluster);
        fill_cluster(maker, entry);
    }
    table->l2_index[table->count] = index;
    table->entry[table->count++] = entry;
    unit_put_entry(maker->damaged->sound, table->file_off, index, entry);
}

static void add_table(struct maker *maker)
{
    struct table *table = &maker->tables[maker->table_count];
    uint64_t count = 1 + pick(maker, DATA_MAX);

    table->l1_index = maker->table_count * 2 + pick(maker, 2);
    table->file_off = append(maker, maker->table_bytes);
    unit_put_entry(maker->damaged->sound, maker->l1, table->l1_index, table->file_off);
    maker->table_count++;
    for (uint64_t i = 0; i < count; i++)
        add_data(maker, table);
}

static void make_sound(struct maker *maker)
{
    struct unit_image spec = {.cluster_size = chance(maker, 20) ? 8192 : 4096,
                              .table_size = chance(maker, 60) ? 1 : 2U << pick(maker, 2),
                              .header_size = 1 + (uint32_t)pick(maker, 2)};
    uint64_t tables = 1 + pick(maker, TABLES_MAX);

    maker->cluster = spec.cluster_size;
    maker->table_bytes = spec.cluster_size * spec.table_size;
    maker->entries = maker->table_bytes / 8;
    maker->l1 = spec.cluster_size * spec.header_size;
    maker->next = maker->l1 + maker->table_bytes;
    spec.image_size = L1_USED * maker->entries * maker->cluster;
    if (chance(maker, 30))
        spec.image_size -= 512 * pick(maker, 100);
    if (chance(maker, 20))
        spec.features |= QED_FEATURE_NEED_CHECK;
    maker->damaged->sound = unit_image_new(&spec);
    while (maker->table_count < tables)
        add_table(maker);
    if (!chance(maker, 20))
        return;
    unit_put64(maker->damaged->sound, 16, spec.features | QED_FEATURE_BACKING_FILE);
    unit_put64(maker->damaged->sound, 56, 64 | UINT64_C(4) << 32);
    must(io_write(maker->damaged->sound, "base", 4, 64, NULL));
}

/* A place that an entry could name. */
static uint64_t any_place(struct maker *maker)
{
    const struct table *table = &maker->tables[pick(maker, maker->table_count)];

    switch (pick(maker, 5)) {
    case 0:
        return maker->l1;
    case 1:
        return table->file_off;
    case 2:
        return table->file_off + maker->cluster * pick(maker, maker->table_bytes / maker->cluster);
    case 3:
        return table->entry[pick(maker, table->count)];
    default:
        return maker->cluster * pick(maker, maker->next / maker->cluster);
    }
}

/* What becomes of an entry. */
static uint64_t hurt_value(struct maker *maker, uint64_t entry)
{
    switch (pick(maker, 9)) {
    case 0: /* past the end, where the file may grow to */
        return maker->next + maker->cluster * pick(maker, 6);
    case 1:
        return maker->next << (1 + pick(maker, 20));
    case 2: /* low bits */
        return entry | (1 + pick(maker, 4095));
    case 3:
        return entry ^ 512U << pick(maker, 4);
    case 4:
        return maker->cluster * pick(maker, 2);
    case 5:
        return entry ? 0 : maker->next;
    case 6:
    case 7:
        return entry ^ UINT64_C(1) << pick(maker, 44);
    default:
        return any_place(maker);
    }
}

/* Whether the word at file_off is still in the file. */
static bool is_there(struct maker *maker, uint64_t file_off)
{
    uint64_t length;

    must(io_get_length(maker->damaged->io, &length, NULL));
    return file_off + 8 <= length;
}

static void hurt_l1(struct maker *maker)
{
    struct io *io = maker->damaged->io;
    uint64_t index = maker->tables[pick(maker, maker->table_count)].l1_index;
    uint64_t value;

    if (chance(maker, 25))
        index = pick(maker, L1_USED);
    value = hurt_value(maker, unit_get_entry(io, maker->l1, index));
    if (chance(maker, 30))
        value = any_place(maker);
    unit_put_entry(io, maker->l1, index, value);
    say(maker, " L1[%" PRIu64 "]=0x%" PRIx64, index, value);
}

static void hurt_l2(struct maker *maker)
{
    struct io *io = maker->damaged->io;
    const struct table *table = &maker->tables[pick(maker, maker->table_count)];
    uint64_t index = table->l2_index[pick(maker, table->count)], value;

    if (chance(maker, 20))
        index = pick(maker, maker->entries);
    if (!is_there(maker, table->file_off + 8 * index))
        return;
    value = hurt_value(maker, unit_get_entry(io, table->file_off, index));
    unit_put_entry(io, table->file_off, index, value);
    say(maker, " L1[%" PRIu64 "] L2[%" PRIu64 "]=0x%" PRIx64, table->l1_index, index, value);
}

/* Many entries of one table. */
static void hurt_table(struct maker *maker)
{
    const struct table *table = &maker->tables[pick(maker, maker->table_count)];

    for (size_t i = 0; i < table->count; i++) {
        uint64_t value;

        if (!is_there(maker, table->file_off + 8 * table->l2_index[i]))
            return;
        value = unit_get_entry(maker->damaged->io, table->file_off, table->l2_index[i]);
        unit_put_entry(maker->damaged->io, table->file_off, table->l2_index[i],
                       value | 1U << pick(maker, 12));
    }
    say(maker, " low bits of L1[%" PRIu64 "]'s entries", table->l1_index);
}

static void cut(struct maker *maker)
{
    uint64_t least = maker->l1 + maker->table_bytes, length;

    must(io_get_length(maker->damaged->io, &length, NULL));
    length -= pick(maker, min_u64(length - least + 1, 8 * maker->cluster));

    if (chance(maker, 40))
        length = round_down(length, maker->cluster);
    else if (chance(maker, 60))
        length = round_down(length, 512);
    length = max_u64(length, least);
    must(io_set_length(maker->damaged->io, length, NULL));
    say(maker, " cut to 0x%" PRIx64, length);
}

static void hurt(struct maker *maker)
{
    switch (pick(maker, 12)) {
    case 0:
    case 1:
    case 2:
    case 3:
        hurt_l1(maker);
        break;
    case 4:
        hurt_table(maker);
        break;
    case 5:
    case 6:
        cut(maker);
        break;
    case 7:
        unit_put64(maker->damaged->io, 32, 1 + pick(maker, 100));
        say(maker, " autoclear bits");
        break;
    default:
        hurt_l2(maker);
    }
}

void damaged_make(struct damaged *damaged, uint64_t seed, unsigned int hurts)
{
    struct maker maker = {.random = {seed}, .damaged = damaged};

    *damaged = (struct damaged){0};
    make_sound(&maker);
    damaged->io = io_mem_copy(damaged->sound);
    for (unsigned int i = 0; i < hurts; i++)
        hurt(&maker);
}

void damaged_release(struct damaged *damaged)
{
    io_close(damaged->sound);
    io_close(damaged->io);
    *damaged = (struct damaged){0};
}
