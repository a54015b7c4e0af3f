/*
 * Raw targets are written as they are; QED targets through a writer.
 * SPDX-License-Identifier: MIT
 */
#include "core/target.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "core/preallocate.h"
#include "core/stream_sink.h"
#include "format/qed_build.h"
#include "format/qed_write.h"
#include "io/io_file.h"

#define RAW_UNIT 4096
#define STREAM_UNIT 65536
#define UNIT_MAX (UINT64_C(16) << 20)
#define ZERO_BYTES ((size_t)1 << 20)
#define ZERO_STEP_BYTES (UINT64_C(1) << 30) /* that a device may have to write out */
#define AHEAD_BYTES (UINT64_C(64) << 20)

struct target {
    char *path;
    struct io_replace *replace; /* a new target's; NULL for one that was there */
    struct image *existing;     /* NULL for a new target */
    struct stream_sink *sink;   /* NULL but for streams, which have nothing else of all this */
    struct io *io;              /* owned by replace or existing */
    struct qed_image *qed;      /* NULL for raw; owned here when new, else by existing */
    struct qed_build *build;    /* of a new QED image without backing file; NULL for others */
    struct qed_writer *writer;  /* of other QED images; NULL for raw */
    bool has_places;            /* every guest byte has its place, from data_off on */
    uint64_t data_off;          /* 0 for raw */
    bool may_share, assume_zero;
    bool (*stop)(void *context); /* asked while zeroes are made */
    void *stop_context;
    bool lengthens, no_flush;
    uint64_t length; /* of the file, as far as it was made so or longer ahead */
    uint64_t room;   /* see target_room */
    struct image *base;
    void *zeroes; /* ZERO_BYTES, made when needed */
};

static int open_base(struct target *target, const char *name, const char *format,
                     enum image_backing backing, struct qed_error *error)
{
    struct image_options options = {.format = format, .backing = backing};

    return image_open_backing(&target->base, target->path, name, &options, error);
}

static int start_writer(struct target *target, struct qed_error *error)
{
    int ret = qed_writer_new(&target->writer, target->qed, target->base ? image_read_below : NULL,
                             target->base, error);

    return ret < 0 ? qed_fail_prefix(error, ret, "Could not open '%s'", target->path) : QED_OK;
}

/* What the new image's preallocation means for who writes to it. */
static int settle_places(struct target *target, const struct create_options *options,
                         struct qed_error *error)
{
    struct qed_places places;
    enum preallocation mode;
    int ret = preallocation_mode(options, &mode, error);

    /* Space that is shared is not there for a later write. */
    target->may_share = mode < PREALLOCATION_FALLOC;
    target->has_places = create_is_raw(options) || mode != PREALLOCATION_OFF;
    if (ret < 0 || !target->has_places || create_is_raw(options))
        return ret;
    ret = preallocation_places(options, &places, error);
    target->data_off = places.data_off;
    return ret;
}

static int open_new(struct target *target, const struct create_options *create,
                    enum image_backing backing, struct qed_error *error)
{
    struct create_options options = *create;
    int ret;

    target->room = options.has_size ? options.size : create_size_max(&options);
    if (!options.has_size) {
        options.has_size = true;
        options.size = strcmp(options.format, "raw") == 0 ? 0 : target->room;
    }
    if (strcmp(options.format, "raw") == 0)
        target->length = create_round_size(options.size);
    ret = create_prepare(&options, target->path, error);
    if (ret == QED_OK)
        ret = create_begin(&target->replace, &target->io, target->path, &options, error);
    if (ret == QED_OK)
        ret = settle_places(target, &options, error);
    if (ret < 0 || create_is_raw(&options))
        return ret;
    ret = qed_open(&target->qed, target->io, true, error);
    if (ret == QED_OK && options.backing_name)
        ret = open_base(target, options.backing_name, options.backing_format, backing, error);
    return ret < 0 ? ret : start_writer(target, error);
}

static int open_existing(struct target *target, const struct create_options *create,
                         enum image_backing backing, struct qed_error *error)
{
    struct image_options options = {
        .format = create->format, .writable = true, .backing = IMAGE_BACKING_IGNORE};
    const char *name;
    int ret = image_open(&target->existing, target->path, &options, error);

    if (ret < 0)
        return ret;
    target->room = image_size(target->existing);
    if (create->has_size && target->room < create->size)
        return qed_fail(error, QED_ERR_INVALID, "output file is smaller than input file");
    target->io = image_io(target->existing, 0);
    target->qed = image_qed(target->existing, 0);
    target->has_places = !target->qed;
    if (!target->qed)
        return QED_OK;
    name = image_backing_name(target->existing, 0);
    if (name)
        ret = open_base(target, name, image_backing_is_raw(target->existing, 0) ? "raw" : NULL,
                        backing, error);
    return ret < 0 ? ret : start_writer(target, error);
}

