/*
 * qedtool undo: put an image back as it was before a repair.
 * SPDX-License-Identifier: MIT
 */
#include "cmd.h"
#include "core/undo.h"
#include "opts.h"
#include "out.h"
#include "report.h"

struct undo_args {
    const char *path, *record;
    bool quiet;
};

static const struct argp_option options[] = {
    {"quiet", 'q', NULL, 0, "Print nothing but errors", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct undo_args *args = state->input;

    switch (key) {
    case 'q':
        args->quiet = true;
        return 0;
    case ARGP_KEY_ARG:
        return opts_two_operands(arg, &args->path, &args->record);
    case ARGP_KEY_END:
        if (args->record)
            return 0;
        report_usage("Expecting an image file name and the undo record of its repair");
        return OPTS_REPORTED;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "IMAGE FILE",
    .doc = "Put an image back as it was before a repair, from the undo record FILE that "
           "'qedtool check --repair --undo=FILE' wrote.",
};

static int undo(void *context)
{
    const struct undo_args *args = context;
    struct qed_error error = QED_ERROR_INIT;
    struct out *out;
    bool changed;

    if (undo_image(args->path, args->record, &changed, &error) < 0)
        return report_error(&error);
    out = out_new(args->quiet);
    if (!out)
        return CMD_FAILED;
    if (changed)
        out_printf(out, "Image restored to its state before the repair.\n");
    else
        out_printf(out, "The image is as it was before the repair; nothing was changed.\n");
    return out_commit(out);
}

int cmd_undo(int argc, char **argv)
{
    struct undo_args args = {0};

    return opts_run(&argp, argc, argv, &args, undo);
}
