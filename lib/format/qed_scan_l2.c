/*
 * The parallel scan. Threads begin without queues: a scan of what is in the page cache needs none,
 * and a ring takes longer to set up and tear down than many a scan lasts. Tables that adjoin in the
 * file make up a unit of work; threads claim units in file order. A thread reads what is in the
 * page cache at once, in steps that stay in the processor's cache; what is not, it asks the disk
 * for in windows of up to 4 MiB, several in flight, each in a slot that walks through one unit.
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/le.h"
#include "format/qed_scan_plan.h"
#include "io/io_file.h"

#define PROGRESS_NANOSECONDS 200000000L

struct scan;
struct worker;

/* One unit under way. */
struct slot {
    size_t table; /* number of the table that pos is in */
    size_t tables_end;
    uint64_t pos; /* bytes of the file; all before it is done */
    uint64_t end; /* of the unit */
    uint64_t carry;
    uint64_t window_end; /* where pos goes when the requests in flight are done */
    unsigned int request_count, in_flight;
    struct io_request requests[QED_SCAN_RUNS_MAX];
    uint8_t *buffer; /* a window */
};

struct worker {
    struct scan *scan;
    pthread_t thread;
    bool started;
    unsigned int number;
    struct io *io;          /* the image's file, or this thread's own way to it */
    struct io *own_io;      /* NULL when there is none */
    struct io_queue *queue; /* NULL until there is something to wait for */
    struct slot slots[QED_SCAN_SLOTS_MAX];
    unsigned int slot_count;
    uint8_t *warm; /* QED_SCAN_WARM_BYTES */
    struct qed_scan_runs runs;
    struct qed_scan_stats stats;
    struct qed_error error;
    int status;
};

struct scan {
    struct qed_image *image;
    const struct qed_scan_list *list;
    qed_scan_fn *fn;
    void *context;
    struct qed_scan_unit *units;
    size_t unit_count;
    size_t window;
    bool can_tell_cached;
    size_t next_unit;    /* atomic: the next to claim */
    uint64_t bytes_done; /* atomic */
    bool stop;           /* atomic */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned int running;      /* workers; under lock */
    enum io_queue_kind kind;   /* as asked for */
    bool needs_threads;        /* there is no ring to keep requests in flight; under lock */
    bool alone;                /* one thread does, and nothing is to be told: the caller's */
    struct worker *workers;    /* QED_SCAN_SYNC_THREADS or more */
    unsigned int worker_count; /* that were started */
    unsigned int slots;        /* for each */
};

static bool stopping(struct scan *scan)
{
    return __atomic_load_n(&scan->stop, __ATOMIC_RELAXED);
}

/* Hand the entries in [file_off, file_off + len) to fn, a table at a time. */
static int give(struct worker *worker, struct slot *slot, void *bytes, uint64_t file_off,
                size_t len)
{
    struct scan *scan = worker->scan;
    uint64_t table_bytes = scan->image->geometry.table_bytes;
    uint64_t *entries = bytes;
    int ret = QED_OK;

    le64_to_host(entries, len / sizeof(*entries));
    while (ret == QED_OK && len > 0) {
        const struct qed_scan_table *table = &scan->list->tables[slot->table];
        struct qed_scan_piece piece = {.table = table,
                                       .table_number = slot->table,
                                       .entries = entries,
                                       .thread = worker->number,
                                       .carry = &slot->carry};
        size_t step;

        if (file_off >= table->file_off + table_bytes) {
            slot->table++;
            slot->carry = 0;
            continue;
        }
        step = (size_t)min_u64(len, table->file_off + table_bytes - file_off);
        piece.first_index = (file_off - table->file_off) / sizeof(*entries);
        piece.count = step / sizeof(*entries);
        ret = scan->fn(scan->context, &piece, &worker->error);
        entries += piece.count;
        file_off += step;
        len -= step;
    }
    return ret;
}

static void advance_to(struct worker *worker, struct slot *slot, uint64_t file_off)
{
    __atomic_fetch_add(&worker->scan->bytes_done, file_off - slot->pos, __ATOMIC_RELAXED);
    slot->pos = file_off;
}

/* Read and hand on what is in the page cache at pos; *moved says whether that was anything. */
static int read_warm(struct worker *worker, struct slot *slot, size_t len, bool *moved)
{
    size_t done;
    int ret;

    io_read_cached(worker->io, worker->warm, len < QED_SCAN_WARM_BYTES ? len : QED_SCAN_WARM_BYTES,
                   slot->pos, &done);
    done = (size_t)round_down(done, QED_SECTOR);
    *moved = done > 0;
    if (!done)
        return QED_OK;
    worker->stats.bytes_cached += done;
    ret = give(worker, slot, worker->warm, slot->pos, done);
    advance_to(worker, slot, slot->pos + done);
    return ret;
}

