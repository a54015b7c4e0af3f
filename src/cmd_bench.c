/*
 * qedtool bench: how fast an image is, and what a check of it takes.
 * SPDX-License-Identifier: MIT
 */
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "bench_durability.h"
#include "bench_report.h"
#include "check_recover.h"
#include "cmd.h"
#include "opts.h"
#include "out.h"
#include "report.h"

#define DISKS_MAX 16

enum bench_mode { MODE_IO, MODE_CHECK, MODE_DURABILITY };

struct bench_args {
    struct opts_image image;
    enum bench_mode mode;
    bool quiet;
    struct bench_io_options io;
    struct bench_disk disks[DISKS_MAX];
    size_t disk_count;
    size_t guests;
    struct bench_durability_options durability; /* of that mode, what the others do not have */
    bool has_count, has_depth, has_request_bytes, has_flush_interval; /* not the default */
    /* One that is for that mode only, or for requests of both modes that send any. */
    bool has_io_option, has_check_option, has_durability_option, has_load_option;
};

static const struct argp_option options[] = {
    {"mode", OPTS_KEY_MODE, "MODE", 0,
     "io (default): send requests; check: how long a check takes, here and elsewhere; "
     "durability: what surviving a crash costs, by policy",
     0},
    {NULL, 0, NULL, 0, "Requests:", 1},
    {NULL, 'c', "N", 0, "How many requests to send (default 75000)", 1},
    {NULL, 'd', "DEPTH", 0, "How many are in flight (default 64)", 1},
    {"flush-interval", OPTS_KEY_FLUSH_INTERVAL, "N", 0, "With -w: flush after every N requests", 1},
    {"durability", OPTS_KEY_DURABILITY, "POLICY", 0,
     "With -w into QED: how the image survives a crash meanwhile: need-check, preallocate, intent "
     "or ordered (default: intent where the image has a bitmap, else need-check)",
     1},
    {"preallocate", OPTS_KEY_PREALLOCATE, "SIZE", 0,
     "With --durability=preallocate: how much is made ready ahead", 1},
    {"no-drain", OPTS_KEY_NO_DRAIN, NULL, 0, "Flush without waiting for what is in flight", 1},
    {NULL, 'o', "OFFSET", 0, "Where the first request goes (default 0)", 1},
    {"pattern", OPTS_KEY_PATTERN, "BYTE", 0, "What -w writes, 0 to 255 (default 0)", 1},
    {"quiet", 'q', NULL, 0, "Print what qemu-img prints and no more", 1},
    {NULL, 's', "SIZE", 0, "Bytes of a request (default 4096)", 1},
    {NULL, 'S', "SIZE", 0, "From request to request (default and 0: as many as it has bytes)", 1},
    {NULL, 't', "CACHE", 0,
     "How the files are used: writeback (default), writethrough, none, directsync or unsafe", 1},
    {NULL, 'w', NULL, 0, "Write, and do not read", 1},
    {NULL, 0, NULL, 0, "Disks, of checks and crashes:", 2},
    {"disk", OPTS_KEY_DISK, "DISK", 0,
     "A disk to model: hdd, sata-ssd, nvme or iops=N,bw=M; again for more (default: "
     "iops=100,bw=150M and hdd)",
     2},
    {"guests", OPTS_KEY_GUESTS, "N", 0, "How many such images share the disk (default 1)", 2},
    {NULL, 0, NULL, 0,
     "Durability (-c 4096 -d 16 -s 64k --flush-interval=16 if not given; FILE is not written):", 3},
    {"order", OPTS_KEY_ORDER, "ORDER", 0, "Where writes go: sequential (default) or random", 3},
    {"rounds", OPTS_KEY_ROUNDS, "N", 0, "How often each policy is measured (default 5)", 3},
    {"seed", OPTS_KEY_SEED, "N", 0, "What the random order depends on (default 1)", 3},
    {0},
};

