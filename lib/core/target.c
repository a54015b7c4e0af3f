/*
 * Raw targets are written as they are; QED targets through a writer.
 * SPDX-License-Identifier: MIT
 */
#include "core/target.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "format/qed_build.h"
#include "format/qed_write.h"
#include "io/io_file.h"

#define RAW_UNIT 4096
#define ZERO_BYTES ((size_t)1 << 20)
#define AHEAD_BYTES (UINT64_C(64) << 20)

struct target {
    char *path;
    struct io_replace *replace; /* a new target's; NULL for one that was there */
    struct image *existing;     /* NULL for a new target */
    struct io *io;              /* owned by replace or existing */
    struct qed_image *qed;      /* NULL for raw; owned here when new, else by existing */
    struct qed_build *build;    /* of a new QED image without backing file; NULL for others */
    struct qed_writer *writer;  /* of other QED images; NULL for raw */
    bool lengthens, no_flush;
    uint64_t length; /* of the file, as far as it was made longer ahead */
    struct image *base;
    void *zeroes; /* ZERO_BYTES, made when needed */
};

static int read_base(void *context, uint64_t virt_off, void *buffer, size_t len,
                     struct qed_error *error)
{
    struct image *base = context;
    uint64_t size = image_size(base);
    size_t inside = virt_off < size ? (size_t)min_u64(len, size - virt_off) : 0;

    memset((char *)buffer + inside, 0, len - inside);
    return image_read(base, virt_off, buffer, inside, error);
}

static int open_base(struct target *target, const char *name, const char *format,
                     enum image_backing backing, struct qed_error *error)
{
    struct image_options options = {.format = format, .backing = backing};

    return image_open_backing(&target->base, target->path, name, &options, error);
}

static int start_writer(struct target *target, struct qed_error *error)
{
    int ret = qed_writer_new(&target->writer, target->qed, target->base ? read_base : NULL,
                             target->base, error);

    return ret < 0 ? qed_fail_prefix(error, ret, "Could not open '%s'", target->path) : QED_OK;
}

static int open_new(struct target *target, const struct create_options *create,
                    enum image_backing backing, struct qed_error *error)
{
    struct create_options options = *create;
    int ret = create_prepare(&options, target->path, error);

    if (ret == QED_OK)
        ret = create_begin(&target->replace, &target->io, target->path, &options, error);
    if (ret < 0 || strcmp(options.format, "raw") == 0)
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
    if (image_size(target->existing) < create->size)
        return qed_fail(error, QED_ERR_INVALID, "output file is smaller than input file");
    target->io = image_io(target->existing, 0);
    target->qed = image_qed(target->existing, 0);
    if (!target->qed)
        return QED_OK;
    name = image_backing_name(target->existing, 0);
    if (name)
        ret = open_base(target, name, image_backing_is_raw(target->existing, 0) ? "raw" : NULL,
                        backing, error);
    return ret < 0 ? ret : start_writer(target, error);
}

int target_open(struct target **out, const char *path, const struct create_options *create,
                bool existing, enum image_backing backing, struct qed_error *error)
{
    struct target *target = calloc(1, sizeof(*target));
    struct io_file_info info;
    bool exists;
    int ret = QED_ERR_NO_MEMORY;

    if (target)
        target->path = strdup(path);
    if (!target || !target->path) {
        qed_fail(error, ret, "out of memory");
        goto out;
    }
    ret = io_file_query(path, &exists, &info, error);
    if (ret < 0)
        goto out;
    if (exists && info.is_block_device && strcmp(create->format, "raw") == 0)
        existing = true;
    ret = existing ? open_existing(target, create, backing, error)
                   : open_new(target, create, backing, error);
    if (ret < 0)
        goto out;
    *out = target;
    target = NULL;
out:
    target_close(target);
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
    return target->no_flush || target->replace ? QED_OK : io_flush(target->io, error);
}

int target_finish(struct target *target, struct qed_error *error)
{
    int ret = target->build ? qed_build_finish(target->build, error) : QED_OK;

    if (ret == QED_OK)
        ret = finish_data(target, error);
    if (ret == QED_OK && target->replace)
        ret = target->no_flush ? io_replace_publish_unflushed(target->replace, error)
                               : io_replace_publish(target->replace, error);
    return ret < 0 ? qed_fail_prefix(error, ret, "%s", target->path) : QED_OK;
}

int target_start_placing(struct target *target, bool *can, struct qed_error *error)
{
    *can = !target->qed ||
           (!target->existing && !target->base && qed_build_fits(&target->qed->geometry));
    if (!*can || !target->qed)
        return QED_OK;
    qed_writer_free(target->writer);
    target->writer = NULL;
    return qed_build_new(&target->build, target->qed, error);
}

void target_lengthen_ahead(struct target *target)
{
    target->lengthens = true;
}

void target_skip_flush(struct target *target)
{
    target->no_flush = true;
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

    *file_off = virt_off;
    if (!target->build)
        return QED_OK;
    ret = qed_build_data(target->build, virt_off,
                         blocks_for(len, target->qed->geometry.cluster_shift), file_off, error);
    if (ret == QED_OK)
        lengthen_ahead(target, *file_off + len);
    return ret;
}

bool target_is_new(const struct target *target)
{
    return target->replace != NULL;
}

bool target_needs_order(const struct target *target)
{
    return target->build != NULL;
}

struct io *target_io(struct target *target)
{
    return target->io;
}

int target_write(struct target *target, uint64_t virt_off, const void *buffer, size_t len,
                 struct qed_error *error)
{
    if (target->writer)
        return qed_writer_write(target->writer, virt_off, buffer, len, error);
    return io_write(target->io, buffer, len, virt_off, error);
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
    if (stored)
        return store_zeroes(target, virt_off, len, error);
    if (target->writer)
        return qed_writer_zero(target->writer, virt_off, len, error);
    return target->replace ? QED_OK : io_zero(target->io, virt_off, len, error);
}

struct image *target_base(struct target *target)
{
    return target->replace ? target->base : NULL;
}

uint64_t target_unit(const struct target *target)
{
    return target->qed ? target->qed->geometry.cluster_size : RAW_UNIT;
}

const char *target_path(const struct target *target)
{
    return target->path;
}
