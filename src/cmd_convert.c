/*
 * qedtool convert: between QED, raw and compressed raw, flattening chains; from and to pipes.
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/units.h"
#include "check_recover.h"
#include "cmd.h"
#include "core/convert.h"
#include "newimage.h"
#include "opts.h"
#include "progress.h"
#include "report.h"

struct convert_args {
    const char *source, *target;
    struct newimage image;
    struct convert_options options;
    bool quiet, show_progress, salvages;
    struct progress progress;
};

static const struct argp_option options[] = {
    {"progress", 'p', NULL, 0, "Show progress", 0},
    {"quiet", 'q', NULL, 0, "Print nothing but errors", 0},
    {"existing", 'n', NULL, 0, "Write into a target that is there, and is large enough", 0},
    {"target-is-zero", OPTS_KEY_TARGET_IS_ZERO, NULL, 0,
     "With -n: the target reads as zeroes, so none are written", 0},
    {"format", 'f', "FMT", 0, "Format of the source: qed, raw or raw.gz; else it is probed", 0},
    {"target-format", 'O', "FMT", 0, "Format of the target: raw (default), qed or raw.gz", 0},
    {"target-backing", 'B', "FILE", 0,
     "Backing file of the target; only what differs from it is written", 0},
    {NULL, 't', "CACHE", 0,
     "How the target is written: none, directsync, writeback, writethrough, or unsafe: not flushed",
     0},
    {NULL, 'T', "CACHE", 0, "How the source is read: none or directsync past the page cache", 0},
    {NULL, 'm', "N", 0, "Buffers in flight, 1 to 16", 0},
    {NULL, 'W', NULL, 0, "Writes may be out of the order of the guest", 0},
    {NULL, 'C', NULL, 0, "Have the kernel copy, and do not look for zeroes in data", 0},
    {NULL, 'c', NULL, OPTION_HIDDEN, NULL, 0}, /* refused in qemu-img's words */
    {"sparse", 'S', "SIZE", 0,
     "Leave out blocks of SIZE bytes that are all zero (default 4k); 0 stores everything", 0},
    {"force-share", 'U', NULL, 0,
     "Take no locks on the source: another process may write to it meanwhile", 0},
    {"salvage", OPTS_KEY_SALVAGE, NULL, 0,
     "Do not stop at what cannot be read: it becomes zeroes, and is listed", 0},
    {"mapfile", OPTS_KEY_MAPFILE, "FILE", 0,
     "Write a map of what was read, and what was not, in the format of GNU ddrescue", 0},
    {0},
};

static int cache_value(const char *text, enum convert_cache *cache)
{
    static const struct {
        const char *name;
        enum convert_cache value;
    } modes[] = {{"none", CONVERT_CACHE_NONE},
                 {"directsync", CONVERT_CACHE_NONE},
                 {"writeback", CONVERT_CACHE_WRITEBACK},
                 {"writethrough", CONVERT_CACHE_WRITEBACK},
                 {"unsafe", CONVERT_CACHE_UNSAFE}};

    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        if (strcmp(modes[i].name, text) == 0) {
            *cache = modes[i].value;
            return 0;
        }
    }
    report("Invalid cache option: %s", text);
    return OPTS_REPORTED;
}

static int depth_value(const char *text, unsigned int *depth)
{
    size_t count;

    if (opts_count_value("-m", text, &count) != 0)
        return OPTS_REPORTED;
    if (count < 1 || count > 16) {
        report("Invalid number of coroutines. Allowed number of coroutines is between 1 and 16");
        return OPTS_REPORTED;
    }
    *depth = (unsigned int)count;
    return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct convert_args *args = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &args->image;
        state->child_inputs[1] = &args->options.backing;
        return 0;
    case 'U':
        args->options.share_source = true;
        return 0;
    case 'p':
        args->show_progress = true;
        return 0;
    case 'q':
        args->quiet = true;
        return 0;
    case 'n':
        args->options.existing = true;
        return 0;
    case OPTS_KEY_TARGET_IS_ZERO:
        args->options.target_is_zero = true;
        return 0;
    case 'f':
        args->options.source_format = arg;
        return 0;
    case 'O':
        args->image.options.format = arg;
        return 0;
    case 't':
        return cache_value(arg, &args->options.target_cache);
    case 'T':
        return cache_value(arg, &args->options.source_cache);
    case 'm':
        return depth_value(arg, &args->options.depth);
    case 'W':
        args->options.out_of_order = true;
        return 0;
    case 'C':
        args->options.offload = true;
        return 0;
    case OPTS_KEY_SALVAGE:
        args->salvages = true;
        return 0;
    case OPTS_KEY_MAPFILE:
        args->options.mapfile = arg;
        return 0;
    case 'B':
        args->image.backing_name = arg;
        return 0;
    case 'S':
        return opts_size_value("-S", arg, &args->options.sparse_bytes);
    case 'c':
        return report("Compression not supported for this file format"), OPTS_REPORTED;
    case ARGP_KEY_ARG:
        return opts_two_operands(arg, &args->source, &args->target);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {
    {.argp = &newimage_argp}, {.argp = &opts_backing_argp}, {0}};

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "SOURCE TARGET",
    .children = children,
    .doc = "Copy an image into another format, with everything that shows through from its backing "
           "files. The target appears under its name only when it is complete. - as SOURCE is "
           "standard input, as TARGET standard output.",
};

