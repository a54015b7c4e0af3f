/*
 * The list is sorted and its ranges do not overlap. Ranges come nearly in order, so that what is
 * moved to make room is little.
 * SPDX-License-Identifier: MIT
 */
#include "core/salvage.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/checked.h"
#include "io/io_salvage.h"

struct salvage {
    struct image *image;                        /* NULL while there is none */
    struct io_salvage *layers[IMAGE_CHAIN_MAX]; /* made when first needed */
    salvage_stop_fn *stop;
    void *stop_context;
    struct salvage_range *ranges;
    size_t count, room;
};

int salvage_new(struct salvage **out, struct qed_error *error)
{
    *out = calloc(1, sizeof(**out));
    return *out ? QED_OK : qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
}

void salvage_free(struct salvage *salvage)
{
    if (!salvage)
        return;
    salvage_detach(salvage);
    free(salvage->ranges);
    free(salvage);
}

int salvage_attach(struct salvage *salvage, struct image *image, salvage_stop_fn *stop,
                   void *context, struct qed_error *error)
{
    salvage->image = image;
    salvage->stop = stop;
    salvage->stop_context = context;
    return image_tolerate(image, error);
}

void salvage_detach(struct salvage *salvage)
{
    if (!salvage)
        return;
    for (unsigned int i = 0; i < IMAGE_CHAIN_MAX; i++) {
        io_salvage_free(salvage->layers[i]);
        salvage->layers[i] = NULL;
    }
    salvage->image = NULL;
}

static uint64_t range_end(const struct salvage_range *range)
{
    return range->virt_off + range->length;
}

/* Index of the first range that ends at or behind virt_off. */
static size_t find_range(const struct salvage *salvage, uint64_t virt_off)
{
    size_t low = 0, high = salvage->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (range_end(&salvage->ranges[middle]) < virt_off)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void remove_ranges(struct salvage *salvage, size_t first, size_t count)
{
    memmove(salvage->ranges + first, salvage->ranges + first + count,
            (salvage->count - first - count) * sizeof(*salvage->ranges));
    salvage->count -= count;
}

/* Let the range at index take in a new one, and what that makes it touch. */
static void widen(struct salvage *salvage, size_t index, uint64_t virt_off, uint64_t end)
{
    struct salvage_range *range = &salvage->ranges[index];
    size_t next = index + 1;

    end = max_u64(end, range_end(range));
    while (next < salvage->count && salvage->ranges[next].virt_off <= end)
        end = max_u64(end, range_end(&salvage->ranges[next++]));
    range->virt_off = min_u64(virt_off, range->virt_off);
    range->length = end - range->virt_off;
    remove_ranges(salvage, index + 1, next - index - 1);
}

static int add_range(struct salvage *salvage, uint64_t virt_off, uint64_t len,
                     const struct qed_error *why)
{
    size_t at = find_range(salvage, virt_off);
    struct salvage_range *ranges;

    if (at < salvage->count && salvage->ranges[at].virt_off <= virt_off + len) {
        widen(salvage, at, virt_off, virt_off + len);
        return QED_OK;
    }
    if (salvage->count >= SALVAGE_RANGES_MAX) {
        widen(salvage, at > 0 ? at - 1 : 0, virt_off, virt_off + len);
        return QED_OK;
    }
    ranges = array_with_room(salvage->ranges, salvage->count, &salvage->room, sizeof(*ranges));
    if (!ranges)
        return QED_ERR_NO_MEMORY;
    salvage->ranges = ranges;
    memmove(ranges + at + 1, ranges + at, (salvage->count - at) * sizeof(*ranges));
    ranges[at] = (struct salvage_range){
        .virt_off = virt_off, .length = len, .code = why->code, .sys_errno = why->sys_errno};
    salvage->count++;
    return QED_OK;
}

static bool wants_stop(const struct salvage *salvage)
{
    return salvage->stop && salvage->stop(salvage->stop_context);
}

int salvage_next_run(struct salvage *salvage, uint64_t virt_off, uint64_t max_len,
                     struct extent *run, struct qed_error *error)
{
    struct qed_error why = QED_ERROR_INIT;
    int ret = image_next_run(salvage->image, virt_off, max_len, run, &why);
    bool is_lost = ret == QED_ERR_CORRUPT || io_salvage_can_help(ret);

    if (ret < 0 && error)
        *error = why;
    if (ret == QED_OK || !is_lost || run->length == 0)
        return ret;
    if (wants_stop(salvage))
        return qed_fail(error, QED_ERR_STOPPED, "interrupted");
    *run = (struct extent){
        .virt_off = virt_off, .length = min_u64(run->length, max_len), .kind = EXTENT_UNALLOCATED};
    if (add_range(salvage, virt_off, run->length, &why) < 0)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    return QED_OK;
}

/* A run that is being read. */
struct reading {
    struct salvage *salvage;
    const struct extent *run;
    bool no_memory;
};

/* A stretch of a run cannot be read; an io_lost_fn. */
static bool note_lost(void *context, uint64_t file_off, size_t len, const struct qed_error *why)
{
    struct reading *reading = context;
    uint64_t virt_off = reading->run->virt_off + (file_off - reading->run->file_off);

    reading->no_memory = add_range(reading->salvage, virt_off, len, why) < 0;
    return reading->no_memory || wants_stop(reading->salvage);
}

static int read_data(struct salvage *salvage, const struct extent *run, void *buffer,
                     struct qed_error *error)
{
    struct reading reading = {.salvage = salvage, .run = run};
    struct io_salvage **layer = &salvage->layers[run->depth];
    int ret = *layer ? QED_OK : io_salvage_new(layer, image_io(salvage->image, run->depth), error);

    if (ret == QED_OK)
        ret = io_salvage_read(*layer, buffer, (size_t)run->length, run->file_off, note_lost,
                              &reading, error);
    return reading.no_memory ? qed_fail(error, QED_ERR_NO_MEMORY, "out of memory") : ret;
}

int salvage_read(struct salvage *salvage, uint64_t virt_off, void *buffer, size_t len,
                 struct qed_error *error)
{
    uint8_t *at = buffer;
    int ret = QED_OK;

    while (ret == QED_OK && len > 0) {
        struct extent run;

        ret = salvage_next_run(salvage, virt_off, len, &run, error);
        if (ret < 0)
            return ret;
        if (run.kind == EXTENT_DATA)
            ret = read_data(salvage, &run, at, error);
        else
            memset(at, 0, (size_t)run.length);
        at += run.length;
        virt_off += run.length;
        len -= (size_t)run.length;
    }
    return ret;
}

const struct salvage_range *salvage_ranges(const struct salvage *salvage, size_t *count)
{
    *count = salvage->count;
    return salvage->ranges;
}

uint64_t salvage_lost_bytes(const struct salvage *salvage)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < salvage->count; i++)
        sum += salvage->ranges[i].length;
    return sum;
}
