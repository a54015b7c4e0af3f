/*
 * Opens a chain from the top down, checking each name against the policy and each file against
 * those above it, and stacks the layers' runs.
 * SPDX-License-Identifier: MIT
 */
#include "core/image.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/text.h"
#include "format/probe.h"
#include "format/qed.h"
#include "io/io_file.h"
#include "io/io_lock.h"

struct layer {
    char *path;
    struct io *io;
    struct io_file_info file;
    const struct format_driver *driver;
    void *state;
};

struct image {
    unsigned int depth; /* layers in use */
    struct layer layers[IMAGE_CHAIN_MAX];
};

char *image_resolve_backing(const char *path, const char *name)
{
    char *folder, *resolved = NULL;

    if (name[0] == '/')
        return strdup(name);
    folder = io_file_folder(path);
    if (folder && asprintf(&resolved, "%s%s", folder, name) < 0)
        resolved = NULL;
    free(folder);
    return resolved;
}

/* Whether the name has a colon before any slash: QEMU takes what is before it for a protocol. */
static bool names_protocol(const char *name)
{
    size_t plain = strcspn(name, ":/");

    return name[plain] == ':';
}

static int check_backing_name(const char *name, enum image_backing policy, struct qed_error *error)
{
    if (policy == IMAGE_BACKING_NONE)
        return qed_fail(error, QED_ERR_BACKING,
                        "Image has a backing file '%s', and backing files are not allowed", name);
    if (text_has_control_byte(name))
        return qed_fail(error, QED_ERR_BACKING,
                        "Backing file name '%s' has control characters and is not opened", name);
    if (names_protocol(name))
        return qed_fail(error, QED_ERR_BACKING,
                        "Backing file '%s' is not a plain file name; protocols are not supported",
                        name);
    if (policy == IMAGE_BACKING_SAME_DIRECTORY && strchr(name, '/'))
        return qed_fail(error, QED_ERR_BACKING,
                        "Backing file '%s' is not in the folder of the image, as was asked for",
                        name);
    return QED_OK;
}

static int choose_driver(struct layer *layer, const char *format, struct qed_error *error)
{
    if (!format)
        return probe_io(layer->io, &layer->driver, error);
    layer->driver = probe_by_name(format);
    if (!layer->driver)
        return qed_fail(error, QED_ERR_INVALID, "Unknown driver '%s'", format);
    return QED_OK;
}

/* Refuse a file that the chain has already; its own name is the one that comes up again. */
static int check_loop(const struct image *image, const struct layer *layer, struct qed_error *error)
{
    for (unsigned int i = 0; i < image->depth; i++) {
        if (io_identity_equal(&image->layers[i].file.identity, &layer->file.identity))
            return qed_fail(error, QED_ERR_LOOP, "Backing file '%s' creates an infinite loop.",
                            layer->path);
    }
    return QED_OK;
}

/* Open one more layer at path, which the image then owns. */
static int push_layer(struct image *image, char *path, const char *format, bool writable,
                      bool share, struct qed_error *error)
{
    struct layer *layer = &image->layers[image->depth];
    int ret;

    *layer = (struct layer){.path = path};
    ret = io_file_open(&layer->io, path, writable, &layer->file, error);
    if (ret == QED_OK)
        ret = check_loop(image, layer, error);
    if (ret == QED_OK && !share)
        ret = io_lock(layer->io, path, writable, error);
    if (ret == QED_OK)
        ret = choose_driver(layer, format, error);
    if (ret == QED_OK)
        ret = layer->driver->open(&layer->state, layer->io, writable, error);
    if (ret < 0) {
        io_close(layer->io);
        free(path);
        return ret;
    }
    image->depth++;
    return QED_OK;
}

static int push_backing(struct image *image, const struct image_options *options,
                        struct qed_error *error)
{
    const struct layer *above = &image->layers[image->depth - 1];
    const char *name = above->driver->backing_name(above->state);
    const char *format = above->driver->backing_is_raw(above->state) ? "raw" : NULL;
    char *path;
    int ret = check_backing_name(name, options->backing, error);

