/*
 * Makes the buffers and the queue of a copy, and runs it.
 * SPDX-License-Identifier: MIT
 */
#include "core/copy.h"

#include <stdlib.h>

#include "base/checked.h"
#include "core/copy_state.h"

#define JOB_BYTES ((uint64_t)1 << 20)
#define DEPTH_DEFAULT 16
#define DEPTH_MAX 64
#define MEMORY_MAX ((uint64_t)48 << 20)

static int make_jobs(struct copy *copy)
{
    unsigned int depth = copy->options->depth ? copy->options->depth : DEPTH_DEFAULT;

    copy->job_bytes = (size_t)max_u64(JOB_BYTES, copy->options->block);
    depth = (unsigned int)min_u64(min_u64(depth, DEPTH_MAX), MEMORY_MAX / copy->job_bytes);
    copy->jobs = calloc(max_u64(depth, 1), sizeof(*copy->jobs));
    if (!copy->jobs)
        return qed_fail(copy->error, QED_ERR_NO_MEMORY, "out of memory");
    for (copy->job_count = 0; copy->job_count < max_u64(depth, 1); copy->job_count++) {
        copy->jobs[copy->job_count].buffer = io_queue_buffer(copy->job_bytes);
        if (!copy->jobs[copy->job_count].buffer)
            break;
    }
    return copy->job_count ? QED_OK : qed_fail(copy->error, QED_ERR_NO_MEMORY, "out of memory");
}

/* One queue for the target and every layer of the source, where there are files on both sides. */
static int make_queue(struct copy *copy)
{
    const struct copy_options *options = copy->options;
    enum io_queue_access reads = options->direct_reads ? IO_QUEUE_DIRECT_READ : IO_QUEUE_BUFFERED;
    struct io *first = copy->source ? image_io(copy->source, 0) : target_io(copy->target);
    int ret;

    if (copy->stream && options->unplaced)
        return QED_OK;
    ret = io_queue_new(&copy->queue, first, IO_QUEUE_AUTO, copy->job_count * COPY_REQUESTS_MAX,
                       options->direct_reads, copy->error);
    for (unsigned int i = 1; ret == QED_OK && copy->source && i < image_depth(copy->source); i++)
        ret = io_queue_add(copy->queue, image_io(copy->source, i), reads, &copy->source_files[i],
                           copy->error);
    if (ret == QED_OK && options->writes == COPY_WRITES_DIRECT)
        ret = io_queue_add(copy->queue, target_io(copy->target), IO_QUEUE_DIRECT_WRITE,
                           &copy->target_file, copy->error);
    return ret;
}

static int run(struct copy *copy)
{
    int ret = make_jobs(copy);

    if (!copy->options->unplaced)
        copy->window = (struct io_window){.io = target_io(copy->target),
                                          .keeps = copy->options->writes != COPY_WRITES_WINDOWED};
    if (ret == QED_OK)
        ret = make_queue(copy);
    /* What is shared is not read, so what is bad would be found by nobody. */
    if (ret == QED_OK && copy->source && !copy->options->store_zeroes && !copy->options->salvage &&
        target_may_share(copy->target))
        ret = copy_offload_try_clone(&copy->offload, target_io(copy->target),
                                     image_io(copy->source, 0), copy->error);
    if (ret == QED_OK)
        ret = copy_run(copy);
    io_queue_free(copy->queue);
    /* Lost memory is better than memory that the kernel writes to when it is something else. */
    for (unsigned int i = 0; !copy->abandoned && i < copy->job_count; i++)
        free(copy->jobs[i].buffer);
    free(copy->jobs);
    return ret;
}

int copy_image(struct image *source, const char *source_name, struct target *target,
               const struct copy_options *options, struct qed_error *error)
{
    struct copy copy = {.source = source,
                        .source_name = source_name,
                        .target = target,
                        .options = options,
                        .size = image_size(source),
                        .total = image_size(source),
                        .offload = {.can_copy = options->offload},
                        .error = error};

    return run(&copy);
}

int copy_stream(struct stream_source *source, uint64_t total, uint64_t *size, struct target *target,
                const struct copy_options *options, struct qed_error *error)
{
    struct copy copy = {.stream = source,
                        .source_name = stream_source_name(source),
                        .target = target,
                        .options = options,
                        .size = UINT64_MAX,
                        .total = total,
                        .error = error};
    int ret = run(&copy);

    *size = copy.size;
    return ret;
}