/* The data of the window at pos as requests; nothing is sent yet. */
static int plan_window(struct worker *worker, struct slot *slot)
{
    uint64_t end = min_u64(slot->end, slot->pos + worker->scan->window);
    struct qed_scan_window window;
    int ret = qed_scan_plan_window(&worker->runs, slot->pos, end, &window, &worker->error);

    if (ret < 0)
        return ret;
    slot->window_end = end;
    slot->request_count = window.count;
    worker->stats.requests += window.count;
    for (unsigned int i = 0; i < window.count; i++) {
        const struct qed_scan_request *planned = &window.requests[i];

        slot->requests[i] =
            (struct io_request){.buffer = slot->buffer + (planned->file_off - slot->pos),
                                .len = (size_t)planned->len,
                                .file_off = planned->file_off,
                                .context = slot};
        worker->stats.bytes_read += planned->len;
    }
    return QED_OK;
}

static int claim_unit(struct worker *worker, struct slot *slot)
{
    struct scan *scan = worker->scan;
    size_t number = __atomic_fetch_add(&scan->next_unit, 1, __ATOMIC_RELAXED);
    const struct qed_scan_unit *unit;

    if (number >= scan->unit_count)
        return 0;
    unit = &scan->units[number];
    slot->table = unit->first;
    slot->tables_end = unit->first + unit->count;
    slot->pos = scan->list->tables[unit->first].file_off;
    slot->end = slot->pos + unit->count * scan->image->geometry.table_bytes;
    slot->carry = 0;
    return 1;
}

/* The queue of a thread that has found something that is not in memory. */
static int need_queue(struct worker *worker)
{
    struct scan *scan = worker->scan;
    int ret;

    if (worker->queue)
        return QED_OK;
    ret =
        io_queue_new(&worker->queue, worker->io, scan->kind, worker->slot_count * QED_SCAN_RUNS_MAX,
                     scan->can_tell_cached, &worker->error);
    if (ret < 0 || io_queue_kind(worker->queue) == IO_QUEUE_URING)
        return ret;
    pthread_mutex_lock(&scan->lock);
    scan->needs_threads = true;
    pthread_cond_signal(&scan->changed);
    pthread_mutex_unlock(&scan->lock);
    return QED_OK;
}

/* Go on until something has to be waited for (*idle false) or no work is left (*idle true). */
static int drive_slot(struct worker *worker, struct slot *slot, bool *idle)
{
    int ret = QED_OK;

    *idle = true;
    while (ret == QED_OK && !stopping(worker->scan)) {
        struct io_run run;
        bool moved = false;

        if (slot->pos >= slot->end) {
            if (!claim_unit(worker, slot))
                return QED_OK;
            continue;
        }
        ret = qed_scan_find_run(&worker->runs, slot->pos, &run, &worker->error);
        if (ret < 0)
            break;
        if (!run.is_data) {
            advance_to(worker, slot, min_u64(slot->end, qed_scan_end_of_hole(&run, QED_SECTOR)));
            continue;
        }
        if (worker->scan->can_tell_cached)
            ret =
                read_warm(worker, slot, (size_t)min_u64(slot->end - slot->pos, run.length), &moved);
        if (ret < 0 || moved)
            continue;
        ret = plan_window(worker, slot);
        if (ret == QED_OK)
            ret = need_queue(worker);
        for (unsigned int i = 0; ret == QED_OK && i < slot->request_count; i++) {
            slot->in_flight++;
            io_queue_submit(worker->queue, &slot->requests[i]);
        }
        if (ret == QED_OK && slot->in_flight == 0) {
            advance_to(worker, slot, slot->window_end); /* holes after all */
            continue;
        }
        *idle = slot->in_flight == 0;
        return ret;
    }
    return ret;
}