static int mode_value(const char *text, enum bench_mode *mode)
{
    if (strcmp(text, "io") == 0)
        *mode = MODE_IO;
    else if (strcmp(text, "check") == 0)
        *mode = MODE_CHECK;
    else if (strcmp(text, "durability") == 0)
        *mode = MODE_DURABILITY;
    else
        return report_usage("--mode must be io, check or durability, not '%s'", text),
               OPTS_REPORTED;
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

/* Options that every load of requests has; ARGP_ERR_UNKNOWN for all others. */
static error_t parse_load(int key, const char *arg, struct bench_args *args)
{
    struct bench_io_options *io = &args->io;
    uint64_t number = 0;
    error_t ret;

    switch (key) {
    case 'c':
        args->has_count = true;
        return number_value("request count", arg, 0, INT_MAX, &io->count);
    case 'd':
        args->has_depth = true;
        ret = number_value("queue depth", arg, 1, INT_MAX, &number);
        io->depth = (unsigned int)number;
        return ret;
    case OPTS_KEY_FLUSH_INTERVAL:
        args->has_flush_interval = true;
        return number_value("flush interval", arg, 0, INT_MAX, &io->flush_interval);
    case OPTS_KEY_PATTERN:
        ret = number_value("pattern byte", arg, 0, 0xff, &number);
        io->pattern = (uint8_t)number;
        return ret;
    case OPTS_KEY_PREALLOCATE:
        return opts_size_value("--preallocate", arg, &io->preallocate);
    case 's':
        args->has_request_bytes = true;
        ret = small_size_value("buffer size", arg, &number);
        io->request_bytes = (size_t)number;
        return ret;
    case 't':
        return cache_value(arg, &io->cache);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Options of mode io alone; ARGP_ERR_UNKNOWN for all others. */
static error_t parse_io(int key, const char *arg, struct bench_args *args)
{
    struct bench_io_options *io = &args->io;

    switch (key) {
    case OPTS_KEY_DURABILITY:
        if (qed_durability_parse(arg, &io->durability))
            return 0;
        report_usage("--durability must be need-check, preallocate, intent or ordered, not '%s'",
                     arg);
        return OPTS_REPORTED;
    case OPTS_KEY_NO_DRAIN:
        io->no_drain = true;
        return 0;
    case 'o':
        return opts_qemu_size_value("offset", arg, &io->offset);
    case 'q':
        args->quiet = true;
        return 0;
    case 'S':
        return small_size_value("step_size", arg, &io->step);
    case 'w':
        io->write = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct bench_args *args = state->input;
    error_t ret;

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
    default:
        break;
    }
    ret = parse_io(key, arg, args);
    if (ret != ARGP_ERR_UNKNOWN)
        return args->has_io_option = true, ret;
    ret = bench_durability_parse(key, arg, &args->durability);
    if (ret != ARGP_ERR_UNKNOWN)
        return args->has_durability_option = true, ret;
    ret = parse_load(key, arg, args);
    args->has_load_option |= ret != ARGP_ERR_UNKNOWN;
    return ret;
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "FILE",
    .children = opts_image_children,
    .doc =
        "Measure an image: how fast it serves requests, or how long a check of it takes, with the "
        "time that it would take on a disk that is not here, beside QEMU's, or what it costs to "
        "survive a crash. -w overwrites what is in the image.",
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
    report_recovery(args->image.path, bench_io_recovery(bench));
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
                0 ||
            bench_check_model(found, &found->recovery_plan, &disk->disk, guests, &disk->recovery,
                              &error) < 0)
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
        return report_usage("--disk and --guests go with --mode=check and --mode=durability");
    if (io->flush_interval && !io->write)
        return report("--flush-interval is only available in write tests");
    if (io->durability != QED_DURABILITY_AUTO && !io->write)
        return report_usage("--durability goes with -w");
    if (io->preallocate && io->durability != QED_DURABILITY_PREALLOCATE)
        return report_usage("--preallocate goes with --durability=preallocate");
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

/* What the mode has other defaults for than mode io. */
static void settle_durability_load(struct bench_args *args)
{
    struct bench_durability_options *load = &args->durability;
    const struct bench_io_options *io = &args->io;

    load->format = args->image.format;
    load->share = args->image.share;
    load->count = args->has_count ? io->count : 0;
    load->depth = args->has_depth ? io->depth : 16;
    load->request_bytes = args->has_request_bytes ? io->request_bytes : 65536;
    load->flush_interval = args->has_flush_interval ? io->flush_interval : 16;
    load->pattern = io->pattern;
    load->cache = io->cache;
    load->preallocate = io->preallocate;
}

static int bench_the_policies(struct bench_args *args)
{
    struct bench_durability_args durability = {.path = args->image.path,
                                               .output = args->image.output,
                                               .guests = (unsigned int)args->guests};

    if (args->has_io_option)
        return report_usage("-o, -S, -q, -w, --no-drain and --durability go with --mode=io");
    if (args->disk_count > 1)
        return report_usage("With --mode=durability, --disk can be given once");
    if (args->disk_count == 0 && disk_value(args, "iops=100,bw=150M") != 0)
        return CMD_FAILED;
    settle_durability_load(args);
    if (args->has_count && args->durability.count < 2)
        return report_usage("With --mode=durability, -c must be at least 2");
    if (args->durability.request_bytes == 0)
        return report_usage("With --mode=durability, -s must not be 0");
    if (args->durability.flush_interval && args->durability.flush_interval < args->durability.depth)
        return report("Flush interval can't be smaller than depth");
    durability.options = args->durability;
    durability.disk = args->disks[0];
    return bench_durability_command(&durability);
}

static int bench(void *context)
{
    struct bench_args *args = context;

    if (args->mode != MODE_DURABILITY && args->has_durability_option)
        return report_usage("--order, --rounds and --seed go with --mode=durability");
    if (args->mode != MODE_DURABILITY && args->image.output == OPTS_OUTPUT_SVG)
        return report_usage("--output=svg goes with --mode=durability");
    if (args->mode == MODE_DURABILITY)
        return bench_the_policies(args);
    if (args->mode == MODE_IO)
        return settle_io(args) == CMD_OK ? bench_requests(args) : CMD_FAILED;
    if (args->has_io_option || args->has_load_option)
        return report_usage("Options of requests cannot be used with --mode=check");
    return bench_the_check(args);
}

int cmd_bench(int argc, char **argv)
{
    struct bench_args args = {
        .guests = 1,
        .image = {.draws = true},
        .durability = {.seed = 1, .rounds = 5},
        .io = {
            .backing = IMAGE_BACKING_FOLLOW, .count = 75000, .depth = 64, .request_bytes = 4096}};

    return opts_run(&argp, argc, argv, &args, bench);
}