    if (ret < 0)
        return ret;
    if (image->depth == IMAGE_CHAIN_MAX)
        return qed_fail(error, QED_ERR_BACKING, "The backing chain is deeper than %d images",
                        IMAGE_CHAIN_MAX);
    path = image_resolve_backing(above->path, name);
    if (!path)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    ret = push_layer(image, path, format, false, options->share, error);
    if (ret == QED_ERR_OPEN || ret == QED_ERR_NOT_FILE)
        return qed_fail_prefix(error, ret, "Could not open backing file");
    if (ret < 0 && ret != QED_ERR_BACKING && ret != QED_ERR_LOOP)
        return qed_fail_prefix(error, ret, "Could not open backing file '%s'", name);
    return ret;
}

int image_open(struct image **out, const char *path, const struct image_options *options,
               struct qed_error *error)
{
    struct image *image = calloc(1, sizeof(*image));
    char *own_path = strdup(path);
    int ret;

    if (!image || !own_path) {
        free(image);
        free(own_path);
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    }
    ret = push_layer(image, own_path, options->format, options->writable, options->share, error);
    while (ret == QED_OK && options->backing != IMAGE_BACKING_IGNORE) {
        const struct layer *last = &image->layers[image->depth - 1];

        if (!last->driver->backing_name(last->state))
            break;
        ret = push_backing(image, options, error);
    }
    if (ret < 0) {
        image_close(image);
        /* A loop's sentence names the file that matters. */
        if (ret == QED_ERR_LOOP || (ret == QED_ERR_OPEN && options->plain_errors))
            return ret;
        return qed_fail_prefix(error, ret, "Could not open '%s'", path);
    }
    *out = image;
    return QED_OK;
}

int image_open_backing(struct image **image, const char *path, const char *name,
                       const struct image_options *options, struct qed_error *error)
{
    char *resolved;
    int ret = check_backing_name(name, options->backing, error);

    if (ret < 0)
        return ret;
    resolved = image_resolve_backing(path, name);
    if (!resolved)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    ret = image_open(image, resolved, options, error);
    free(resolved);
    return ret;
}

void image_close(struct image *image)
{
    if (!image)
        return;
    for (unsigned int i = 0; i < image->depth; i++) {
        struct layer *layer = &image->layers[i];

        layer->driver->close(layer->state);
        io_close(layer->io);
        free(layer->path);
    }
    free(image);
}

unsigned int image_depth(const struct image *image)
{
    return image->depth;
}

const char *image_path(const struct image *image, unsigned int depth)
{
    return image->layers[depth].path;
}

const char *image_format(const struct image *image, unsigned int depth)
{
    return image->layers[depth].driver->name;
}

uint64_t image_layer_size(const struct image *image, unsigned int depth)
{
    const struct layer *layer = &image->layers[depth];

    return layer->driver->virtual_size(layer->state);
}

uint64_t image_size(const struct image *image)
{
    return image_layer_size(image, 0);
}

uint64_t image_allocated_bytes(const struct image *image, unsigned int depth)
{
    return image->layers[depth].file.allocated_bytes;
}

const char *image_backing_name(const struct image *image, unsigned int depth)
{
    return image->layers[depth].driver->backing_name(image->layers[depth].state);
}

bool image_backing_is_raw(const struct image *image, unsigned int depth)
{
    return image->layers[depth].driver->backing_is_raw(image->layers[depth].state);
}

bool image_layers_same_file(const struct image *a, unsigned int depth_a, const struct image *b,
                            unsigned int depth_b)
{
    return io_identity_equal(&a->layers[depth_a].file.identity, &b->layers[depth_b].file.identity);
}

bool image_uses_identity(const struct image *image, const struct io_identity *identity)
{
    for (unsigned int i = 0; i < image->depth; i++) {
        if (io_identity_equal(&image->layers[i].file.identity, identity))
            return true;
    }
    return false;
}

static bool ends_in_chain(const struct image *image, unsigned int depth, const struct image *base)
{
    if (image_depth(image) - depth != image_depth(base))
        return false;
    for (unsigned int i = 0; i < image_depth(base); i++) {
        if (!image_layers_same_file(image, depth + i, base, i) ||
            strcmp(image_format(image, depth + i), image_format(base, i)) != 0)
            return false;
    }
    return true;
}