/* All requests of a slot's window are done: hand on what they read. */
static int finish_window(struct worker *worker, struct slot *slot)
{
    int ret = QED_OK;

    for (unsigned int i = 0; ret == QED_OK && i < slot->request_count; i++) {
        const struct io_request *request = &slot->requests[i];

        if (request->status == QED_ERR_SHORT_READ)
            ret = qed_fail(&worker->error, request->status,
                           "the file was cut short while it was read");
        else if (request->status < 0)
            ret = qed_fail_errno(&worker->error, request->status, request->sys_errno,
                                 "cannot read %zu bytes at offset %llu", request->len,
                                 (unsigned long long)request->file_off);
        else
            ret = give(worker, slot, request->buffer, request->file_off, request->len);
    }
    slot->request_count = 0;
    if (ret == QED_OK)
        advance_to(worker, slot, slot->window_end);
    return ret;
}

static int work(struct worker *worker)
{
    unsigned int busy = 0;
    int ret = QED_OK;

    for (unsigned int i = 0; ret == QED_OK && i < worker->slot_count; i++) {
        bool idle;

        ret = drive_slot(worker, &worker->slots[i], &idle);
        busy += !idle;
        if (worker->queue && io_queue_kind(worker->queue) == IO_QUEUE_SYNC)
            break; /* its requests are not in flight but done: one slot is enough */
    }
    while (busy > 0) {
        struct io_request *request = io_queue_wait(worker->queue);
        struct slot *slot = request ? request->context : NULL;
        bool idle = true;

        if (!slot)
            return qed_fail(&worker->error, QED_ERR_IO, "the kernel's queue of reads failed");
        if (--slot->in_flight > 0)
            continue;
        if (ret == QED_OK)
            ret = finish_window(worker, slot);
        if (ret == QED_OK)
            ret = drive_slot(worker, slot, &idle);
        busy -= idle || ret < 0;
    }
    return ret;
}

static void *run_worker(void *context)
{
    struct worker *worker = context;
    struct scan *scan = worker->scan;

    worker->status = work(worker);
    if (worker->status < 0)
        __atomic_store_n(&scan->stop, true, __ATOMIC_RELAXED);
    pthread_mutex_lock(&scan->lock);
    scan->running--;
    pthread_cond_signal(&scan->changed);
    pthread_mutex_unlock(&scan->lock);
    return NULL;
}

/* Start one more thread, or do its work here; false, with error filled in, when it cannot be. */
static bool start_worker(struct scan *scan, struct qed_error *error)
{
    struct worker *worker = &scan->workers[scan->worker_count];
    void *memory;
    int ret;

    if (posix_memalign(&memory, IO_DIRECT_ALIGN,
                       QED_SCAN_WARM_BYTES + scan->slots * scan->window) != 0) {
        qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
        return false;
    }
    worker->scan = scan;
    worker->number = scan->worker_count;
    worker->warm = memory;
    worker->slot_count = scan->slots;
    worker->own_io = io_file_reopen(scan->image->io);
    worker->io = worker->own_io ? worker->own_io : scan->image->io;
    worker->runs.io = worker->io;
    for (unsigned int i = 0; i < scan->slots; i++)
        worker->slots[i].buffer = worker->warm + QED_SCAN_WARM_BYTES + i * scan->window;
    pthread_mutex_lock(&scan->lock);
    scan->running++;
    pthread_mutex_unlock(&scan->lock);
    ret = scan->alone ? 0 : pthread_create(&worker->thread, NULL, run_worker, worker);
    scan->worker_count++;
    worker->started = ret == 0;
    if (scan->alone)
        run_worker(worker);
    if (worker->started)
        return true;
    pthread_mutex_lock(&scan->lock);
    scan->running--;
    pthread_mutex_unlock(&scan->lock);
    qed_fail_errno(error, QED_ERR_NO_MEMORY, ret, "cannot start a thread");
    return false;
}

/* Without a ring, it takes threads to have many requests in flight. */
static void start_more_workers(struct scan *scan, const struct qed_scan_options *options)
{
    uint64_t memory = options->memory ? options->memory : QED_SCAN_MEMORY_DEFAULT;
    unsigned int most =
        (unsigned int)min_u64(QED_SCAN_SYNC_THREADS, memory / (QED_SCAN_WARM_BYTES + scan->window));

    scan->slots = 1;
    while (options->threads == 0 && scan->worker_count < most && start_worker(scan, NULL))
        ;
}

