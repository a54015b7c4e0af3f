/*
 * qedtool check: find what is wrong with an image, and mend it when asked to.
 * SPDX-License-Identifier: MIT
 */
#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "check_recover.h"
#include "check_report.h"
#include "cmd.h"
#include "core/check.h"
#include "opts.h"
#include "out.h"
#include "progress.h"
#include "report.h"

#define LIMIT_DEFAULT 100

struct check_args {
    struct opts_image image;
    bool quiet, show_progress, recover;
    struct check_options options;
    struct progress progress;
};

static const struct argp_option options[] = {
    {"quiet", 'q', NULL, 0, "Print nothing but errors and findings", 0},
    {NULL, 'r', "WHAT", 0, "The same as --repair=WHAT", 0},
    {"repair", OPTS_KEY_REPAIR, "WHAT", OPTION_ARG_OPTIONAL,
     "Repair all (default), or only give leaked space back: leaks", 0},
    {"rebuild", OPTS_KEY_REBUILD, NULL, 0,
     "The same as --repair, but first work out a header that makes no sense, and put lost L2 "
     "tables "
     "back into the L1 table",
     0},
    {"recover", OPTS_KEY_RECOVER, NULL, 0,
     "Do only what is needed after a crash before the image may be written, as opening it for "
     "writing does",
     0},
    {"image-size", OPTS_KEY_IMAGE_SIZE, "SIZE", 0,
     "With --repair or --rebuild: the size that the header is to give", 0},
    {"dry-run", OPTS_KEY_DRY_RUN, NULL, 0, "Show what --repair would do, and write nothing", 0},
    {"undo", OPTS_KEY_UNDO, "UNDOFILE", 0,
     "Save what a repair changes in a new file first, for 'qedtool undo'", 0},
    {"limit", OPTS_KEY_LIMIT, "N", 0, "How many findings to list (default 100); all are counted",
     0},
    {"memory", OPTS_KEY_MEMORY, "SIZE", 0, "Memory for read buffers (default 64M, at least 1M)", 0},
    {"progress", 'p', NULL, 0, "Show progress, also where stderr is no terminal", 0},
    {0},
};

static int parse_repair(struct check_args *args, const char *value)
{
    if (!value || strcmp(value, "all") == 0)
        args->options.repair = CHECK_REPAIR_ALL;
    else if (strcmp(value, "leaks") == 0)
        args->options.repair = CHECK_REPAIR_LEAKS;
    else
        return report_usage("Unknown option value for -r (expecting 'leaks' or 'all'): %s", value),
               OPTS_REPORTED;
    return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct check_args *args = state->input;
    uint64_t bytes;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &args->image;
        state->child_inputs[1] = &args->options.backing;
        return 0;
    case 'q':
        args->quiet = true;
        return 0;
    case 'r':
    case OPTS_KEY_REPAIR:
        return parse_repair(args, arg);
    case OPTS_KEY_REBUILD:
        args->options.rebuild = true;
        return 0;
    case OPTS_KEY_RECOVER:
        args->recover = true;
        return 0;
    case OPTS_KEY_IMAGE_SIZE:
        args->options.has_image_size = true;
        return opts_size_value("--image-size", arg, &args->options.image_size);
    case OPTS_KEY_UNDO:
        args->options.undo_path = arg;
        return 0;
    case OPTS_KEY_DRY_RUN:
        args->options.dry_run = true;
        return 0;
    case OPTS_KEY_LIMIT:
        return opts_count_value("--limit", arg, &args->options.problem_limit);
    case OPTS_KEY_MEMORY:
        if (opts_size_value("--memory", arg, &bytes) != 0)
            return OPTS_REPORTED;
        args->options.scan.memory = (size_t)min_u64(bytes, SIZE_MAX);
        return 0;
    case 'p':
        args->show_progress = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "FILE",
    .children = opts_image_children,
    .doc = "Check an image: every table entry, every cluster. The backing file is not needed. "
           "Findings go to stderr, totals to stdout. Exit status: 0 clean, 1 the check could not "
           "be completed, 2 corrupt, 3 only leaked clusters, 63 the format has no check.",
};

static int print_report(const struct check_args *args, const struct check_report *found,
                        enum check_verdict verdict)
{
    struct out *out = out_new(args->quiet);

    if (!out)
        return CHECK_FAILED;
    if (args->image.output == OPTS_OUTPUT_JSON)
        check_report_json(out, args->image.path, found, verdict == CHECK_FAILED);
    else
        check_report_human(out, found, verdict == CHECK_FAILED);
    return out_commit(out) == CMD_OK ? (int)verdict : CHECK_FAILED;
}

