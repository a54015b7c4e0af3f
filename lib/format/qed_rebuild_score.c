/*
 * How well a candidate explains the file, how near it is to what the header says, and what the two
 * come to; the words for it.
 * SPDX-License-Identifier: MIT
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "format/qed_rebuild_state.h"

/* Confidences this near to each other are equal, and taste decides. */
#define NEARLY 0.005

static double share(uint64_t part, uint64_t whole)
{
    return whole > 0 ? (double)part / (double)whole : 0.0;
}

static double at_least_0(double value)
{
    return value > 0 ? value : 0;
}

/* 1 when nothing is wrong with the tables; 0 when a fourth of the entries are. */
static double soundness(const struct rebuild_candidate *c)
{
    const struct qed_walk_table *sum = &c->sum;
    uint64_t tables = c->tables + c->empty + c->none;
    double entries = (double)(sum->good + sum->zeroes + sum->past_end + sum->bad);
    /* A file that was cut is no contradiction, nor what one leaves. */
    double wrong = (double)sum->bad + (double)sum->repeated + (double)sum->past_end / 4;
    double wrong_l1 = (double)c->strays - (double)c->l1_past_end * 3 / 4;
    double sound = entries > 0 ? at_least_0(1 - 4 * wrong / entries) : 1;

    if (tables + c->strays > 0)
        sound *= 1 - wrong_l1 / (double)(tables + c->strays);
    sound *= 1 - share(c->none, tables);
    if (c->table_size_too_small || c->table_size_too_large)
        sound *= 0.3;
    if (c->l1_starts_empty)
        sound *= 0.6;
    return c->cluster_size_too_small ? sound * 0.3 : sound;
}

/* How much of the file is explained. What is not stored needs less of an explanation. */
static double explained_share(const struct rebuild_candidate *c)
{
    return 0.75 * share(c->explained, c->clusters - c->holes) +
           0.25 * share(c->explained, c->clusters);
}

/* Each entry that makes sense halves the odds that it is chance. */
static double amount(const struct rebuild_candidate *c)
{
    uint64_t n = min_u64(c->tables + c->sum.good + c->sum.zeroes, 20);

    return 1 - 1 / (double)(UINT64_C(1) << n);
}

bool rebuild_is_usual(const struct rebuild_candidate *c)
{
    return c->l1_table_offset == (uint64_t)c->header_size * c->cluster_size;
}

static unsigned int magic_bits_wrong(const struct rebuild *rebuild)
{
    return (unsigned int)__builtin_popcount(rebuild->old.magic ^ QED_MAGIC);
}

/* What the header's own fields are worth when so many of them are kept. */
static double header_worth(const struct rebuild *rebuild, const struct rebuild_candidate *c)
{
    double worth = 0;

    if (c->fields == 0)
        worth = rebuild_is_usual(c) ? 0.95 : 0.8;
    else if (c->fields == 1)
        worth = c->bits == 1 ? 0.9 : 0.6;
    else if (c->fields == 2)
        worth = c->bits == 2 ? 0.4 : 0.2;
    if (magic_bits_wrong(rebuild) > 1)
        worth *= 0.8;
    if (c->fields == 0)
        return worth;
    if (!rebuild_is_usual(c))
        worth *= 0.5;
    if (c->tables == 0)
        worth *= 0.7 + 0.3 * c->share;
    return worth;
}

void rebuild_judge(const struct rebuild *rebuild, struct rebuild_candidate *c)
{
    double sound = soundness(c);

    c->sound = sound;
    c->share = explained_share(c);
    c->file = c->tables > 0 ? c->share * sound * amount(c) : 0;
    if (c->file > 0.99)
        c->file = 0.99;
    /* Where the header puts the L1, and usually, nonsense may be an L1 that was overwritten. */
    if (c->fields == 0 && rebuild_is_usual(c))
        sound = 0.6 + 0.4 * sound;
    c->confidence = 1 - (1 - c->file) * (1 - header_worth(rebuild, c) * sound);
}

/* Between equals, the one nearest to what the header says, then what is usual. */
static bool is_better(const struct rebuild_candidate *a, const struct rebuild_candidate *b)
{
    bool a_usual = a->table_size == QED_TABLE_SIZE_DEFAULT;
    bool b_usual = b->table_size == QED_TABLE_SIZE_DEFAULT;

    if (a->confidence > b->confidence + NEARLY || a->confidence < b->confidence - NEARLY)
        return a->confidence > b->confidence;
    if (a->fields != b->fields)
        return a->fields < b->fields;
    if (a->bits != b->bits)
        return a->bits < b->bits;
    if (rebuild_is_usual(a) != rebuild_is_usual(b))
        return rebuild_is_usual(a);
    return a_usual != b_usual ? a_usual : a->share > b->share;
}