/* Wait for the workers, telling about progress meanwhile. */
static bool wait_for_workers(struct scan *scan, const struct qed_scan_options *options)
{
    uint64_t total = scan->list->count * scan->image->geometry.table_bytes;
    bool stopped = false, more;

    pthread_mutex_lock(&scan->lock);
    while (scan->running > 0) {
        struct timespec until;

        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += PROGRESS_NANOSECONDS;
        if (until.tv_nsec >= 1000000000L) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000L;
        }
        pthread_cond_timedwait(&scan->changed, &scan->lock, &until);
        if (scan->running == 0)
            break;
        more = scan->needs_threads;
        scan->needs_threads = false;
        pthread_mutex_unlock(&scan->lock);
        if (more && scan->worker_count < QED_SCAN_SYNC_THREADS)
            start_more_workers(scan, options);
        if (options->progress && !stopped)
            stopped =
                options->progress(options->progress_context,
                                  __atomic_load_n(&scan->bytes_done, __ATOMIC_RELAXED), total);
        if (stopped)
            __atomic_store_n(&scan->stop, true, __ATOMIC_RELAXED);
        pthread_mutex_lock(&scan->lock);
    }
    pthread_mutex_unlock(&scan->lock);
    return stopped;
}

static int collect(struct scan *scan, struct qed_scan_stats *stats, struct qed_error *error)
{
    int ret = QED_OK;

    for (unsigned int i = 0; i < scan->worker_count; i++) {
        struct worker *worker = &scan->workers[i];

        if (worker->started && !scan->alone)
            pthread_join(worker->thread, NULL);
        if (worker->status < 0 && ret == QED_OK) {
            ret = worker->status;
            if (error)
                *error = worker->error;
        }
        stats->requests += worker->stats.requests;
        stats->bytes_read += worker->stats.bytes_read;
        stats->bytes_cached += worker->stats.bytes_cached;
        stats->threads += worker->started;
        if (worker->queue && stats->queue != IO_QUEUE_URING)
            stats->queue = io_queue_kind(worker->queue);
        io_queue_free(worker->queue);
        io_close(worker->own_io);
        free(worker->warm);
    }
    return ret;
}

static int run_scan(struct scan *scan, const struct qed_scan_options *options,
                    struct qed_scan_stats *stats, struct qed_error *error)
{
    struct qed_scan_sizes sizes = qed_scan_choose_sizes(options, scan->unit_count);
    bool stopped, started;
    int ret;

    scan->window = sizes.window;
    scan->slots = sizes.slots;
    scan->alone = options->threads == 1 && !options->progress;
    scan->workers = calloc(QED_SCAN_THREADS_MAX, sizeof(*scan->workers));
    if (!scan->workers)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    /* Fewer threads than wanted do, too; none do not. */
    while (scan->worker_count < sizes.threads && start_worker(scan, error))
        ;
    stopped = wait_for_workers(scan, options);
    started = scan->workers[0].started;
    ret = collect(scan, stats, started ? error : NULL);
    free(scan->workers);
    if (!started)
        return QED_ERR_NO_MEMORY;
    if (ret < 0)
        return ret;
    return stopped ? qed_fail(error, QED_ERR_STOPPED, "interrupted") : QED_OK;
}

int qed_scan_l2(struct qed_image *image, const struct qed_scan_list *list,
                const struct qed_scan_options *options, qed_scan_fn *fn, void *context,
                struct qed_scan_stats *stats, struct qed_error *error)
{
    static const struct qed_scan_options defaults;
    struct qed_scan_stats ignored;
    struct scan scan = {.image = image,
                        .list = list,
                        .fn = fn,
                        .context = context,
                        .kind = options ? options->queue : IO_QUEUE_AUTO};
    pthread_condattr_t attributes;
    uint8_t byte;
    size_t done;
    int ret;

    stats = stats ? stats : &ignored;
    *stats = (struct qed_scan_stats){.tables = list->count};
    if (list->count == 0)
        return QED_OK;
    if (qed_scan_is_short(list, options, image->geometry.table_bytes)) {
        stats->bytes_read = list->count * image->geometry.table_bytes;
        stats->threads = 1;
        return qed_scan_in_turn(image, list->tables, list->count, fn, context, error);
    }
    if (qed_scan_make_units(list, image->geometry.table_bytes, &scan.units, &scan.unit_count) < 0)
        return qed_fail(error, QED_ERR_NO_MEMORY, "out of memory");
    scan.can_tell_cached = io_read_cached(image->io, &byte, 1, 0, &done);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&scan.lock, NULL);
    pthread_cond_init(&scan.changed, &attributes);
    ret = run_scan(&scan, options ? options : &defaults, stats, error);
    pthread_cond_destroy(&scan.changed);
    pthread_mutex_destroy(&scan.lock);
    pthread_condattr_destroy(&attributes);
    free(scan.units);
    return ret;
}