unsigned int image_common_depth(const struct image *image, const struct image *base)
{
    for (unsigned int depth = 0; base && depth < image_depth(image); depth++) {
        if (ends_in_chain(image, depth, base))
            return depth;
    }
    return UINT_MAX;
}

bool image_uses_file(const struct image *image, const char *path)
{
    struct io_file_info info;
    bool exists;

    return io_file_query(path, &exists, &info, NULL) == QED_OK && exists &&
           image_uses_identity(image, &info.identity);
}

struct qed_image *image_qed(struct image *image, unsigned int depth)
{
    struct layer *layer = &image->layers[depth];

    return layer->driver == &qed_driver ? layer->state : NULL;
}

struct io *image_io(struct image *image, unsigned int depth)
{
    return image->layers[depth].io;
}

/* The run at virt_off from the first layer that has it; not joined with what follows it. */
static int run_through_chain(struct image *image, uint64_t virt_off, uint64_t max_len,
                             struct extent *run, struct qed_error *error)
{
    for (unsigned int depth = 0; depth < image->depth; depth++) {
        struct layer *layer = &image->layers[depth];
        uint64_t size = layer->driver->virtual_size(layer->state);
        int ret;

        if (virt_off >= size)
            break;
        ret = layer->driver->next_run(layer->state, virt_off, min_u64(max_len, size - virt_off),
                                      run, error);
        if (ret < 0 && depth > 0)
            return qed_fail_prefix(error, ret, "Backing file '%s'", layer->path);
        if (ret < 0)
            return ret;
        run->depth = depth;
        if (run->kind != EXTENT_UNALLOCATED)
            return QED_OK;
        max_len = run->length;
    }
    *run = (struct extent){
        .virt_off = virt_off, .length = max_len, .kind = EXTENT_UNALLOCATED, .depth = 0};
    return QED_OK;
}

int image_next_run(struct image *image, uint64_t virt_off, uint64_t max_len, struct extent *run,
                   struct qed_error *error)
{
    int ret = run_through_chain(image, virt_off, max_len, run, error);

    while (ret == QED_OK && run->length < max_len) {
        struct extent next;

        ret = run_through_chain(image, virt_off + run->length, max_len - run->length, &next, error);
        if (ret == QED_ERR_CORRUPT)
            return QED_OK; /* met again when the caller asks for that offset */
        if (ret < 0 || !extent_continues(run, &next))
            break;
        run->length += next.length;
    }
    return ret;
}

int image_read_run(struct image *image, const struct extent *run, uint64_t in_run, void *buffer,
                   size_t len, struct qed_error *error)
{
    int ret =
        io_read_sectors(image->layers[run->depth].io, buffer, len, run->file_off + in_run, error);

    if (ret < 0)
        return qed_fail_prefix(error, ret, "'%s'", image->layers[run->depth].path);
    return QED_OK;
}

int image_read(struct image *image, uint64_t virt_off, void *buffer, size_t len,
               struct qed_error *error)
{
    char *at = buffer;

    while (len > 0) {
        struct extent run;
        int ret = run_through_chain(image, virt_off, len, &run, error);

        if (ret == QED_OK && run.kind == EXTENT_DATA)
            ret = image_read_run(image, &run, 0, at, (size_t)run.length, error);
        else if (ret == QED_OK)
            memset(at, 0, (size_t)run.length);
        if (ret < 0)
            return ret;
        at += run.length;
        virt_off += run.length;
        len -= (size_t)run.length;
    }
    return QED_OK;
}

int image_read_below(void *context, uint64_t virt_off, void *buffer, size_t len,
                     struct qed_error *error)
{
    struct image *image = context;
    uint64_t size = image_size(image);
    size_t inside = virt_off < size ? (size_t)min_u64(len, size - virt_off) : 0;

    memset((char *)buffer + inside, 0, len - inside);
    return image_read(image, virt_off, buffer, inside, error);
}
