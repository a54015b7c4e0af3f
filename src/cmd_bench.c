/*
 * qedtool bench: how fast an image is, and what a check of it takes.
 * SPDX-License-Identifier: MIT
 */
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "bench_report.h"
#include "cmd.h"
#include "opts.h"
#include "out.h"
#include "report.h"

#define DISKS_MAX 16

enum bench_mode { MODE_IO, MODE_CHECK };

struct bench_args {
    struct opts_image image;
    enum bench_mode mode;
    bool quiet;
    struct bench_io_options io;
    struct bench_disk disks[DISKS_MAX];
    size_t disk_count;
    size_t guests;
    bool has_io_option, has_check_option; /* one that is for that mode only */
};

static const struct argp_option options[] = {
    {"mode", OPTS_KEY_MODE, "MODE", 0,
     "io (default): send requests; check: how long a check takes, here and elsewhere", 0},
    {NULL, 0, NULL, 0, "Requests:", 1},
    {NULL, 'c', "N", 0, "How many requests to send (default 75000)", 1},
    {NULL, 'd', "DEPTH", 0, "How many are in flight (default 64)", 1},
    {"flush-interval", OPTS_KEY_FLUSH_INTERVAL, "N", 0, "With -w: flush after every N requests", 1},
    {"no-drain", OPTS_KEY_NO_DRAIN, NULL, 0, "Flush without waiting for what is in flight", 1},
    {NULL, 'o', "OFFSET", 0, "Where the first request goes (default 0)", 1},
    {"pattern", OPTS_KEY_PATTERN, "BYTE", 0, "What -w writes, 0 to 255 (default 0)", 1},
    {"quiet", 'q', NULL, 0, "Print what qemu-img prints and no more", 1},
    {NULL, 's', "SIZE", 0, "Bytes of a request (default 4096)", 1},
    {NULL, 'S', "SIZE", 0, "From request to request (default and 0: as many as it has bytes)", 1},
    {NULL, 't', "CACHE", 0,
     "How the files are used: writeback (default), writethrough, none, directsync or unsafe", 1},
    {NULL, 'w', NULL, 0, "Write, and do not read", 1},
    {NULL, 0, NULL, 0, "Check:", 2},
    {"disk", OPTS_KEY_DISK, "DISK", 0,
     "A disk to model: hdd, sata-ssd, nvme or iops=N,bw=M; again for more (default: "
     "iops=100,bw=150M and hdd)",
     2},
    {"guests", OPTS_KEY_GUESTS, "N", 0, "How many such images share the disk (default 1)", 2},
    {0},
};

static int mode_value(const char *text, enum bench_mode *mode)
{
    if (strcmp(text, "io") == 0)
        *mode = MODE_IO;
    else if (strcmp(text, "check") == 0)
        *mode = MODE_CHECK;
    else
        return report_usage("--mode must be io or check, not '%s'", text), OPTS_REPORTED;
    return 0;
}

/* qemu-img's numbers go up to most, in decimal, octal or hex; it calls the number what. */
static int number_value(const char *what, const char *text, uint64_t least, uint64_t most,
                        uint64_t *number)
{
    char *end;

    errno = 0;
    *number = strtoull(text, &end, 0);
    if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *number >= least &&
        *number <= most)
        return 0;
    report("Invalid %s specified", what);
    return OPTS_REPORTED;
}

static int small_size_value(const char *what, const char *text, uint64_t *bytes)
{
    if (opts_qemu_size_value(what, text, bytes) != 0)
        return OPTS_REPORTED;
    if (*bytes <= INT_MAX)
        return 0;
    report("Invalid %s specified. Must be between 0 and %d.", what, INT_MAX);
    return OPTS_REPORTED;
}

static int cache_value(const char *text, struct bench_cache *cache)
{
    static const struct {
        const char *name;
        struct bench_cache value;
    } modes[] = {{"writeback", {0}},
                 {"writethrough", {.write_through = true}},
                 {"none", {.direct = true}},
                 {"off", {.direct = true}},
                 {"directsync", {.direct = true, .write_through = true}},
                 {"unsafe", {.no_flush = true}}};

    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        if (strcmp(modes[i].name, text) == 0) {
            *cache = modes[i].value;
            return 0;
        }
    }
    report("Invalid cache mode");
    return OPTS_REPORTED;
}

