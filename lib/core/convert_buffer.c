/*
 * Walks the source's runs. Data is read a buffer at a time, parted into zero and other blocks, and
 * compared with the target's backing file where there is one; the target takes writes and zeroes.
 * SPDX-License-Identifier: MIT
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/zero.h"
#include "core/convert_state.h"
#include "io/io_file.h"

/* Zeroes that have to be stored, or compared, in one step: so that a signal is heard in between. */
#define ZERO_STEP_BYTES (UINT64_C(64) << 20)
#define BUFFER_BYTES (UINT64_C(2) << 20)

static int target_failed(struct convert *convert, int ret, uint64_t virt_off)
{
    return qed_fail_prefix(convert->error, ret, "%s: error while writing at byte %" PRIu64,
                           target_path(convert->target), virt_off);
}

static int put_data(struct convert *convert, uint64_t virt_off, const uint8_t *data, size_t len)
{
    int ret = target_write(convert->target, virt_off, data, len, convert->error);

    return ret < 0 ? target_failed(convert, ret, virt_off) : QED_OK;
}

static int put_zero(struct convert *convert, uint64_t virt_off, uint64_t len)
{
    bool store = convert->options->sparse_bytes == 0;
    int ret = target_zero(convert->target, virt_off, len, store, convert->error);

    return ret < 0 ? target_failed(convert, ret, virt_off) : QED_OK;
}

/* Put data of which nothing is known: blocks of zeroes are not stored. */
static int put_buffer(struct convert *convert, uint64_t virt_off, const uint8_t *data, size_t len)
{
    int ret = QED_OK;

    if (convert->options->sparse_bytes == 0)
        return put_data(convert, virt_off, data, len);
    while (ret == QED_OK && len > 0) {
        bool is_zero;
        size_t step = zero_run(data, len, (size_t)convert->block, &is_zero);

        ret = is_zero ? put_zero(convert, virt_off, step) : put_data(convert, virt_off, data, step);
        virt_off += step;
        data += step;
        len -= step;
    }
    return ret;
}

/* Length of the blocks at the start of a and b that are all equal, or all unequal. */
static size_t equal_run(const uint8_t *a, const uint8_t *b, size_t len, size_t block, bool *equal)
{
    size_t at = len < block ? len : block;

    *equal = memcmp(a, b, at) == 0;
    while (at < len) {
        size_t step = len - at < block ? len - at : block;

        if ((memcmp(a + at, b + at, step) == 0) != *equal)
            break;
        at += step;
    }
    return at;
}

/* Put what differs from the base, whose bytes past its end are zeroes. */
static int put_difference(struct convert *convert, uint64_t virt_off, const uint8_t *data,
                          size_t len)
{
    uint64_t base_size = image_size(convert->base);
    size_t inside = virt_off < base_size ? (size_t)min_u64(len, base_size - virt_off) : 0;
    uint8_t *below = convert->base_buffer;
    int ret = image_read(convert->base, virt_off, below, inside, convert->error);

    if (ret < 0 && convert->options->salvage) /* nothing to compare with */
        return put_buffer(convert, virt_off, data, len);
    memset(below + inside, 0, len - inside);
    while (ret == QED_OK && len > 0) {
        bool equal;
        size_t step = equal_run(data, below, len, (size_t)convert->block, &equal);

        if (!equal)
            ret = put_buffer(convert, virt_off, data, step);
        virt_off += step;
        data += step;
        below += step;
        len -= step;
    }
    return ret;
}

static bool reads_as_zeroes(const struct extent *run)
{
    return run->kind != EXTENT_DATA;
}

/* Whether the base reads as zeroes at virt_off, and for how many of max_len bytes that holds. */
static int base_is_zero(struct convert *convert, uint64_t virt_off, uint64_t max_len, uint64_t *len,
                        bool *is_zero)
{
    uint64_t base_size = image_size(convert->base);
    struct extent run;
    int ret;

    *len = max_len;
    *is_zero = true;
    if (virt_off >= base_size)
        return QED_OK;
    ret = image_next_run(convert->base, virt_off, min_u64(max_len, base_size - virt_off), &run,
                         convert->error);
    *is_zero = false;
    if (ret < 0 && convert->options->salvage) /* put_difference finds that out, too */
        return QED_OK;
    if (ret < 0)
        return ret;
    *len = run.length;
    *is_zero = reads_as_zeroes(&run);
    return QED_OK;
}

/* Zero what the base stores at virt_off and is not zero; *len is cut to what was looked at. */
static int zero_unlike_base(struct convert *convert, uint64_t virt_off, uint64_t *len)
{
    *len = min_u64(*len, convert->buffer_bytes);
    memset(convert->buffer, 0, (size_t)*len);
    return put_difference(convert, virt_off, convert->buffer, (size_t)*len);
}

/* A run that reads as zeroes: nothing to do where what is below does, too. */
static int copy_zero_run(struct convert *convert, uint64_t virt_off, uint64_t len)
{
    int ret = QED_OK;

    if (!convert->base)
        return put_zero(convert, virt_off, len);
    while (ret == QED_OK && len > 0) {
        uint64_t step;
        bool is_zero;

        ret = base_is_zero(convert, virt_off, len, &step, &is_zero);
        if (ret == QED_OK && !is_zero)
            ret = zero_unlike_base(convert, virt_off, &step);
        virt_off += step;
        len -= step;
    }
    return ret;
}

