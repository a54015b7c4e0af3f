/*
 * qedtool map: where the guest's bytes are.
 * SPDX-License-Identifier: MIT
 */
#include <inttypes.h>

#include "base/text.h"
#include "cmd.h"
#include "core/map.h"
#include "opts.h"
#include "out.h"
#include "report.h"

struct map_args {
    struct opts_image image;
    uint64_t start, length; /* guest bytes */
    enum image_backing backing;
};

static const struct argp_option options[] = {
    {"start-offset", 's', "OFFSET", 0, "First guest byte to map (default 0)", 0},
    {"max-length", 'l', "LENGTH", 0, "How many guest bytes to map (default: to the end)", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct map_args *args = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &args->image;
        state->child_inputs[1] = &args->backing;
        return 0;
    case 's':
        return opts_size_value("--start-offset", arg, &args->start);
    case 'l':
        return opts_size_value("--max-length", arg, &args->length);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "FILE",
    .children = opts_image_children,
    .doc = "Show where the guest's bytes are: in which file of the backing chain, at which offset, "
           "and which read as zeroes.",
};

struct printer {
    struct out *out;
    const struct image *image;
    bool first;
};

static int print_human(void *context, const struct extent *run)
{
    struct printer *printer = context;
    char name[OUT_NAME_MAX];

    if (run->kind == EXTENT_DATA)
        out_printf(printer->out, "%#-16" PRIx64 "%#-16" PRIx64 "%#-16" PRIx64 "%s\n",
                   run->virt_off, run->length, run->file_off,
                   text_escape(name, sizeof(name), image_path(printer->image, run->depth)));
    return 0;
}

/* One extent a line, all of it numbers and truth values: printed as qemu-img does. */
static int print_json(void *context, const struct extent *run)
{
    struct printer *printer = context;
    bool data = run->kind == EXTENT_DATA;

    out_printf(printer->out,
               "%s{ \"start\": %" PRIu64 ", \"length\": %" PRIu64 ", \"depth\": %u"
               ", \"present\": %s, \"zero\": %s, \"data\": %s",
               printer->first ? "[" : ",\n", run->virt_off, run->length, run->depth,
               run->kind == EXTENT_UNALLOCATED ? "false" : "true", data ? "false" : "true",
               data ? "true" : "false");
    if (run->has_file_off)
        out_printf(printer->out, ", \"offset\": %" PRIu64, run->file_off);
    out_printf(printer->out, "}");
    printer->first = false;
    return 0;
}

static int print_map(const struct map_args *args, struct image *image, struct out *out)
{
    struct printer printer = {.out = out, .image = image, .first = true};
    struct qed_error error = QED_ERROR_INIT;
    bool human = args->image.output == OPTS_OUTPUT_HUMAN;

    if (human)
        out_printf(out, "%-16s%-16s%-16s%s\n", "Offset", "Length", "Mapped to", "File");
    if (map_walk(image, args->start, args->length, human ? print_human : print_json, &printer,
                 &error) < 0)
        return report_error(&error);
    if (!human)
        out_printf(out, "%s]\n", printer.first ? "[" : "");
    return CMD_OK;
}

static int map(void *context)
{
    const struct map_args *args = context;
    struct image_options open_options = {
        .format = args->image.format, .share = args->image.share, .backing = args->backing};
    struct qed_error error = QED_ERROR_INIT;
    struct image *image;
    struct out *out;
    int status = CMD_FAILED;

    if (image_open(&image, args->image.path, &open_options, &error) < 0)
        return report_error(&error);
    out = out_new(false);
    if (out && print_map(args, image, out) == CMD_OK) {
        status = out_commit(out);
        out = NULL;
    }
    out_discard(out);
    image_close(image);
    return status;
}

int cmd_map(int argc, char **argv)
{
    struct map_args args = {.length = UINT64_MAX, .backing = IMAGE_BACKING_FOLLOW};

    return opts_run(&argp, argc, argv, &args, map);
}
