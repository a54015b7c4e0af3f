/*
 * Findings a line each on stderr; totals on stdout in qemu-img's words.
 * SPDX-License-Identifier: MIT
 */
#include "check_report.h"

#include <inttypes.h>
#include <stdio.h>

#include "report.h"

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

/* What a repair does about it. */
static void print_action(char *text, size_t size, const struct problem *problem)
{
    text[0] = '\0';
    if (problem->action == ACTION_NONE)
        return;
    if (problem->action == ACTION_CLEAR && problem->virt_len)
        snprintf(text, size, "; %s, %" PRIu64 " guest bytes are lost",
                 problem_action_sentence(problem->action), problem->virt_len);
    else if (problem->lost_len)
        snprintf(text, size, "; %s, guest 0x%" PRIx64 "+0x%" PRIx64 " is lost",
                 problem_action_sentence(problem->action), problem->lost_off, problem->lost_len);
    else
        snprintf(text, size, "; %s", problem_action_sentence(problem->action));
}

/* One finding a line, on stderr: qemu-img prints none, and scripts read stdout. */
static void print_problem(const struct problem *problem)
{
    const struct problem_kind *kind = problem_kind(problem->id);
    char place[64] = "", guest[80], file[80], other[80], action[200];

    if (problem->has_l2_index)
        snprintf(place, sizeof(place), " L1[%" PRIu64 "] L2[%" PRIu64 "]", problem->l1_index,
                 problem->l2_index);
    else if (problem->has_l1_index)
        snprintf(place, sizeof(place), " L1[%" PRIu64 "]", problem->l1_index);
    print_range(guest, sizeof(guest), "guest", problem->virt_off, problem->virt_len);
    print_range(file, sizeof(file), "file", problem->file_off, problem->file_len);
    print_other(other, sizeof(other), problem);
    print_action(action, sizeof(action), problem);
    report_warning("%s%s: %s%s%s%s%s", kind->name, place, kind->sentence, guest, file, other,
                   action);
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

static void print_totals(struct out *out, const struct check_report *found)
{
    const struct qed_check_totals *totals = &found->totals;

    if (found->corruptions_fixed || found->leaks_fixed)
        out_printf(out,
                   "The following inconsistencies were found and repaired:\n\n"
                   "    %" PRIu64 " leaked clusters\n    %" PRIu64 " corruptions\n\n"
                   "Double checking the fixed image now...\n",
                   found->leaks_fixed, found->corruptions_fixed);
    if (totals->corruptions == 0 && totals->leaks == 0)
        out_printf(out, "No errors were found on the image.\n");
    if (totals->corruptions)
        out_printf(out,
                   "\n%" PRIu64 " errors were found on the image.\n"
                   "Data may be corrupted, or further writes to the image may corrupt it.\n",
                   totals->corruptions);
    if (totals->leaks)
        out_printf(
            out, "\n%" PRIu64 " leaked clusters were found on the image.\n%s\n", totals->leaks,
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

static const struct problem_list *problems_of(const struct check_report *found)
{
    return found->planned ? &found->problems : &found->first.problems;
}

static const struct {
    const char *name, *why, *why_after_rebuild; /* NULL: the same */
} leaks_fates[] = {
    [QED_LEAKS_NONE] = {"none", NULL, NULL},
    [QED_LEAKS_GIVEN_BACK] = {"given-back", NULL, NULL},
    [QED_LEAKS_KEPT_ORPHANS] = {"kept-for-lost-tables",
                                "some look like L2 tables; 'qedtool check --rebuild' puts these "
                                "back where they belong",
                                "some look like L2 tables, for which no place in the L1 table was "
                                "found"},
    [QED_LEAKS_KEPT_LOST] = {"kept-for-lost-data",
                             "they may hold what damaged entries named before; the image does not "
                             "tell this to the next 'qedtool check --repair', which gives them "
                             "back, as --repair=leaks does: run neither while they may be wanted",
                             NULL},
    [QED_LEAKS_KEPT_PLACES] = {"kept-for-lost-entries",
                               "some are what neighbouring entries leave out; 'qedtool check "
                               "--rebuild' names these again, 'qedtool check --repair=leaks' gives "
                               "all back",
                               "some are what neighbouring entries leave out; 'qedtool check "
                               "--repair=leaks' gives all back"},
    [QED_LEAKS_KEPT_CORRUPT] = {"kept-for-corruption",
                                "they may be needed to mend the corruption that is left", NULL},
    [QED_LEAKS_KEPT_DEVICE] = {"kept-on-device", "the image is on a block device", NULL},
};

/* How the header was worked out, on stderr. */
static void print_rebuild(const struct qed_rebuild *rebuild)
{
    for (size_t i = 0; i < rebuild->evidence_count; i++)
        report_warning("Rebuild: %s", rebuild->evidence[i]);
    for (size_t i = 0; i < rebuild->change_count; i++)
        report_warning("Rebuild: %s: 0x%" PRIx64 " becomes 0x%" PRIx64, rebuild->changes[i].field,
                       rebuild->changes[i].from, rebuild->changes[i].to);
    report_warning("Rebuild: confidence %u %%", rebuild->confidence);
}

static const char *why_kept(const struct check_report *found)
{
    enum qed_leaks_fate fate = found->repair.leaks;

    if (found->rebuild_asked && leaks_fates[fate].why_after_rebuild)
        return leaks_fates[fate].why_after_rebuild;
    return leaks_fates[fate].why;
}

/* What the repair as a whole did, or would do, on stderr. */
static void print_repair(const struct check_report *found)
{
    const struct qed_repair_report *repair = &found->repair;
    const char *are = found->dry_run ? "would be" : "are";

    if (repair->guest_lost || repair->guest_kept)
        report_warning("%" PRIu64 " guest bytes %s lost, %" PRIu64 " saved", repair->guest_lost,
                       are, repair->guest_kept);
    if (found->backing_missing)
        report_warning(
            "The backing file cannot be opened: of a cluster that was cut short, what is "
            "missing reads as zeroes");
    if (repair->space_missing)
        report_warning("Entries that share clusters stay so: copies need %" PRIu64
                       " bytes, and there is no room for them",
                       repair->space_missing);
    if (repair->l1_waits)
        report_warning("The L1 table stays as it is: data entries read it as guest data, and need "
                       "copies first; with room for these, or in a file that can grow, a repair "
                       "goes on");
    if (repair->tables_wait)
        report_warning("L1 entries that share a table stay so: lost tables may belong in their "
                       "place; see --rebuild");
    if (repair->punched || repair->cut)
        report_warning("%" PRIu64 " bytes of leaked space %s given back: %" PRIu64
                       " cut off at the end, %" PRIu64 " as holes",
                       repair->punched + repair->cut, are, repair->cut, repair->punched);
    else if (repair->leaks == QED_LEAKS_GIVEN_BACK)
        report_warning("Leaked clusters take no space: they are holes already");
    if (leaks_fates[repair->leaks].why)
        report_warning("Leaked clusters are kept: %s", why_kept(found));
}

/* How often an action is taken: the repair's, and those on the header around it. */
static uint64_t action_count(const struct check_report *found, enum problem_action action)
{
    uint64_t count = found->repair.done[action];

    if (action == ACTION_CLEAR_BITS)
        count += found->mark_cleared;
    if (action == ACTION_SET_FIELD && found->rebuilt)
        count += found->rebuild.change_count;
    else if (action == found->header_action && action != ACTION_NONE)
        count++;
    return count;
}

/* The answer to a dry run. */
static void print_plan(struct out *out, const struct check_report *found)
{
    const struct qed_repair_report *repair = &found->repair;

    out_printf(out, "\nRepair plan; nothing was written:\n");
    for (int i = ACTION_NONE + 1; i < ACTION_COUNT; i++) {
        uint64_t times = action_count(found, (enum problem_action)i);

        if (times)
            out_printf(out, "    %" PRIu64 " x %s: %s\n", times, problem_action_name(i),
                       problem_action_sentence(i));
    }
    out_printf(out,
               "    %" PRIu64 " guest bytes lost, %" PRIu64 " saved\n"
               "    %" PRIu64 " bytes copied, %" PRIu64 " given back\n"
               "After it: %" PRIu64 " errors, %" PRIu64 " leaked clusters\n",
               repair->guest_lost, repair->guest_kept, repair->copied,
               repair->punched + repair->cut, repair->after.corruptions, repair->after.leaks);
}

static bool is_about_size_alone(const struct check_report *found)
{
    const struct problem_list *list = &found->first.problems;

    return list->found == 1 && list->count == 1 && list->problems[0].id == PROBLEM_IMAGE_SIZE;
}

/* What the user may do next, on stderr. */
static void print_hints(const struct check_report *found, bool failed)
{
    const struct qed_check_totals *totals = &found->first.totals;

    if (failed && is_about_size_alone(found))
        report_warning("'qedtool check --repair --image-size=SIZE' sets the size of the guest disk "
                       "where it is known%s",
                       found->rebuild_asked ? "" : ", 'qedtool check --rebuild' works it out");
    if (found->repair_refused)
        report_warning("Nothing was repaired: see the finding above; %s",
                       found->rebuild_asked
                           ? "no header was found under which the tables make sense"
                           : "'qedtool check --rebuild' works the header out from the tables");
    if (totals->mapped_end > totals->total_clusters)
        report_warning("The tables map guest bytes up to %" PRIu64
                       ": if the image was that large, repair it with --image-size=%" PRIu64,
                       totals->mapped_end * totals->cluster_size,
                       totals->mapped_end * totals->cluster_size);
}

void check_report_human(struct out *out, const struct check_report *found, bool failed)
{
    print_problems(problems_of(found));
    print_hints(found, failed);
    if (found->rebuilt)
        print_rebuild(&found->rebuild);
    if (found->planned)
        print_repair(found);
    if (failed)
        return;
    print_totals(out, found);
    if (found->planned && found->dry_run)
        print_plan(out, found);
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

/* With a repair, what it does about a finding; else what one would do. */
static struct json_object *problem_json(const struct problem *problem, bool is_repair)
{
    const struct problem_kind *kind = problem_kind(problem->id);
    const char *action = is_repair ? NULL : kind->action;
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
    json_object_object_add(object, "severity",
                           json_object_new_string(problem_severity_name(kind->severity)));
    json_object_object_add(object, "repairable", json_object_new_boolean(kind->action != NULL));
    if (problem->lost_len)
        json_object_object_add(object, "lost", range_json(problem->lost_off, problem->lost_len));
    if (problem->action != ACTION_NONE) {
        action = problem_action_sentence(problem->action);
        json_object_object_add(object, "action-id",
                               json_object_new_string(problem_action_name(problem->action)));
    }
    if (action)
        json_object_object_add(object, "action", json_object_new_string(action));
    return object;
}

static struct json_object *rebuild_json(const struct qed_rebuild *rebuild)
{
    struct json_object *object = json_object_new_object();
    struct json_object *evidence = json_object_new_array();
    struct json_object *changes = json_object_new_array();

    for (size_t i = 0; i < rebuild->evidence_count; i++)
        json_object_array_add(evidence, json_object_new_string(rebuild->evidence[i]));
    for (size_t i = 0; i < rebuild->change_count; i++) {
        struct json_object *change = json_object_new_object();

        json_object_object_add(change, "field", json_object_new_string(rebuild->changes[i].field));
        out_add_number(change, "from", rebuild->changes[i].from);
        out_add_number(change, "to", rebuild->changes[i].to);
        json_object_array_add(changes, change);
    }
    out_add_number(object, "confidence", rebuild->confidence);
    json_object_object_add(object, "evidence", evidence);
    json_object_object_add(object, "changes", changes);
    return object;
}

static struct json_object *repair_json(const struct check_report *found)
{
    const struct qed_repair_report *repair = &found->repair;
    struct json_object *object = json_object_new_object();
    struct json_object *actions = json_object_new_object();

    json_object_object_add(object, "written", json_object_new_boolean(!found->dry_run));
    for (int i = 0; i < ACTION_COUNT; i++)
        add_nonzero(actions, problem_action_name(i), action_count(found, (enum problem_action)i));
    json_object_object_add(object, "actions", actions);
    out_add_number(object, "guest-bytes-lost", repair->guest_lost);
    out_add_number(object, "guest-bytes-kept", repair->guest_kept);
    out_add_number(object, "bytes-copied", repair->copied);
    add_nonzero(object, "bytes-missing-for-copies", repair->space_missing);
    if (repair->l1_waits)
        json_object_object_add(object, "l1-waits-for-copies", json_object_new_boolean(true));
    if (repair->tables_wait)
        json_object_object_add(object, "tables-wait-for-rebuild", json_object_new_boolean(true));
    json_object_object_add(object, "leaks",
                           json_object_new_string(leaks_fates[repair->leaks].name));
    out_add_number(object, "bytes-punched", repair->punched);
    out_add_number(object, "bytes-cut", repair->cut);
    out_add_number(object, "corruptions-after", repair->after.corruptions);
    out_add_number(object, "leaks-after", repair->after.leaks);
    return object;
}

/* The keys in qemu-img's order, then ours. */
void check_report_json(struct out *out, const char *path, const struct check_report *found,
                       bool failed)
{
    const struct qed_check_totals *totals = &found->totals;
    const struct problem_list *list = problems_of(found);
    struct json_object *object = json_object_new_object();
    struct json_object *problems = json_object_new_array();

    add_nonzero(object, "total-clusters", totals->total_clusters);
    add_nonzero(object, "corruptions-fixed", found->corruptions_fixed);
    add_nonzero(object, "leaks-fixed", found->leaks_fixed);
    add_nonzero(object, "corruptions", totals->corruptions);
    out_add_number(object, "check-errors", failed);
    add_nonzero(object, "leaks", totals->leaks);
    add_nonzero(object, "allocated-clusters", totals->allocated_clusters);
    json_object_object_add(object, "filename", json_object_new_string(path));
    json_object_object_add(object, "format",
                           json_object_new_string(failed ? "qed" : found->format));
    add_nonzero(object, "fragmented-clusters", totals->fragmented_clusters);
    for (size_t i = 0; i < list->count; i++)
        json_object_array_add(
            problems, problem_json(&list->problems[i], found->planned || found->rebuild_asked));
    out_add_number(object, "problems-found", list->found);
    json_object_object_add(object, "problems", problems);
    if (found->rebuilt)
        json_object_object_add(object, "rebuild", rebuild_json(&found->rebuild));
    if (found->planned)
        json_object_object_add(object, "repair", repair_json(found));
    out_json(out, object);
    json_object_put(object);
}
