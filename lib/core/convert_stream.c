/*
 * The size is known at the end: a new target begins without one, and gets it last.
 * SPDX-License-Identifier: MIT
 */
#include "core/convert_stream.h"

#include <string.h>

#include "base/checked.h"
#include "core/copy_policy.h"
#include "core/stream_sink.h"

static int refuse(const char *option, const char *end, struct qed_error *error)
{
    return qed_fail(error, QED_ERR_INVALID,
                    "%s cannot be used where the %s is a pipe or compressed", option, end);
}

static int check_source(const struct convert_options *options, struct qed_error *error)
{
    if (options->source_cache == CONVERT_CACHE_NONE)
        return refuse("-T none", "source", error);
    if (options->target.backing_name)
        return refuse("-B", "source", error);
    if (options->salvage)
        return refuse("--salvage", "source", error);
    if (options->mapfile)
        return refuse("--mapfile", "source", error);
    if (options->target.preallocation && !options->target.has_size)
        return qed_fail(error, QED_ERR_INVALID,
                        "-o preallocation needs -o size where the source is a pipe or compressed");
    return QED_OK;
}

static int check_target(const struct convert_options *options, struct qed_error *error)
{
    const char *format = options->target.format;

    if (strcmp(format, "qed") == 0)
        return qed_fail(
            error, QED_ERR_UNSUPPORTED,
            "a QED image cannot be written to a pipe: its header and tables are known only "
            "at the end");
    if (options->target.backing_name)
        return qed_fail(error, QED_ERR_INVALID, "Backing file not supported for file format '%s'",
                        format);
    if (options->existing)
        return refuse("-n", "target", error);
    if (options->target_cache == CONVERT_CACHE_NONE)
        return refuse("-t none", "target", error);
    return QED_OK;
}

int convert_stream_check(const struct convert_options *options, bool from_stream,
                         const char *target_path, struct qed_error *error)
{
    bool to_stream = stream_sink_wanted(target_path, options->target.format);
    int ret = QED_OK;

    if (from_stream)
        ret = check_source(options, error);
    if (ret == QED_OK && to_stream)
        ret = check_target(options, error);
    if (ret < 0 || (!from_stream && !to_stream))
        return ret;
    if (options->offload)
        return refuse("-C", from_stream ? "source" : "target", error);
    if (options->out_of_order)
        return refuse("-W", from_stream ? "source" : "target", error);
    return QED_OK;
}

/* Whether the target, which may not be there yet, is the file that the source is read from. */
static bool is_same_file(const struct stream_source *source, const char *target_path)
{
    struct io_identity from;
    struct io_file_info to;
    bool exists;

    return stream_source_identity(source, &from) &&
           io_file_query(target_path, &exists, &to, NULL) == QED_OK && exists &&
           io_identity_equal(&from, &to.identity);
}

static bool is_same_stream(const struct stream_source *source, const struct target *target)
{
    struct io_identity from, to;

    return stream_source_identity(source, &from) && target_stream_identity(target, &to) &&
           io_identity_equal(&from, &to);
}

static int open_target(struct target **target, const struct stream_source *source, const char *path,
                       const struct convert_options *options, struct qed_error *error)
{
    int ret;

    if (!is_same_file(source, path)) {
        ret =
            target_open(target, path, &options->target, options->existing, options->backing, error);
        if (ret < 0 && !options->existing)
            return qed_fail_prefix(error, ret, "%s: error while converting %s", path,
                                   options->target.format);
        if (ret < 0 || !is_same_stream(source, *target))
            return ret;
    }
    return qed_fail(error, QED_ERR_SAME_FILE, "%s: the target is the source", path);
}

static int copy(struct stream_source *source, struct target *target,
                const struct convert_options *options, struct qed_error *error)
{
    const struct create_options *given = &options->target;
    struct copy_options copy = {.depth = options->depth,
                                .block = target_block(target, options->sparse_bytes),
                                .store_zeroes = options->sparse_bytes == 0,
                                .progress = options->progress,
                                .progress_context = options->progress_context};
    uint64_t size = given->has_size ? given->size : UINT64_MAX;
    bool can_place;
    int ret = target_start_placing(target, &can_place, error);

    if (ret < 0)
        return ret;
    copy.unplaced = !can_place;
    if (can_place)
        copy.writes = copy_policy_writes(options->target_cache, size, size, target_io(target));
    if (copy.writes == COPY_WRITES_DIRECT)
        target_lengthen_ahead(target);
    stream_source_set_size(source, given->has_size ? given->size : target_room(target),
                           given->has_size);
    target_set_stop(target, options->stop, options->stop_context);
    ret = copy_stream(source, given->has_size ? given->size : 0, &size, target, &copy, error);
    return ret < 0 ? ret : target_set_size(target, size, error);
}

int convert_from_stream(const char *source_path, const char *target_path,
                        const struct convert_options *options, struct qed_error *error)
{
    struct stream_source *source = NULL;
    struct target *target = NULL;
    int ret =
        stream_source_open(&source, source_path, options->source_format, options->share_source,
                           options->stop, options->stop_context, error);

    if (ret == QED_OK)
        ret = open_target(&target, source, target_path, options, error);
    if (ret == QED_OK && options->recovered)
        options->recovered(options->progress_context, target_recovery(target));
    if (ret == QED_OK)
        ret = copy(source, target, options, error);
    if (ret < 0)
        goto out;
    if (options->target_cache == CONVERT_CACHE_UNSAFE)
        target_skip_flush(target);
    ret = target_finish(target, error);
out:
    target_close(target);
    stream_source_close(source);
    return ret;
}
