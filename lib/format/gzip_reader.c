/*
 * A thread decompresses into the chunks of a ring; the caller copies from them.
 * SPDX-License-Identifier: MIT
 */
#include "format/gzip_reader.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/zero.h"
#include "format/zcodec.h"

#define CHUNK_BYTES ((size_t)256 << 10)
#define CHUNKS 4
#define IN_BYTES ((size_t)128 << 10)

static const uint8_t magic[GZIP_MAGIC_BYTES] = {0x1f, 0x8b}; /* RFC 1952, 2.3.1 */

struct gzip_reader {
    /* The thread's. */
    struct io_stream *in;
    struct zcodec_inflate *inflate;
    uint8_t *input; /* IN_BYTES */
    size_t input_at, input_end;
    bool in_member;
    bool had_member;
    uint64_t left; /* bytes that may still come out */
    uint64_t max_bytes;

    /* Chunks are numbered on and on: taken <= filled <= taken + CHUNKS. */
    uint8_t *chunks; /* CHUNKS times CHUNK_BYTES */
    size_t lengths[CHUNKS];
    size_t taken_bytes; /* the caller's: of chunk number `taken` */
    pthread_mutex_t lock;
    pthread_cond_t change;
    uint64_t filled, taken; /* under lock */
    bool ended;             /* nothing more is filled; under lock */
    bool stopping;          /* nothing more is wanted; under lock */
    int status;             /* at the end, with error; under lock */
    struct qed_error error;

    pthread_t thread;
    bool runs;
};

bool gzip_begins(const uint8_t *bytes, size_t len)
{
    return len >= sizeof(magic) && memcmp(bytes, magic, sizeof(magic)) == 0;
}

/* Have at least want bytes of input, fewer at its end. */
static int need_input(struct gzip_reader *reader, size_t want, struct qed_error *error)
{
    size_t have = reader->input_end - reader->input_at;
    size_t got;
    int ret;

    if (have >= want)
        return QED_OK;
    memmove(reader->input, reader->input + reader->input_at, have);
    reader->input_at = 0;
    reader->input_end = have;
    ret = io_stream_read(reader->in, reader->input + have, IN_BYTES - have, &got, error);
    reader->input_end += got;
    return ret;
}

static int cut_short(struct qed_error *error)
{
    return qed_fail(error, QED_ERR_SHORT_READ, "the gzip data ends too early");
}

static int not_gzip(const struct gzip_reader *reader, struct qed_error *error)
{
    if (!reader->had_member)
        return qed_fail(error, QED_ERR_FORMAT, "not in gzip format");
    return qed_fail(error, QED_ERR_CORRUPT, "there is something else behind the gzip data");
}

/* Nothing but zeroes may stand between here and the end of the file. */
static int skip_padding(struct gzip_reader *reader, struct qed_error *error)
{
    for (;;) {
        int ret = need_input(reader, 1, error);

        if (ret < 0 || reader->input_at == reader->input_end)
            return ret;
        if (!zero_all(reader->input + reader->input_at, reader->input_end - reader->input_at))
            return not_gzip(reader, error);
        reader->input_at = reader->input_end;
    }
}

/* Between members: see what comes next. *at_end when that is the end of the file. */
static int begin_member(struct gzip_reader *reader, bool *at_end, struct qed_error *error)
{
    const uint8_t *next = reader->input;
    size_t have;
    int ret = need_input(reader, sizeof(magic), error);

    if (ret < 0)
        return ret;
    next += reader->input_at;
    have = reader->input_end - reader->input_at;
    if (reader->had_member && (have == 0 || next[0] == 0)) {
        *at_end = true;
        return skip_padding(reader, error);
    }
    if (memcmp(next, magic, (size_t)min_u64(have, sizeof(magic))) != 0)
        return not_gzip(reader, error);
    if (have < sizeof(magic))
        return cut_short(error);
    reader->in_member = true;
    return QED_OK;
}

/* Go on in a member, into the room of span. */
static int read_member(struct gzip_reader *reader, struct zcodec_span *span,
                       struct qed_error *error)
{
    bool ended = false;
    int ret = need_input(reader, 1, error);

    if (ret == QED_OK && reader->input_at == reader->input_end)
        ret = cut_short(error);
    if (ret < 0)
        return ret;
    span->in = reader->input + reader->input_at;
    span->in_len = reader->input_end - reader->input_at;
    ret = zcodec_inflate_run(reader->inflate, span, &ended, error);
    reader->input_at = reader->input_end - span->in_len;
    if (ended) {
        reader->in_member = false;
        reader->had_member = true;
    }
    return ret;
}

/* Fill a chunk, up to the end of the file or the first failure; *len is how far. */
static int fill_chunk(struct gzip_reader *reader, uint8_t *chunk, size_t *len, bool *at_end,
                      struct qed_error *error)
{
    /* A byte more than may come out shows that there is one. */
    size_t room = reader->left < CHUNK_BYTES ? (size_t)reader->left + 1 : CHUNK_BYTES;
    struct zcodec_span span = {.out = chunk, .out_len = room};
    int ret = QED_OK;

