/*
 * The caller fills the blocks of a ring, threads compress them, and one more thread writes them in
 * their order. Any number of blocks of nothing but zeroes takes one place in the ring.
 * SPDX-License-Identifier: MIT
 */
#include "format/gzip_writer.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/zero.h"
#include "format/gzip_member.h"
#include "format/zcodec.h"

#define BLOCKS_PER_THREAD 2
#define BLOCKS_SPARE 2 /* one is filled, one is written */

struct ring_block {
    uint8_t *bytes;      /* GZIP_BLOCK_BYTES, behind ZCODEC_WINDOW of what came before them */
    size_t len, history; /* how much there is of both */
    uint64_t zero_count; /* 0: the bytes; else that many blocks of zeroes */
    bool last;
    uint8_t *packed;
    size_t packed_len;
    uint32_t crc; /* of the bytes */
    bool ready;   /* to be written; under lock */
};

struct worker {
    struct gzip_writer *writer;
    struct zcodec_deflate *deflate;
    pthread_t thread;
};

struct gzip_writer {
    struct io_stream *out;
    int level;
    bool filling; /* the caller's: block number `filled` is in the making */

    /* The ring. Blocks are numbered on and on: written <= claimed <= filled <= written + count. */
    struct ring_block *blocks;
    size_t block_count;
    pthread_mutex_t lock;
    pthread_cond_t work, ready, room;  /* for the workers, the output thread, the caller */
    uint64_t filled, claimed, written; /* under lock; the caller alone changes filled */
    bool stopping;                     /* all threads are to end; under lock */
    bool finished;                     /* out has got all; under lock */
    int status;                        /* of the first failure, with error; under lock */
    struct qed_error error;

    struct worker *workers;
    unsigned int thread_count; /* how many there should be */
    unsigned int worker_count; /* how many run */
    pthread_t output_thread;
    bool output_runs;

    struct gzip_member *member; /* the output thread's */
};

static struct ring_block *block_at(struct gzip_writer *writer, uint64_t number)
{
    return &writer->blocks[number % writer->block_count];
}

/* Under lock: no thread does anything more. */
static void stop_threads(struct gzip_writer *writer)
{
    writer->stopping = true;
    pthread_cond_broadcast(&writer->work);
    pthread_cond_broadcast(&writer->ready);
    pthread_cond_broadcast(&writer->room);
}

/* Under lock. */
static void keep_failure(struct gzip_writer *writer, int status, const struct qed_error *error)
{
    if (writer->status == QED_OK) {
        writer->status = status;
        writer->error = *error;
    }
    stop_threads(writer);
}

static int compress(struct worker *worker, struct ring_block *block, struct qed_error *error)
{
    struct zcodec_block plain = {
        .bytes = block->bytes, .len = block->len, .history = block->history, .last = block->last};

    block->crc = zcodec_crc32(0, block->bytes, block->len);
    return zcodec_deflate_block(worker->deflate, &plain, block->packed, &block->packed_len, error);
}

static void *run_worker(void *context)
{
    struct worker *worker = context;
    struct gzip_writer *writer = worker->writer;
    struct qed_error error = QED_ERROR_INIT;

    pthread_mutex_lock(&writer->lock);
    while (!writer->stopping) {
        struct ring_block *block;
        int ret;

        if (writer->claimed == writer->filled) {
            pthread_cond_wait(&writer->work, &writer->lock);
            continue;
        }
        block = block_at(writer, writer->claimed++);
        if (block->ready)
            continue;
        pthread_mutex_unlock(&writer->lock);
        ret = compress(worker, block, &error);
        pthread_mutex_lock(&writer->lock);
        block->ready = true;
        if (ret < 0)
            keep_failure(writer, ret, &error);
        else
            pthread_cond_signal(&writer->ready);
    }
    pthread_mutex_unlock(&writer->lock);
    return NULL;
}

static int put_block(struct gzip_writer *writer, const struct ring_block *block,
                     struct qed_error *error)
{
    struct gzip_member_block packed = {.packed = block->packed,
                                       .packed_len = block->packed_len,
                                       .len = block->len,
                                       .crc = block->crc};
    int ret;

    if (block->zero_count > 0)
        return gzip_member_add_zeroes(writer->member, block->zero_count, error);
    ret = gzip_member_add(writer->member, &packed, error);
    return ret == QED_OK && block->last ? gzip_member_end(writer->member, error) : ret;
}

