/*
 * qedtool check: find what is wrong with an image, and mend it when asked to.
 * SPDX-License-Identifier: MIT
 */
#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "cmd.h"
#include "core/check.h"
#include "opts.h"
#include "out.h"
#include "progress.h"
#include "report.h"

#define LIMIT_DEFAULT 100

struct check_args {
    struct opts_image image;
    bool quiet, show_progress;
    struct check_options options;
    struct progress progress;
};

static const struct argp_option options[] = {
    {"quiet", 'q', NULL, 0, "Print nothing but errors and findings", 0},
    {NULL, 'r', "all", 0, "The same as --repair=all", 0},
    {"repair", OPTS_KEY_REPAIR, "all", OPTION_ARG_OPTIONAL,
     "Clear table entries that point nowhere, then check again", 0},
    {"limit", OPTS_KEY_LIMIT, "N", 0, "How many findings to list (default 100); all are counted",
     0},
    {"memory", OPTS_KEY_MEMORY, "SIZE", 0, "Memory for read buffers (default 64M, at least 1M)", 0},
    {"progress", 'p', NULL, 0, "Show progress, also where stderr is no terminal", 0},
    {0},
};

static int parse_repair(struct check_args *args, const char *value)
{
    if (value && strcmp(value, "leaks") == 0) {
        report("Repairing leaks only is not supported; -r all repairs table entries");
        return OPTS_REPORTED;
    }
    if (value && strcmp(value, "all") != 0) {
        report_usage("Unknown option value for -r (expecting 'leaks' or 'all'): %s", value);
        return OPTS_REPORTED;
    }
    args->options.repair = true;
    return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct check_args *args = state->input;
    uint64_t bytes;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &args->image;
        return 0;
    case 'q':
        args->quiet = true;
        return 0;
    case 'r':
    case OPTS_KEY_REPAIR:
        return parse_repair(args, arg);
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

static const struct argp_child children[] = {{.argp = &opts_image_argp}, {0}};

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "FILE",
    .children = children,
    .doc = "Check an image: every table entry, every cluster. The backing file is not needed. "
           "Findings go to stderr, totals to stdout. Exit status: 0 clean, 1 the check could not "
           "be completed, 2 corrupt, 3 only leaked clusters, 63 the format has no check.",
};

/* "text 0xOFFSET+0xLENGTH", or nothing for an empty range. */
static void print_range(char *text, size_t size, const char *what, uint64_t offset, uint64_t length)
{
    text[0] = '\0';
    if (length)
        snprintf(text, size, ", %s 0x%" PRIx64 "+0x%" PRIx64, what, offset, length);
}

static void print_other(char *text, size_t size, const struct problem *problem)
{
    text[0] = '\0';
    if (problem->other == OWNER_L1_TABLE)
        snprintf(text, size, ", also: the L1 table");
    else if (problem->other == OWNER_L2_TABLE)
        snprintf(text, size, ", also: the table of L1[%" PRIu64 "]", problem->other_l1_index);
    else if (problem->other == OWNER_DATA)
        snprintf(text, size, ", also: L1[%" PRIu64 "] L2[%" PRIu64 "]", problem->other_l1_index,
                 problem->other_l2_index);
}

/* One finding a line, on stderr: qemu-img prints none, and scripts read stdout. */
static void print_problem(const struct problem *problem)
{
    const struct problem_kind *kind = problem_kind(problem->id);
    char place[64] = "", guest[80], file[80], other[80];

    if (problem->has_l2_index)
        snprintf(place, sizeof(place), " L1[%" PRIu64 "] L2[%" PRIu64 "]", problem->l1_index,
                 problem->l2_index);
    else if (problem->has_l1_index)
        snprintf(place, sizeof(place), " L1[%" PRIu64 "]", problem->l1_index);
    print_range(guest, sizeof(guest), "guest", problem->virt_off, problem->virt_len);
    print_range(file, sizeof(file), "file", problem->file_off, problem->file_len);
    print_other(other, sizeof(other), problem);
    report_warning("%s%s: %s%s%s%s", kind->name, place, kind->sentence, guest, file, other);
}

static void print_problems(const struct problem_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        print_problem(&list->problems[i]);
    if (list->found > list->count)
        report_warning("%" PRIu64 " more findings are not listed; see --limit",
                       list->found - list->count);
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole ? (double)part * 100.0 / (double)whole : 0.0;
}

static void print_human(struct out *out, const struct check_report *found)
{
    const struct qed_check_totals *totals = &found->totals;

    if (found->corruptions_fixed)
        out_printf(out,
                   "The following inconsistencies were found and repaired:\n\n"
                   "    0 leaked clusters\n    %" PRIu64 " corruptions\n\n"
                   "Double checking the fixed image now...\n",
                   found->corruptions_fixed);
    if (totals->corruptions == 0 && totals->leaks == 0)
        out_printf(out, "No errors were found on the image.\n");
    if (totals->corruptions)
        out_printf(out,
                   "\n%" PRIu64 " errors were found on the image.\n"
                   "Data may be corrupted, or further writes to the image may corrupt it.\n",
                   totals->corruptions);
    if (totals->leaks)
        out_printf(out,
                   "\n%" PRIu64 " leaked clusters were found on the image.\n%s\n",
                   totals->leaks,
                   totals->orphans ? "Some of them look like L2 tables and may hold the only map of "
                                     "guest data."
                                   : "This means waste of disk space, but no harm to data.");
    if (totals->total_clusters && totals->allocated_clusters)
        out_printf(out,
                   "%" PRIu64 "/%" PRIu64 " = %0.2f%% allocated, %0.2f%% fragmented, "
                   "0.00%% compressed clusters\n",
                   totals->allocated_clusters, totals->total_clusters,
                   percent(totals->allocated_clusters, totals->total_clusters),
                   percent(totals->fragmented_clusters, totals->allocated_clusters));
}