/* A device's space is there, and fallocate(2) would not say so. */
static int refuse_preallocation(const struct create_options *create, struct qed_error *error)
{
    enum preallocation mode;
    int ret = preallocation_mode(create, &mode, error);

    if (ret < 0 || mode == PREALLOCATION_OFF)
        return ret;
    return qed_fail(error, QED_ERR_INVALID, "A block device has its space: nothing to preallocate");
}

static int open_stream(struct target *target, const char *path, const struct create_options *create,
                       struct qed_error *error)
{
    target->room = create->has_size ? create->size : QED_IMAGE_SIZE_LIMIT;
    return stream_sink_open(&target->sink, path, create, error);
}

static int open_file(struct target *target, const struct create_options *create, bool existing,
                     enum image_backing backing, struct qed_error *error)
{
    struct io_file_info info;
    bool exists;
    int ret = io_file_query(target->path, &exists, &info, error);

    if (ret == QED_OK && !existing && exists && info.is_block_device && create_is_raw(create)) {
        existing = true;
        ret = refuse_preallocation(create, error);
    }
    if (ret < 0)
        return ret;
    return existing ? open_existing(target, create, backing, error)
                    : open_new(target, create, backing, error);
}

int target_open(struct target **out, const char *path, const struct create_options *create,
                bool existing, enum image_backing backing, struct qed_error *error)
{
    struct target *target = calloc(1, sizeof(*target));
    int ret = QED_ERR_NO_MEMORY;

    if (target) {
        target->path = strdup(strcmp(path, "-") == 0 ? "standard output" : path);
        target->stop = create->stop;
        target->stop_context = create->stop_context;
    }
    if (!target || !target->path)
        qed_fail(error, ret, "out of memory");
    else if (stream_sink_wanted(path, create->format))
        ret = open_stream(target, path, create, error);
    else
        ret = open_file(target, create, existing, backing, error);
    if (ret < 0)
        target_close(target);
    else
        *out = target;
    return ret;
}

void target_close(struct target *target)
{
    if (!target)
        return;
    qed_writer_free(target->writer);
    qed_build_free(target->build);
    if (!target->existing)
        qed_close(target->qed);
    image_close(target->existing);
    io_replace_end(target->replace);
    stream_sink_close(target->sink);
    image_close(target->base);
    free(target->zeroes);
    free(target->path);
    free(target);
}

static int finish_data(struct target *target, struct qed_error *error)
{
    if (target->writer)
        return qed_writer_finish(target->writer, error);
    /* What is published is flushed there. */
    return target->replace ? QED_OK : io_flush(target->io, error);
}

int target_finish(struct target *target, struct qed_error *error)
{
    int ret = target->build ? qed_build_finish(target->build, error) : QED_OK;

    if (target->sink)
        ret = stream_sink_finish(target->sink, !target->no_flush, error);
    else if (ret == QED_OK)
        ret = finish_data(target, error);
    if (ret == QED_OK && target->replace)
        ret = target->no_flush ? io_replace_publish_unflushed(target->replace, error)
                               : io_replace_publish(target->replace, error);
    return ret < 0 ? qed_fail_prefix(error, ret, "%s", target->path) : QED_OK;
}

int target_start_placing(struct target *target, bool *can, struct qed_error *error)
{
    if (target->sink) {
        *can = false;
        return QED_OK;
    }
    *can = target->has_places ||
           (!target->existing && !target->base && qed_build_fits(&target->qed->geometry));
    if (!*can)
        return QED_OK;
    qed_writer_free(target->writer);
    target->writer = NULL;
    return target->has_places ? QED_OK : qed_build_new(&target->build, target->qed, error);
}

void target_lengthen_ahead(struct target *target)
{
    target->lengthens = true;
}

void target_skip_flush(struct target *target)
{
    target->no_flush = true;
    if (target->io)
        io_file_skip_flush(target->io);
}

void target_write_direct(struct target *target)
{
    io_file_use_direct(target->io, true);
}

/* Measured: direct writes into a hole are faster than into space that was reserved. */
static void lengthen_ahead(struct target *target, uint64_t end)
{
    if (!target->lengthens || end <= target->length)
        return;
    target->length = end + AHEAD_BYTES;
    target->lengthens = io_set_length(target->io, target->length, NULL) == QED_OK;
}