static void *run_output(void *context)
{
    struct gzip_writer *writer = context;
    struct qed_error error = QED_ERROR_INIT;

    pthread_mutex_lock(&writer->lock);
    while (!writer->stopping) {
        const struct ring_block *block = block_at(writer, writer->written);
        int ret;

        if (writer->written == writer->filled || !block->ready) {
            pthread_cond_wait(&writer->ready, &writer->lock);
            continue;
        }
        pthread_mutex_unlock(&writer->lock);
        ret = put_block(writer, block, &error);
        pthread_mutex_lock(&writer->lock);
        if (ret < 0) {
            keep_failure(writer, ret, &error);
            break;
        }
        writer->written++;
        /* Zeroes need no worker. One that came late would take what stands in their place by then.
         */
        writer->claimed = max_u64(writer->claimed, writer->written);
        writer->finished = block->last;
        pthread_cond_signal(&writer->room);
        if (writer->finished)
            stop_threads(writer);
    }
    pthread_mutex_unlock(&writer->lock);
    return NULL;
}

/* Under lock: what the caller is told. */
static int told(struct gzip_writer *writer, struct qed_error *error)
{
    if (writer->status < 0 && error)
        *error = writer->error;
    if (writer->status == QED_OK && writer->finished)
        return qed_fail(error, QED_ERR_INVALID, "the gzip file is finished already");
    return writer->status;
}

/* Bring into a free block what its matches may refer to. */
static void begin_block(struct gzip_writer *writer, struct ring_block *block)
{
    const struct ring_block *before;

    *block = (struct ring_block){.bytes = block->bytes, .packed = block->packed};
    if (writer->filled == 0)
        return;
    before = block_at(writer, writer->filled - 1); /* full, and changed by nobody but us */
    block->history = ZCODEC_WINDOW;
    if (before->zero_count > 0)
        memset(block->bytes - ZCODEC_WINDOW, 0, ZCODEC_WINDOW);
    else
        memcpy(block->bytes - ZCODEC_WINDOW, before->bytes + before->len - ZCODEC_WINDOW,
               ZCODEC_WINDOW);
}

/* The block that is being filled; waits for a free one when it has to be a new one. */
static int current_block(struct gzip_writer *writer, struct ring_block **current,
                         struct qed_error *error)
{
    int ret;

    pthread_mutex_lock(&writer->lock);
    while (!writer->filling && !writer->stopping &&
           writer->filled - writer->written == writer->block_count)
        pthread_cond_wait(&writer->room, &writer->lock);
    ret = told(writer, error);
    pthread_mutex_unlock(&writer->lock);
    if (ret < 0)
        return ret;
    *current = block_at(writer, writer->filled);
    if (!writer->filling)
        begin_block(writer, *current);
    writer->filling = true;
    return QED_OK;
}

static void hand_over(struct gzip_writer *writer, struct ring_block *block)
{
    if (block->len == GZIP_BLOCK_BYTES && zero_all(block->bytes, block->len))
        block->zero_count = 1;
    writer->filling = false;
    pthread_mutex_lock(&writer->lock);
    block->ready = block->zero_count > 0;
    writer->filled++;
    pthread_cond_signal(block->ready ? &writer->ready : &writer->work);
    pthread_mutex_unlock(&writer->lock);
}

/* len bytes, or zeroes where bytes is NULL, as far as they fit into the block; *done is how far. */
static void fill(struct gzip_writer *writer, struct ring_block *block, const uint8_t *bytes,
                 uint64_t len, size_t *done)
{
    *done = (size_t)min_u64(len, GZIP_BLOCK_BYTES - block->len);
    if (bytes)
        memcpy(block->bytes + block->len, bytes, *done);
    else
        memset(block->bytes + block->len, 0, *done);
    block->len += *done;
    if (block->len == GZIP_BLOCK_BYTES)
        hand_over(writer, block);
}

int gzip_writer_write(struct gzip_writer *writer, const void *bytes, size_t len,
                      struct qed_error *error)
{
    const uint8_t *at = bytes;

    while (len > 0) {
        struct ring_block *block;
        size_t done;
        int ret = current_block(writer, &block, error);

        if (ret < 0)
            return ret;
        fill(writer, block, at, len, &done);
        at += done;
        len -= done;
    }
    return QED_OK;
}

int gzip_writer_zeroes(struct gzip_writer *writer, uint64_t len, struct qed_error *error)
{
    while (len > 0) {
        struct ring_block *block;
        size_t done;
        int ret = current_block(writer, &block, error);

        if (ret < 0)
            return ret;
        if (block->len == 0 && len >= GZIP_BLOCK_BYTES) {
            block->zero_count = len / GZIP_BLOCK_BYTES;
            len %= GZIP_BLOCK_BYTES;
            hand_over(writer, block);
        } else {
            fill(writer, block, NULL, len, &done);
            len -= done;
        }
    }
    return QED_OK;
}

int gzip_writer_finish(struct gzip_writer *writer, struct qed_error *error)
{
    struct ring_block *block;
    int ret = current_block(writer, &block, error);

    if (ret < 0)
        return ret;
    block->last = true;
    hand_over(writer, block);
    pthread_mutex_lock(&writer->lock);
    while (!writer->stopping)
        pthread_cond_wait(&writer->room, &writer->lock);
    ret = writer->finished ? QED_OK : told(writer, error);
    pthread_mutex_unlock(&writer->lock);
    return ret;
}

