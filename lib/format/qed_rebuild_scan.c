/*
 * One pass over what the file stores, at the speed at which it can be read: which pages of 4 KiB
 * could be part of a table. Then these alone once more: which of them name each other. What names
 * most is where an L1 table may be.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include "base/array.h"
#include "base/le.h"
#include "format/qed_rebuild_state.h"

#define PAGE ((size_t)QED_CLUSTER_SIZE_MIN)
#define WORDS (PAGE / sizeof(uint64_t))
#define READ_BYTES ((size_t)1 << 20)

/* Runs of pages that are kept at most: 16 MiB. What comes after is not an L1 that can be found. */
#define RUNS_MAX ((size_t)1 << 20)

/* A table's first page may be empty: how far on one with entries counts for it, in pages. */
#define TABLE_REACH 16

#define SAMPLES 16

/* Pages [first, end) of the file could be parts of tables. */
struct page_run {
    uint64_t first, end;
};

struct pass {
    struct rebuild *rebuild;
    uint8_t *buffer; /* READ_BYTES */
    struct page_run *runs;
    size_t count, room;
};

static bool is_entry(uint64_t word, uint64_t limit)
{
    return word % PAGE == 0 && word < limit;
}

/* Most of what is not 0 or 1 are offsets into the file, and there are some. */
static bool could_be_table(const uint8_t *page, uint64_t limit)
{
    unsigned int good = 0, bad = 0;

    for (size_t i = 0; i < WORDS; i++) {
        uint64_t word = le64_load(page + i * sizeof(word));

        if (word <= QED_ENTRY_ZERO)
            continue;
        if (is_entry(word, limit))
            good++;
        else if (++bad > WORDS / 9)
            return false; /* more than an eighth of the good, however many these are */
    }
    return good > 0 && bad <= good / 8;
}

static int add_page(struct pass *pass, uint64_t page, struct qed_error *error)
{
    struct page_run *runs;
    struct page_run *last = pass->count ? &pass->runs[pass->count - 1] : NULL;

    pass->rebuild->table_pages++;
    if (last && last->end == page) {
        last->end++;
        return QED_OK;
    }
    if (pass->count == RUNS_MAX) {
        pass->rebuild->exhausted = true;
        return QED_OK;
    }
    runs = array_with_room(pass->runs, pass->count, &pass->room, sizeof(*runs));
    if (!runs)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    pass->runs = runs;
    pass->runs[pass->count++] = (struct page_run){.first = page, .end = page + 1};
    return QED_OK;
}

/* Whether a page within reach of file_off could be part of a table. */
static bool names_table(const struct pass *pass, uint64_t file_off)
{
    uint64_t page = file_off / PAGE;
    size_t low = 0, high = pass->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (pass->runs[middle].end <= page)
            low = middle + 1;
        else
            high = middle;
    }
    return low < pass->count && pass->runs[low].first < page + TABLE_REACH;
}

/* Look at the pages in [file_off, file_off + len); the first starts at file_off. */
static int look_at(struct pass *pass, uint64_t file_off, size_t len, struct qed_error *error)
{
    struct rebuild *rebuild = pass->rebuild;
    int ret = io_read_padded(rebuild->io, pass->buffer, len, file_off, error);

    for (size_t at = 0; ret == QED_OK && at + PAGE <= len; at += PAGE) {
        if (could_be_table(pass->buffer + at, rebuild->length))
            ret = add_page(pass, (file_off + at) / PAGE, error);
    }
    rebuild->bytes_done += len;
    if (ret == QED_OK && rebuild_progress(rebuild, file_off + len, rebuild->length))
        ret = qed_fail(error, QED_ERR_STOPPED, "interrupted");
    return ret;
}

static int find_table_pages(struct pass *pass, struct qed_error *error)
{
    struct rebuild *rebuild = pass->rebuild;
    uint64_t at = PAGE;
    int ret = QED_OK;

    while (ret == QED_OK && at < rebuild->length) {
        struct io_run run;
        uint64_t end;

        ret = io_next_run(rebuild->io, at, &run, error);
        if (ret < 0 || run.length == 0)
            break;
        if (!run.is_data) {
            at = max_u64(round_down(at + run.length, PAGE), at + PAGE);
            continue;
        }
        for (end = at + run.length; ret == QED_OK && at < end;) {
            size_t len = (size_t)min_u64(READ_BYTES, blocks_for(end - at, 12) * PAGE);

            ret = look_at(pass, at, len, error);
            at += len;
        }
    }
    return ret;
}

/* How many of the page's entries name tables; 0 when that is not most of them. */
static uint64_t count_named(const struct pass *pass, const uint8_t *page)
{
    uint64_t limit = pass->rebuild->length;
    unsigned int entries = 0, named = 0;

    for (size_t i = 0; i < WORDS; i++) {
        uint64_t word = le64_load(page + i * sizeof(word));

        if (word <= QED_ENTRY_ZERO || !is_entry(word, limit))
            continue;
        entries++;
        named += names_table(pass, word);
        if (entries == SAMPLES && named < SAMPLES / 2)
            return 0;
    }
    return named >= entries - entries / 4 ? named : 0;
}

/* Keep the places that name most tables; of the same, the first. */
static void add_place(struct rebuild *rebuild, uint64_t file_off, uint64_t named)
{
    size_t at = rebuild->place_count;

    if (at == REBUILD_PLACES_MAX && rebuild->places[at - 1].named >= named)
        return;
    if (at < REBUILD_PLACES_MAX)
        rebuild->place_count++;
    else
        at--;
    for (; at > 0 && rebuild->places[at - 1].named < named; at--)
        rebuild->places[at] = rebuild->places[at - 1];
    rebuild->places[at] = (struct rebuild_place){.file_off = file_off, .named = named};
}

/* Of pages in a row that name tables, the first is where the L1 starts. */
static int find_places(struct pass *pass, struct qed_error *error)
{
    struct rebuild *rebuild = pass->rebuild;

    for (size_t i = 0; i < pass->count; i++) {
        uint64_t start = 0, total = 0;

        for (uint64_t page = pass->runs[i].first; page < pass->runs[i].end; page++) {
            uint64_t named;
            int ret = io_read_padded(rebuild->io, pass->buffer, PAGE, page * PAGE, error);

            if (ret < 0)
                return ret;
            named = count_named(pass, pass->buffer);
            if (named && total == 0)
                start = page;
            if (!named && total)
                add_place(rebuild, start * PAGE, total);
            total = named ? total + named : 0;
        }
        if (total)
            add_place(rebuild, start * PAGE, total);
        if (rebuild_progress(rebuild, rebuild->length, rebuild->length))
            return qed_fail(error, QED_ERR_STOPPED, "interrupted");
    }
    return QED_OK;
}

int rebuild_scan_file(struct rebuild *rebuild, struct qed_error *error)
{
    struct pass pass = {.rebuild = rebuild, .buffer = malloc(READ_BYTES)};
    int ret;

    if (!pass.buffer)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    rebuild->bytes_total = rebuild->length;
    ret = find_table_pages(&pass, error);
    if (ret == QED_OK)
        ret = find_places(&pass, error);
    free(pass.runs);
    free(pass.buffer);
    return ret;
}
