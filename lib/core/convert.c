/*
 * Opens source and target, settles what options mean for each other, and has the one copied into
 * the other. SPDX-License-Identifier: MIT
 */
#include "core/convert_state.h"

#include <inttypes.h>
#include <stdlib.h>

#include "core/convert_stream.h"
#include "core/copy.h"
#include "core/copy_policy.h"
#include "core/mapfile.h"
#include "core/preallocate.h"
#include "core/space.h"
#include "core/target.h"

#define SECTOR_BYTES UINT64_C(512)

bool convert_progress(void *context, uint64_t done, uint64_t total)
{
    struct convert *convert = context;
    const struct convert_options *given = convert->given;

    convert->done = done;
    return given->progress && given->progress(given->progress_context, done, total);
}

/* Whether to stop, asked by what makes no progress in guest bytes. */
static bool is_stopped(void *context)
{
    struct convert *convert = context;

    return convert_progress(convert, convert->done, image_size(convert->source));
}

static int check_sparse(uint64_t sparse, struct qed_error *error)
{
    if (sparse > CONVERT_SPARSE_MAX || sparse % SECTOR_BYTES != 0)
        return qed_fail(error, QED_ERR_INVALID,
                        "Invalid buffer size for sparse output specified. Valid sizes are "
                        "multiples of 512 up to %" PRIu64
                        ". Select 0 to disable sparse detection (fully allocates output).",
                        CONVERT_SPARSE_MAX);
    return QED_OK;
}

static int is_source(const struct convert *convert, const char *target_path)
{
    return qed_fail(convert->error, QED_ERR_SAME_FILE,
                    "%s: the target is the source, or a backing file of it", target_path);
}

static int check_source(const struct convert *convert, const char *target_path)
{
    if (convert->options->target.has_size)
        return qed_fail(convert->error, QED_ERR_INVALID,
                        "-o size cannot be used here: the target is as large as the source");
    if (image_uses_file(convert->source, target_path))
        return is_source(convert, target_path);
    if (!convert->options->mapfile)
        return QED_OK;
    return mapfile_check(convert->options->mapfile, convert->source, target_path, convert->error);
}

static int open_target(struct convert *convert, const char *path)
{
    const struct convert_options *options = convert->options;
    struct create_options create = options->target;
    int ret;

    create.size = image_size(convert->source);
    create.has_size = true;
    create.backing_policy = options->backing;
    create.stop = is_stopped;
    create.stop_context = convert;
    ret = target_open(&convert->target, path, &create, options->existing, options->backing,
                      convert->error);
    if (ret < 0 && ret != QED_ERR_STOPPED && !options->existing)
        return qed_fail_prefix(convert->error, ret, "%s: error while converting %s", path,
                               create.format);
    return ret;
}

/* Many buffers in flight, written straight to where the target wants them. */
static int copy_in_flight(struct convert *convert)
{
    const struct convert_options *options = convert->options;
    bool to_stream = target_is_stream(convert->target);
    struct copy_options copy = {.depth = options->depth,
                                .block = target_block(convert->target, options->sparse_bytes),
                                .store_zeroes = options->sparse_bytes == 0 && !to_stream,
                                .unplaced = to_stream,
                                .out_of_order = options->out_of_order,
                                .offload = options->offload,
                                .salvage = options->salvage,
                                .progress = convert_progress,
                                .progress_context = convert};

    copy_policy_choose(&copy, options, convert->source, convert->target);
    if (copy.writes == COPY_WRITES_DIRECT)
        target_lengthen_ahead(convert->target);
    return copy_image(convert->source, convert->source_path, convert->target, &copy,
                      convert->error);
}

/* By way of placed data where that can be; a stream gets it in order. */
static int copy(struct convert *convert)
{
    struct io_identity file;

    if (!target_is_stream(convert->target))
        return convert->can_place ? copy_in_flight(convert) : convert_by_buffer(convert);
    if (target_stream_identity(convert->target, &file) &&
        image_uses_identity(convert->source, &file))
        return is_source(convert, target_path(convert->target));
    target_set_stop(convert->target, convert->options->stop, convert->options->stop_context);
    return copy_in_flight(convert);
}

