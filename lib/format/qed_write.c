/*
 * A request is done in steps, each a run of the guest: written in place, written to new clusters,
 * or settled in the tables alone. Lists: requests that take new clusters, requests that wait for
 * one of those, requests that are finished. SPDX-License-Identifier: MIT
 */
#include "format/qed_write.h"

#include <stdlib.h>
#include <string.h>

#include "format/qed_lookup.h"

#define BOUNCE_BYTES ((size_t)1 << 20)

struct qed_writer {
    struct qed_image *image;
    struct qed_writer_options options;
    struct qed_commit *commit;
    struct io_queue *queue;
    unsigned int file; /* the image's number in the queue */
    uint8_t *bounce;   /* BOUNCE_BYTES, for what is copied up; made when needed */
    uint8_t *zeroes;   /* BOUNCE_BYTES of them; made when needed */
    struct qed_write_request *allocating, *waiting, *finished;
};

/* Take request out of a list that it is in. */
static void list_remove(struct qed_write_request **list, const struct qed_write_request *request)
{
    while (*list != request)
        list = &(*list)->next;
    *list = request->next;
}

static void list_append(struct qed_write_request **list, struct qed_write_request *request)
{
    while (*list)
        list = &(*list)->next;
    request->next = NULL;
    *list = request;
}

static int make_queue(struct qed_writer *writer, struct qed_error *error)
{
    const struct qed_writer_options *options = &writer->options;
    /* A ring pays where something else can be done meanwhile: through the page cache the kernel is
     * done when the call returns. */
    enum io_queue_kind kind = options->direct && options->depth > 1 ? IO_QUEUE_AUTO : IO_QUEUE_SYNC;
    struct io *io = writer->image->io;
    int ret =
        io_queue_new(&writer->queue, io, kind, options->depth ? options->depth : 1, false, error);

    if (ret == QED_OK && options->direct)
        ret = io_queue_add(writer->queue, io, IO_QUEUE_DIRECT_WRITE, &writer->file, error);
    return ret;
}

int qed_writer_new(struct qed_writer **out, struct qed_image *image,
                   const struct qed_writer_options *options, struct qed_error *error)
{
    struct qed_writer *writer;
    int ret;

    if (qed_needs_check(image))
        return qed_fail(error, QED_ERR_CORRUPT,
                        "Image was not cleanly closed; run 'qedtool check --repair' on it first");
    writer = calloc(1, sizeof(*writer));
    if (!writer)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    writer->image = image;
    if (options)
        writer->options = *options;
    writer->options.commit.over_backing = writer->options.read_below != NULL;
    ret = make_queue(writer, error);
    if (ret == QED_OK)
        ret = qed_commit_new(&writer->commit, image, &writer->options.commit, error);
    if (ret < 0) {
        qed_writer_free(writer);
        return ret;
    }
    *out = writer;
    return QED_OK;
}

void qed_writer_free(struct qed_writer *writer)
{
    if (!writer)
        return;
    qed_commit_free(writer->commit);
    io_queue_free(writer->queue);
    free(writer->bounce);
    free(writer->zeroes);
    free(writer);
}

/* Have BOUNCE_BYTES there: zeroes, or, to be filled, anything. */
static int need_bytes(uint8_t **bytes, bool zeroes, struct qed_error *error)
{
    if (!*bytes)
        *bytes = zeroes ? calloc(1, BOUNCE_BYTES) : malloc(BOUNCE_BYTES);
    return *bytes ? QED_OK : qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
}

/* Tell which new clusters have no entries yet. */
static void tell_pending(struct qed_writer *writer)
{
    uint64_t first = UINT64_MAX;

    for (const struct qed_write_request *at = writer->allocating; at; at = at->next)
        first = min_u64(first, at->file_off);
    qed_commit_set_pending(writer->commit, first);
}

/*
 * How many of len bytes from virt_off on lie before the first cluster that some request is
 * allocating.
 */
static uint64_t free_bytes(const struct qed_writer *writer, uint64_t virt_off, uint64_t len)
{
    const struct qed_geometry *g = &writer->image->geometry;

    for (const struct qed_write_request *at = writer->allocating; at; at = at->next) {
        uint64_t end = at->cluster_off + (at->cluster_count << g->cluster_shift);

        if (virt_off < end && at->cluster_off < virt_off + len)
            len = at->cluster_off > virt_off ? at->cluster_off - virt_off : 0;
    }
    return len;
}

static void submit_io(struct qed_writer *writer, struct qed_write_request *request,
                      const void *bytes, uint64_t len, uint64_t file_off)
{
    request->step = len;
    request->io = (struct io_request){.bytes = bytes,
                                      .len = (size_t)len,
                                      .file_off = file_off,
                                      .file = writer->file,
                                      .is_write = true,
                                      .context = request};
    io_queue_submit(writer->queue, &request->io);
}

/* Copy what virt_off reads as from below, behind the new cluster, to file_off. */
static int copy_up(struct qed_writer *writer, uint64_t virt_off, uint64_t len, uint64_t file_off,
                   struct qed_error *error)
{
    uint64_t image_size = writer->image->geometry.image_size;
    int ret = need_bytes(&writer->bounce, false, error);