static int disk_value(struct bench_args *args, const char *text)
{
    struct bench_disk *disk = &args->disks[args->disk_count];
    struct qed_error error = QED_ERROR_INIT;

    if (args->disk_count == DISKS_MAX)
        return report_usage("--disk can be given %d times", DISKS_MAX), OPTS_REPORTED;
    disk->text = text;
    if (diskmodel_parse(text, &disk->disk, &error) < 0)
        return report_usage("%s", error.text), OPTS_REPORTED;
    args->disk_count++;
    return 0;
}

static int guests_value(const char *text, size_t *guests)
{
    if (opts_count_value("--guests", text, guests) != 0)
        return OPTS_REPORTED;
    if (*guests >= 1 && *guests <= DISKMODEL_GUESTS_MAX)
        return 0;
    report_usage("--guests must be from 1 to %d", DISKMODEL_GUESTS_MAX);
    return OPTS_REPORTED;
}

/* Options of requests that take a number; ARGP_ERR_UNKNOWN for all others. */
static error_t parse_number(int key, const char *arg, struct bench_io_options *io)
{
    uint64_t number = 0;
    error_t ret;

    switch (key) {
    case 'c':
        return number_value("request count", arg, 0, INT_MAX, &io->count);
    case 'd':
        ret = number_value("queue depth", arg, 1, INT_MAX, &number);
        io->depth = (unsigned int)number;
        return ret;
    case OPTS_KEY_FLUSH_INTERVAL:
        return number_value("flush interval", arg, 0, INT_MAX, &io->flush_interval);
    case 'o':
        return opts_qemu_size_value("offset", arg, &io->offset);
    case OPTS_KEY_PATTERN:
        ret = number_value("pattern byte", arg, 0, 0xff, &number);
        io->pattern = (uint8_t)number;
        return ret;
    case 's':
        ret = small_size_value("buffer size", arg, &number);
        io->request_bytes = (size_t)number;
        return ret;
    case 'S':
        return small_size_value("step_size", arg, &io->step);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct bench_args *args = state->input;
    error_t ret = 0;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &args->image;
        state->child_inputs[1] = &args->io.backing;
        return 0;
    case OPTS_KEY_MODE:
        return mode_value(arg, &args->mode);
    case OPTS_KEY_DISK:
        args->has_check_option = true;
        return disk_value(args, arg);
    case OPTS_KEY_GUESTS:
        args->has_check_option = true;
        return guests_value(arg, &args->guests);
    case OPTS_KEY_NO_DRAIN:
        args->io.no_drain = true;
        break;
    case 'q':
        args->quiet = true;
        break;
    case 't':
        ret = cache_value(arg, &args->io.cache);
        break;
    case 'w':
        args->io.write = true;
        break;
    default:
        ret = parse_number(key, arg, &args->io);
    }
    args->has_io_option |= ret != ARGP_ERR_UNKNOWN;
    return ret;
}

static const struct argp_child children[] = {
    {.argp = &opts_image_argp}, {.argp = &opts_backing_argp}, {0}};

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "FILE",
    .children = children,
    .doc =
        "Measure an image: how fast it serves requests, or how long a check of it takes, with the "
        "time that it would take on a disk that is not here, beside QEMU's. -w overwrites what "
        "is in the image.",
};

/* qemu-img's lines before the requests: they are there even if these fail. */
static int print_sending(const struct bench_io_options *io)
{
    struct out *out = out_new(false);

    if (!out)
        return CMD_FAILED;
    out_printf(out,
               "Sending %" PRIu64
               " %s requests, %zu bytes each, %u in parallel (starting at offset "
               "%" PRIu64 ", step size %" PRIu64 ")\n",
               io->count, io->write ? "write" : "read", io->request_bytes, io->depth, io->offset,
               io->step);
    if (io->flush_interval)
        out_printf(out, "Sending flush every %" PRIu64 " requests\n", io->flush_interval);
    return out_commit(out);
}