/* What options mean for each other; those that do not go together are refused. */
static int settle_options(struct convert *convert)
{
    const struct convert_options *options = convert->given;
    struct convert_options *settled = &convert->settled;
    enum preallocation mode;
    int ret;

    *settled = *options;
    settled->progress = convert_progress;
    settled->progress_context = convert;
    convert->options = settled;
    if (options->existing)
        settled->target.preallocation = NULL;
    ret = preallocation_mode(&settled->target, &mode, NULL);
    if (ret < 0 || mode < PREALLOCATION_FALLOC) /* what is wrong is told by who makes the target */
        return QED_OK;
    if (options->offload)
        return qed_fail(convert->error, QED_ERR_INVALID,
                        "-C cannot be used with preallocation=%s: what the kernel copies may share "
                        "its space",
                        options->target.preallocation);
    if (mode == PREALLOCATION_FULL)
        settled->sparse_bytes = 0;
    return QED_OK;
}

/* Tell when the target's file system may be too small. */
static int check_space(struct convert *convert)
{
    const struct convert_options *options = convert->options;
    struct space_options space = {.target = &options->target,
                                  .common_from = convert->common_from,
                                  .store_zeroes = options->sparse_bytes == 0,
                                  .stop = is_stopped,
                                  .stop_context = convert};
    uint64_t needed, left;
    bool is_short;
    int ret;

    /* What a stream takes is not known: compressed, or somebody else's. */
    if (!options->short_of_space || target_is_stream(convert->target))
        return QED_OK;
    ret = space_check(convert->source, convert->target, &space, &is_short, &needed, &left);
    if (ret < 0)
        return qed_fail(convert->error, ret, "%s: interrupted", target_path(convert->target));
    if (is_short)
        convert->given->short_of_space(convert->given->progress_context, needed, left);
    return QED_OK;
}

/* Open, and get ready to copy. */
static int open_both(struct convert *convert, const char *target_path)
{
    const struct convert_options *options = convert->options;
    struct image_options source_options = {.format = options->source_format,
                                           .share = options->share_source,
                                           .backing = options->backing};
    int ret = image_open(&convert->source, convert->source_path, &source_options, convert->error);

    if (ret == QED_OK && options->salvage)
        ret =
            salvage_attach(options->salvage, convert->source, is_stopped, convert, convert->error);
    if (ret == QED_OK)
        ret = check_source(convert, target_path);
    if (ret == QED_OK && options->mapfile)
        ret = mapfile_begin(&convert->mapfile, options->mapfile, convert->error);
    if (ret == QED_OK)
        ret = open_target(convert, target_path);
    if (ret < 0)
        return ret;
    if (options->recovered)
        options->recovered(convert->given->progress_context, target_recovery(convert->target));
    convert->base = target_base(convert->target);
    convert->common_from = image_common_depth(convert->source, convert->base);
    if (options->target_cache == CONVERT_CACHE_UNSAFE)
        target_skip_flush(convert->target);
    if (options->target_is_zero)
        ret = target_assume_zero(convert->target, convert->error);
    if (ret == QED_OK)
        ret = target_start_placing(convert->target, &convert->can_place, convert->error);
    if (target_needs_order(convert->target))
        convert->settled.out_of_order = false;
    return ret;
}

static int convert_from_image(const char *source_path, const char *target_path,
                              const struct convert_options *options, struct qed_error *error)
{
    struct convert convert = {.given = options, .source_path = source_path, .error = error};
    int ret = settle_options(&convert);

    if (ret == QED_OK)
        ret = open_both(&convert, target_path);
    if (ret == QED_OK)
        ret = check_space(&convert);
    if (ret == QED_OK)
        ret = copy(&convert);
    if (ret == QED_OK && convert.mapfile)
        ret = mapfile_write(convert.mapfile, image_size(convert.source), options->salvage, error);
    if (ret == QED_OK)
        ret = target_finish(convert.target, error);
    if (ret == QED_OK && convert.mapfile)
        ret = mapfile_check(options->mapfile, convert.source, target_path, error);
    if (ret == QED_OK && convert.mapfile)
        ret = mapfile_publish(convert.mapfile, error);
    free(convert.buffer);
    free(convert.base_buffer);
    salvage_detach(options->salvage);
    mapfile_end(convert.mapfile);
    target_close(convert.target);
    image_close(convert.source);
    return ret;
}

int convert_image(const char *source_path, const char *target_path,
                  const struct convert_options *options, struct qed_error *error)
{
    bool from_stream = stream_source_wanted(source_path, options->source_format);
    int ret = check_sparse(options->sparse_bytes, error);

    if (ret == QED_OK)
        ret = convert_stream_check(options, from_stream, target_path, error);
    if (ret < 0)
        return ret;
    return from_stream ? convert_from_stream(source_path, target_path, options, error)
                       : convert_from_image(source_path, target_path, options, error);
}