static int make_ring(struct gzip_writer *writer, struct qed_error *error)
{
    size_t packed_bytes = zcodec_deflate_bound(writer->workers[0].deflate, GZIP_BLOCK_BYTES);

    writer->block_count = BLOCKS_PER_THREAD * writer->thread_count + BLOCKS_SPARE;
    writer->blocks = calloc(writer->block_count, sizeof(*writer->blocks));
    if (!writer->blocks)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < writer->block_count; i++) {
        uint8_t *memory = malloc(ZCODEC_WINDOW + GZIP_BLOCK_BYTES + packed_bytes);

        if (!memory)
            return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
        writer->blocks[i].bytes = memory + ZCODEC_WINDOW;
        writer->blocks[i].packed = writer->blocks[i].bytes + GZIP_BLOCK_BYTES;
    }
    return QED_OK;
}

static int start_threads(struct gzip_writer *writer, struct qed_error *error)
{
    int ret = pthread_create(&writer->output_thread, NULL, run_output, writer);

    writer->output_runs = ret == 0;
    /* Fewer workers than wanted do, too. */
    while (ret == 0 && writer->worker_count < writer->thread_count) {
        struct worker *worker = &writer->workers[writer->worker_count];

        ret = pthread_create(&worker->thread, NULL, run_worker, worker);
        writer->worker_count += ret == 0;
    }
    if (writer->worker_count == 0)
        return qed_fail_errno(error, QED_ERR_NO_MEMORY, ret, "cannot start a thread");
    return QED_OK;
}

static unsigned int choose_threads(unsigned int asked_for)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    if (asked_for == 0)
        asked_for = cores < 1 ? 1 : (unsigned int)min_u64((uint64_t)cores, GZIP_THREADS_MAX);
    return (unsigned int)min_u64(asked_for, GZIP_THREADS_MAX);
}

static int set_up(struct gzip_writer *writer, struct qed_error *error)
{
    int ret = QED_OK;

    writer->workers = calloc(writer->thread_count, sizeof(*writer->workers));
    if (!writer->workers)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    for (unsigned int i = 0; ret == QED_OK && i < writer->thread_count; i++) {
        writer->workers[i].writer = writer;
        ret = zcodec_deflate_new(&writer->workers[i].deflate, writer->level, error);
    }
    if (ret == QED_OK)
        ret = gzip_member_new(&writer->member, writer->out, writer->level,
                              writer->workers[0].deflate, GZIP_BLOCK_BYTES, error);
    if (ret == QED_OK)
        ret = make_ring(writer, error);
    return ret < 0 ? ret : start_threads(writer, error);
}

int gzip_writer_new(struct gzip_writer **out, struct io_stream *stream, int level,
                    unsigned int threads, struct qed_error *error)
{
    struct gzip_writer *writer = calloc(1, sizeof(*writer));
    int ret;

    if (!writer)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    writer->out = stream;
    writer->level = level;
    writer->thread_count = choose_threads(threads);
    pthread_mutex_init(&writer->lock, NULL);
    pthread_cond_init(&writer->work, NULL);
    pthread_cond_init(&writer->ready, NULL);
    pthread_cond_init(&writer->room, NULL);
    ret = set_up(writer, error);
    if (ret < 0) {
        gzip_writer_free(writer);
        return ret;
    }
    *out = writer;
    return QED_OK;
}

static void join_threads(struct gzip_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    if (writer->output_runs && !writer->finished)
        io_stream_cancel(writer->out);
    stop_threads(writer);
    pthread_mutex_unlock(&writer->lock);
    for (unsigned int i = 0; i < writer->worker_count; i++)
        pthread_join(writer->workers[i].thread, NULL);
    if (writer->output_runs)
        pthread_join(writer->output_thread, NULL);
}

void gzip_writer_free(struct gzip_writer *writer)
{
    if (!writer)
        return;
    join_threads(writer);
    for (unsigned int i = 0; writer->workers && i < writer->thread_count; i++)
        zcodec_deflate_free(writer->workers[i].deflate);
    for (size_t i = 0; writer->blocks && i < writer->block_count; i++) {
        if (writer->blocks[i].bytes)
            free(writer->blocks[i].bytes - ZCODEC_WINDOW);
    }
    pthread_cond_destroy(&writer->room);
    pthread_cond_destroy(&writer->ready);
    pthread_cond_destroy(&writer->work);
    pthread_mutex_destroy(&writer->lock);
    gzip_member_free(writer->member);
    free(writer->workers);
    free(writer->blocks);
    free(writer);
}