/* The check could not be done; where the header is to blame, there are findings all the same. */
static int print_failure(const struct check_args *args, const struct check_report *found,
                         const struct qed_error *error)
{
    report_error(error);
    return found->first.problems.found ? print_report(args, found, CHECK_FAILED) : CHECK_FAILED;
}

static bool on_progress(void *context, uint64_t done, uint64_t total)
{
    struct check_args *args = context;

    progress_update(&args->progress, done, total);
    return progress_caught_signal() != 0;
}

/* The counts so far; what was not read is not in them. */
static int print_stopped(const struct check_report *found)
{
    report("interrupted; so far %" PRIu64 " errors and %" PRIu64
           " allocated clusters were found, leaks are not known",
           found->totals.corruptions, found->totals.allocated_clusters);
    return CHECK_FAILED;
}

/* What options say together. */
static int settle_options(struct check_args *args)
{
    struct check_options *check = &args->options;

    if (args->recover && (check->rebuild || check->dry_run || check->has_image_size ||
                          check->undo_path || check->repair != CHECK_REPAIR_NONE))
        return report_usage("--recover cannot be used with a repair and what goes with it");
    if (args->recover && args->image.share)
        return report_usage("-U cannot be used with --recover, which needs the image to itself");
    if (check->rebuild && check->repair == CHECK_REPAIR_LEAKS)
        return report_usage("--rebuild cannot be used with --repair=leaks");
    if (check->rebuild || (check->dry_run && check->repair == CHECK_REPAIR_NONE))
        check->repair = CHECK_REPAIR_ALL;
    if (check->has_image_size && check->repair != CHECK_REPAIR_ALL)
        return report_usage("--image-size goes with --repair or --rebuild");
    if (check->undo_path && check->repair == CHECK_REPAIR_NONE)
        return report_usage("--undo goes with a repair");
    if (check->undo_path && check->dry_run)
        return report_usage("--undo cannot be used with --dry-run: nothing is written");
    if (args->image.share && check->repair != CHECK_REPAIR_NONE && !check->dry_run)
        return report_usage("-U cannot be used with -r: a repair needs the image to itself");
    return CMD_OK;
}

static int recover(struct check_args *args)
{
    struct qed_error error = QED_ERROR_INIT;
    struct qed_recovery recovery;
    struct out *out = NULL;
    int ret =
        recover_path(args->image.path, args->image.format, &args->options.scan, &recovery, &error);

    progress_end(&args->progress, ret == QED_OK);
    if (ret < 0)
        report_error(&error);
    if (ret == QED_ERR_CORRUPT)
        return CHECK_CORRUPT;
    if (ret < 0)
        return ret == QED_ERR_UNSUPPORTED ? CHECK_NO_CHECK : CHECK_FAILED;
    out = out_new(args->quiet);
    if (!out)
        return CHECK_FAILED;
    if (args->image.output == OPTS_OUTPUT_JSON)
        check_recover_json(out, args->image.path, &recovery);
    else
        check_recover_human(out, &recovery);
    return out_commit(out) == CMD_OK ? CHECK_CLEAN : CHECK_FAILED;
}

static int check(void *context)
{
    struct check_args *args = context;
    struct qed_error error = QED_ERROR_INIT;
    struct check_report found;
    enum check_verdict verdict;
    int status;

    if (settle_options(args) != CMD_OK)
        return CMD_FAILED;
    args->options.format = args->image.format;
    args->options.share = args->image.share;
    args->options.scan.progress = on_progress;
    args->options.scan.progress_context = args;
    progress_catch_signals();
    progress_start(&args->progress, args->show_progress, !args->quiet, stdout);
    if (args->recover)
        return recover(args);
    status = verdict = check_image(args->image.path, &args->options, &found, &error);
    progress_end(&args->progress, verdict != CHECK_FAILED);
    if (verdict == CHECK_NO_CHECK)
        report("This image format does not support checks");
    else if (verdict != CHECK_FAILED)
        status = print_report(args, &found, verdict);
    else if (error.code == QED_ERR_STOPPED)
        print_stopped(&found);
    else
        status = print_failure(args, &found, &error);
    check_release(&found);
    return status;
}

int cmd_check(int argc, char **argv)
{
    struct check_args args = {
        .options = {.problem_limit = LIMIT_DEFAULT, .backing = IMAGE_BACKING_FOLLOW}};

    return opts_run(&argp, argc, argv, &args, check);
}