static bool on_progress(void *context, uint64_t done, uint64_t total)
{
    struct convert_args *args = context;

    progress_update(&args->progress, done, total);
    return progress_caught_signal() != 0;
}

static bool asked_to_stop(void *context)
{
    (void)context;
    return progress_caught_signal() != 0;
}

static bool writes_to_stdout(const struct convert_args *args)
{
    return args->target && strcmp(args->target, "-") == 0;
}

static void on_short_of_space(void *context, uint64_t needed, uint64_t left)
{
    const struct convert_args *args = context;

    report_warning("warning: %s: %" PRIu64 " bytes may be needed, %" PRIu64 " are free",
                   args->target, needed, left);
}

static void on_recovered(void *context, const struct qed_recovery *recovery)
{
    const struct convert_args *args = context;

    report_recovery(args->target, recovery);
}

static int settle_options(struct convert_args *args)
{
    struct create_options *create = &args->image.options;

    if (!newimage_known_format(create->format) && strcmp(create->format, "raw.gz") != 0)
        return report("Unknown file format '%s'", create->format);
    if (newimage_parse(&args->image, NULL) != 0)
        return CMD_FAILED;
    if (args->image.want_help)
        return CMD_OK;
    if (!args->target)
        return report("Must specify image file name");
    if (args->options.target_is_zero && !args->options.existing)
        return report("--target-is-zero requires use of -n flag");
    if (args->salvages && args->options.offload)
        return report("Cannot use copy offloading in salvaging mode");
    if (args->options.existing && create->backing_name)
        return report("-B and -o backing_file cannot be used with -n: the target is there already");
    if (args->options.existing && args->image.has_geometry)
        report_warning("-o has no effect when skipping image creation");
    if (create->backing_name && !create->backing_format)
        return report("Use of backing file requires explicit backing format");
    if (writes_to_stdout(args) && isatty(STDOUT_FILENO) == 1)
        return report("Standard output is a terminal, to which no image is written");
    return CMD_OK;
}

/* A line for each range that was lost, in qemu-img's words, and how much that is. */
static void report_lost(const struct convert_args *args)
{
    size_t count = 0;
    const struct salvage_range *ranges = salvage_ranges(args->options.salvage, &count);
    char size[UNITS_TEXT_MAX];

    if (count == 0 || args->quiet)
        return;
    for (size_t i = 0; i < count; i++) {
        const char *why = ranges[i].sys_errno                 ? strerror(ranges[i].sys_errno)
                          : ranges[i].code == QED_ERR_CORRUPT ? "the table entry is invalid"
                                                              : "the file ends before that";

        report_warning("warning: error while reading offset %" PRIu64 ": %s (%" PRIu64 " bytes)",
                       ranges[i].virt_off, why, ranges[i].length);
    }
    units_format_size(salvage_lost_bytes(args->options.salvage), size);
    report_warning("warning: %s: %" PRIu64 " bytes (%s) in %zu %s could not be read and are zeroes",
                   args->target, salvage_lost_bytes(args->options.salvage), size, count,
                   count == 1 ? "range" : "ranges");
}

static int run_conversion(struct convert_args *args)
{
    struct qed_error error = QED_ERROR_INIT;
    int ret = args->salvages ? salvage_new(&args->options.salvage, &error) : QED_OK;

    if (ret == QED_OK)
        ret = convert_image(args->source, args->target, &args->options, &error);
    progress_end(&args->progress, ret == QED_OK);
    if (args->options.salvage && ret == QED_OK)
        report_lost(args);
    if (ret < 0)
        report_error(&error);
    salvage_free(args->options.salvage);
    if (ret == QED_ERR_STOPPED || error.sys_errno == EINTR) /* a named pipe is opened */
        progress_reraise();
    return ret < 0 ? CMD_FAILED : CMD_OK;
}

static int convert(void *context)
{
    struct convert_args *args = context;

    if (settle_options(args) != CMD_OK)
        return CMD_FAILED;
    if (args->image.want_help) {
        newimage_print_help(args->image.options.format);
        return CMD_OK;
    }
    args->options.target = args->image.options;
    args->options.short_of_space = on_short_of_space;
    args->options.recovered = on_recovered;
    args->options.progress = on_progress;
    args->options.progress_context = args;
    args->options.stop = asked_to_stop;
    progress_catch_signals();
    if (writes_to_stdout(args))
        progress_ignore_closed_pipes();
    progress_start(&args->progress, args->show_progress, !args->quiet,
                   writes_to_stdout(args) ? stderr : stdout);
    return run_conversion(args);
}

int cmd_convert(int argc, char **argv)
{
    struct convert_args args = {
        .options = {.sparse_bytes = CONVERT_SPARSE_DEFAULT, .backing = IMAGE_BACKING_FOLLOW}};
    int status;

    newimage_init(&args.image);
    args.image.options.format = "raw";
    status = opts_run(&argp, argc, argv, &args, convert);
    newimage_release(&args.image);
    return status;
}