static int print_io(const struct bench_args *args, const struct bench_io *bench,
                    const struct bench_io_report *found)
{
    struct out *out = out_new(false);

    if (!out)
        return CMD_FAILED;
    if (args->image.output == OPTS_OUTPUT_JSON)
        bench_report_io_json(out, args->image.path, bench_io_format(bench), &args->io, found);
    else
        bench_report_io_human(out, found, args->io.write, args->quiet);
    return out_commit(out);
}

static int bench_requests(struct bench_args *args)
{
    struct qed_error error = QED_ERROR_INIT;
    struct bench_io_report found;
    struct bench_io *bench;
    int status = CMD_FAILED;

    if (bench_io_open(&bench, args->image.path, &args->io, &error) < 0)
        return report_error(&error);
    if (args->image.output == OPTS_OUTPUT_JSON || print_sending(&args->io) == CMD_OK) {
        if (bench_io_run(bench, &found, &error) == QED_OK)
            status = print_io(args, bench, &found);
        else
            report_error(&error);
    }
    bench_io_close(bench);
    return status;
}

static int model_disks(struct bench_args *args, const struct bench_check_report *found)
{
    struct qed_error error = QED_ERROR_INIT;
    unsigned int guests = (unsigned int)args->guests;

    for (size_t i = 0; i < args->disk_count; i++) {
        struct bench_disk *disk = &args->disks[i];

        if (bench_check_model(found, &found->plan, &disk->disk, guests, &disk->ours, &error) < 0 ||
            bench_check_model(found, &found->qemu_plan, &disk->disk, guests, &disk->qemu, &error) <
                0)
            return report_error(&error);
    }
    return CMD_OK;
}

static int print_check(const struct bench_args *args, const struct bench_check_report *found)
{
    struct out *out = out_new(false);
    unsigned int guests = (unsigned int)args->guests;

    if (!out)
        return CMD_FAILED;
    if (args->image.output == OPTS_OUTPUT_JSON)
        bench_report_check_json(out, args->image.path, found, args->disks, args->disk_count,
                                guests);
    else
        bench_report_check_human(out, found, args->disks, args->disk_count, guests);
    return out_commit(out);
}

static int bench_the_check(struct bench_args *args)
{
    struct bench_check_options check = {.format = args->image.format, .share = args->image.share};
    struct qed_error error = QED_ERROR_INIT;
    struct bench_check_report found;
    int status = CMD_FAILED;

    if (args->disk_count == 0 &&
        (disk_value(args, "iops=100,bw=150M") != 0 || disk_value(args, "hdd") != 0))
        return CMD_FAILED;
    if (bench_check(args->image.path, &check, &found, &error) < 0)
        report_error(&error);
    else if (model_disks(args, &found) == CMD_OK)
        status = print_check(args, &found);
    bench_check_release(&found);
    return status;
}

static int settle_io(struct bench_args *args)
{
    struct bench_io_options *io = &args->io;

    if (args->has_check_option)
        return report_usage("--disk and --guests go with --mode=check");
    if (io->flush_interval && !io->write)
        return report("--flush-interval is only available in write tests");
    if (io->flush_interval && io->flush_interval < io->depth)
        return report("Flush interval can't be smaller than depth");
    if (args->image.share && io->write)
        return report("Could not open '%s': force-share=on can only be used with read-only images",
                      args->image.path);
    if (io->step == 0)
        io->step = io->request_bytes;
    io->format = args->image.format;
    io->share = args->image.share;
    return CMD_OK;
}

static int bench(void *context)
{
    struct bench_args *args = context;

    if (args->mode == MODE_IO)
        return settle_io(args) == CMD_OK ? bench_requests(args) : CMD_FAILED;
    if (args->has_io_option)
        return report_usage("Options of requests cannot be used with --mode=check");
    return bench_the_check(args);
}

int cmd_bench(int argc, char **argv)
{
    struct bench_args args = {
        .guests = 1,
        .io = {
            .backing = IMAGE_BACKING_FOLLOW, .count = 75000, .depth = 64, .request_bytes = 4096}};

    return opts_run(&argp, argc, argv, &args, bench);
}
