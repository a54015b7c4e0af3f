/*
 * Requests as qemu-img bench sends them: from a start on in even steps, round and round.
 * SPDX-License-Identifier: MIT
 */
#include "core/bench.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "core/bench_load.h"
#include "io/io_file.h"

struct bench_io {
    struct bench_io_options options;
    struct image *image, *base; /* base: what shows through, for the writer */
    struct bench_target *target;
    struct bench_load *load;
    unsigned int depth; /* really in flight */
    uint64_t offset;    /* of the next request */
    struct qed_recovery recovery;
};

/* The next place; QEMU's words where the request would reach past the end of the image. */
static int place_request(void *context, uint64_t number, uint64_t *virt_off,
                         struct qed_error *error)
{
    struct bench_io *bench = context;
    uint64_t size = image_size(bench->image);

    (void)number;
    if (!range_inside(bench->offset, bench->options.request_bytes, 0, size))
        return qed_fail(error, QED_ERR_INVALID, "Failed request: %s", strerror(EIO));
    *virt_off = bench->offset;
    bench->offset = size ? (bench->offset + bench->options.step) % size : 0;
    return QED_OK;
}

int bench_io_run(struct bench_io *bench, struct bench_io_report *report, struct qed_error *error)
{
    struct io *io = image_io(bench->image, 0);
    struct io_file_counts before = io_file_counts(io), after;
    uint64_t ended;
    int ret;

    *report = (struct bench_io_report){0};
    ret = bench_load_run(bench->load, report, error);
    ended = bench_now();
    if (ret == QED_OK)
        ret = bench_target_finish(bench->target, error);
    report->close_seconds = bench_seconds(bench_now() - ended);
    after = io_file_counts(io);
    report->host_bytes_written = after.bytes_written - before.bytes_written;
    report->host_flushes = after.flushes - before.flushes;
    return ret;
}

static int open_image(struct bench_io *bench, const char *path, struct qed_error *error)
{
    const struct bench_io_options *options = &bench->options;
    struct image_options open_options = {.format = options->format,
                                         .writable = options->write,
                                         .backing = options->write ? IMAGE_BACKING_IGNORE
                                                                   : options->backing,
                                         .share = options->share};
    int ret = image_open(&bench->image, path, &open_options, error);
    const char *name = ret == QED_OK && options->write ? image_backing_name(bench->image, 0) : NULL;

    if (!name)
        return ret;
    open_options =
        (struct image_options){.format = image_backing_is_raw(bench->image, 0) ? "raw" : NULL,
                               .backing = options->backing};
    return image_open_backing(&bench->base, path, name, &open_options, error);
}

static int open_target(struct bench_io *bench, const char *path, struct qed_error *error)
{
    const struct bench_io_options *options = &bench->options;
    struct qed_image *qed = options->write ? image_qed(bench->image, 0) : NULL;
    struct qed_writer_options writer = {
        .commit = {.durability = options->durability, .preallocate = options->preallocate},
        .depth = bench->depth,
        .direct = options->cache.direct,
        .read_below = bench->base ? image_read_below : NULL,
        .below_context = bench->base};
    int ret;

    if (!qed && options->durability != QED_DURABILITY_AUTO)
        return qed_fail(error, QED_ERR_INVALID, "--durability is for QED images, which '%s' is not",
                        path);
    if (!qed)
        return bench_target_files(&bench->target, bench->image, options->write, bench->depth,
                                  &options->cache, error);
    ret = qed_recover(qed, NULL, &bench->recovery, error);
    if (ret == QED_OK)
        ret = bench_target_qed(&bench->target, qed, &writer, options->cache.write_through, error);
    return ret < 0 ? qed_fail_prefix(error, ret, "Could not open '%s'", path) : QED_OK;
}

static int make_load(struct bench_io *bench, struct qed_error *error)
{
    const struct bench_io_options *options = &bench->options;
    struct bench_load_options load = {.write = options->write,
                                      .count = options->count,
                                      .depth = bench->depth,
                                      .request_bytes = options->request_bytes,
                                      .flush_interval = options->flush_interval,
                                      .no_drain = options->no_drain,
                                      .no_flush = options->cache.no_flush,
                                      .pattern = options->pattern,
                                      .place = place_request,
                                      .place_context = bench};

    return bench_load_new(&bench->load, bench->target, &load, error);
}

int bench_io_open(struct bench_io **out, const char *path, const struct bench_io_options *options,
                  struct qed_error *error)
{
    struct bench_io *bench = calloc(1, sizeof(*bench));
    int ret;

    if (!bench)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    bench->options = *options;
    bench->offset = options->offset;
    bench->depth = (unsigned int)min_u64(options->depth, max_u64(options->count, 1));
    ret = open_image(bench, path, error);
    if (ret == QED_OK)
        ret = open_target(bench, path, error);
    if (ret == QED_OK)
        ret = make_load(bench, error);
    if (ret < 0) {
        bench_io_close(bench);
        return ret;
    }
    *out = bench;
    return QED_OK;
}

const char *bench_io_format(const struct bench_io *bench)
{
    return image_format(bench->image, 0);
}

const struct qed_recovery *bench_io_recovery(const struct bench_io *bench)
{
    return &bench->recovery;
}

void bench_io_close(struct bench_io *bench)
{
    if (!bench)
        return;
    bench_load_free(bench->load);
    bench_target_free(bench->target);
    image_close(bench->base);
    image_close(bench->image);
    free(bench);
}