static void add_nonzero(struct json_object *object, const char *key, uint64_t value)
{
    if (value)
        out_add_number(object, key, value);
}

static struct json_object *range_json(uint64_t offset, uint64_t length)
{
    struct json_object *range = json_object_new_object();

    out_add_number(range, "offset", offset);
    out_add_number(range, "length", length);
    return range;
}

static struct json_object *other_json(const struct problem *problem)
{
    struct json_object *other = json_object_new_object();
    static const char *const owners[] = {
        [OWNER_L1_TABLE] = "l1-table", [OWNER_L2_TABLE] = "l2-table", [OWNER_DATA] = "data"};

    json_object_object_add(other, "kind", json_object_new_string(owners[problem->other]));
    if (problem->other != OWNER_L1_TABLE)
        out_add_number(other, "l1-index", problem->other_l1_index);
    if (problem->other == OWNER_DATA)
        out_add_number(other, "l2-index", problem->other_l2_index);
    return other;
}

static struct json_object *problem_json(const struct problem *problem)
{
    const struct problem_kind *kind = problem_kind(problem->id);
    struct json_object *object = json_object_new_object();

    json_object_object_add(object, "id", json_object_new_string(kind->name));
    json_object_object_add(object, "problem", json_object_new_string(kind->sentence));
    if (problem->has_l1_index)
        out_add_number(object, "l1-index", problem->l1_index);
    if (problem->has_l2_index)
        out_add_number(object, "l2-index", problem->l2_index);
    if (problem->virt_len)
        json_object_object_add(object, "guest", range_json(problem->virt_off, problem->virt_len));
    if (problem->file_len)
        json_object_object_add(object, "file", range_json(problem->file_off, problem->file_len));
    if (problem->has_value)
        out_add_number(object, "value", problem->value);
    if (problem->other != OWNER_NONE)
        json_object_object_add(object, "other-owner", other_json(problem));
    json_object_object_add(object, "severity", json_object_new_string(problem_severity_name(kind->severity)));
    json_object_object_add(object, "repairable", json_object_new_boolean(kind->action != NULL));
    if (kind->action)
        json_object_object_add(object, "action", json_object_new_string(kind->action));
    return object;
}

/* The keys in qemu-img's order, then ours. */
static void print_json(struct out *out, const struct check_args *args,
                       const struct check_report *found, bool failed)
{
    const struct qed_check_totals *totals = &found->totals;
    const struct problem_list *list = &found->first.problems;
    struct json_object *object = json_object_new_object();
    struct json_object *problems = json_object_new_array();

    add_nonzero(object, "total-clusters", totals->total_clusters);
    add_nonzero(object, "corruptions-fixed", found->corruptions_fixed);
    add_nonzero(object, "corruptions", totals->corruptions);
    out_add_number(object, "check-errors", failed);
    add_nonzero(object, "leaks", totals->leaks);
    add_nonzero(object, "allocated-clusters", totals->allocated_clusters);
    json_object_object_add(object, "filename", json_object_new_string(args->image.path));
    json_object_object_add(object, "format", json_object_new_string(failed ? "qed" : found->format));
    add_nonzero(object, "fragmented-clusters", totals->fragmented_clusters);
    for (size_t i = 0; i < list->count; i++)
        json_object_array_add(problems, problem_json(&list->problems[i]));
    out_add_number(object, "problems-found", list->found);
    json_object_object_add(object, "problems", problems);
    out_json(out, object);
    json_object_put(object);
}

static int print_report(const struct check_args *args, const struct check_report *found,
                        enum check_verdict verdict)
{
    struct out *out = out_new(args->quiet);

    if (!out)
        return CHECK_FAILED;
    if (args->image.output == OPTS_OUTPUT_JSON) {
        print_json(out, args, found, verdict == CHECK_FAILED);
    } else {
        print_problems(&found->first.problems);
        if (found->repair_refused)
            report_warning("Nothing was repaired: see the finding above");
        if (verdict != CHECK_FAILED)
            print_human(out, found);
    }
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

static int check(void *context)
{
    struct check_args *args = context;
    struct qed_error error = QED_ERROR_INIT;
    struct check_report found;
    enum check_verdict verdict;
    int status;

    if (args->image.share && args->options.repair)
        return report_usage("-U cannot be used with -r: a repair needs the image to itself");
    args->options.format = args->image.format;
    args->options.share = args->image.share;
    args->options.scan.progress = on_progress;
    args->options.scan.progress_context = args;
    progress_catch_signals();
    progress_start(&args->progress, args->show_progress, !args->quiet);
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
    struct check_args args = {.options = {.problem_limit = LIMIT_DEFAULT}};

    return opts_run(&argp, argc, argv, &args, check);
}