    len = virt_off < image_size ? min_u64(len, image_size - virt_off) : 0;
    while (ret == QED_OK && len > 0) {
        size_t step = (size_t)min_u64(len, BOUNCE_BYTES);

        ret = writer->options.read_below(writer->options.below_context, virt_off, writer->bounce,
                                         step, error);
        if (ret == QED_OK)
            ret = io_write(writer->image->io, writer->bounce, step, file_off, error);
        virt_off += step;
        file_off += step;
        len -= step;
    }
    return ret;
}

/* What to write of len bytes of a request: its own, or zeroes, which may be fewer at a time. */
static int bytes_to_write(struct qed_writer *writer, const struct qed_write_request *request,
                          const void **bytes, uint64_t *len)
{
    int ret;

    if (request->op == QED_WRITE_DATA) {
        *bytes = (const uint8_t *)request->buffer + request->done;
        return QED_OK;
    }
    ret = need_bytes(&writer->zeroes, true, request->error);
    *len = min_u64(*len, BOUNCE_BYTES);
    *bytes = writer->zeroes;
    return ret;
}

/* Fill what a new cluster has around [before, before + len) with what shows through from below. */
static int fill_around(struct qed_writer *writer, const struct qed_write_request *request,
                       uint64_t before, uint64_t len)
{
    uint64_t bytes = request->cluster_count << writer->image->geometry.cluster_shift;
    uint64_t after = before + len;
    int ret = copy_up(writer, request->cluster_off, before, request->file_off, request->error);

    if (ret < 0 || after >= bytes)
        return ret;
    return copy_up(writer, request->cluster_off + after, bytes - after, request->file_off + after,
                   request->error);
}

/* Write to new clusters of one L2 table, as far as they can be had in a row. */
static int start_new(struct qed_writer *writer, struct qed_write_request *request,
                     const struct extent *run)
{
    const struct qed_geometry *g = &writer->image->geometry;
    uint64_t before = qed_offset_in_cluster(g, run->virt_off), len = run->length;
    uint64_t left = qed_entries(g) - qed_l2_index(g, run->virt_off);
    uint64_t count;
    const void *bytes;
    int ret = bytes_to_write(writer, request, &bytes, &len);

    count = min_u64(blocks_for(before + len, g->cluster_shift), left);
    if (ret == QED_OK)
        ret = qed_commit_take(writer->commit, count, &request->file_off, &request->cluster_count,
                              request->error);
    if (ret < 0)
        return ret;
    len = min_u64(len, (request->cluster_count << g->cluster_shift) - before);
    request->cluster_off = run->virt_off - before;
    request->state = QED_WRITE_NEW;
    list_append(&writer->allocating, request);
    tell_pending(writer);
    if (run->kind == EXTENT_UNALLOCATED && writer->options.read_below)
        ret = fill_around(writer, request, before, len);
    if (ret == QED_OK)
        submit_io(writer, request, bytes, len, request->file_off + before);
    return ret;
}

/*
 * How many bytes at the start of an unallocated run over a backing file can be had by zero clusters
 * alone: whole ones, and the last one of the image. 0: a part of a cluster comes first.
 */
static uint64_t whole_zero_bytes(const struct qed_geometry *g, const struct extent *run)
{
    if (qed_offset_in_cluster(g, run->virt_off) != 0)
        return 0;
    if (run->virt_off + run->length == g->image_size)
        return run->length;
    return round_down(run->length, g->cluster_size);
}

/* Zero the run without data being written, if that can be done: *done bytes of it. */
static int zero_run_at_once(struct qed_writer *writer, const struct qed_write_request *request,
                            const struct extent *run, uint64_t *done)
{
    const struct qed_geometry *g = &writer->image->geometry;
    uint64_t left = qed_entries(g) - qed_l2_index(g, run->virt_off);
    uint64_t count;

    *done = run->length;
    if (run->kind == EXTENT_DATA)
        return io_zero(writer->image->io, run->file_off, run->length, request->error);
    if (run->kind == EXTENT_ZERO || !writer->options.read_below)
        return QED_OK;
    *done = whole_zero_bytes(g, run);
    count = min_u64(blocks_for(*done, g->cluster_shift), left);
    *done = min_u64(*done, count << g->cluster_shift);
    if (count == 0)
        return QED_OK;
    return qed_commit_set(writer->commit, run->virt_off, count, QED_ENTRY_ZERO, 0, request->error);
}

/* A part of a cluster alone, for zeroes that have to be written. */
static void cut_to_cluster(const struct qed_geometry *g, struct extent *run)
{
    run->length = min_u64(run->length, g->cluster_size - qed_offset_in_cluster(g, run->virt_off));
}