    while (ret == QED_OK && span.out_len > 0 && !*at_end)
        ret = reader->in_member ? read_member(reader, &span, error)
                                : begin_member(reader, at_end, error);
    *len = room - span.out_len;
    if (*len > reader->left) {
        *len = (size_t)reader->left;
        ret = qed_fail(error, QED_ERR_NO_SPACE,
                       "the gzip data is more than the %" PRIu64 " bytes that it may be",
                       reader->max_bytes);
    }
    reader->left -= *len;
    return ret;
}

static void *run_reader(void *context)
{
    struct gzip_reader *reader = context;
    struct qed_error error = QED_ERROR_INIT;
    bool at_end = false;

    pthread_mutex_lock(&reader->lock);
    while (!reader->stopping && !reader->ended) {
        size_t number = reader->filled % CHUNKS;
        size_t len;
        int ret;

        if (reader->filled - reader->taken == CHUNKS) {
            pthread_cond_wait(&reader->change, &reader->lock);
            continue;
        }
        pthread_mutex_unlock(&reader->lock);
        ret = fill_chunk(reader, reader->chunks + number * CHUNK_BYTES, &len, &at_end, &error);
        pthread_mutex_lock(&reader->lock);
        reader->lengths[number] = len;
        reader->filled += len > 0;
        reader->ended = at_end || ret < 0;
        reader->status = ret;
        if (ret < 0)
            reader->error = error;
        pthread_cond_signal(&reader->change);
    }
    pthread_mutex_unlock(&reader->lock);
    return NULL;
}

/* What can be taken next; *len is 0 at the end. */
static int wait_for_bytes(struct gzip_reader *reader, const uint8_t **bytes, size_t *len,
                          struct qed_error *error)
{
    size_t number;
    int ret = QED_OK;

    *len = 0;
    pthread_mutex_lock(&reader->lock);
    while (reader->taken == reader->filled && !reader->ended)
        pthread_cond_wait(&reader->change, &reader->lock);
    number = reader->taken % CHUNKS;
    if (reader->taken < reader->filled) {
        *bytes = reader->chunks + number * CHUNK_BYTES + reader->taken_bytes;
        *len = reader->lengths[number] - reader->taken_bytes;
    } else {
        ret = reader->status;
        if (ret < 0 && error)
            *error = reader->error;
    }
    pthread_mutex_unlock(&reader->lock);
    return ret;
}

static void take_bytes(struct gzip_reader *reader, size_t len)
{
    pthread_mutex_lock(&reader->lock);
    reader->taken_bytes += len;
    if (reader->taken_bytes == reader->lengths[reader->taken % CHUNKS]) {
        reader->taken_bytes = 0;
        reader->taken++;
        pthread_cond_signal(&reader->change);
    }
    pthread_mutex_unlock(&reader->lock);
}

int gzip_reader_read(struct gzip_reader *reader, void *buffer, size_t len, size_t *got,
                     struct qed_error *error)
{
    *got = 0;
    while (*got < len) {
        const uint8_t *bytes;
        size_t step;
        int ret = wait_for_bytes(reader, &bytes, &step, error);

        if (ret < 0 || step == 0)
            return ret;
        step = (size_t)min_u64(step, len - *got);
        memcpy((uint8_t *)buffer + *got, bytes, step);
        take_bytes(reader, step);
        *got += step;
    }
    return QED_OK;
}

static int set_up(struct gzip_reader *reader, struct qed_error *error)
{
    int ret = zcodec_inflate_new(&reader->inflate, error);

    if (ret < 0)
        return ret;
    reader->input = malloc(IN_BYTES);
    reader->chunks = malloc(CHUNKS * CHUNK_BYTES);
    if (!reader->input || !reader->chunks)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    ret = pthread_create(&reader->thread, NULL, run_reader, reader);
    if (ret != 0)
        return qed_fail_errno(error, QED_ERR_NO_MEMORY, ret, "cannot start a thread");
    reader->runs = true;
    return QED_OK;
}

int gzip_reader_new(struct gzip_reader **out, struct io_stream *in, uint64_t max_bytes,
                    struct qed_error *error)
{
    struct gzip_reader *reader = calloc(1, sizeof(*reader));
    int ret;

    if (!reader)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    reader->in = in;
    reader->left = max_bytes;
    reader->max_bytes = max_bytes;
    pthread_mutex_init(&reader->lock, NULL);
    pthread_cond_init(&reader->change, NULL);
    ret = set_up(reader, error);
    if (ret < 0) {
        gzip_reader_free(reader);
        return ret;
    }
    *out = reader;
    return QED_OK;
}

static void join_thread(struct gzip_reader *reader)
{
    pthread_mutex_lock(&reader->lock);
    if (!reader->ended)
        io_stream_cancel(reader->in);
    reader->stopping = true;
    pthread_cond_signal(&reader->change);
    pthread_mutex_unlock(&reader->lock);
    pthread_join(reader->thread, NULL);
}

void gzip_reader_free(struct gzip_reader *reader)
{
    if (!reader)
        return;
    if (reader->runs)
        join_thread(reader);
    pthread_cond_destroy(&reader->change);
    pthread_mutex_destroy(&reader->lock);
    zcodec_inflate_free(reader->inflate);
    free(reader->chunks);
    free(reader->input);
    free(reader);
}
