/*
 * Files: a request's runs become reads or writes of a queue. What is in the page cache is read at
 * once, which is several times faster than to have another thread or a ring do it; a queue is for
 * what has to be waited for. QED: the writer, which does all of a request when it is submitted.
 * SPDX-License-Identifier: MIT
 */
#include "core/bench_target.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "format/qed_write.h"

/* A longer run is looked up in steps: to join all of a large image would take longer than it saves.
 */
#define LOOKUP_BYTES ((uint64_t)64 << 20)

#define RING_MAX 4096 /* entries; requests beyond them are served at once */

struct files {
    struct bench_target base;
    struct image *image;
    struct io_queue *queue;
    struct bench_cache cache;
    bool try_cached;
    unsigned int numbers[IMAGE_CHAIN_MAX]; /* of the files in the queue, by depth */
    struct extent known;                   /* the run that was looked up last */
};

static struct files *to_files(struct bench_target *target)
{
    return (struct files *)target;
}

/* The run at virt_off, at most len bytes of it. */
static int find_run(struct files *files, uint64_t virt_off, size_t len, struct extent *run)
{
    struct extent *known = &files->known;
    uint64_t left = image_size(files->image) - virt_off;
    int ret = QED_OK;

    if (virt_off < known->virt_off || virt_off - known->virt_off >= known->length)
        ret = image_next_run(files->image, virt_off, min_u64(left, max_u64(len, LOOKUP_BYTES)),
                             known, &files->base.error);
    if (ret < 0) {
        known->length = 0;
        return ret;
    }
    *run = *known;
    run->file_off += virt_off - known->virt_off;
    run->length = min_u64(known->length - (virt_off - known->virt_off), len);
    return QED_OK;
}

static bool read_cached(struct files *files, const struct extent *run, void *buffer)
{
    size_t done;

    return files->try_cached &&
           io_read_cached(image_io(files->image, run->depth), buffer, (size_t)run->length,
                          run->file_off, &done) &&
           done == run->length;
}

static void start_part(struct files *files, struct bench_request *request, unsigned int depth,
                       void *buffer, size_t len, uint64_t file_off)
{
    struct io_request *part = &request->parts[request->parts_left++];

    *part = (struct io_request){.buffer = buffer,
                                .len = len,
                                .file_off = file_off,
                                .file = files->numbers[depth],
                                .is_write = request->op == BENCH_WRITE,
                                .context = request};
}

/* Serve what needs no waiting, and note the rest as parts. */
static int plan_read(struct files *files, struct bench_request *request)
{
    uint8_t *at = request->buffer;
    size_t left = request->len;
    int ret = QED_OK;

    while (ret == QED_OK && left > 0) {
        uint64_t virt_off = request->virt_off + (request->len - left);
        struct extent run;

        ret = find_run(files, virt_off, left, &run);
        if (ret < 0)
            break;
        if (run.kind != EXTENT_DATA)
            memset(at, 0, (size_t)run.length);
        else if (request->parts_left == BENCH_PARTS_MAX)
            ret = image_read_run(files->image, &run, 0, at, (size_t)run.length, &files->base.error);
        else if (!read_cached(files, &run, at))
            start_part(files, request, run.depth, at, (size_t)run.length, run.file_off);
        at += run.length;
        left -= (size_t)run.length;
    }
    return ret;
}

static void files_submit(struct bench_target *target, struct bench_request *request)
{
    struct files *files = to_files(target);
    unsigned int parts;

    request->parts_left = 0;
    request->status = QED_OK;
    if (request->op == BENCH_READ)
        request->status = plan_read(files, request);
    else if (request->op == BENCH_WRITE && request->len > 0)
        start_part(files, request, 0, request->buffer, request->len, request->virt_off);
    else if (request->op == BENCH_FLUSH)
        request->status = io_flush(image_io(files->image, 0), &target->error);
    if (request->status < 0)
        request->parts_left = 0;
    parts = request->parts_left;
    if (parts == 0)
        bench_target_done(target, request);
    for (unsigned int i = 0; i < parts; i++)
        io_queue_submit(files->queue, &request->parts[i]);
}

static struct bench_request *files_wait(struct bench_target *target)
{
    struct files *files = to_files(target);
    struct bench_request *request;