/* One step: afterwards something is in flight, the request waits, or it has come further. */
static int start_step(struct qed_writer *writer, struct qed_write_request *request)
{
    uint64_t virt_off = request->virt_off + request->done, done = 0;
    uint64_t left = request->len - request->done;
    uint64_t in_cluster = qed_offset_in_cluster(&writer->image->geometry, virt_off);
    struct extent run;
    int ret;

    left = free_bytes(writer, virt_off - in_cluster, in_cluster + left);
    if (left == 0) {
        request->state = QED_WRITE_WAITING;
        list_append(&writer->waiting, request);
        return QED_OK;
    }
    ret = qed_lookup_run(writer->image, virt_off, left - in_cluster, &run, request->error);
    if (ret == QED_OK && request->op == QED_WRITE_ZEROES) {
        ret = zero_run_at_once(writer, request, &run, &done);
        request->done += done;
        if (done == 0)
            cut_to_cluster(&writer->image->geometry, &run);
    }
    if (ret < 0 || done > 0)
        return ret;
    if (run.kind != EXTENT_DATA)
        return start_new(writer, request, &run);
    request->state = QED_WRITE_IN_PLACE;
    submit_io(writer, request, (const uint8_t *)request->buffer + request->done, run.length,
              run.file_off);
    return QED_OK;
}

static void finish(struct qed_writer *writer, struct qed_write_request *request, int status)
{
    if (request->state == QED_WRITE_NEW) {
        list_remove(&writer->allocating, request);
        tell_pending(writer);
    }
    request->state = QED_WRITE_IDLE;
    request->status = status;
    list_append(&writer->finished, request);
}

/* Go on until something is in flight, or the request waits, or it is finished. */
static void advance(struct qed_writer *writer, struct qed_write_request *request)
{
    int ret = QED_OK;

    while (ret == QED_OK && request->state == QED_WRITE_IDLE && request->done < request->len)
        ret = start_step(writer, request);
    if (ret < 0 || request->state == QED_WRITE_IDLE)
        finish(writer, request, ret);
}

/* Let those go on that waited for clusters which nobody allocates any more. */
static void wake(struct qed_writer *writer)
{
    struct qed_write_request *request = writer->waiting;

    writer->waiting = NULL;
    while (request) {
        struct qed_write_request *next = request->next;

        request->state = QED_WRITE_IDLE;
        advance(writer, request);
        request = next;
    }
}

/* The data of a step is written. */
static void complete(struct qed_writer *writer, struct qed_write_request *request)
{
    const struct io_request *io = &request->io;
    bool is_new = request->state == QED_WRITE_NEW;
    int ret = io->status;

    if (ret < 0)
        qed_fail_errno(request->error, ret, io->sys_errno, "%zu bytes at offset %llu", io->len,
                       (unsigned long long)io->file_off);
    else if (is_new)
        ret =
            qed_commit_set(writer->commit, request->cluster_off, request->cluster_count,
                           request->file_off, writer->image->geometry.cluster_size, request->error);
    request->done += ret < 0 ? 0 : request->step;
    if (ret < 0) {
        finish(writer, request, ret);
    } else {
        if (is_new)
            list_remove(&writer->allocating, request);
        request->state = QED_WRITE_IDLE;
        tell_pending(writer);
        advance(writer, request);
    }
    if (is_new)
        wake(writer);
}

void qed_writer_submit(struct qed_writer *writer, struct qed_write_request *request)
{
    const struct qed_geometry *g = &writer->image->geometry;

    request->done = 0;
    request->state = QED_WRITE_IDLE;
    if (request->op == QED_WRITE_FLUSH)
        finish(writer, request, qed_commit_flush(writer->commit, request->error));
    else if (!range_inside(request->virt_off, request->len, 0, g->image_size))
        finish(writer, request,
               qed_fail(request->error, QED_ERR_INVALID, "write past the end of the image"));
    else
        advance(writer, request);
}

struct qed_write_request *qed_writer_wait(struct qed_writer *writer)
{
    struct qed_write_request *request;

    while (!writer->finished) {
        struct io_request *io = io_queue_wait(writer->queue);

        if (!io)
            return NULL;
        complete(writer, io->context);
    }
    request = writer->finished;
    writer->finished = request->next;
    return request;
}

static int do_alone(struct qed_writer *writer, enum qed_write_op op, uint64_t virt_off,
                    const void *buffer, uint64_t len, struct qed_error *error)
{
    struct qed_write_request request = {
        .op = op, .virt_off = virt_off, .len = len, .buffer = buffer, .error = error};

    qed_writer_submit(writer, &request);
    qed_writer_wait(writer);
    return request.status;
}

int qed_writer_write(struct qed_writer *writer, uint64_t virt_off, const void *buffer, size_t len,
                     struct qed_error *error)
{
    return do_alone(writer, QED_WRITE_DATA, virt_off, buffer, len, error);
}

int qed_writer_zero(struct qed_writer *writer, uint64_t virt_off, uint64_t len,
                    struct qed_error *error)
{
    return do_alone(writer, QED_WRITE_ZEROES, virt_off, NULL, len, error);
}

int qed_writer_flush(struct qed_writer *writer, struct qed_error *error)
{
    return do_alone(writer, QED_WRITE_FLUSH, 0, NULL, 0, error);
}

int qed_writer_finish(struct qed_writer *writer, struct qed_error *error)
{
    return qed_commit_finish(writer->commit, error);
}
