/*
 * qedtool check: find what is wrong with an image, and mend it when asked to.
 * SPDX-License-Identifier: MIT
 */
#include <inttypes.h>
#include <string.h>

#include "cmd.h"
#include "core/check.h"
#include "opts.h"
#include "out.h"
#include "report.h"

#define LIMIT_DEFAULT 100

struct check_args {
    const char *path;
    enum opts_output output;
    bool quiet;
    struct check_options options;
};

static const struct argp_option options[] = {
    {"quiet", 'q', NULL, 0, "Print nothing but errors and findings", 0},
    {"format", 'f', "FMT", 0, "Format of the image: qed or raw; else it is probed", 0},
    {"output", OPTS_KEY_OUTPUT, "FORMAT", 0, "human (default) or json", 0},
    {NULL, 'r', "all", 0, "The same as --repair=all", 0},
    {"repair", OPTS_KEY_REPAIR, "all", OPTION_ARG_OPTIONAL,
     "Clear table entries that point nowhere, then check again", 0},
    {"limit", OPTS_KEY_LIMIT, "N", 0, "How many findings to list (default 100); all are counted",
     0},
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
    uint64_t limit;

    switch (key) {
    case 'q':
        args->quiet = true;
        return 0;
    case 'f':
        args->options.format = arg;
        return 0;
    case OPTS_KEY_OUTPUT:
        return opts_output_value(arg, &args->output);
    case 'r':
    case OPTS_KEY_REPAIR:
        return parse_repair(args, arg);
    case OPTS_KEY_LIMIT:
        if (opts_size_value("--limit", arg, &limit) != 0)
            return OPTS_REPORTED;
        args->options.problem_limit = (size_t)limit;
        return 0;
    case ARGP_KEY_ARG:
    case ARGP_KEY_END:
        return opts_one_image(key, arg, &args->path);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "FILE",
    .doc = "Check an image: every table entry, every cluster. The backing file is not needed. "
           "Findings go to stderr, totals to stdout. Exit status: 0 clean, 1 the check could not "
           "be completed, 2 corrupt, 3 only leaked clusters, 63 the format has no check.",
};

/* One finding a line, on stderr: qemu-img prints none, and scripts read stdout. */
static void print_problem(const struct problem *problem)
{
    const struct problem_kind *kind = problem_kind(problem->id);
    char place[64] = "", guest[80] = "", file[80] = "";

    if (problem->has_l2_index)
        snprintf(place, sizeof(place), " L1[%" PRIu64 "] L2[%" PRIu64 "]", problem->l1_index,
                 problem->l2_index);
    else if (problem->has_l1_index)
        snprintf(place, sizeof(place), " L1[%" PRIu64 "]", problem->l1_index);
    if (problem->virt_len)
        snprintf(guest, sizeof(guest), ", guest 0x%" PRIx64 "+0x%" PRIx64, problem->virt_off,
                 problem->virt_len);
    if (problem->file_len)
        snprintf(file, sizeof(file), ", file 0x%" PRIx64 "+0x%" PRIx64, problem->file_off,
                 problem->file_len);
    report_warning("%s%s: %s%s%s", kind->name, place, kind->sentence, guest, file);
}

static void print_problems(const struct check_report *report)
{
    for (size_t i = 0; i < report->problem_count; i++)
        print_problem(&report->problems[i]);
    if (report->problems_found > report->problem_count)
        report_warning("%" PRIu64 " more findings are not listed; see --limit",
                       report->problems_found - report->problem_count);
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole ? (double)part * 100.0 / (double)whole : 0.0;
}

static void print_human(struct out *out, const struct check_report *report)
{
    const struct qed_check_totals *totals = &report->totals;

    if (report->corruptions_fixed)
        out_printf(out,
                   "The following inconsistencies were found and repaired:\n\n"
                   "    0 leaked clusters\n    %" PRIu64 " corruptions\n\n"
                   "Double checking the fixed image now...\n",
                   report->corruptions_fixed);
    if (totals->corruptions == 0 && totals->leaks == 0)
        out_printf(out, "No errors were found on the image.\n");
    if (totals->corruptions)
        out_printf(out,
                   "\n%" PRIu64 " errors were found on the image.\n"
                   "Data may be corrupted, or further writes to the image may corrupt it.\n",
                   totals->corruptions);
    if (totals->leaks)
        out_printf(out,
                   "\n%" PRIu64 " leaked clusters were found on the image.\n"
                   "This means waste of disk space, but no harm to data.\n",
                   totals->leaks);
    if (totals->total_clusters && totals->allocated_clusters)
        out_printf(out,
                   "%" PRIu64 "/%" PRIu64 " = %0.2f%% allocated, %0.2f%% fragmented, "
                   "0.00%% compressed clusters\n",
                   totals->allocated_clusters, totals->total_clusters,
                   percent(totals->allocated_clusters, totals->total_clusters),
                   percent(totals->fragmented_clusters, totals->allocated_clusters));
}

static void add_number(struct json_object *object, const char *key, uint64_t value)
{
    json_object_object_add(object, key, json_object_new_uint64(value));
}

static void add_nonzero(struct json_object *object, const char *key, uint64_t value)
{
    if (value)
        add_number(object, key, value);
}

static struct json_object *range_json(uint64_t offset, uint64_t length)
{
    struct json_object *range = json_object_new_object();

    add_number(range, "offset", offset);
    add_number(range, "length", length);
    return range;
}

static struct json_object *problem_json(const struct problem *problem)
{
    const struct problem_kind *kind = problem_kind(problem->id);
    struct json_object *object = json_object_new_object();

    json_object_object_add(object, "id", json_object_new_string(kind->name));
    json_object_object_add(object, "problem", json_object_new_string(kind->sentence));
    if (problem->has_l1_index)
        add_number(object, "l1-index", problem->l1_index);
    if (problem->has_l2_index)
        add_number(object, "l2-index", problem->l2_index);
    if (problem->virt_len)
        json_object_object_add(object, "guest", range_json(problem->virt_off, problem->virt_len));
    if (problem->file_len)
        json_object_object_add(object, "file", range_json(problem->file_off, problem->file_len));
    json_object_object_add(object, "repairable", json_object_new_boolean(kind->repairable));
    if (kind->action)
        json_object_object_add(object, "action", json_object_new_string(kind->action));
    return object;
}

/* The keys in qemu-img's order, then ours. */
static void print_json(struct out *out, const struct check_args *args,
                       const struct check_report *report)
{
    const struct qed_check_totals *totals = &report->totals;
    struct json_object *object = json_object_new_object();
    struct json_object *problems = json_object_new_array();

    add_number(object, "total-clusters", totals->total_clusters);
    add_nonzero(object, "corruptions-fixed", report->corruptions_fixed);
    add_nonzero(object, "corruptions", totals->corruptions);
    add_number(object, "check-errors", 0);
    add_nonzero(object, "leaks", totals->leaks);
    add_nonzero(object, "allocated-clusters", totals->allocated_clusters);
    json_object_object_add(object, "filename", json_object_new_string(args->path));
    json_object_object_add(object, "format", json_object_new_string(report->format));
    add_nonzero(object, "fragmented-clusters", totals->fragmented_clusters);
    for (size_t i = 0; i < report->problem_count; i++)
        json_object_array_add(problems, problem_json(&report->problems[i]));
    add_number(object, "problems-found", report->problems_found);
    json_object_object_add(object, "problems", problems);
    out_json(out, object);
    json_object_put(object);
}

static int print_report(const struct check_args *args, const struct check_report *report,
                        enum check_verdict verdict)
{
    struct out *out = out_new(args->quiet);

    if (!out)
        return CHECK_FAILED;
    if (args->output == OPTS_OUTPUT_JSON) {
        print_json(out, args, report);
    } else {
        print_problems(report);
        print_human(out, report);
    }
    return out_commit(out) == CMD_OK ? (int)verdict : CHECK_FAILED;
}

static int check(void *context)
{
    const struct check_args *args = context;
    struct qed_error error = QED_ERROR_INIT;
    struct check_report report_data;
    enum check_verdict verdict = check_image(args->path, &args->options, &report_data, &error);
    int status = verdict;

    if (verdict == CHECK_FAILED)
        report_error(&error);
    else if (verdict == CHECK_NO_CHECK)
        report("This image format does not support checks");
    else
        status = print_report(args, &report_data, verdict);
    check_release(&report_data);
    return status;
}

int cmd_check(int argc, char **argv)
{
    struct check_args args = {.options = {.problem_limit = LIMIT_DEFAULT}};

    return opts_run(&argp, argc, argv, &args, check);
}
