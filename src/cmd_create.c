/*
 * qedtool create: a new image.
 * SPDX-License-Identifier: MIT
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cmd.h"
#include "newimage.h"
#include "opts.h"
#include "out.h"
#include "progress.h"
#include "report.h"

struct create_args {
    struct newimage image;
    const char *path;
    const char *size;
    bool quiet;
};

static const struct argp_option options[] = {
    {"quiet", 'q', NULL, 0, "Print nothing but errors", 0},
    {"format", 'f', "FMT", 0, "Format of the new image: qed (default) or raw", 0},
    {"backing", 'b', "FILE", 0, "Backing file, relative to the new image's folder", 0},
    {"unsafe", 'u', NULL, 0, "Do not open the backing file; a size must be given", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct create_args *args = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &args->image;
        return 0;
    case 'q':
        args->quiet = true;
        return 0;
    case 'f':
        args->image.options.format = arg;
        return 0;
    case 'b':
        args->image.backing_name = arg;
        return 0;
    case 'u':
        args->image.options.unsafe_backing = true;
        return 0;
    case ARGP_KEY_ARG:
        return opts_two_operands(arg, &args->path, &args->size);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{.argp = &newimage_argp}, {0}};

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "FILE [SIZE]",
    .children = children,
    .doc = "Make a new image. SIZE takes the suffixes k, M, G, T, P and E, and may be left out "
           "with a backing file.",
};

/* qemu-img's line, there before the image is made. */
static void print_formatting(const char *path, const struct create_options *create)
{
    char name[OUT_NAME_MAX];

    printf("Formatting '%s', fmt=%s size=%" PRIu64, text_escape(name, sizeof(name), path),
           create->format, create->size);
    if (create->backing_name)
        printf(" backing_file=%s", text_escape(name, sizeof(name), create->backing_name));
    if (create->backing_format)
        printf(" backing_fmt=%s", create->backing_format);
    if (!create_is_raw(create))
        printf(" cluster_size=%" PRIu64, create->cluster_size);
    if (create->has_table_size)
        printf(" table_size=%" PRIu64, create->table_size);
    if (create->preallocation)
        printf(" preallocation=%s", text_escape(name, sizeof(name), create->preallocation));
    printf("\n");
    out_flush();
}

/* What the command line says, as far as it can be told without opening a file. */
static int settle_options(struct create_args *args)
{
    struct create_options *create = &args->image.options;

    if (!newimage_known_format(create->format)) {
        report("%s: Unknown file format '%s'", args->path ? args->path : "create", create->format);
        return OPTS_REPORTED;
    }
    if (args->size) {
        int ret = opts_image_size_value(args->size, &create->size);

        if (ret != 0)
            return ret;
        create->has_size = true;
    }
    return newimage_parse(&args->image, args->path);
}

static bool is_stopped(void *context)
{
    (void)context;
    return progress_caught_signal() != 0;
}

static int create(void *context)
{
    struct create_args *args = context;
    struct create_options *options_in = &args->image.options;
    struct qed_error error = QED_ERROR_INIT;
    int ret;

    if (settle_options(args) != 0)
        return CMD_FAILED;
    if (args->image.want_help) {
        newimage_print_help(options_in->format);
        return CMD_OK;
    }
    if (!args->path)
        return report_usage("Expecting image file name");
    if (create_prepare(options_in, args->path, &error) < 0)
        return report_error_for(args->path, &error);
    if (!args->quiet)
        print_formatting(args->path, options_in);
    options_in->stop = is_stopped;
    progress_catch_signals();
    ret = create_image(args->path, options_in, &error);
    if (ret < 0)
        report_error_for(args->path, &error);
    if (ret == QED_ERR_STOPPED)
        progress_reraise();
    return ret < 0 ? CMD_FAILED : CMD_OK;
}

int cmd_create(int argc, char **argv)
{
    struct create_args args = {0};
    int status;

    newimage_init(&args.image);
    status = opts_run(&argp, argc, argv, &args, create);
    newimage_release(&args.image);
    return status;
}
