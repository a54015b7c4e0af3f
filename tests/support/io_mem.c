/*
 * The pages that hold data, sorted by their place in the file. Copies of a file share the pages
 * that neither has changed since. Several threads may read at once.
 * SPDX-License-Identifier: MIT
 */
#include "support/io_mem.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/zero.h"

struct page {
    uint64_t index;        /* file offset / IO_MEM_PAGE */
    atomic_size_t users;   /* files that it is a page of: only a file alone may change it */
    _Atomic uint64_t hash; /* of index and bytes; 0 until somebody asks, and for zeroes */
    uint8_t bytes[IO_MEM_PAGE];
};

struct io_mem {
    struct io io;
    uint64_t length;
    struct page **pages;
    size_t count, room;
    atomic_size_t reads;
    _Atomic uint64_t bytes_read;
    struct io_mem_counts counts; /* but for these two */
};

static const struct io_ops mem_ops;
static const uint8_t zero_page[IO_MEM_PAGE];

static struct io_mem *to_mem(struct io *io)
{
    if (io->ops != &mem_ops)
        abort();
    return (struct io_mem *)io;
}

static void *need(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

/* Where the page of that index is, or would be, in the sorted array. */
static size_t place_of(const struct io_mem *mem, uint64_t index)
{
    size_t low = 0, high = mem->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (mem->pages[middle]->index < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct page *find_page(const struct io_mem *mem, uint64_t index)
{
    size_t at = place_of(mem, index);

    return at < mem->count && mem->pages[at]->index == index ? mem->pages[at] : NULL;
}

static void release_page(struct page *page)
{
    if (atomic_fetch_sub(&page->users, 1) == 1)
        free(page);
}

static struct page *new_page(uint64_t index, const uint8_t *bytes)
{
    struct page *page = need(malloc(sizeof(*page)));

    page->index = index;
    atomic_init(&page->users, 1);
    atomic_init(&page->hash, 0);
    memcpy(page->bytes, bytes, IO_MEM_PAGE);
    return page;
}

/* The page at that place of the sorted array, for this file to change. */
static struct page *own_page(struct io_mem *mem, size_t at)
{
    struct page *page = mem->pages[at];

    if (page->users > 1) {
        mem->pages[at] = new_page(page->index, page->bytes);
        release_page(page);
    }
    mem->pages[at]->hash = 0;
    return mem->pages[at];
}

/* The page of that index for this file to change; a new one is all zeroes. */
static struct page *touch_page(struct io_mem *mem, uint64_t index)
{
    size_t at = place_of(mem, index);

    if (at < mem->count && mem->pages[at]->index == index)
        return own_page(mem, at);
    if (mem->count == mem->room) {
        mem->room = mem->room ? mem->room * 2 : 16;
        mem->pages = need(realloc(mem->pages, mem->room * sizeof(struct page *)));
    }
    memmove(mem->pages + at + 1, mem->pages + at, (mem->count - at) * sizeof(struct page *));
    mem->pages[at] = new_page(index, zero_page);
    mem->count++;
    return mem->pages[at];
}

/* Drop the pages with first <= index < end. */
static void drop_pages(struct io_mem *mem, uint64_t first, uint64_t end)
{
    size_t from = place_of(mem, first), to = place_of(mem, end);

    if (from == to)
        return;
    for (size_t i = from; i < to; i++)
        release_page(mem->pages[i]);
    memmove(mem->pages + from, mem->pages + to, (mem->count - to) * sizeof(struct page *));
    mem->count -= to - from;
}

/* How many of len bytes at file_off lie in the same page. */
static size_t in_page(uint64_t file_off, uint64_t len)
{
    return (size_t)min_u64(len, IO_MEM_PAGE - file_off % IO_MEM_PAGE);
}

static int mem_read(struct io *io, void *buffer, size_t len, uint64_t file_off,
                    struct qed_error *error)
{
    struct io_mem *mem = to_mem(io);
    uint8_t *at = buffer;

    mem->reads++;
    mem->bytes_read += len;
    if (!range_inside(file_off, len, 0, mem->length))
        return qed_fail(error, QED_ERR_SHORT_READ, "the file ends before offset %" PRIu64,
                        file_off + len);
    while (len > 0) {
        size_t step = in_page(file_off, len);
        const struct page *page = find_page(mem, file_off / IO_MEM_PAGE);

        memcpy(at, (page ? page->bytes : zero_page) + file_off % IO_MEM_PAGE, step);
        at += step;
        file_off += step;
        len -= step;
    }
    return QED_OK;
}

static int mem_write(struct io *io, const void *buffer, size_t len, uint64_t file_off,
                     struct qed_error *error)
{
    struct io_mem *mem = to_mem(io);
    const uint8_t *at = buffer;

    mem->counts.writes++;
    mem->counts.bytes_written += len;
    if (!range_inside(file_off, len, 0, INT64_MAX))
        return qed_fail(error, QED_ERR_INVALID, "no file reaches offset %" PRIu64, file_off);
    if (len > 0)
        mem->length = max_u64(mem->length, file_off + len);
    while (len > 0) {
        size_t step = in_page(file_off, len);

        memcpy(touch_page(mem, file_off / IO_MEM_PAGE)->bytes + file_off % IO_MEM_PAGE, at, step);
        at += step;
        file_off += step;
        len -= step;
    }
    return QED_OK;
}

static void zero_range(struct io_mem *mem, uint64_t file_off, uint64_t len)
{
    while (len > 0) {
        uint64_t step = in_page(file_off, len);

        if (step == IO_MEM_PAGE) {
            step = round_down(len, IO_MEM_PAGE);
            drop_pages(mem, file_off / IO_MEM_PAGE, (file_off + step) / IO_MEM_PAGE);
        } else if (find_page(mem, file_off / IO_MEM_PAGE)) {
            struct page *page = touch_page(mem, file_off / IO_MEM_PAGE);

            memset(page->bytes + file_off % IO_MEM_PAGE, 0, (size_t)step);
        }
        file_off += step;
        len -= step;
    }
}

static int mem_zero(struct io *io, uint64_t file_off, uint64_t len, struct qed_error *error)
{
    struct io_mem *mem = to_mem(io);

    mem->counts.zeroes++;
    if (!range_inside(file_off, len, 0, mem->length))
        return qed_fail(error, QED_ERR_INVALID, "zeroing past the end of the file");
    zero_range(mem, file_off, len);
    return QED_OK;
}

static int mem_flush(struct io *io, struct qed_error *error)
{
    (void)error;
    to_mem(io)->counts.flushes++;
    return QED_OK;
}

static int mem_get_length(struct io *io, uint64_t *length, struct qed_error *error)
{
    (void)error;
    *length = to_mem(io)->length;
    return QED_OK;
}

static int mem_set_length(struct io *io, uint64_t length, struct qed_error *error)
{
    struct io_mem *mem = to_mem(io);

    mem->counts.set_lengths++;
    if (length > INT64_MAX)
        return qed_fail(error, QED_ERR_INVALID, "no file is %" PRIu64 " bytes long", length);
    if (length < mem->length) {
        uint64_t pages = mem->length / IO_MEM_PAGE + (mem->length % IO_MEM_PAGE != 0);

        zero_range(mem, length, pages * IO_MEM_PAGE - length);
    }
    mem->length = length;
    return QED_OK;
}

static int mem_next_run(struct io *io, uint64_t file_off, struct io_run *run,
                        struct qed_error *error)
{
    const struct io_mem *mem = to_mem(io);
    uint64_t index = file_off / IO_MEM_PAGE;
    size_t at = place_of(mem, index);
    uint64_t end;

    (void)error;
    *run = (struct io_run){.file_off = file_off, .is_data = true};
    if (file_off >= mem->length)
        return QED_OK;
    if (at < mem->count && mem->pages[at]->index == index) {
        while (at < mem->count && mem->pages[at]->index == index) {
            at++;
            index++;
        }
        end = index * IO_MEM_PAGE;
    } else {
        run->is_data = false;
        end = at < mem->count ? mem->pages[at]->index * IO_MEM_PAGE : mem->length;
    }
    run->length = min_u64(end, mem->length) - file_off;
    return QED_OK;
}

static void mem_close(struct io *io)
{
    struct io_mem *mem = to_mem(io);

    drop_pages(mem, 0, UINT64_MAX);
    free(mem->pages);
    free(mem);
}

static const struct io_ops mem_ops = {
    .read = mem_read,
    .write = mem_write,
    .zero = mem_zero,
    .flush = mem_flush,
    .get_length = mem_get_length,
    .set_length = mem_set_length,
    .next_run = mem_next_run,
    .close = mem_close,
};

struct io *io_mem_new(uint64_t length)
{
    struct io_mem *mem = need(calloc(1, sizeof(*mem)));

    mem->io.ops = &mem_ops;
    mem->length = length;
    return &mem->io;
}

struct io *io_mem_copy(struct io *io)
{
    const struct io_mem *mem = to_mem(io);
    struct io *io_copy = io_mem_new(mem->length);
    struct io_mem *copy = to_mem(io_copy);

    if (mem->count == 0)
        return io_copy;
    copy->pages = need(malloc(mem->count * sizeof(struct page *)));
    memcpy(copy->pages, mem->pages, mem->count * sizeof(struct page *));
    copy->count = copy->room = mem->count;
    for (size_t i = 0; i < mem->count; i++)
        mem->pages[i]->users++;
    return io_copy;
}

/* Whether the pages of one file are equal to those of the other. */
static bool pages_match(const struct io_mem *mem, const struct io_mem *other)
{
    for (size_t i = 0; i < mem->count; i++) {
        const struct page *page = find_page(other, mem->pages[i]->index);

        if (page == mem->pages[i])
            continue;
        if (memcmp(mem->pages[i]->bytes, page ? page->bytes : zero_page, IO_MEM_PAGE) != 0)
            return false;
    }
    return true;
}

bool io_mem_equal(struct io *a, struct io *b)
{
    const struct io_mem *mem_a = to_mem(a), *mem_b = to_mem(b);

    return mem_a->length == mem_b->length && pages_match(mem_a, mem_b) && pages_match(mem_b, mem_a);
}

/* One step of a hash that takes 64 bits at a time. */
static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 32;
}

static uint64_t page_hash(struct page *page)
{
    uint64_t hash = page->hash, value;

    if (hash || zero_all(page->bytes, IO_MEM_PAGE))
        return hash;
    hash = mix(1, page->index);
    for (size_t i = 0; i < IO_MEM_PAGE; i += sizeof(value)) {
        memcpy(&value, page->bytes + i, sizeof(value));
        hash = mix(hash, value);
    }
    page->hash = hash;
    return hash;
}

uint64_t io_mem_hash(struct io *io)
{
    const struct io_mem *mem = to_mem(io);
    uint64_t hash = mix(0, mem->length);

    for (size_t i = 0; i < mem->count; i++)
        hash += page_hash(mem->pages[i]);
    return hash;
}

struct io_mem_counts io_mem_counts(struct io *io)
{
    const struct io_mem *mem = to_mem(io);
    struct io_mem_counts counts = mem->counts;

    counts.reads = mem->reads;
    counts.bytes_read = mem->bytes_read;
    return counts;
}

void io_mem_reset_counts(struct io *io)
{
    struct io_mem *mem = to_mem(io);

    mem->counts = (struct io_mem_counts){0};
    mem->reads = 0;
    mem->bytes_read = 0;
}