static int source_failed(struct convert *convert, int ret, uint64_t virt_off, uint64_t len)
{
    if (ret == QED_ERR_STOPPED)
        return qed_fail_prefix(convert->error, ret, "%s", target_path(convert->target));
    return copy_say_unread(ret, convert->source_path, virt_off, len, convert->error);
}

/* Copy len bytes, at most a buffer, of whatever is at virt_off, which is aligned to a block. */
static int copy_buffer(struct convert *convert, uint64_t virt_off, size_t len)
{
    struct salvage *salvage = convert->options->salvage;
    int ret = salvage ? salvage_read(salvage, virt_off, convert->buffer, len, convert->error)
                      : image_read(convert->source, virt_off, convert->buffer, len, convert->error);

    if (ret < 0)
        return source_failed(convert, ret, virt_off, len);
    if (convert->base)
        return put_difference(convert, virt_off, convert->buffer, len);
    return put_buffer(convert, virt_off, convert->buffer, len);
}

/* Whether the base reads the same because source and base read it from the same file. */
static bool is_common(const struct convert *convert, const struct extent *run)
{
    return convert->base && run->kind != EXTENT_UNALLOCATED && run->depth >= convert->common_from;
}

/* The run at virt_off; a long one is looked up once, not at every buffer. */
static int find_run(struct convert *convert, uint64_t virt_off, struct extent *run)
{
    struct extent *known = &convert->run;
    uint64_t left = image_size(convert->source) - virt_off;
    struct salvage *salvage = convert->options->salvage;
    int ret = QED_OK;

    if (virt_off < known->virt_off || virt_off - known->virt_off >= known->length)
        ret = salvage ? salvage_next_run(salvage, virt_off, left, known, convert->error)
                      : image_next_run(convert->source, virt_off, left, known, convert->error);
    *run = *known;
    run->length -= virt_off - run->virt_off;
    run->virt_off = virt_off;
    return ret;
}

/*
 * One step from virt_off on, which is aligned to a block: whole blocks of a run that need no
 * reading, else a buffer, in which a block may have bytes of several runs.
 */
static int copy_step(struct convert *convert, uint64_t virt_off, uint64_t *done)
{
    uint64_t left = image_size(convert->source) - virt_off;
    struct extent run;
    uint64_t whole;
    int ret = find_run(convert, virt_off, &run);

    if (ret < 0)
        return source_failed(convert, ret, virt_off, convert->run.length);
    whole = run.length == left ? left : round_down(run.length, convert->block);
    *done = whole;
    if (whole && is_common(convert, &run))
        return QED_OK;
    if (whole && reads_as_zeroes(&run)) {
        if (convert->base || convert->options->sparse_bytes == 0)
            *done = whole = min_u64(whole, ZERO_STEP_BYTES);
        return copy_zero_run(convert, virt_off, whole);
    }
    *done = min_u64(left, max_u64(whole, convert->block));
    *done = min_u64(*done, convert->buffer_bytes);
    return copy_buffer(convert, virt_off, (size_t)*done);
}

static int copy_all(struct convert *convert)
{
    uint64_t size = image_size(convert->source);
    uint64_t at = 0;

    while (at < size) {
        uint64_t done = 0;
        int ret = copy_step(convert, at, &done);

        if (ret < 0)
            return ret;
        at += done;
        if (convert_progress(convert, at, size))
            return qed_fail(convert->error, QED_ERR_STOPPED, "%s: interrupted",
                            target_path(convert->target));
    }
    return QED_OK;
}

static int prepare_buffers(struct convert *convert)
{
    convert->block = target_block(convert->target, convert->options->sparse_bytes);
    convert->buffer_bytes = (size_t)max_u64(BUFFER_BYTES, convert->block);
    convert->buffer = io_queue_buffer(convert->buffer_bytes);
    convert->base_buffer = convert->base ? malloc(convert->buffer_bytes) : NULL;
    if (!convert->buffer || (convert->base && !convert->base_buffer))
        return qed_fail(convert->error, QED_ERR_NO_MEMORY, "out of memory");
    return QED_OK;
}

/* One buffer after the other, for targets that have something of their own below. */
int convert_by_buffer(struct convert *convert)
{
    const struct convert_options *options = convert->options;
    int ret;

    if (options->offload)
        return qed_fail(convert->error, QED_ERR_INVALID,
                        "%s: -C cannot be used here: the kernel cannot copy into clusters of a QED "
                        "image that is there, over a backing file, or of more than 1 MiB",
                        target_path(convert->target));
    ret = prepare_buffers(convert);
    for (unsigned int i = 0; i < image_depth(convert->source); i++) {
        if (options->source_cache == CONVERT_CACHE_NONE)
            io_file_use_direct(image_io(convert->source, i), false);
    }
    if (options->target_cache == CONVERT_CACHE_NONE)
        target_write_direct(convert->target);
    return ret < 0 ? ret : copy_all(convert);
}