    do {
        struct io_request *part = io_queue_wait(files->queue);

        if (!part)
            return NULL;
        request = part->context;
        if (part->status < 0)
            request->status =
                qed_fail_errno(&target->error, part->status, part->sys_errno, "cannot %s file",
                               part->is_write ? "write to the" : "read the");
    } while (--request->parts_left > 0);
    if (request->op == BENCH_WRITE && files->cache.write_through && request->status == QED_OK)
        request->status = io_flush(image_io(files->image, 0), &target->error);
    return request;
}

static int files_finish(struct bench_target *target, struct qed_error *error)
{
    (void)target;
    (void)error;
    return QED_OK; /* qemu-img leaves the rest to the kernel, too */
}

static void files_free(struct bench_target *target)
{
    io_queue_free(to_files(target)->queue);
    free(target);
}

static int add_files(struct files *files, enum io_queue_access access, struct qed_error *error)
{
    int ret = QED_OK;

    for (unsigned int i = 1; ret == QED_OK && i < image_depth(files->image); i++)
        ret = io_queue_add(files->queue, image_io(files->image, i), access, &files->numbers[i],
                           error);
    return ret;
}

/* A queue begins with a file; where that has to be written past the page cache, one for it is
 * added. */
static int open_queue(struct files *files, bool write, unsigned int depth, struct qed_error *error)
{
    static const struct bench_target_ops ops = {
        .submit = files_submit, .wait = files_wait, .finish = files_finish, .free = files_free};
    bool direct = files->cache.direct;
    bool waits = depth > 1 && (direct || !write);
    enum io_queue_access access = direct ? IO_QUEUE_DIRECT_READ : IO_QUEUE_BUFFERED;
    struct io *io = image_io(files->image, 0);
    unsigned int entries = (unsigned int)min_u64((uint64_t)depth * BENCH_PARTS_MAX, RING_MAX);
    int ret = io_queue_new(&files->queue, io, waits ? IO_QUEUE_AUTO : IO_QUEUE_SYNC, entries,
                           direct && !write, error);

    if (ret == QED_OK && direct && write)
        ret = io_queue_add(files->queue, io, IO_QUEUE_DIRECT_WRITE, &files->numbers[0], error);
    if (ret == QED_OK)
        ret = add_files(files, access, error);
    if (ret < 0)
        return ret;
    files->base.ops = &ops;
    files->base.at_once = io_queue_kind(files->queue) == IO_QUEUE_SYNC;
    files->try_cached = !direct && !files->base.at_once;
    return QED_OK;
}

int bench_target_files(struct bench_target **target, struct image *image, bool write,
                       unsigned int depth, const struct bench_cache *cache, struct qed_error *error)
{
    struct files *files = calloc(1, sizeof(*files));
    int ret;

    if (!files)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    files->image = image;
    files->cache = *cache;
    ret = open_queue(files, write, depth, error);
    if (ret < 0) {
        io_queue_free(files->queue);
        free(files);
        return ret;
    }
    *target = &files->base;
    return QED_OK;
}

struct writer_target {
    struct bench_target base;
    struct qed_writer *writer;
    bool write_through;
};

static struct writer_target *to_writer(struct bench_target *target)
{
    return (struct writer_target *)target;
}

static void writer_submit(struct bench_target *target, struct bench_request *request)
{
    struct writer_target *to = to_writer(target);

    request->status = QED_OK;
    if (request->op == BENCH_WRITE)
        request->status = qed_writer_write(to->writer, request->virt_off, request->buffer,
                                           request->len, &target->error);
    if (request->status == QED_OK && (request->op == BENCH_FLUSH || to->write_through))
        request->status = qed_writer_flush(to->writer, &target->error);
    bench_target_done(target, request);
}

static int writer_finish(struct bench_target *target, struct qed_error *error)
{
    return qed_writer_finish(to_writer(target)->writer, error);
}

static void writer_free(struct bench_target *target)
{
    qed_writer_free(to_writer(target)->writer);
    free(target);
}

int bench_target_qed(struct bench_target **target, struct qed_image *image, struct image *base,
                     const struct bench_cache *cache, struct qed_error *error)
{
    static const struct bench_target_ops ops = {
        .submit = writer_submit, .finish = writer_finish, .free = writer_free};
    struct writer_target *to = calloc(1, sizeof(*to));
    int ret;

    if (!to)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    ret = qed_writer_new(&to->writer, image, base ? image_read_below : NULL, base, error);
    if (ret < 0) {
        free(to);
        return ret;
    }
    to->base.ops = &ops;
    to->base.at_once = true;
    to->write_through = cache->write_through;
    *target = &to->base;
    return QED_OK;
}