void rebuild_rank(const struct rebuild *rebuild, const struct rebuild_candidate **best,
                  const struct rebuild_candidate **second)
{
    *best = *second = NULL;
    for (size_t i = 0; i < rebuild->count; i++) {
        const struct rebuild_candidate *candidate = &rebuild->candidates[i];

        if (!candidate->tried)
            continue;
        if (!*best || is_better(candidate, *best)) {
            *second = *best;
            *best = candidate;
        } else if (!*second || is_better(candidate, *second)) {
            *second = candidate;
        }
    }
}

void rebuild_say(struct rebuild *rebuild, const char *format, ...)
{
    struct qed_rebuild *found = rebuild->found;
    va_list args;

    if (found->evidence_count == QED_REBUILD_LINES_MAX)
        return;
    va_start(args, format);
    vsnprintf(found->evidence[found->evidence_count++], QED_REBUILD_LINE_BYTES, format, args);
    va_end(args);
}

static void say_l1(struct rebuild *rebuild, const struct rebuild_candidate *c)
{
    uint64_t tables = c->tables + c->empty + c->none;

    if (tables + c->strays == 0) {
        rebuild_say(rebuild, "L1 table at 0x%" PRIx64 ": it is empty", c->l1_table_offset);
        return;
    }
    rebuild_say(rebuild,
                "L1 table at 0x%" PRIx64 ": %" PRIu64 " of %" PRIu64
                " entries name L2 tables, %" PRIu64 " of these empty",
                c->l1_table_offset, c->tables + c->empty, tables + c->strays, c->empty);
}

static void say_entries(struct rebuild *rebuild, const struct rebuild_candidate *c)
{
    const struct qed_walk_table *sum = &c->sum;
    uint64_t wrong = sum->bad + sum->past_end;

    if (sum->good + wrong == 0)
        return;
    rebuild_say(rebuild,
                "L2 entries: %" PRIu64 " of %" PRIu64 " are multiples of %" PRIu32
                " inside the file, %" PRIu64 " of these of no larger power of two",
                sum->good, sum->good + wrong, c->cluster_size, sum->odd);
    if (sum->past_end)
        rebuild_say(rebuild,
                    "%" PRIu64 " L2 entries point past the end of the file: it may have "
                    "been cut",
                    sum->past_end);
}

static void say_share(struct rebuild *rebuild, const struct rebuild_candidate *c)
{
    char twice[64] = "none twice";

    if (c->sum.repeated)
        snprintf(twice, sizeof(twice), "%" PRIu64 " of them twice", c->sum.repeated);
    rebuild_say(rebuild, "%.1f %% of the file's %" PRIu64 " clusters are accounted for, %s",
                100 * share(c->explained, c->clusters), c->clusters, twice);
    if (c->holes)
        rebuild_say(rebuild, "%" PRIu64 " of the other clusters are holes in the file", c->holes);
}

static void say_second(struct rebuild *rebuild, const struct rebuild_candidate *second)
{
    size_t tried = 0;

    for (size_t i = 0; i < rebuild->count; i++)
        tried += rebuild->candidates[i].tried;
    if (!second || second->explained == 0 || second->confidence < 0.01)
        rebuild_say(rebuild, "none of the %zu other geometries that were tried makes sense",
                    tried - 1);
    else
        rebuild_say(rebuild,
                    "next best of %zu others: cluster size %" PRIu32 ", table size %" PRIu32
                    ", L1 table at 0x%" PRIx64 ": %.1f %%%s%s%s%s",
                    tried - 1, second->cluster_size, second->table_size, second->l1_table_offset,
                    100 * share(second->explained, second->clusters),
                    second->table_size_too_small ? "; behind each table lies another half" : "",
                    second->table_size_too_large ? "; each table overlaps what follows it" : "",
                    second->cluster_size_too_small ? "; all entries are multiples of more" : "",
                    second->l1_starts_empty ? "; the L1 table seems to start later" : "");
    if (tried < rebuild->count)
        rebuild_say(rebuild,
                    "%zu with smaller clusters or tables were not: they would leave over "
                    "what this one explains",
                    rebuild->count - tried);
}

void rebuild_say_why(struct rebuild *rebuild, const struct rebuild_candidate *best,
                     const struct rebuild_candidate *second)
{
    if (best->fields == 0)
        rebuild_say(rebuild, "the header has the geometry and the L1 table's offset right");
    else
        rebuild_say(rebuild,
                    "of cluster size, table size, header size and L1 offset the header has %u "
                    "wrong, by %u bit%s",
                    best->fields, best->bits, best->bits == 1 ? "" : "s");
    say_l1(rebuild, best);
    say_entries(rebuild, best);
    say_share(rebuild, best);
    say_second(rebuild, second);
    if (rebuild->bytes_total)
        rebuild_say(rebuild,
                    "%" PRIu64 " bytes of the file were read: %" PRIu64
                    " pages look like tables, %zu like an L1 table",
                    rebuild->bytes_done, rebuild->table_pages, rebuild->place_count);
    if (rebuild->exhausted)
        rebuild_say(rebuild,
                    "not all that is possible was tried: that would take too much time or memory");
}
