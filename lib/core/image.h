/*
 * An image with its backing chain: opened, read, asked for its runs.
 * SPDX-License-Identifier: MIT
 */
#ifndef CORE_IMAGE_H
#define CORE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "format/extent.h"
#include "io/io_file.h"

/* Images in a chain, at most; deeper ones are refused. */
#define IMAGE_CHAIN_MAX 64

struct image;

/* What to do about backing files, which are other files of the host that an image may name. */
enum image_backing {
    IMAGE_BACKING_FOLLOW,         /* open whatever plain file is named */
    IMAGE_BACKING_SAME_DIRECTORY, /* only files in the folder of the image that names them */
    IMAGE_BACKING_NONE,           /* refuse images that have one */
    IMAGE_BACKING_IGNORE,         /* open the image alone; for what looks only at its metadata */
};

struct image_options {
    const char *format; /* "qed", "raw", NULL to probe */
    bool writable;      /* the image itself; backing files never are */
    enum image_backing backing;
    bool share;        /* take no locks: somebody may write meanwhile; not together with writable */
    bool plain_errors; /* do not put "Could not open 'F': " before a failure to open F itself */
};

/*
 * Open the image at path. Errors read as qemu-img's: "Could not open 'F': …". The caller owns
 * *image.
 */
int image_open(struct image **image, const char *path, const struct image_options *options,
               struct qed_error *error);

/*
 * Open the backing file called name of the image at path, or of one that is to be made there, with
 * its own chain: by the policy in options, from the folder of path. Read-only.
 */
int image_open_backing(struct image **image, const char *path, const char *name,
                       const struct image_options *options, struct qed_error *error);

/* NULL-safe. */
void image_close(struct image *image);

/* How many images the chain has: 1 without backing file. */
unsigned int image_depth(const struct image *image);

/* Of the layer at depth (0: the image itself): its name as opened, its format, guest bytes. */
const char *image_path(const struct image *image, unsigned int depth);
const char *image_format(const struct image *image, unsigned int depth);
uint64_t image_layer_size(const struct image *image, unsigned int depth);

/* Guest bytes of the image itself. */
uint64_t image_size(const struct image *image);

/* Bytes that the layer's file takes on its file system. */
uint64_t image_allocated_bytes(const struct image *image, unsigned int depth);

/* The name of the layer's backing file as stored, NULL when it has none. */
const char *image_backing_name(const struct image *image, unsigned int depth);

/* Whether the layer says that its backing file is raw. */
bool image_backing_is_raw(const struct image *image, unsigned int depth);

/* Where the layer's file is; for comparing. Equal for the same file under another name. */
bool image_layers_same_file(const struct image *a, unsigned int depth_a, const struct image *b,
                            unsigned int depth_b);

/*
 * The depth in image from which on its layers are the chain of base, file by file; UINT_MAX when
 * there is none, or base is NULL.
 */
unsigned int image_common_depth(const struct image *image, const struct image *base);

/* Whether path is one of the files that the chain consists of; false when it does not exist. */
bool image_uses_file(const struct image *image, const char *path);

/* Whether that file is one of them. */
bool image_uses_identity(const struct image *image, const struct io_identity *identity);

/*
 * The next run through the whole chain: at most max_len bytes from virt_off on (max_len not 0, the
 * range inside the image), joined as far as it goes on alike. A run that no layer has, or that
 * lies past the end of a shorter backing file, is EXTENT_UNALLOCATED with depth 0 and reads as
 * zeroes.
 */
int image_next_run(struct image *image, uint64_t virt_off, uint64_t max_len, struct extent *run,
                   struct qed_error *error);

/* Read guest bytes; the range must lie inside the image. */
int image_read(struct image *image, uint64_t virt_off, void *buffer, size_t len,
               struct qed_error *error);

/*
 * A qed_read_below_fn: guest bytes of a backing file, a struct image; zeroes past its end.
 */
int image_read_below(void *image, uint64_t virt_off, void *buffer, size_t len,
                     struct qed_error *error);

/* Read the bytes of a data run, as image_next_run gave it, from in_run bytes into it on. */
int image_read_run(struct image *image, const struct extent *run, uint64_t in_run, void *buffer,
                   size_t len, struct qed_error *error);

/* The QED image at depth; NULL when that layer is not QED. For check, info and the writer. */
struct qed_image *image_qed(struct image *image, unsigned int depth);

/* The file under the layer at depth, owned by the image. */
struct io *image_io(struct image *image, unsigned int depth);

/*
 * The path of a backing file called name in the image at path: name itself when absolute, else
 * from the folder of path. NULL when out of memory; the caller frees it.
 */
char *image_resolve_backing(const char *path, const char *name);

#endif
