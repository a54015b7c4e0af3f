/*
 * A root parser around each command's own: it adds --help and words argp's errors as qemu-img
 * does.
 * SPDX-License-Identifier: MIT
 */
#include "opts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "cmd.h"
#include "report.h"

struct root {
    void *command_args;
    const char *bad_word; /* where argp stopped, for its own errors */
    bool want_help;
};

static const struct argp_option root_options[] = {
    {"help", 'h', NULL, 0, "Print this help and exit", -1},
    {0},
};

static error_t parse_root(int key, char *arg, struct argp_state *state)
{
    struct root *root = state->input;

    (void)arg;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = root->command_args;
        return 0;
    case ARGP_KEY_ERROR:
        root->bad_word = state->next > 0 ? state->argv[state->next - 1] : "";
        return 0;
    case 'h':
        root->want_help = true;
        return OPTS_REPORTED;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Whether word is an option of argp or its children that needs an argument. */
static bool takes_argument(const struct argp *argp, const char *word)
{
    const struct argp_option *option = argp->options;
    const struct argp_child *child = argp->children;

    for (; option && (option->name || option->key); option++) {
        bool is_it = word[1] == '-' ? option->name && strcmp(option->name, word + 2) == 0
                                    : option->key == word[1] && word[2] == '\0';

        if (is_it)
            return option->arg && !(option->flags & OPTION_ARG_OPTIONAL);
    }
    for (; child && child->argp; child++) {
        if (takes_argument(child->argp, word))
            return true;
    }
    return false;
}

/* argp's closing note is not true of options that have only one form. */
static char *filter_help(int key, const char *text, void *input)
{
    (void)input;
    return key == ARGP_KEY_HELP_DUP_ARGS_NOTE ? NULL : (char *)(uintptr_t)text;
}

static int print_help(const struct argp *argp, const char *command)
{
    char name[64];

    snprintf(name, sizeof(name), "qedtool %s", command);
    argp_help(argp, stdout, ARGP_HELP_USAGE | ARGP_HELP_LONG | ARGP_HELP_DOC, name);
    return CMD_OK;
}

static int report_bad_word(const struct argp *argp, const char *word)
{
    if (takes_argument(argp, word))
        return report_usage("missing argument for option '%s'", word);
    return report_usage("unrecognized option '%s'", word);
}

int opts_run(const struct argp *argp, int argc, char **argv, void *args, int (*run)(void *args))
{
    struct argp_child children[] = {{.argp = argp}, {0}};
    struct root root = {.command_args = args};
    struct argp root_argp = {.options = root_options,
                             .parser = parse_root,
                             .children = children,
                             .help_filter = filter_help};
    error_t ret =
        argp_parse(&root_argp, argc, argv, ARGP_NO_ERRS | ARGP_NO_HELP | ARGP_NO_EXIT, NULL, &root);

    if (root.want_help)
        return print_help(&root_argp, argv[0]);
    if (ret == 0)
        return run(args);
    if (ret == OPTS_REPORTED)
        return CMD_FAILED;
    if (ret == ENOMEM)
        return report("out of memory");
    return report_bad_word(argp, root.bad_word);
}

int opts_qemu_size_value(const char *what, const char *text, uint64_t *bytes)
{
    if (units_parse_size(text, bytes))
        return 0;
    report("Invalid %s specified. You may use k, M, G, T, P or E suffixes for", what);
    report("kilobytes, megabytes, gigabytes, terabytes, petabytes and exabytes.");
    return OPTS_REPORTED;
}

int opts_image_size_value(const char *text, uint64_t *bytes)
{
    return opts_qemu_size_value("image size", text, bytes);
}

int opts_size_value(const char *option, const char *text, uint64_t *bytes)
{
    if (units_parse_size(text, bytes))
        return 0;
    report_usage("Invalid value '%s' for option %s: a size such as 64k or 1.5G is expected", text,
                 option);
    return OPTS_REPORTED;
}

int opts_count_value(const char *option, const char *text, size_t *count)
{
    char *end;

    errno = 0;
    *count = strtoul(text, &end, 10);
    if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0)
        return 0;
    report_usage("Invalid value '%s' for option %s: a number is expected", text, option);
    return OPTS_REPORTED;
}

static int output_value(const char *text, struct opts_image *image)
{
    if (strcmp(text, "human") == 0)
        image->output = OPTS_OUTPUT_HUMAN;
    else if (strcmp(text, "json") == 0)
        image->output = OPTS_OUTPUT_JSON;
    else if (strcmp(text, "svg") == 0 && image->draws)
        image->output = OPTS_OUTPUT_SVG;
    else
        return report_usage("--output must be used with human or json as argument."), OPTS_REPORTED;
    return 0;
}

static int backing_value(const char *text, enum image_backing *backing)
{
    static const struct {
        const char *name;
        enum image_backing value;
    } policies[] = {
        {"follow", IMAGE_BACKING_FOLLOW},
        {"same-directory", IMAGE_BACKING_SAME_DIRECTORY},
        {"none", IMAGE_BACKING_NONE},
    };

    for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
        if (strcmp(text, policies[i].name) == 0) {
            *backing = policies[i].value;
            return 0;
        }
    }
    report_usage("--backing must be follow, same-directory or none, not '%s'", text);
    return OPTS_REPORTED;
}

static error_t parse_image(int key, char *arg, struct argp_state *state)
{
    struct opts_image *image = state->input;

    switch (key) {
    case 'f':
        image->format = arg;
        return 0;
    case 'U':
        image->share = true;
        return 0;
    case OPTS_KEY_OUTPUT:
        return output_value(arg, image);
    case ARGP_KEY_ARG:
        if (image->path)
            break;
        image->path = arg;
        return 0;
    case ARGP_KEY_END:
        if (!image->path)
            break;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    report_usage("Expecting one image file name");
    return OPTS_REPORTED;
}

static const struct argp_option image_options[] = {
    {"format", 'f', "FMT", 0, "Format of the image: qed or raw; else it is probed", 0},
    {"output", OPTS_KEY_OUTPUT, "FORMAT", 0, "human (default) or json", 0},
    {"force-share", 'U', NULL, 0, "Take no locks: another process may write to the image meanwhile",
     0},
    {0},
};

const struct argp opts_image_argp = {.options = image_options, .parser = parse_image};

static error_t parse_backing(int key, char *arg, struct argp_state *state)
{
    return key == OPTS_KEY_BACKING ? backing_value(arg, state->input) : ARGP_ERR_UNKNOWN;
}

static const struct argp_option backing_options[] = {
    {"backing", OPTS_KEY_BACKING, "POLICY", 0,
     "Backing files that may be opened: follow (default), same-directory or none", 0},
    {0},
};

const struct argp opts_backing_argp = {.options = backing_options, .parser = parse_backing};

const struct argp_child opts_image_children[] = {
    {.argp = &opts_image_argp}, {.argp = &opts_backing_argp}, {0}};

int opts_two_operands(const char *arg, const char **first, const char **second)
{
    if (*first && *second) {
        report_usage("Unexpected argument: %s", arg);
        return OPTS_REPORTED;
    }
    *(*first ? second : first) = arg;
    return 0;
}