int target_place(struct target *target, uint64_t virt_off, uint64_t len, uint64_t *file_off,
                 struct qed_error *error)
{
    int ret;

    *file_off = target->data_off + virt_off;
    if (!target->build) {
        if (target->replace && !target->qed)
            lengthen_ahead(target, virt_off + len);
        return QED_OK;
    }
    ret = qed_build_data(target->build, virt_off,
                         blocks_for(len, target->qed->geometry.cluster_shift), file_off, error);
    if (ret == QED_OK)
        lengthen_ahead(target, *file_off + len);
    return ret;
}

bool target_may_share(const struct target *target)
{
    return target->may_share;
}

bool target_needs_order(const struct target *target)
{
    return !target->has_places;
}

int target_assume_zero(struct target *target, struct qed_error *error)
{
    if (target->base)
        return qed_fail(
            error, QED_ERR_INVALID,
            "Cannot use --target-is-zero when the destination image has a backing file");
    target->assume_zero = true;
    return QED_OK;
}

struct io *target_io(struct target *target)
{
    return target->io;
}

int target_write(struct target *target, uint64_t virt_off, const void *buffer, size_t len,
                 struct qed_error *error)
{
    if (target->sink)
        return stream_sink_write(target->sink, buffer, len, error);
    if (target->writer)
        return qed_writer_write(target->writer, virt_off, buffer, len, error);
    return io_write(target->io, buffer, len, target->data_off + virt_off, error);
}

/* Not in one step: where a device has to write zeroes out, a signal is heard in between. */
static int zero_in_place(struct target *target, uint64_t virt_off, uint64_t len,
                         struct qed_error *error)
{
    int ret = QED_OK;

    while (ret == QED_OK && len > 0) {
        uint64_t step = min_u64(len, ZERO_STEP_BYTES);

        if (target->stop && target->stop(target->stop_context))
            return qed_fail(error, QED_ERR_STOPPED, "interrupted");
        ret = target->writer ? qed_writer_zero(target->writer, virt_off, step, error)
                             : io_zero(target->io, virt_off, step, error);
        virt_off += step;
        len -= step;
    }
    return ret;
}

static int store_zeroes(struct target *target, uint64_t virt_off, uint64_t len,
                        struct qed_error *error)
{
    int ret = QED_OK;

    if (!target->zeroes)
        target->zeroes = calloc(1, ZERO_BYTES);
    if (!target->zeroes)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    while (ret == QED_OK && len > 0) {
        size_t step = (size_t)min_u64(len, ZERO_BYTES);

        ret = target_write(target, virt_off, target->zeroes, step, error);
        virt_off += step;
        len -= step;
    }
    return ret;
}

int target_zero(struct target *target, uint64_t virt_off, uint64_t len, bool stored,
                struct qed_error *error)
{
    if (target->sink)
        return stream_sink_zero(target->sink, len, error);
    if (stored)
        return store_zeroes(target, virt_off, len, error);
    if (target->assume_zero || (target->replace && !target->writer))
        return QED_OK;
    return zero_in_place(target, virt_off, len, error);
}

struct image *target_base(struct target *target)
{
    return target->replace ? target->base : NULL;
}

uint64_t target_unit(const struct target *target)
{
    if (target->sink)
        return STREAM_UNIT;
    return target->has_places ? RAW_UNIT : target->qed->geometry.cluster_size;
}

const struct qed_geometry *target_geometry(const struct target *target)
{
    return target->qed ? &target->qed->geometry : NULL;
}

uint64_t target_block(const struct target *target, uint64_t at_least)
{
    uint64_t block = min_u64(target_unit(target), UNIT_MAX);

    while (block < at_least)
        block *= 2;
    return block;
}

bool target_is_stream(const struct target *target)
{
    return target->sink != NULL;
}

void target_set_stop(struct target *target, bool (*stop)(void *context), void *context)
{
    if (target->sink)
        stream_sink_set_stop(target->sink, stop, context);
}

bool target_stream_identity(const struct target *target, struct io_identity *identity)
{
    return target->sink && stream_sink_identity(target->sink, identity);
}

uint64_t target_room(const struct target *target)
{
    return target->room;
}

int target_set_size(struct target *target, uint64_t size, struct qed_error *error)
{
    int ret = QED_OK;

    if (!target->replace)
        return QED_OK;
    ret = target->qed ? qed_set_image_size(target->qed, size, error)
                      : io_set_length(target->io, size, error);
    return ret < 0 ? qed_fail_prefix(error, ret, "%s", target->path) : QED_OK;
}

const char *target_path(const struct target *target)
{
    return target->path;
}
